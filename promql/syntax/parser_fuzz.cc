// SPDX-License-Identifier: Apache-2.0
//
// Expressions: what was parsed prints, in both forms, and the printed text parses to what prints the
// same.
#include "promql/parser.h"

#include "base/check.h"
#include "base/testing/fuzz.h"

namespace tocsin::promql {
namespace {

void fuzz(std::string_view bytes) {
  const ParserOptions options{.experimental_functions = true,
                              .duration_expressions = true,
                              .extended_range_selectors = true,
                              .fill_modifiers = true,
                              .max_depth = 60};
  const StatusOr<ExprPtr> expr = parse_expr(bytes, options);
  if (expr.ok()) {
    const std::string text = to_string(**expr);
    const StatusOr<ExprPtr> again = parse_expr(text, options);
    CHECK(again.ok());
    CHECK(to_string(**again) == text);
    const StatusOr<ExprPtr> pretty = parse_expr(pretty_print(**expr), options);
    CHECK(pretty.ok());
    CHECK(to_string(**pretty) == text);
    static_cast<void>(
        resolve_durations(expr->get(), model::Duration(15'000), model::Duration(60'000)));
  }
  static_cast<void>(parse_metric_selector(bytes));
  static_cast<void>(parse_metric(bytes));
}

}  // namespace

TOCSIN_FUZZ_TARGET(parser, fuzz)

}  // namespace tocsin::promql
