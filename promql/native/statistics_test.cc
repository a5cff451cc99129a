// SPDX-License-Identifier: Apache-2.0
#include "promql/native/statistics.h"

#include <cmath>
#include <random>
#include <string>

#include <gtest/gtest.h>

#include "promql/functions/numbers.h"
#include "promql/script/histogram_literal.h"

namespace tocsin::promql::native {
namespace {

using functions::kInf;
using functions::kNan;
using model::FloatHistogram;

FloatHistogram parse(std::string_view text) {
  const auto histogram = script::parse_histogram(text);
  EXPECT_TRUE(histogram.ok()) << text << ": " << message(histogram.status());
  return histogram.ok() ? *histogram : FloatHistogram{};
}

void expect_near(double actual, double wanted, std::string_view what) {
  if (std::isnan(wanted)) {
    EXPECT_TRUE(std::isnan(actual)) << what << ": " << actual;
  } else if (std::isinf(wanted)) {
    EXPECT_EQ(actual, wanted) << what;
  } else {
    EXPECT_NEAR(actual, wanted, 1e-9 * std::fabs(wanted)) << what;
  }
}

constexpr const char* kOneToFour = "count:4 buckets:[0 2 2]";  // (1, 2] and (2, 4]
constexpr const char* kCustom = "schema:-53 count:10 custom_values:[5 10] buckets:[2 4 4]";
constexpr const char* kBelowZero = "schema:-53 count:4 custom_values:[-5 5] buckets:[2 2]";

TEST(NativeQuantile, Interpolates) {
  struct Case {
    const char* histogram;
    double q;
    double value;
  };
  const Case cases[] = {
      {kOneToFour, -0.1, -kInf},
      {kOneToFour, 1.1, kInf},
      {kOneToFour, kNan, kNan},
      {"", 0.5, kNan},
      {kOneToFour, 0, 1},
      {kOneToFour, 0.25, std::sqrt(2)},
      {kOneToFour, 0.5, 2},
      {kOneToFour, 0.75, 2 * std::sqrt(2)},
      {kOneToFour, 1, 4},
      {"count:4 n_buckets:[0 2 2]", 0.25, -2 * std::sqrt(2)},
      {"count:4 z_bucket:4 z_bucket_w:0.5", 0.75, 0.25},
      {"count:4 z_bucket:2 z_bucket_w:0.5 buckets:[0 2]", 0.25, 0.25},
      {"count:4 z_bucket:2 z_bucket_w:0.5 n_buckets:[0 2]", 0.75, -0.25},
      {"count:2 z_bucket_w:0.75 buckets:[2]", 0, 0.75},  // a bucket is cut off at the zero bucket
      {kCustom, 0.1, 2.5},
      {kCustom, 0.4, 7.5},
      {kCustom, 0.9, 10},
      {kBelowZero, 0.25, -5},
      {kBelowZero, 0.75, 0},
      {"count:9 sum:1 buckets:[0 2]", 0.5, 2},  // more in the count than in buckets
  };
  for (const Case& c : cases) {
    const Quantile quantile = native::quantile(c.q, parse(c.histogram));
    expect_near(quantile.value, c.value, fmt::format("{} of {}", c.q, c.histogram));
    EXPECT_EQ(quantile.nan, NanEffect::kNone);
  }
}

TEST(NativeQuantile, NanObservations) {
  const FloatHistogram h = parse("count:10 sum:NaN buckets:[0 8]");
  EXPECT_EQ(quantile(0.4, h).nan, NanEffect::kSkewedHigher);
  EXPECT_NEAR(quantile(0.4, h).value, std::sqrt(2), 1e-9);
  EXPECT_EQ(quantile(0.9, h).nan, NanEffect::kResultIsNan);
  EXPECT_TRUE(std::isnan(quantile(0.9, h).value));
}

TEST(NativeFraction, Interpolates) {
  struct Case {
    const char* histogram;
    double lower, upper, part;
  };
  const Case cases[] = {
      {"", 0, 1, kNan},
      {kOneToFour, kNan, 1, kNan},
      {kOneToFour, 2, 1, 0},
      {kOneToFour, 2, 2, 0},
      {kOneToFour, 1, 2, 0.5},
      {kOneToFour, -kInf, kInf, 1},
      {kOneToFour, std::sqrt(2), 2 * std::sqrt(2), 0.5},
      {"count:4 n_buckets:[0 2 2]", -kInf, -2 * std::sqrt(2), 0.25},
      {"count:4 z_bucket:4 z_bucket_w:0.5", -0.25, 0.25, 0.5},
      {"count:4 z_bucket:4 z_bucket_w:0.5 buckets:[0 0]", -1, 0, 0},
      {kCustom, 0, 5, 0.2},
      {kCustom, 2.5, 7.5, 0.3},
      {kCustom, 0, 1000, 0.6},  // nothing is known of the last bucket
      {kCustom, 0, kInf, 1},
      {kBelowZero, -1000, 0, 0},  // a bucket around zero begins at zero here, as upstream's
      {kBelowZero, -1000, 2.5, 0.25},
  };
  for (const Case& c : cases) {
    expect_near(fraction(c.lower, c.upper, parse(c.histogram)), c.part,
                fmt::format("({}, {}] of {}", c.lower, c.upper, c.histogram));
  }
}

// Random histograms: fraction() undoes quantile(), and trimming agrees with both.
TEST(NativeStatistics, AgreeWithEachOther) {
  const std::uint32_t seed = 7;
  std::mt19937 random(seed);
  for (int round = 0; round < 500; ++round) {
    FloatHistogram h;
    h.schema = static_cast<std::int32_t>(random() % 6) - 1;
    h.zero_threshold = random() % 2 == 0 ? 0 : 0.001;
    h.zero_count = h.zero_threshold == 0 ? 0 : static_cast<double>(random() % 3);
    h.count = h.zero_count;
    const auto side = [&](std::vector<model::HistogramSpan>* spans, std::vector<double>* counts) {
      for (std::uint32_t k = 0; k < random() % 6; ++k) {
        spans->push_back({static_cast<std::int32_t>(random() % 4), 1});
        counts->push_back(static_cast<double>(random() % 5));
        h.count += counts->back();
      }
    };
    side(&h.positive_spans, &h.positive_buckets);
    side(&h.negative_spans, &h.negative_buckets);
    if (h.count == 0) continue;
    const double q = std::uniform_real_distribution<>(0.01, 0.99)(random);
    const double v = quantile(q, h).value;
    const std::string what =
        fmt::format("seed {} round {}: {} of {}", seed, round, q, script::to_text(h));
    EXPECT_NEAR(fraction(-kInf, v, h), q, 1e-6) << what;
    const FloatHistogram below = trim(h, v, Keep::kBelow);
    const FloatHistogram above = trim(h, v, Keep::kAbove);
    EXPECT_NEAR(below.count, q * h.count, 1e-6 * h.count) << what;
    EXPECT_NEAR(below.count + above.count, h.count, 1e-9 * h.count) << what;
  }
}

TEST(NativeVariance, ByTheMiddleOfBuckets) {
  expect_near(variance(parse("count:4 sum:4 z_bucket:4")), 1, "zero bucket");
  expect_near(variance(parse("count:2 sum:0 buckets:[0 1] n_buckets:[0 1]")), 2, "both sides");
  expect_near(variance(parse("schema:-53 count:2 sum:15 custom_values:[5 10] buckets:[0 2]")), 0,
              "custom");
}

TEST(NativeTrim, KeepsCountAndSumWhenNothingIsCutOff) {
  const FloatHistogram h = parse("count:77 sum:123 buckets:[1 2 0 3]");
  EXPECT_EQ(trim(h, 8, Keep::kBelow), h);
  EXPECT_EQ(trim(h, 0.5, Keep::kAbove), h);
  EXPECT_EQ(trim(h, 4, Keep::kBelow).count, 3);
  const FloatHistogram nothing = trim(h, -kInf, Keep::kBelow);
  EXPECT_EQ(nothing.count, 0);
  EXPECT_EQ(nothing.sum, 0);
  EXPECT_TRUE(nothing.positive_spans.empty() && nothing.positive_buckets.empty());
}

}  // namespace
}  // namespace tocsin::promql::native
