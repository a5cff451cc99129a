// SPDX-License-Identifier: Apache-2.0
//
// The PromQL parser and printer (grammar of Prometheus 3.14).
//
// Pure functions; shared. Recursion is limited (Options::max_depth), text to 1 MiB and trees to
// 100,000 parts.
// Errors: kInvalidArgument, "LINE:COLUMN: parse error: REASON", upstream's text where a client may compare it.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"
#include "model/labels.h"
#include "promql/ast.h"

namespace tocsin::promql {

struct ParserOptions {
  bool experimental_functions = false;
  bool duration_expressions = true;
  bool extended_range_selectors = false;  // anchored, smoothed
  bool fill_modifiers = false;
  int max_depth = 200;
};

// Parses and type-checks one expression.
StatusOr<ExprPtr> parse_expr(std::string_view text, const ParserOptions& options = {});
// Parses "name{matchers}" as in match[]: at least one matcher must not match the empty string.
StatusOr<model::Matchers> parse_metric_selector(std::string_view text);
// Parses a series as scripts and rule tests write it: name{label="value", ...}.
StatusOr<model::Labels> parse_metric(std::string_view text);

// Prints on one line; parses back to the same tree.
std::string to_string(const Expr& expr);
// Prints for people, broken over lines of about 100 columns, as /api/v1/format_query does.
std::string pretty_print(const Expr& expr);

// "LINE:COLUMN" (1-based) of a byte offset.
std::string line_column(std::string_view text, std::uint32_t offset);

// Computes every duration expression with the query's step and range (end - start).
Status resolve_durations(Expr* expr, model::Duration step, model::Duration range);

}  // namespace tocsin::promql
