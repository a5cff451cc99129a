// SPDX-License-Identifier: Apache-2.0
//
// Durations, timestamps, sizes, numbers and quoted strings: what prints parses back to the same.
#include "model/timestamp.h"

#include <bit>

#include "base/check.h"
#include "base/testing/fuzz.h"
#include "model/labels.h"
#include "model/value.h"

namespace tocsin::model {
namespace {

void fuzz(std::string_view bytes) {
  if (const auto duration = parse_duration(bytes); duration.ok()) {
    const auto again = parse_duration(format_duration(*duration));
    CHECK(again.ok() && *again == *duration);
  }
  if (const auto duration = parse_go_duration(bytes); duration.ok()) {
    const auto again = parse_go_duration(format_go_duration(*duration));
    CHECK(again.ok() && *again == *duration);
  }
  static_cast<void>(parse_timestamp(bytes));
  if (const auto time = parse_rfc3339(bytes); time.ok()) {
    const auto again = parse_rfc3339(format_rfc3339(*time));
    CHECK(again.ok() && *again == *time);
  }
  if (const auto size = parse_size(bytes); size.ok()) static_cast<void>(format_size(*size));
  if (const auto number = parse_float(bytes); number.ok()) {
    const auto again = parse_float(format_float(*number));
    CHECK(again.ok() &&
          (std::bit_cast<std::uint64_t>(*again) == std::bit_cast<std::uint64_t>(*number) ||
           *number != *number));
  }
  if (const auto text = go_unquote(bytes); text.ok() && is_utf8(*text)) {
    const auto again = go_unquote(go_quote(*text));
    CHECK(again.ok() && *again == *text);
  }
}

}  // namespace

TOCSIN_FUZZ_TARGET(timestamp, fuzz)

}  // namespace tocsin::model
