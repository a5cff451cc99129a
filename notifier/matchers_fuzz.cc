// SPDX-License-Identifier: Apache-2.0
//
// Matchers in URLs, routes and silences: the printed list reads as the same list.
#include "notifier/matchers.h"

#include "base/check.h"
#include "base/testing/fuzz.h"

namespace tocsin::notifier {
namespace {

void fuzz(std::string_view bytes) {
  if (bytes.size() > 300) return;  // the time of RE2 grows with the pattern
  static_cast<void>(parse_matcher(bytes));
  const StatusOr<model::Matchers> matchers = parse_matchers(bytes);
  if (!matchers.ok()) return;
  // An empty name is printed as nothing, as upstream does.
  for (const model::Matcher& matcher : *matchers) {
    if (matcher.name().empty()) return;
  }
  const std::string text = print_matchers(*matchers);
  const StatusOr<model::Matchers> again = parse_matchers(text);
  CHECK(again.ok());
  CHECK(print_matchers(*again) == text);
}

}  // namespace

TOCSIN_FUZZ_TARGET(matchers, fuzz)

}  // namespace tocsin::notifier
