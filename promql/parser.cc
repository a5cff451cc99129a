// SPDX-License-Identifier: Apache-2.0
#include "promql/parser.h"

#include <algorithm>

#include "promql/syntax/parser.h"

namespace tocsin::promql {

StatusOr<ExprPtr> parse_expr(std::string_view text, const ParserOptions& options) {
  ASSIGN_OR_RETURN(ExprPtr expr, Parser(text, options).parse_whole_expr());
  RETURN_IF_ERROR(check_types(expr.get(), text));
  return expr;
}

StatusOr<model::Matchers> parse_metric_selector(std::string_view text) {
  const ParserOptions options;
  ASSIGN_OR_RETURN(ExprPtr expr, Parser(text, options).parse_whole_selector());
  model::Matchers matchers = std::move(expr->as<VectorSelector>()->matchers);
  const bool selects = std::any_of(matchers.begin(), matchers.end(),
                                   [](const model::Matcher& m) { return !m.matches_empty(); });
  if (!selects) return invalid_argument("match[] must contain at least one non-empty matcher");
  return matchers;
}

StatusOr<model::Labels> parse_metric(std::string_view text) {
  const ParserOptions options;
  return Parser(text, options).parse_whole_metric();
}

std::string line_column(std::string_view text, std::uint32_t offset) {
  if (text.empty()) return "unknown position";  // as upstream says it
  const std::string_view before = text.substr(0, offset);
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const std::size_t last_break = before.rfind('\n');
  const std::size_t column =
      last_break == std::string_view::npos ? offset + 1 : offset - last_break;
  return fmt::format("{}:{}", line, column);
}

}  // namespace tocsin::promql
