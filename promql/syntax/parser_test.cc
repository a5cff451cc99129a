// SPDX-License-Identifier: Apache-2.0
//
// What parses, how it prints, and the exact texts of errors.
#include "promql/parser.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tocsin::promql {
namespace {

ParserOptions everything() {
  ParserOptions options;
  options.experimental_functions = true;
  options.extended_range_selectors = true;
  options.fill_modifiers = true;
  return options;
}

// Prints what has no text of its own, so that equal dumps are equal trees.
std::string dump(const Expr& expr) {
  std::string out = fmt::format("<{} {}", expr.node.index(), to_string(expr));
  if (const auto* number = expr.as<NumberLiteral>()) out += number->is_duration ? " d" : " n";
  if (const auto* unary = expr.as<Unary>()) out += unary->negate ? " -" : " +";
  if (const auto* selector = expr.as<VectorSelector>()) {
    out += fmt::format(" {} {} {}", selector->name, static_cast<int>(selector->mode),
                       selector->shift.offset.value.count());
  }
  if (const auto* binary = expr.as<Binary>(); binary != nullptr && binary->matching) {
    out += fmt::format(" {}", static_cast<int>(binary->matching->cardinality));
  }
  for (const Expr* child : expr.children()) out += dump(*child);
  return out + ">";
}

// Parses, prints, parses again; returns the print or the error.
std::string round_trip(const std::string& text, const ParserOptions& options = everything()) {
  const StatusOr<ExprPtr> first = parse_expr(text, options);
  if (!first.ok()) return std::string(message(first.status()));
  const std::string printed = to_string(**first);
  const StatusOr<ExprPtr> second = parse_expr(printed, options);
  if (!second.ok()) return "printed " + printed + ": " + std::string(message(second.status()));
  EXPECT_EQ(dump(**first), dump(**second)) << text;
  EXPECT_EQ(dump(**first), dump(*(*first)->clone())) << text;
  const StatusOr<ExprPtr> pretty = parse_expr(pretty_print(**first), options);
  EXPECT_TRUE(pretty.ok()) << pretty_print(**first);
  if (!pretty.ok()) return printed;
  EXPECT_EQ(dump(**first), dump(**pretty)) << pretty_print(**first);
  return printed;
}

struct Row {
  std::string input;
  std::string expected;
};

void check_rows(const std::vector<Row>& rows) {
  for (const Row& row : rows) EXPECT_EQ(round_trip(row.input), row.expected) << row.input;
}

TEST(Parser, ReadsLiterals) {
  check_rows({
      {"1", "1"},
      {"+Inf", "+Inf"},
      {"-inf", "-Inf"},
      {"+inF", "+Inf"},
      {"NaN", "NaN"},
      {".5", "0.5"},
      {"5.", "5"},
      {"123.4567", "123.4567"},
      {"5e-3", "0.005"},
      {"5e3", "5000"},
      {"0xc", "12"},
      {"0X_1F", "31"},
      {"0755", "493"},
      {"08", "8"},
      {"1_000_000", "1000000"},
      {"+5.5e-3", "0.0055"},
      {"-0755", "-493"},
      {"5m", "5m"},
      {"-1h30m", "-1h30m"},
      {"1d24h", "2d"},
      {"- -5", "5"},
      {R"("double\tquoted \" \xff \u00e9 \101")", R"("double\tquoted \" \xff é A")"},
      {R"('single \' "x"')", R"("single ' \"x\"")"},
      {R"(`raw \n "x"`)", R"("raw \\n \"x\"")"},
      {"1 # comment\n + 2", "1 + 2"},
  });
}

TEST(Parser, GroupsByPrecedence) {
  check_rows({
      {"1 + 2 / (3*1)", "1 + 2 / (3 * 1)"},
      {"-1 ^ 2", "-1 ^ 2"},
      {"Inf ^ 2", "Inf ^ 2"},
      {"foo and bar unless baz or qux", "foo and bar unless baz or qux"},
      {"foo atan2 bar", "foo atan2 bar"},
      {"a </ 5", "a </ 5"},
      {"a >/ 5", "a >/ 5"},
      {"a<=bool 5", "a <= bool 5"},
  });
  // The outermost operator, and the operator of its right side where there is one.
  const auto outer = [](const std::string& text) {
    const StatusOr<ExprPtr> expr = parse_expr(text);
    if (!expr.ok()) return std::string(message(expr.status()));
    if (const auto* unary = (*expr)->as<Unary>()) return "unary " + to_string(*unary->inner);
    const auto* binary = (*expr)->as<Binary>();
    return to_string(*binary->left) + " | " + to_string(*binary->right);
  };
  EXPECT_EQ(outer("a or b and c"), "a | b and c");
  EXPECT_EQ(outer("a and b or c"), "a and b | c");
  EXPECT_EQ(outer("a and b unless c"), "a and b | c");
  EXPECT_EQ(outer("a == b + c"), "a | b + c");
  EXPECT_EQ(outer("a + b * c"), "a | b * c");
  EXPECT_EQ(outer("a - b - c"), "a - b | c");
  EXPECT_EQ(outer("a % b atan2 c"), "a % b | c");
  EXPECT_EQ(outer("a ^ b ^ c"), "a | b ^ c");
  EXPECT_EQ(outer("a * b ^ c"), "a | b ^ c");
  EXPECT_EQ(outer("-a ^ b"), "unary a ^ b");
  EXPECT_EQ(outer("-a * b"), "-a | b");
  EXPECT_EQ(outer("a ^ -b * c"), "a ^ -b | c");
  EXPECT_EQ(outer("a offset 2 ^ 2"), "a offset 2s | 2");
}

TEST(Parser, ReadsSelectors) {
  check_rows({
      {"foo", "foo"},
      {"foo:bar", "foo:bar"},
      {"{__name__=\"x\"}", "{__name__=\"x\"}"},
      {"{\"metric.name\", \"label.name\"=~\"v\"}",
       "{__name__=\"metric.name\",\"label.name\"=~\"v\"}"},
      {"foo{a=\"b\", c!='d', e=~`f`, g!~\"h\",}", R"(foo{a="b",c!="d",e=~"f",g!~"h"})"},
      {"foo{}", "foo"},
      {"foo{on=\"1\",inf=\"2\",sum=\"3\"}", R"(foo{on="1",inf="2",sum="3"})"},
      {"sum{a=\"b\"}", "sum{a=\"b\"}"},
      {"SUM + offset + by", "SUM + offset + by"},
      {"start + end / step", "start + end / step"},
      {"fill + fill", "fill + fill"},
      {"foo offset 1h30m", "foo offset 1h30m"},
      {"foo OFFSET -7m", "foo offset -7m"},
      {"foo offset 1d @ 123", "foo @ 123.000 offset 1d"},
      {"foo @ -12.3456 offset 5m", "foo @ -12.346 offset 5m"},
      {"foo @ start()", "foo @ start()"},
      {"foo[5m] @ end() offset 1m", "foo[5m] @ end() offset 1m"},
      {"foo[300]", "foo[5m]"},
      {"foo[0x10]", "foo[16s]"},
      {"foo[1.5]", "foo[1s500ms]"},
      {"foo[5m:]", "foo[5m:]"},
      {"foo[5m:1m] @ 10 offset 2m", "foo[5m:1m] @ 10.000 offset 2m"},
      {"rate(foo[5m])[1h:10s]", "rate(foo[5m])[1h:10s]"},
      {"foo[5m] anchored", "foo[5m] anchored"},
      {"foo[5m] smoothed offset 5m", "foo[5m] smoothed offset 5m"},
      {"foo smoothed", "foo smoothed"},
  });
}

TEST(Parser, ReadsDurationExpressions) {
  check_rows({
      {"foo[5m+1m]", "foo[5m + 1m]"},
      {"foo[-5m+35m]", "foo[-5m + 35m]"},
      {"foo[(-2)^2]", "foo[(-2) ^ 2]"},
      {"foo[2m*(10+5)]", "foo[2m * (10 + 5)]"},
      {"foo[STEP()]", "foo[step()]"},
      {"foo[-(step()-5m):range()/2]", "foo[-(step() - 5m):range() / 2]"},
      {"foo[max_of(step(),1h) : min_of(1,2)]", "foo[max_of(step(), 1h):min_of(1, 2)]"},
      {"foo offset (100 + 2)", "foo offset (100 + 2)"},
      {"foo offset 100 + 2", "foo offset 1m40s + 2"},
      {"foo offset -min_of(step(), 1s)", "foo offset -min_of(step(), 1s)"},
      {"foo offset +step()", "foo offset step()"},
      {"foo offset (5)", "foo offset 5s"},
  });
}

TEST(Parser, ResolvesDurationExpressions) {
  const auto resolved = [](const std::string& duration) -> std::string {
    StatusOr<ExprPtr> expr = parse_expr("rate(foo[" + duration + "])");
    if (!expr.ok()) return std::string(message(expr.status()));
    const Status status =
        resolve_durations(expr->get(), std::chrono::seconds(10), std::chrono::seconds(60));
    if (!status.ok()) return std::string(message(status));
    const auto& call = *(*expr)->as<Call>();
    return model::format_duration(call.arguments[0]->as<MatrixSelector>()->range.value);
  };
  EXPECT_EQ(resolved("5m"), "5m");
  EXPECT_EQ(resolved("24m+((1.5*2m)+2m)"), "29m");
  EXPECT_EQ(resolved("1h30m % 1h"), "30m");
  EXPECT_EQ(resolved("((((8 - 2) / 3) * 7s) % 4) + 8000ms"), "10s");
  EXPECT_EQ(resolved("2^3"), "8s");
  EXPECT_EQ(resolved("-2^2+5"), "1s");
  EXPECT_EQ(resolved("step()+1ms"), "10s1ms");
  EXPECT_EQ(resolved("range()-step()*2"), "40s");
  EXPECT_EQ(resolved("max_of(min_of(step()+1,1h),1ms)"), "11s");
  EXPECT_EQ(resolved("step()-10"), "9:18: duration must be greater than 0");
  EXPECT_EQ(resolved("1/(step()-10)"), "9:22: division by zero");
  EXPECT_EQ(resolved("1%(step()-10)"), "9:22: modulo by zero");
  EXPECT_EQ(resolved("10^20*step()"), "9:21: duration is out of range");
}

TEST(Parser, ReadsAggregationsCallsAndMatching) {
  check_rows({
      {"sum by (foo)(some_metric)", "sum by (foo) (some_metric)"},
      {"SUM(some_metric) BY (foo,)", "sum by (foo) (some_metric)"},
      {"avg without () (x)", "avg without () (x)"},
      {"sum by () (x)", "sum(x)"},
      {"topk by (\"a.b\", on) (5, x)", "topk by (\"a.b\", on) (5, x)"},
      {"count_values(\"value\", x)", "count_values(\"value\", x)"},
      {"limit_ratio(-0.5, x)", "limit_ratio(-0.5, x)"},
      {"rate(foo[5m])", "rate(foo[5m])"},
      {"round(x)", "round(x)"},
      {"round(x, 0.5)", "round(x, 0.5)"},
      {"time()", "time()"},
      {"Step() + range()", "step() + range()"},
      {"min_of(1, 2)", "min_of(1, 2)"},
      {"label_join(a, \"b\", \",\")", "label_join(a, \"b\", \",\")"},
      {"histogram_quantiles(a, \"q\", 0.5, 0.9, 0.99)",
       "histogram_quantiles(a, \"q\", 0.5, 0.9, 0.99)"},
      {"info(a, {})", "info(a, {})"},
      {"info(a, {b=\"c\"})", "info(a, {b=\"c\"})"},
      {"a + on(x) group_left(y) b", "a + on (x) group_left (y) b"},
      {"a*on(x,)group_right b", "a * on (x) group_right () b"},
      {"a / ignoring(\"x.y\") b", "a / ignoring (\"x.y\") b"},
      {"a + ignoring() b", "a + b"},
      {"a == bool on() b", "a == bool on () b"},
      {"a and on(x) b", "a and on (x) b"},
      {"a + fill(0) b", "a + fill (0) b"},
      {"a + bool", "1:9: parse error: unexpected end of input"},
      {"a + on(x) group_left fill_right(-1) fill_left(NaN) b",
       "a + on (x) group_left () fill_left (NaN) fill_right (-1) b"},
      {"a + fill_left(2) fill_right(2) b", "a + fill (2) b"},
  });
}

TEST(Parser, ReportsLexicalErrors) {
  check_rows({
      {"", "unknown position: parse error: no expression found in input"},
      {"# only a comment", "1:1: parse error: no expression found in input"},
      {".", "1:1: parse error: unexpected character: '.'"},
      {"2.5.", "1:1: parse error: bad number or duration syntax: \"2.5.\""},
      {"100..4", "1:1: parse error: bad number or duration syntax: \"100..\""},
      {"0deadbeef", "1:1: parse error: bad number or duration syntax: \"0de\""},
      {"foo[5mm]", "1:5: parse error: bad number or duration syntax: \"5mm\""},
      {"foo[5m1]", "1:5: parse error: bad number or duration syntax: \"5m1\""},
      {"foo[5m1h]", "1:5: parse error: not a valid duration string: \"5m1h\""},
      {"foo[\"5m\"]", "1:5: parse error: unexpected character in duration expression: '\"'"},
      {"foo[", "1:5: parse error: unexpected end of input in duration expression"},
      {"foo[:5m]", "1:5: parse error: unexpected colon before duration in duration expression"},
      {"foo[5m::]", "1:8: parse error: unexpected repeated colon in duration expression"},
      {"1__0", "1:1: parse error: bad number or duration syntax: \"1__\""},
      {"1e", "1:1: parse error: bad number or duration syntax: \"1e\""},
      {"0x", "1:1: parse error: bad number or duration syntax: \"0x\""},
      {"(1", "1:3: parse error: unclosed left parenthesis"},
      {"((1)", "1:5: parse error: unclosed left parenthesis"},
      {"(1))", "1:4: parse error: unexpected right parenthesis ')'"},
      {"foo]", "1:4: parse error: unexpected right bracket ']'"},
      {"a =~ b", "1:3: parse error: unexpected character after '=': '~'"},
      {"a ! b", "1:3: parse error: unexpected character after '!': ' '"},
      {"foo $ bar", "1:5: parse error: unexpected character: '$'"},
      {"}", "1:1: parse error: unexpected character: '}'"},
      {"{", "1:2: parse error: unexpected end of input inside braces"},
      {"foo{a:b=\"b\"}", "1:6: parse error: unexpected character inside braces: ':'"},
      {"foo{1}", "1:5: parse error: unexpected character inside braces: '1'"},
      {"\"abc", "1:1: parse error: unterminated quoted string"},
      {"`abc", "1:1: parse error: unterminated raw string"},
      {"\"\\q\"", "1:1: parse error: unknown escape sequence U+0071 'q'"},
      {"\"\\x2g\"", "1:1: parse error: illegal character U+0067 'g' in escape sequence"},
      {"\"\\ud801\"", "1:1: parse error: escape sequence is an invalid Unicode code point 55297"},
      {"label_replace(a, `b`, `c\xff`, `d`, `.*`)", "1:23: parse error: invalid UTF-8 rune"},
      {"1e99999",
       "1:1: parse error: error parsing number: strconv.ParseFloat: parsing \"1e99999\": "
       "value out of range"},
  });
}

TEST(Parser, ReportsSyntaxErrors) {
  check_rows({
      {"1+", "1:3: parse error: unexpected end of input"},
      {"1 /", "1:4: parse error: unexpected end of input"},
      {"*1", "1:1: parse error: unexpected <op:*>"},
      {"-=", "1:2: parse error: unexpected \"=\""},
      {"++-++-+-+-<", "1:11: parse error: unexpected <op:<>"},
      {"a b", "1:3: parse error: unexpected identifier \"b\""},
      {"a 5", "1:3: parse error: unexpected number \"5\""},
      {"a \"0123456789abc\"", "1:3: parse error: unexpected string \"\\\"012345678\"..."},
      {"a - on(b) ignoring(c) d", "1:11: parse error: unexpected <ignoring>"},
      {"a + group_left(b) c", "1:5: parse error: unexpected <group_left>"},
      {"\n\na +\n )", "4:2: parse error: unexpected right parenthesis ')'"},
      {"foo{a=b}",
       "1:7: parse error: unexpected identifier \"b\" in label matching, expected string"},
      {"foo{gibberish}",
       "1:14: parse error: unexpected \"}\" in label matching, expected label matching operator"},
      {"foo{,}",
       "1:5: parse error: unexpected \",\" in label matching, expected identifier or \"}\""},
      {"foo{a==\"b\"}", "1:7: parse error: unexpected \"=\" in label matching, expected string"},
      {"foo{a=\"b\" lol}",
       "1:11: parse error: unexpected identifier \"lol\" in label matching, expected \",\" or "
       "\"}\""},
      {"foo[]",
       "1:5: parse error: unexpected \"]\" in subquery or range selector, expected number, "
       "duration, step(), or range()"},
      {"sum without(==)(x)",
       "1:13: parse error: unexpected <op:==> in grouping opts, expected label"},
      {"sum without(a,,)(x)",
       "1:15: parse error: unexpected \",\" in grouping opts, expected label"},
      {"sum(x) by test",
       "1:11: parse error: unexpected identifier \"test\" in grouping opts, expected \"(\""},
      {"sum some_metric", "1:5: parse error: unexpected identifier \"some_metric\" in aggregation"},
      {"sum(x) without (a) by (b)", "1:20: parse error: unexpected <by>"},
      {"sum()", "1:1: parse error: no arguments for aggregate expression provided"},
      {"topk(x)",
       "1:1: parse error: wrong number of arguments for aggregate expression provided, "
       "expected 2, got 1"},
      {"topk(1, x,)", "1:10: parse error: trailing commas not allowed in function call args"},
      {"x()", "1:1: parse error: unknown function with name \"x\""},
      {"foo @", "1:6: parse error: unexpected end of input in @, expected timestamp"},
      {"foo @ bar", "1:7: parse error: unexpected identifier \"bar\" in @, expected timestamp"},
      {"foo @ Inf", "1:7: parse error: timestamp out of bounds for @ modifier: inf"},
      {"foo offset",
       "1:11: parse error: unexpected end of input in offset, expected number, "
       "duration, step(), or range()"},
      {"foo @ 1 @ 2", "1:1: parse error: @ <timestamp> may not be set multiple times"},
      {"foo offset 1m offset 2m", "1:1: parse error: offset may not be set multiple times"},
      {"1 offset 1d",
       "1:1: parse error: offset modifier must be preceded by an instant vector selector or range "
       "vector selector or a subquery"},
      {"1 @ 1",
       "1:1: parse error: @ modifier must be preceded by an instant vector selector or "
       "range vector selector or a subquery"},
      {"foo OFFSET 1m[5m]", "1:14: parse error: no offset modifiers allowed before range"},
      {"foo @ 1[5m]", "1:8: parse error: no @ modifiers allowed before range"},
      {"(foo + bar)[5m]", "1:12: parse error: ranges only allowed for vector selectors"},
      {"foo[0]", "1:5: parse error: duration must be greater than 0"},
      {"foo[-5m]", "1:5: parse error: duration must be greater than 0"},
      {"foo[5m/0]", "1:7: parse error: division by zero"},
      {"foo[1e12]", "1:5: parse error: duration out of range"},
      {"foo[5m] anchored smoothed",
       "1:1: parse error: anchored and smoothed modifiers cannot be used together"},
      {"foo[5m:] anchored", "1:1: parse error: anchored modifier is not supported for subqueries"},
  });
}

TEST(Parser, ReportsTypeErrors) {
  check_rows({
      {"{}", "1:1: parse error: vector selector must contain at least one non-empty matcher"},
      {"{x=\"\"}", "1:1: parse error: vector selector must contain at least one non-empty matcher"},
      {"{x=~\".*\"}",
       "1:1: parse error: vector selector must contain at least one non-empty matcher"},
      {"foo{__name__=\"bar\"}",
       "1:1: parse error: metric name must not be set twice: \"foo\" or \"bar\""},
      {"foo{\"bar\"}", "1:1: parse error: metric name must not be set twice: \"foo\" or \"bar\""},
      {"1 == 1", "1:3: parse error: comparisons between scalars must use BOOL modifier"},
      {"foo + bool bar",
       "1:5: parse error: bool modifier can only be used on comparison operators"},
      {"1 and 1", "1:1: parse error: set operator \"and\" not allowed in binary scalar expression"},
      {"1 or foo", "1:1: parse error: set operator \"or\" not allowed in binary scalar expression"},
      {"-\"string\"",
       "1:1: parse error: unary expression only allowed on expressions of type scalar "
       "or instant vector, got \"string\""},
      {"-foo[5m]",
       "1:1: parse error: unary expression only allowed on expressions of type scalar or "
       "instant vector, got \"range vector\""},
      {"1 + foo[5m]",
       "1:5: parse error: binary expression must contain only scalar and instant vector types"},
      {"foo == on(bar) 10",
       "1:1: parse error: vector matching only allowed between instant vectors"},
      {"a + on(x) group_left(x) b",
       "1:3: parse error: label \"x\" must not occur in ON and GROUP clause at once"},
      {"a or on(x) group_left(y) b", "1:1: parse error: no grouping allowed for \"or\" operation"},
      {"a and fill(1) b",
       "1:1: parse error: filling in missing series not allowed for set operators"},
      {"a + fill(1) 2",
       "1:1: parse error: filling in missing series only allowed between instant vectors"},
      {"rate(foo)",
       "1:6: parse error: expected type range vector in call to function \"rate\", got instant "
       "vector"},
      {"rate(avg)",
       "1:6: parse error: expected type range vector in call to function \"rate\", got instant "
       "vector"},
      {"abs(\"x\")",
       "1:5: parse error: expected type instant vector in call to function \"abs\", got string"},
      {"abs(a, b)", "1:1: parse error: expected 1 argument(s) in call to \"abs\", got 2"},
      {"floor()", "1:1: parse error: expected 1 argument(s) in call to \"floor\", got 0"},
      {"hour(a, b)", "1:1: parse error: expected at most 1 argument(s) in call to \"hour\", got 2"},
      {"label_join()",
       "1:1: parse error: expected at least 3 argument(s) in call to \"label_join\", got 0"},
      {"topk(a, b)",
       "1:6: parse error: expected type scalar in aggregation parameter, got instant vector"},
      {"count_values(5, b)",
       "1:14: parse error: expected type string in aggregation parameter, got scalar"},
      {"sum(5)",
       "1:5: parse error: expected type instant vector in aggregation expression, got scalar"},
      {"foo[5m:][5m:]",
       "1:1: parse error: subquery is only allowed on instant vector, got matrix "
       "instead"},
      {"info(a, b{c=\"d\"})",
       "1:9: parse error: expected label selectors only, got vector selector instead"},
      {"info(a, 5)",
       "1:1: parse error: expected type instant vector in call to function \"info\", got scalar"},
  });
}

TEST(Parser, RefusesWhatIsNotEnabled) {
  const auto error = [](const std::string& text) { return round_trip(text, ParserOptions{}); };
  EXPECT_EQ(error("1 + info(a)"), "1:5: parse error: function \"info\" is not enabled");
  EXPECT_EQ(error("limitk(1, a)"),
            "1:1: parse error: limitk() is experimental and must be enabled with "
            "--enable-feature=promql-experimental-functions");
  EXPECT_EQ(error("rate(a[5m] smoothed)"),
            "1:6: parse error: smoothed modifier is experimental and not enabled");
  EXPECT_EQ(error("a anchored"),
            "1:1: parse error: anchored modifier is experimental and not enabled");
  EXPECT_EQ(error("1 + (a + fill(0) b)"),
            "1:6: parse error: binop fill modifiers are experimental and not enabled");
  ParserOptions options;
  options.duration_expressions = false;
  EXPECT_EQ(round_trip("a[5m+5m]", options),
            "1:3: parse error: experimental duration expression is not enabled");
  EXPECT_EQ(round_trip("a[5m]", options), "a[5m]");
}

TEST(Parser, KnowsEveryFunction) {
  EXPECT_EQ(all_functions().size(), 90U);
  EXPECT_EQ(std::count_if(all_functions().begin(), all_functions().end(),
                          [](const FunctionSignature& f) { return f.experimental; }),
            17);
  for (const FunctionSignature& f : all_functions()) EXPECT_EQ(find_function(f.name), &f);
  EXPECT_EQ(find_function("Rate"), nullptr);
}

TEST(Parser, RefusesWhatIsTooDeepOrTooLong) {
  const auto error = [](const std::string& text) {
    const StatusOr<ExprPtr> expr = parse_expr(text);
    return expr.ok() ? std::string() : std::string(message(expr.status()));
  };
  const auto repeated = [](std::string_view piece, int count) {
    std::string out;
    for (int i = 0; i < count; ++i) out += piece;
    return out;
  };
  const auto nested = testing::HasSubstr("nested more than 200 levels deep");
  EXPECT_THAT(error(repeated("(", 100000) + "1"), nested);
  EXPECT_THAT(error(repeated("-", 100000) + "a"), nested);
  EXPECT_THAT(error(repeated("abs(", 100000) + "a"), nested);
  EXPECT_THAT(error(repeated("a ^ ", 100000) + "a"), nested);
  EXPECT_THAT(error("a[" + repeated("(", 100000) + "1"), nested);
  EXPECT_THAT(error("a[1" + repeated("+1", 100000) + "]"), testing::HasSubstr("1000 operands"));
  EXPECT_THAT(error("a" + repeated(" + a", 100000)), testing::HasSubstr("chain of more than 2000"));
  EXPECT_THAT(error("a" + repeated("[1m:]", 100000)),
              testing::HasSubstr("chain of more than 2000"));
  EXPECT_THAT(error(std::string(2 << 20U, '1')), testing::HasSubstr("longer than 1048576 bytes"));
  EXPECT_EQ(error("a" + repeated(" or a", 1900)), "");
}

TEST(Parser, ReadsMetricSelectors) {
  const auto selector = [](const std::string& text) -> std::string {
    const StatusOr<model::Matchers> matchers = parse_metric_selector(text);
    if (!matchers.ok()) return std::string(message(matchers.status()));
    std::string out;
    for (const model::Matcher& matcher : *matchers) out += matcher.to_string() + ";";
    return out;
  };
  EXPECT_EQ(selector("up{job=\"x\"}"), "job=\"x\";__name__=\"up\";");
  EXPECT_EQ(selector("{\"a.b\"}"), "__name__=\"a.b\";");
  EXPECT_EQ(selector("sum"), "__name__=\"sum\";");
  EXPECT_EQ(selector("{}"), "match[] must contain at least one non-empty matcher");
  EXPECT_EQ(selector("up[5m]"), "1:3: parse error: unexpected \"[\"");
  EXPECT_EQ(selector(""), "unknown position: parse error: unexpected end of input");
}

TEST(Parser, ReadsMetrics) {
  const auto metric = [](const std::string& text) -> std::string {
    const StatusOr<model::Labels> labels = parse_metric(text);
    return labels.ok() ? labels->to_series_string() : std::string(message(labels.status()));
  };
  EXPECT_EQ(metric("up"), "up");
  EXPECT_EQ(metric("up{b=\"2\", a='1',}"), "up{a=\"1\", b=\"2\"}");
  EXPECT_EQ(metric("{}"), "{}");
  EXPECT_EQ(metric("{\"my.metric\", x=\"y\"}"), "{\"my.metric\", x=\"y\"}");
  EXPECT_EQ(metric("up{a=~\"x\"}"),
            "1:5: parse error: unexpected <op:=~> in label set, expected \"=\"");
}

// The expressions of the official scripts.
std::vector<std::string> official_expressions() {
  std::vector<std::string> expressions;
  const char* folder = std::getenv("TOCSIN_CONFORMANCE_DIR");
  if (folder == nullptr) return expressions;
  const auto skip_words = [](std::string_view line, int count) {
    for (; count > 0; --count) {
      line.remove_prefix(std::min(line.size(), line.find_first_of(" \t")));
      line.remove_prefix(std::min(line.size(), line.find_first_not_of(" \t")));
    }
    return line;
  };
  for (const auto& entry :
       std::filesystem::directory_iterator(std::filesystem::path(folder) / "promql")) {
    if (entry.path().extension() != ".test") continue;
    std::ifstream file(entry.path());
    for (std::string line; std::getline(file, line);) {
      const std::size_t start = line.find_first_not_of(" \t");
      if (start == std::string::npos || line.compare(start, 4, "eval") != 0) continue;
      const std::string_view command = std::string_view(line).substr(start);
      const bool range = skip_words(command, 1).substr(0, 5) == "range";
      expressions.emplace_back(skip_words(command, range ? 8 : 4));
    }
  }
  return expressions;
}

TEST(Parser, RoundTripsOfficialExpressions) {
  const std::vector<std::string> expressions = official_expressions();
  if (expressions.empty()) GTEST_SKIP() << "TOCSIN_CONFORMANCE_DIR is not set";
  EXPECT_GT(expressions.size(), 1500U);
  for (const std::string& text : expressions) {
    EXPECT_THAT(round_trip(text), testing::Not(testing::HasSubstr("parse error"))) << text;
  }
}

TEST(Parser, SurvivesMutations) {
  std::vector<std::string> seeds = official_expressions();
  seeds.insert(
      seeds.end(),
      {"sum by (a, \"b.c\") (rate(foo{x=~\"y\", \"z\"!='\\x41'}[5m+step()] @ end() offset -1h))",
       "a + on(x) group_left(y) fill_left(-1) b ^ -0x1F or {\"m\"}[5m:1m] smoothed",
       "histogram_quantile(0.9, sum(rate(x[5m])) without (le)) >= bool 5m # end"});
  static constexpr std::string_view kPieces[] = {"(",  ")",  "[",  "]",    "{",    "}", "\"",
                                                 "'",  "`",  ":",  ",",    "-",    "^", "@",
                                                 "5m", "0x", "\\", "\xff", " by ", "#"};
  std::mt19937 random(1);
  const auto pick = [&random](std::size_t count) {
    return random() % std::max<std::size_t>(1, count);
  };
  for (int i = 0; i < 30000; ++i) {
    std::string text = seeds[pick(seeds.size())];
    for (std::size_t changes = 1 + pick(4); changes > 0; --changes) {
      const std::size_t position = pick(text.size() + 1);
      switch (pick(3)) {
        case 0:
          text.erase(position, 1 + pick(5));
          break;
        case 1:
          text.insert(position, kPieces[pick(std::size(kPieces))]);
          break;
        default:
          text.insert(position, text.substr(pick(text.size()), pick(12)));
          break;
      }
    }
    const std::string result = round_trip(text);
    EXPECT_THAT(result, testing::Not(testing::StartsWith("printed"))) << text;
  }
}

}  // namespace
}  // namespace tocsin::promql
