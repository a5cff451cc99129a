// SPDX-License-Identifier: Apache-2.0
#include "exporters/app/logs/distribution.h"

#include <algorithm>
#include <cmath>
#include <random>

#include <gtest/gtest.h>

namespace tocsin::exporters::app {
namespace {

TEST(QuantileSketch, IsAtMostThreePercentBesideTheTruth) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE(fmt::format("seed {}", seed));
  std::mt19937 random(seed);
  for (int round = 0; round < 50; ++round) {
    std::lognormal_distribution<double> draw(-3.0 + round % 7, 0.1 + round % 3);
    QuantileSketch sketch;
    std::vector<double> values;
    for (std::size_t i = 0; i < 1 + random() % 2000; ++i) {
      values.push_back(std::clamp(draw(random), 0.002, 1000.0));
      sketch.add(values.back(), {});
    }
    std::sort(values.begin(), values.end());
    for (const double quantile : {0.0, 0.5, 0.9, 0.99, 1.0}) {
      const double rank = std::ceil(quantile * static_cast<double>(values.size()));
      const double truth = values[static_cast<std::size_t>(std::max(rank, 1.0)) - 1];
      EXPECT_NEAR(sketch.quantile(quantile, {}), truth, truth * 0.032) << quantile;
    }
  }
}

TEST(QuantileSketch, TakesExtremeValues) {
  QuantileSketch sketch;
  EXPECT_TRUE(std::isnan(sketch.quantile(0.5, {})));
  for (const double value : {0.0, 1e-9, 1e300}) sketch.add(value, {});
  EXPECT_EQ(sketch.quantile(0, {}), 0);
  EXPECT_EQ(sketch.quantile(1, {}), 1024);
}

TEST(Buckets, ABoundBelongsToItsBucket) {
  const Buckets buckets({.1, 2, 1e6});
  EXPECT_EQ(buckets.find(0), 0U);
  EXPECT_EQ(buckets.find(.1), 0U);
  EXPECT_EQ(buckets.find(2), 1U);
  EXPECT_EQ(buckets.find(2.0001), 2U);
  EXPECT_EQ(buckets.find(1e9), 3U);
  EXPECT_EQ(buckets.label(0), "0.1");
  EXPECT_EQ(buckets.label(2), "1e+06");
  EXPECT_EQ(buckets.label(3), "+Inf");
}

}  // namespace
}  // namespace tocsin::exporters::app
