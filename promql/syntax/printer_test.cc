// SPDX-License-Identifier: Apache-2.0
//
// Printing for people.
#include <string>

#include <gtest/gtest.h>

#include "promql/parser.h"

namespace tocsin::promql {
namespace {

std::string pretty(const std::string& text) {
  const StatusOr<ExprPtr> expr = parse_expr(text);
  return expr.ok() ? pretty_print(**expr) : std::string(message(expr.status()));
}

const std::string kLong =
    "a_metric_with_a_rather_long_name{label_one=\"value\",label_two=\"value\"}";

TEST(PrettyPrint, KeepsWhatFitsOnALine) {
  EXPECT_EQ(pretty("sum  by(a)(rate(x[5m]))"), "sum by (a) (rate(x[5m]))");
}

TEST(PrettyPrint, BreaksBinaryExpressions) {
  EXPECT_EQ(pretty(kLong + "/ on(x) group_left()" + kLong),
            "  " + kLong + "\n/ on (x) group_left ()\n  " + kLong);
  EXPECT_EQ(pretty(kLong + "+" + kLong + "+" + kLong),
            "    " + kLong + "\n  +\n    " + kLong + "\n+\n  " + kLong);
}

TEST(PrettyPrint, BreaksCallsAggregationsAndParentheses) {
  EXPECT_EQ(pretty("topk(5, (" + kLong + "+" + kLong + "))"),
            "topk(\n  5,\n  (\n      " + kLong + "\n    +\n      " + kLong + "\n  )\n)");
  EXPECT_EQ(pretty("sum by (a) (rate(" + kLong + "[5m]) + " + kLong + ")"),
            "sum by (a) (\n    rate(" + kLong + "[5m])\n  +\n    " + kLong + "\n)");
  EXPECT_EQ(pretty("clamp(" + kLong + " or " + kLong + ", 0, 1)"),
            "clamp(\n    " + kLong + "\n  or\n    " + kLong + ",\n  0,\n  1\n)");
}

TEST(PrettyPrint, KeepsSignsAndSubqueriesWithTheirOperand) {
  EXPECT_EQ(pretty("-(" + kLong + "+" + kLong + ")"),
            "-(\n    " + kLong + "\n  +\n    " + kLong + "\n)");
  EXPECT_EQ(pretty("-" + kLong + "^" + kLong), "-" + kLong + "\n^\n  " + kLong);
  EXPECT_EQ(pretty("(" + kLong + "+" + kLong + ")[5m:1m] offset 1m"),
            "(\n    " + kLong + "\n  +\n    " + kLong + "\n)[5m:1m] offset 1m");
}

TEST(LineColumn, CountsFromOne) {
  EXPECT_EQ(line_column("abc", 0), "1:1");
  EXPECT_EQ(line_column("abc", 3), "1:4");
  EXPECT_EQ(line_column("a\nbc\nd", 3), "2:2");
  EXPECT_EQ(line_column("a\nbc\nd", 5), "3:1");
}

}  // namespace
}  // namespace tocsin::promql
