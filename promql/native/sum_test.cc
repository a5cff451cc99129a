// SPDX-License-Identifier: Apache-2.0
#include "promql/native/sum.h"

#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "promql/script/histogram_literal.h"

namespace tocsin::promql::native {
namespace {

using model::CounterResetHint;
using model::FloatHistogram;

FloatHistogram parse(std::string_view text) {
  const auto histogram = script::parse_histogram(text);
  EXPECT_TRUE(histogram.ok()) << text << ": " << message(histogram.status());
  return histogram.ok() ? *histogram : FloatHistogram{};
}

std::string show(const FloatHistogram& h) {
  const std::string text = script::to_text(h);
  return text.substr(2, text.size() - 4);
}

std::string sum_of(std::string_view a, std::string_view b, double factor = 1) {
  HistogramSum sum(parse(a));
  if (!sum.add(parse(b), factor)) return "incompatible";
  return show(sum.value()) + (sum.reconciled() ? " reconciled" : "");
}

TEST(HistogramSum, BucketsOfOneSchema) {
  EXPECT_EQ(sum_of("count:3 sum:4 buckets:[1 2]", "count:5 sum:1 offset:1 buckets:[2 0 3]"),
            "schema:0 count:8 sum:5 offset:0 buckets:[1 4 3]");
  EXPECT_EQ(sum_of("count:3 n_buckets:[1 2]", "count:1 n_offset:-2 n_buckets:[1]"),
            "schema:0 count:4 sum:0 n_offset:-2 n_buckets:[1 1 2]");
  EXPECT_EQ(sum_of("count:3 buckets:[1 2]", "count:3 buckets:[1 2]", -1), "schema:0 count:0 sum:0");
  EXPECT_EQ(sum_of("", ""), "schema:0 count:0 sum:0");
}

TEST(HistogramSum, TheLowerSchemaWins) {
  EXPECT_EQ(sum_of("schema:1 count:10 offset:-1 buckets:[1 2 3 4]", "schema:0 count:1 buckets:[1]"),
            "schema:0 count:11 sum:0 offset:0 buckets:[4 7]");
  EXPECT_EQ(sum_of("schema:0 count:1 buckets:[1]", "schema:2 count:4 offset:1 buckets:[1 1 1 1 1]"),
            "schema:0 count:5 sum:0 offset:0 buckets:[1 4 1]");
  EXPECT_EQ(sum_of("schema:-4 count:1 buckets:[1]", "schema:8 count:2 offset:-3 buckets:[2]"),
            "schema:-4 count:3 sum:0 offset:0 buckets:[3]");
}

TEST(HistogramSum, TheWiderZeroBucketTakesInBuckets) {
  // (0.5, 1] lies inside a zero bucket up to 1.
  EXPECT_EQ(sum_of("count:6 z_bucket:1 z_bucket_w:1", "count:5 z_bucket:2 buckets:[3 4]"),
            "schema:0 count:11 sum:0 z_bucket_w:1 z_bucket:6 offset:1 buckets:[4]");
  EXPECT_EQ(sum_of("count:5 z_bucket:2 buckets:[3 4]", "count:6 z_bucket:1 z_bucket_w:1"),
            "schema:0 count:11 sum:0 z_bucket_w:1 z_bucket:6 offset:1 buckets:[4]");
  // A populated bucket that is cut widens it further, here by way of the negative side.
  EXPECT_EQ(
      sum_of("z_bucket:1 z_bucket_w:1.5", "offset:1 buckets:[3 1] n_offset:1 n_buckets:[5 7]"),
      "schema:0 count:0 sum:0 z_bucket_w:2 z_bucket:9 offset:2 buckets:[1] n_offset:2 "
      "n_buckets:[7]");
  EXPECT_EQ(sum_of("z_bucket:1 z_bucket_w:1.5 offset:2 buckets:[1]", "offset:1 buckets:[0 2]"),
            "schema:0 count:0 sum:0 z_bucket_w:1.5 z_bucket:1 offset:2 buckets:[3]")
      << "an empty bucket does not";
}

TEST(HistogramSum, CustomBoundsThatAllHave) {
  const char* abc = "schema:-53 count:10 custom_values:[1 2 3] buckets:[1 2 3 4]";
  EXPECT_EQ(sum_of(abc, abc),
            "schema:-53 count:20 sum:0 offset:0 buckets:[2 4 6 8] "
            "custom_values:[1 2 3]");
  EXPECT_EQ(sum_of(abc, "schema:-53 count:6 custom_values:[2 4] buckets:[1 2 3]"),
            "schema:-53 count:16 sum:0 offset:0 buckets:[4 12] custom_values:[2] reconciled");
  EXPECT_EQ(sum_of(abc, "schema:-53 count:1 custom_values:[7] buckets:[1]"),
            "schema:-53 count:11 sum:0 offset:0 buckets:[11] reconciled");
  EXPECT_EQ(sum_of(abc, "count:1 buckets:[1]"), "incompatible");
  EXPECT_EQ(sum_of("count:1 buckets:[1]", abc), "incompatible");
}

TEST(HistogramSum, IsCompensated) {
  HistogramSum sum(parse("sum:1 count:1 buckets:[1]"));
  for (const char* next :
       {"sum:1e100 buckets:[1e100]", "sum:1 buckets:[1]", "sum:-1e100 buckets:[-1e100]"}) {
    ASSERT_TRUE(sum.add(parse(next)));
  }
  EXPECT_EQ(show(sum.value()), "schema:0 count:1 sum:2 offset:0 buckets:[2]");
}

TEST(HistogramSum, Hints) {
  constexpr auto kUnknown = CounterResetHint::kUnknown;
  constexpr auto kReset = CounterResetHint::kReset;
  constexpr auto kNot = CounterResetHint::kNotReset;
  constexpr auto kGauge = CounterResetHint::kGauge;
  struct Case {
    std::vector<CounterResetHint> hints;
    CounterResetHint result;
    bool conflict;
  };
  const Case cases[] = {
      {{kNot, kNot}, kNot, false},         {{kReset, kReset}, kReset, false},
      {{kNot, kUnknown}, kUnknown, false}, {{kUnknown, kNot}, kUnknown, false},
      {{kNot, kGauge}, kGauge, false},     {{kGauge, kReset}, kGauge, false},
      {{kNot, kReset}, kUnknown, true},    {{kGauge, kReset, kNot}, kGauge, true}};
  for (const Case& c : cases) {
    FloatHistogram h;
    h.reset_hint = c.hints[0];
    HistogramSum sum(h);
    for (std::size_t i = 1; i < c.hints.size(); ++i) {
      h.reset_hint = c.hints[i];
      ASSERT_TRUE(sum.add(h));
    }
    EXPECT_EQ(sum.value().reset_hint, c.result);
    EXPECT_EQ(sum.resets_conflict(), c.conflict);
  }
  EXPECT_EQ(multiplied(FloatHistogram{}, -1).reset_hint, kGauge);
  EXPECT_EQ(divided(FloatHistogram{}, -1).reset_hint, kGauge);
}

TEST(HistogramSum, ScalesAndDividesByZero) {
  const FloatHistogram h = parse("count:6 sum:3 z_bucket:1 buckets:[2 0 4]");
  const FloatHistogram twice = multiplied(h, 2);
  EXPECT_EQ(twice.positive_spans, (std::vector<model::HistogramSpan>{{0, 1}, {1, 1}}));
  EXPECT_EQ(show(twice), "schema:0 count:12 sum:6 z_bucket:2 offset:0 buckets:[4 8]");
  EXPECT_EQ(show(divided(h, 0)), "schema:0 count:inf sum:inf z_bucket:inf");
}

TEST(HistogramMean, GoesOnWhenASumWouldOverflow) {
  constexpr double kMax = std::numeric_limits<double>::max();
  FloatHistogram big;
  big.count = kMax;
  HistogramMean mean(big);
  ASSERT_TRUE(mean.add(big));
  ASSERT_TRUE(mean.add(FloatHistogram{}));
  EXPECT_DOUBLE_EQ(mean.value().count, kMax / 3 * 2);
  HistogramMean small(parse("count:1 buckets:[1]"));
  ASSERT_TRUE(small.add(parse("count:2 buckets:[2]")));
  EXPECT_EQ(show(small.value()), "schema:0 count:1.5 sum:0 offset:0 buckets:[1.5]");
  EXPECT_FALSE(small.add(parse("schema:-53")));
}

TEST(HistogramSum, ManySparseBucketsStayCheap) {
  // Two combs of buckets that never meet: merging must not move what is behind for each.
  FloatHistogram even;
  FloatHistogram odd;
  constexpr std::uint32_t kBuckets = 60'000;
  for (std::uint32_t i = 0; i < kBuckets; ++i) {
    even.positive_spans.push_back({i == 0 ? 0 : 1, 1});
    odd.positive_spans.push_back({1, 1});
    even.positive_buckets.push_back(1);
    odd.positive_buckets.push_back(2);
  }
  even.schema = odd.schema = 8;
  HistogramSum sum(even);
  ASSERT_TRUE(sum.add(odd));
  const FloatHistogram both = sum.value();
  ASSERT_EQ(both.positive_spans.size(), 1U);
  EXPECT_EQ(both.positive_spans[0].length, 2 * kBuckets);
  EXPECT_EQ(both.positive_buckets[1], 2);
}

}  // namespace
}  // namespace tocsin::promql::native
