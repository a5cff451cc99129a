// SPDX-License-Identifier: Apache-2.0
//
// printf formats, time layouts and times as Go reads them. Input: two lines.
#include "base/testing/fuzz.h"
#include "template/value.h"

namespace tocsin::tmpl {
namespace {

void fuzz(std::string_view bytes) {
  const std::string_view format = bytes.substr(0, bytes.find('\n'));
  const std::string_view text = bytes.substr(std::min(format.size() + 1, bytes.size()));
  const std::vector<Value> arguments = {Value::of(text), Value::of(-7), Value::of(1.5),
                                        Value::of(List{Value::of(true), Value()}),
                                        Value::of(Time{})};
  static_cast<void>(go_printf(format, arguments));
  static_cast<void>(go_printf(format, std::span(arguments).subspan(1)));
  static_cast<void>(parse_time(format, text, base::TimeZone::utc()));
  static_cast<void>(format_time(Time{model::from_ms(1'700'000'000'123)}, format));
}

}  // namespace

TOCSIN_FUZZ_TARGET(go_print, fuzz)

}  // namespace tocsin::tmpl
