// SPDX-License-Identifier: Apache-2.0
#include "model/histogram_buckets.h"

#include <cmath>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

namespace tocsin::model {
namespace {

FloatHistogram positive(double count, std::vector<double> buckets, std::int32_t offset = 0) {
  FloatHistogram h;
  h.count = count;
  h.positive_spans = {{offset, static_cast<std::uint32_t>(buckets.size())}};
  h.positive_buckets = std::move(buckets);
  return h;
}

FloatHistogram custom(double count, std::vector<double> bounds, std::vector<double> buckets) {
  FloatHistogram h = positive(count, std::move(buckets));
  h.schema = kCustomBucketsSchema;
  h.custom_values = std::move(bounds);
  return h;
}

TEST(HistogramBuckets, ExpandAndCompressAreInverse) {
  const std::vector<HistogramSpan> spans = {{-2, 2}, {3, 1}, {0, 1}};
  const BucketSide side = expand(spans, {1, 2, 3, 4});
  ASSERT_EQ(side.size(), 4U);
  EXPECT_EQ(side[0].index, -2);
  EXPECT_EQ(side[2].index, 3);
  std::vector<HistogramSpan> back;
  std::vector<double> counts;
  compress(side, &back, &counts);
  EXPECT_EQ(back, (std::vector<HistogramSpan>{{-2, 2}, {3, 2}}));
  EXPECT_EQ(counts, (std::vector<double>{1, 2, 3, 4}));
  EXPECT_EQ(expand({{0, 5}}, {1, 2}).size(), 2U) << "fewer counts than the spans say";
}

TEST(HistogramBuckets, ExponentialBounds) {
  const auto check = [](std::int32_t schema, std::int32_t index, double bound) {
    EXPECT_DOUBLE_EQ(exponential_bound(schema, index), bound) << schema << " " << index;
  };
  check(0, 0, 1);
  check(0, 3, 8);
  check(0, -2, 0.25);
  check(1, 1, std::sqrt(2));
  check(1, -1, std::sqrt(0.5));
  check(2, 8, 4);
  check(8, 256, 2);
  check(-2, 1, 16);
  check(-4, -1, 1.0 / 65536);
  check(0, 1024, std::numeric_limits<double>::max());
  check(3, 8192, std::numeric_limits<double>::max());
  check(-4, 64, std::numeric_limits<double>::max());
  check(0, 1025, std::numeric_limits<double>::infinity());
  check(-4, 2'000'000'000, std::numeric_limits<double>::infinity());
  check(0, -2'000'000'000, 0);
}

TEST(HistogramBuckets, OrderOfBounds) {
  FloatHistogram h = positive(0, {1, 0, 2});
  h.negative_spans = {{0, 2}};
  h.negative_buckets = {3, 4};
  h.zero_count = 5;
  h.zero_threshold = 0.75;
  EXPECT_EQ(to_string(h),
            "{count:0, sum:0, [-2,-1):4, [-1,-0.5):3, [-0.75,0.75]:5, (0.5,1]:1, (2,4]:2}");
  std::vector<Bucket> cut;
  ordered_buckets(h, Overlap::kCutAtZero, &cut);
  ASSERT_EQ(cut.size(), 5U);
  EXPECT_EQ(cut[1].upper, -0.75);
  EXPECT_EQ(cut[3].lower, 0.75);
  EXPECT_EQ(to_string(custom(6, {1, 5}, {1, 2, 3})),
            "{count:6, sum:0, [-Inf,1]:1, (1,5]:2, (5,+Inf]:3}");
}

TEST(HistogramBuckets, DetectReset) {
  struct Case {
    const char* what;
    FloatHistogram before, now;
    bool reset;
  };
  FloatHistogram fine = positive(3, {1, 2});
  fine.schema = 1;
  FloatHistogram wide = positive(3, {3});
  wide.zero_threshold = 1;
  FloatHistogram zero = positive(3, {}, 0);
  zero.positive_spans.clear();
  zero.zero_threshold = 1;
  zero.zero_count = 3;
  FloatHistogram cut = zero;
  cut.zero_threshold = 0.75;
  FloatHistogram negative = positive(3, {});
  negative.positive_spans.clear();
  negative.negative_spans = {{0, 1}};
  negative.negative_buckets = {3};
  const Case cases[] = {
      {"grew", positive(3, {1, 2}), positive(4, {1, 3}), false},
      {"same", positive(3, {1, 2}), positive(3, {1, 2}), false},
      {"count fell", positive(3, {1, 2}), positive(2, {1, 2}), true},
      {"bucket fell", positive(3, {1, 2}), positive(4, {0, 4}), true},
      {"bucket vanished", positive(3, {1, 2}), positive(4, {4}), true},
      {"empty bucket vanished", positive(3, {3, 0}), positive(4, {4}), false},
      {"bucket appeared", positive(3, {1, 2}), positive(9, {1, 2, 6}), false},
      {"lower schema", fine, positive(3, {1, 2}), false},
      {"lower schema, fell", fine, positive(3, {1, 1}), true},
      {"higher schema", positive(3, {1, 2}), fine, true},
      {"zero bucket takes in", positive(3, {3}), zero, false},
      {"zero bucket takes in less", positive(4, {4}),
       [&] {
         auto h = zero;
         h.count = 4;
         return h;
       }(),
       true},
      {"zero bucket cuts a bucket", positive(3, {3}), cut, true},
      {"zero bucket shrank", wide, positive(3, {3}), true},
      {"negative fell", negative, positive(3, {3}), true},
      {"custom", positive(3, {3}), custom(3, {1}, {3}), true},
      {"custom grew", custom(3, {1}, {1, 2}), custom(4, {1}, {1, 3}), false},
      {"custom fell", custom(3, {1}, {1, 2}), custom(4, {1}, {0, 4}), true},
      {"custom split", custom(3, {1, 3}, {1, 1, 1}), custom(3, {1, 2, 3}, {1, 0, 1, 1}), false},
      {"custom split, fell", custom(3, {1, 3}, {1, 2, 0}), custom(3, {1, 2, 3}, {1, 1, 0, 1}),
       true},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(detect_reset(c.now, c.before), c.reset) << c.what;
    FloatHistogram hinted = c.now;
    hinted.reset_hint = CounterResetHint::kReset;
    EXPECT_TRUE(detect_reset(hinted, c.before)) << c.what;
    hinted.reset_hint = CounterResetHint::kNotReset;
    EXPECT_FALSE(detect_reset(hinted, c.before)) << c.what;
  }
}

}  // namespace
}  // namespace tocsin::model
