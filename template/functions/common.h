// SPDX-License-Identifier: Apache-2.0
//
// What both function libraries share. Pure functions.
#pragma once

#include <string>
#include <string_view>

#include "template/functions.h"

namespace tocsin::tmpl {

using Arguments = std::span<const Value>;

// A number, a duration in seconds or a text that is a number.
StatusOr<double> to_number(const Value& value);
std::string humanize(double v);
std::string humanize_1024(double v);
std::string humanize_duration(double seconds);
std::string humanize_percentage(double ratio);
StatusOr<std::string> humanize_timestamp(double unix_seconds);
StatusOr<Time> time_of_number(double unix_seconds);

// A function of fixed kinds that gives a string.
template <typename F>
FunctionSpec text_function(std::vector<Value::Kind> kinds, F compute) {
  const int count = static_cast<int>(kinds.size());
  return {[compute](Arguments arguments) -> StatusOr<Value> { return compute(arguments); }, count,
          count, std::move(kinds)};
}

// match, reReplaceAll, toUpper, toLower, safeHtml, humanizeDuration: the same in both.
void add_common_functions(FunctionMap* functions);

}  // namespace tocsin::tmpl
