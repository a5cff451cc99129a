// SPDX-License-Identifier: Apache-2.0
//
// Expressions made to break something: as long as is allowed and longer, and nested as deep. Each
// gets an answer or an error on its way through parser, printers, planner, engine and destructors.
#include <functional>
#include <string>

#include <gtest/gtest.h>

#include "base/testing/fake_clock.h"
#include "promql/engine.h"
#include "promql/plan/plan.h"
#include "storage/testing/mem_store.h"

namespace tocsin::promql {
namespace {

constexpr ParserOptions kAll{.experimental_functions = true,
                             .duration_expressions = true,
                             .extended_range_selectors = true,
                             .fill_modifiers = true};

constexpr std::size_t kMostBytes = 1 << 20;

std::string repeated(std::string_view text, std::size_t times) {
  std::string out;
  out.reserve(text.size() * times);
  for (std::size_t i = 0; i < times; ++i) out += text;
  return out;
}

std::string nested(std::string_view open, std::string_view inner, std::string_view close,
                   std::size_t times) {
  return repeated(open, times) + std::string(inner) + repeated(close, times);
}

// As many of `text` as a query may hold.
std::string full(std::string_view open, std::string_view text, std::string_view close) {
  const std::size_t room = kMostBytes - open.size() - close.size();
  return std::string(open) + repeated(text, room / text.size()) + std::string(close);
}

class HostileTest : public ::testing::Test {
 protected:
  HostileTest() {
    auto appender = store_.appender();
    model::LabelsBuilder labels;
    labels.set("__name__", "x").set("a", "b");
    EXPECT_TRUE(appender->append({}, labels.build(), base::from_ms(0), 1, {}).ok());
    EXPECT_TRUE(storage::commit_and_wait(*appender).ok());
    EngineOptions options;
    options.parser = kAll;
    options.max_samples = 100'000;
    options.max_memory_bytes = 1 << 30;
    engine_ = std::make_unique<Engine>(options, Engine::Services{clock_});
  }

  // "ok", or the error without its place.
  std::string run(const std::string& text) {
    const auto expr = parse_expr(text, kAll);
    if (!expr.ok()) return std::string(message(expr.status()));
    const std::string printed = to_string(**expr);
    for (const std::string& text_again : {printed, pretty_print(**expr)}) {
      EXPECT_LT(text_again.size(), 300 * text.size() + 1000);
      if (text_again.size() > kMostBytes) continue;
      const auto again = parse_expr(text_again, kAll);
      EXPECT_TRUE(again.ok()) << again.status();
      EXPECT_TRUE(!again.ok() || to_string(**again) == printed);
    }
    const ExprPtr copy = (*expr)->clone();
    EXPECT_GT(memory_bytes(*copy), 0U);
    const auto instant = engine_->instant(store_, text, base::from_ms(0));
    const auto range = engine_->range(store_, text, base::from_ms(0), base::from_ms(60'000),
                                      base::Duration(30'000));
    if (!instant.ok()) return std::string(message(instant.status()));
    return range.ok() || (*expr)->type() == ValueType::kMatrix ||
                   (*expr)->type() == ValueType::kString
               ? "ok"
               : std::string(message(range.status()));
  }

  base::testing::FakeClock clock_{base::from_ms(0)};
  storage::testing::MemStore store_;
  std::unique_ptr<Engine> engine_;
};

TEST_F(HostileTest, NestingAThousandTimesTooDeepIsAnError) {
  const std::pair<std::string_view, std::string> openings[] = {
      {"(", ")"},
      {"-", ""},
      {"+", ""},
      {"- (", ")"},
      {"abs(", ")"},
      {"sum(", ")"},
      {"(1+", ")"},
      {"sum_over_time(", "[1m:1m])"},
      {"(", ")[1m:1m]"},
      {"topk(1, ", ")"},
      {"quantile(", ")"},
      {"1^", ""},
      {"1^-", ""},
      {"clamp(", ",1,2)"},
      {"label_replace(", ",\"a\",\"b\",\"c\",\"d\")"},
  };
  for (const auto& [open, close] : openings) {
    const std::string text = nested(open, "x", close, 10'000);
    const auto expr = parse_expr(text, kAll);
    ASSERT_FALSE(expr.ok()) << open;
    EXPECT_NE(message(expr.status()).find("nested more than 200"), std::string_view::npos)
        << open << message(expr.status());
    EXPECT_NE(run(nested(open, "x", "", 300'000 / open.size())), "ok") << "never closed: " << open;
  }
  for (const auto& [open, close] : {std::pair("[", "]"), std::pair("x[", "]")}) {
    EXPECT_NE(run(nested(open, "1m", close, 10'000)), "ok") << open;
  }
  EXPECT_NE(run("x[" + nested("(", "1m", ")", 10'000) + "]"), "ok");
  EXPECT_NE(run("x[" + nested("-", "1m", "", 10'000) + "]"), "ok");
  EXPECT_NE(run("x[" + nested("1m^", "1m", "", 10'000) + "]"), "ok");
  EXPECT_NE(run("x[" + nested("min_of(1,", "1m", ")", 10'000) + "]"), "ok");
  EXPECT_NE(run("x offset " + nested("(", "1m", ")", 10'000)), "ok");
}

TEST_F(HostileTest, TheDeepestThatIsAllowedWorks) {
  for (const auto& [open, close] :
       {std::pair("(", ")"), std::pair("abs(", ")"), std::pair("sum(", ")"), std::pair("-(", ")"),
        std::pair("(1+", ")"), std::pair("sum_over_time(", "[1m:30s])"),
        std::pair("label_replace(", ",\"a\",\"b\",\"c\",\"d\")")}) {
    std::size_t times = 198;
    while (times > 20 && !parse_expr(nested(open, "x", close, times), kAll).ok()) --times;
    ASSERT_GT(times, 60U) << open;
    EXPECT_EQ(run(nested(open, "x", close, times)), "ok") << open;
  }
}

TEST_F(HostileTest, LongChainsAreAnAnswerOrAnError) {
  const std::string chains[] = {"+1",         "-1",         "*1",   "^1",   " or x",
                                " and x",     " unless x",  "+x",   "==1",  " == bool 1",
                                " + on(a) x", " or on() x", "+(1)", "-(-1)"};
  for (const std::string& link : chains) {
    EXPECT_NE(run("x" + repeated(link, 100'000)), "ok") << link;
    std::size_t most = 1999;
    if (link == "^1") most = 150;
    if (link == "+(1)" || link == "-(-1)") most = 1900;
    EXPECT_EQ(run((link == "==1" || link == "^1" ? "1" : "x") +
                  repeated(link == "==1" ? "==bool 1" : link, most)),
              "ok")
        << link;
  }
  EXPECT_NE(run("x[" + full("1m", "+1m", "]")), "ok");
  EXPECT_NE(run("x[1m" + repeated("+1s", 100'000) + "]"), "ok");
  EXPECT_NE(run("x" + repeated("[1m:1m]", 100'000)), "ok");
  EXPECT_NE(run("x" + repeated(" offset 1m", 100'000)), "ok");
  EXPECT_NE(run("x" + repeated(" @ 1", 100'000)), "ok");
}

TEST_F(HostileTest, WideExpressionsHaveALimit) {
  EXPECT_NE(run(full("(", "1+", "1)")), "ok");
  // Balanced: neither deep nor a chain.
  const std::string sum = "(" + repeated("1+", 999) + "1)";
  EXPECT_NE(run(full("1", "+" + sum, "")).find("parts"), std::string::npos);
  EXPECT_NE(run(full("label_join(x,\"a\",\"b\"", ",\"c\"", ")")), "ok");
  EXPECT_NE(run(full("sum(", "x,", "x)")), "ok");
  EXPECT_NE(run(full("x{", "a=\"b\",", "}")).find("100000 parts"), std::string::npos);
  EXPECT_NE(run(full("x{", "a=~\"b|c\",", "}")).find("100000 parts"), std::string::npos);
}

TEST_F(HostileTest, LongListsAndTextsWork) {
  EXPECT_EQ(run("x{" + repeated("a=\"b\",", 50'000) + "}"), "ok");
  EXPECT_EQ(run("x{" + repeated("a=~\"b|c\",", 1'000) + "}"), "ok");
  EXPECT_EQ(run(full("sum by (", "a,", "a) (x)")), "ok");
  EXPECT_EQ(run(full("x + on (", "a,", "a) x")), "ok");
  EXPECT_EQ(run(full("x + ignoring (", "b,", "b) group_left x")), "ok");
  EXPECT_EQ(run(full("\"", "\\n", "\"")), "ok");
  EXPECT_EQ(run(full("x{a=\"", "\\\"", "\"}")), "ok");
  EXPECT_EQ(run(full("", " ", "x")), "ok");
  EXPECT_EQ(run(full("x", "\n#", "")), "ok");
  EXPECT_EQ(run(full("", "y", "")), "ok");
  run(full("1", "0", ""));
  run(full("0x1", "f", ""));
  run(full("1", "_1", ""));
  run(full("x[1", "0", "m]"));
  run(full("x[", "1m", "]"));
  run(full("x{a=~\"", "(", "\"}"));
  run("x{a=~\"" + repeated("a*", 1000) + "\"}");
  run(full("x{a=~\"", "b|", "b\"}"));
  run("x{a=~\"" + nested("(", "b", ")", 10'000) + "\"}");
  run("x{a=~\"((((((((b{30}){30}){30}){30}){30}){30}){30}){30})\"}");
  run(full("", "\xff", ""));
  run(full("", "{", ""));
  run(full("", "[", ""));
  run(full("", "]", ""));
  run(full("{", "\"", "}"));
}

TEST_F(HostileTest, WorkOutOfAllProportionIsRefused) {
  EXPECT_NE(run("vector(1)[100y:1ms]"), "ok");
  EXPECT_NE(run("sum_over_time(" + nested("max_over_time(", "x", "[1h:1s])", 20) + "[1d:1s])"),
            "ok");
  run("count_values(\"a\", x) by (b)");
  EXPECT_NE(run("x[9223372036854775807s]"), "ok");
  EXPECT_NE(run("x offset 300y offset 300y"), "ok");
  EXPECT_NE(run("x @ 1e300"), "ok");
  run("x @ 9.2e15");
  run("x @ -9.2e15 offset 290y");
  run("sum_over_time(x[290y] @ 9.2e15)");
  run("sum_over_time(x[290y:290y] @ 9.2e15 offset -290y)");
  run("topk(1e300, x)");
  run("quantile(NaN, x)");
  run("round(x, 1e-320)");
}

}  // namespace
}  // namespace tocsin::promql
