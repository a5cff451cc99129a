// SPDX-License-Identifier: Apache-2.0
#include "promql/functions/numbers.h"

#include <gtest/gtest.h>

#include "promql/functions/classic_histogram.h"

namespace tocsin::promql::functions {
namespace {

double sum(std::vector<double> values) {
  KahanSum s;
  for (double v : values) s.add(v);
  return s.value();
}
double mean(std::vector<double> values) {
  Mean m;
  for (double v : values) m.add(v);
  return m.value();
}
double q(double at, std::vector<double> values) { return quantile(at, &values); }

TEST(KahanSum, KeepsSmallValuesAndInfinities) {
  EXPECT_EQ(sum({1e100, 1, -1e100, 1}), 2);
  EXPECT_EQ(sum({kInf, 1, 2}), kInf);
  EXPECT_TRUE(std::isnan(sum({kInf, -kInf})));
  EXPECT_EQ(sum({0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1}), 1);
}

TEST(Mean, DoesNotOverflow) {
  EXPECT_EQ(mean({8, 10, 12}), 10);
  EXPECT_EQ(mean({1e308, 1e308, 1e308}), 1e308);
  EXPECT_EQ(mean({-1e308, -1e308, 1e308, 1e308}), 0);
  EXPECT_EQ(mean({kInf, 0, kInf}), kInf);
  EXPECT_EQ(mean({0, -kInf, 3}), -kInf);
  EXPECT_TRUE(std::isnan(mean({kInf, -kInf, 1})));
  EXPECT_TRUE(std::isnan(mean({1, kNan})));
}

TEST(Quantile, InterpolatesWithNanFirst) {
  EXPECT_EQ(q(0.5, {3, 1, 2}), 2);
  EXPECT_EQ(q(0.25, {0, 4}), 1);
  EXPECT_EQ(q(1, {5, 1}), 5);
  EXPECT_EQ(q(0.8, {kNan, 1, 0}), 0.6000000000000001);
  EXPECT_TRUE(std::isnan(q(0, {kNan, 1})));
  EXPECT_TRUE(std::isnan(q(kNan, {1})));
  EXPECT_TRUE(std::isnan(q(0.5, {})));
  EXPECT_EQ(q(-0.1, {1}), -kInf);
  EXPECT_EQ(q(1.1, {1}), kInf);
}

TEST(Numbers, MaxMinVarianceAndEquality) {
  EXPECT_TRUE(std::isnan(max_nan(1, kNan)));
  EXPECT_TRUE(std::isnan(min_nan(kNan, 1)));
  EXPECT_EQ(max_nan(1, 2), 2);
  EXPECT_EQ(min_nan(1, 2), 1);
  EXPECT_FALSE(std::signbit(max_nan(0.0, -0.0)));
  EXPECT_TRUE(std::signbit(min_nan(0.0, -0.0)));
  EXPECT_EQ(variance(std::vector<double>{1, 2, 3, 4, 10}), 10);
  EXPECT_TRUE(almost_equal(1, 1 + 1e-9, 1e-6));
  EXPECT_FALSE(almost_equal(1, 1.01, 1e-6));
  EXPECT_FALSE(almost_equal(0, 1e-9, 1e-6));
  EXPECT_TRUE(almost_equal(kNan, kNan, 1e-6));
}

double bucket_q(double at, std::vector<Bucket> buckets, bool* forced = nullptr) {
  Repair repair;
  const double value = bucket_quantile(at, &buckets, &repair);
  if (forced != nullptr) *forced = repair.forced;
  return value;
}

TEST(BucketQuantile, Cases) {
  EXPECT_EQ(bucket_q(0.5, {{kInf, 4}, {1, 1}, {2, 3}}), 1.5) << "any order";
  EXPECT_EQ(bucket_q(0.5, {{-1, 2}, {kInf, 4}}), -1) << "a first bucket below zero has no start";
  EXPECT_EQ(bucket_q(1, {{1, 1}, {kInf, 4}}), 1);
  EXPECT_TRUE(std::isnan(bucket_q(0.5, {{1, 1}, {2, 3}}))) << "no +Inf";
  EXPECT_TRUE(std::isnan(bucket_q(0.5, {{kInf, 3}})));
  EXPECT_TRUE(std::isnan(bucket_q(0.5, {{1, 0}, {kInf, 0}})));
  EXPECT_EQ(bucket_q(0.5, {{1, 1}, {1, 1}, {kInf, 4}}), 1) << "equal bounds are added";
}

TEST(BucketQuantile, RepairsOnlyRealDecreases) {
  bool forced = false;
  bucket_q(0.5, {{1, 5}, {2, 3}, {kInf, 9}}, &forced);
  EXPECT_TRUE(forced);
  bucket_q(0.5, {{1, 5}, {2, 5 - 1e-13}, {kInf, 9}}, &forced);
  EXPECT_FALSE(forced);
}

}  // namespace
}  // namespace tocsin::promql::functions
