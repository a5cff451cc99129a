// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "promql/parser.h"
#include "promql/plan/plan.h"

namespace tocsin::promql::plan {
namespace {

constexpr PlanOptions kOptions{100'000, 200'000, 300'000, 60'000};

class PlannerTest : public ::testing::Test {
 protected:
  const Plan& plan(std::string_view query) {
    ParserOptions all;
    all.experimental_functions = all.extended_range_selectors = all.fill_modifiers = true;
    auto parsed = parse_expr(query, all);
    EXPECT_TRUE(parsed.ok()) << message(parsed.status());
    expr_ = std::move(*parsed);
    auto made = make_plan(*expr_, kOptions);
    error_ = made.ok() ? "" : std::string(message(made.status()));
    if (made.ok()) plan_ = std::move(*made);
    return plan_;
  }
  // "mint..maxt" of source i.
  std::string span(std::string_view query, std::size_t i = 0) {
    const Source& source = plan(query).sources.at(i);
    return fmt::format("{}..{}", source.mint_ms, source.maxt_ms);
  }
  ExprPtr expr_;
  Plan plan_;
  std::string error_;
};

TEST_F(PlannerTest, SelectorsReadWhatTheirWindowsNeed) {
  EXPECT_EQ(span("x"), "-199999..200000");
  EXPECT_EQ(span("x offset 1m"), "-259999..140000");
  EXPECT_EQ(span("x @ 50"), "-249999..50000");
  EXPECT_EQ(span("x @ end() offset -10s"), "-89999..210000");
  EXPECT_EQ(span("rate(x[30s])"), "70001..200000");
  EXPECT_EQ(span("sum_over_time(rate(x[30s])[1m:10s])"), "10001..200000");
  EXPECT_EQ(span("sum_over_time(x[1m:10s] offset 100s)"), "-359999..100000");
}

TEST_F(PlannerTest, EqualSelectorsAreSharedWhenTheirTimesAreNear) {
  EXPECT_EQ(plan("x / x").sources.size(), 1U);
  EXPECT_EQ(plan_.sources[0].uses, 2);
  EXPECT_EQ(plan("rate(x[1m]) / rate(x[2m])").sources.size(), 1U);
  EXPECT_EQ(span("rate(x[1m]) / rate(x[2m])"), "-19999..200000");
  EXPECT_EQ(plan("x / y").sources.size(), 2U);
  EXPECT_EQ(plan("x / x{a=\"b\"}").sources.size(), 2U);
  EXPECT_EQ(plan("x / x offset 1d").sources.size(), 2U)
      << "a day between them would be read for nothing";
}

TEST_F(PlannerTest, StepInvariantParts) {
  auto invariant = [&](std::string_view query) { return plan(query).root->step_invariant; };
  EXPECT_TRUE(invariant("1 + 2"));
  EXPECT_TRUE(invariant("x @ 5"));
  EXPECT_TRUE(invariant("sum(rate(x[1m] @ start()))"));
  EXPECT_TRUE(invariant("sum_over_time(x[1m:10s] @ 5)"));
  EXPECT_FALSE(invariant("x"));
  EXPECT_FALSE(invariant("time()"));
  EXPECT_FALSE(invariant("timestamp(x @ 5)"));
  EXPECT_FALSE(invariant("x @ 5 + x"));
  EXPECT_FALSE(invariant("count_over_time((x @ 5)[1m:7s])")) << "the number of inner steps changes";
}

TEST_F(PlannerTest, InfoMetricsAreThoseOfTheFirstSelectorsTime) {
  auto shift = [&](std::string_view query) {
    const Shift& s = plan(query).root->as<InfoNode>()->shift;
    return fmt::format("{}@{}", s.offset_ms, s.at_ms.value_or(-1));
  };
  EXPECT_EQ(shift("info(x)"), "0@-1");
  EXPECT_EQ(shift("info(vector(1))"), "0@-1");
  EXPECT_EQ(shift("info(x @ 50 offset 2s)"), "2000@50000");
  EXPECT_EQ(shift("info(sum(x offset 1s) + y @ 5)"), "1000@-1");
  EXPECT_EQ(shift("info(topk(scalar(k @ 1), x @ 2))"), "0@2000");
  EXPECT_EQ(shift("info(max_over_time(x[1m:1s] offset 3s @ 7))"), "3000@7000");
  EXPECT_EQ(shift("info(max_over_time((x offset 1s)[1m:1s] offset 3s))"), "4000@-1");
  EXPECT_EQ(shift("info(max_over_time((x @ 9 offset 1s)[1m:1s] offset 3s @ 7))"), "1000@9000");
}

TEST_F(PlannerTest, InfoMetricsHaveAName) {
  auto names = [&](std::string_view query) {
    std::string text;
    for (const model::Matcher& m : plan(query).root->as<InfoNode>()->names) {
      text += m.to_string() + " ";
    }
    return text;
  };
  EXPECT_EQ(names("info(x)"), "__name__=\"target_info\" ");
  EXPECT_EQ(names("info(x, {a=\"b\"})"), "__name__=\"target_info\" ");
  EXPECT_EQ(names("info(x, {__name__=\"build_info\"})"), "__name__=\"build_info\" ");
  EXPECT_EQ(names("info(x, {__name__!=\"b\"})"), "__name__=~\".+_info\" __name__!=\"b\" ");
}

TEST_F(PlannerTest, AnchoredAndSmoothedReadBeyondTheirWindows) {
  EXPECT_EQ(span("rate(x[30s] anchored)"), "-229999..200000");
  EXPECT_EQ(span("rate(x[30s] smoothed)"), "-229999..500000");
  EXPECT_EQ(span("x smoothed offset 1m"), "-259999..440000");
}

TEST_F(PlannerTest, AnchoredAndSmoothedAreOfSomeFunctionsOnly) {
  plan("resets(x[1m] anchored)");
  EXPECT_EQ(error_, "");
  plan("resets(x[1m] smoothed)");
  EXPECT_EQ(error_,
            "smoothed modifier can only be used with: delta, increase, rate - not with resets");
  plan("absent_over_time(x[1m] anchored)");
  EXPECT_EQ(error_,
            "anchored modifier can only be used with: changes, delta, increase, rate, resets - not "
            "with absent_over_time");
}

}  // namespace
}  // namespace tocsin::promql::plan
