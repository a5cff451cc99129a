// SPDX-License-Identifier: Apache-2.0
//
// Alertmanager's matcher notation in routes, inhibition rules, silences and API filters.
//
// Two grammars exist. Classic: name op value with an optional quoted value that may be empty.
// UTF-8: name and value may be bare (anything but white space and {}!=~,\"'`) or double-quoted.
// Both are tried: where both parse and differ the classic reading wins, where only one parses it is
// taken. Pure.
// Errors: kInvalidArgument with the classic grammar's reason.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"
#include "model/matcher.h"

namespace tocsin::notifier {

// One matcher, without braces: a="b", a!~"b|c".
StatusOr<model::Matcher> parse_matcher(std::string_view text);
// A list separated by commas, optionally in braces; sorted by name, value, type.
StatusOr<model::Matchers> parse_matchers(std::string_view text);

void sort_matchers(model::Matchers* matchers);
// {a="b",c=~"d"}: as route keys print them: name quoted only with reserved characters, value
// escaped as in OpenMetrics.
std::string print_matchers(const model::Matchers& matchers);

}  // namespace tocsin::notifier
