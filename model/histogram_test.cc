// SPDX-License-Identifier: Apache-2.0
#include "model/histogram.h"

#include <cmath>
#include <functional>
#include <limits>

#include <gtest/gtest.h>

#include "model/value.h"

namespace tocsin::model {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();

Histogram valid() {
  Histogram h;
  h.schema = 1;
  h.zero_threshold = 0.001;
  h.zero_count = 2;
  h.count = 12;
  h.sum = 18.4;
  h.positive_spans = {{0, 2}, {1, 2}};
  h.positive_deltas = {1, 1, -1, 0};  // 1 2 1 1
  h.negative_spans = {{-3, 2}};
  h.negative_deltas = {2, 1};  // 2 3
  return h;
}

Histogram custom() {
  Histogram h;
  h.schema = kCustomBucketsSchema;
  h.count = 6;
  h.sum = 3;
  h.positive_spans = {{0, 3}};
  h.positive_deltas = {1, 1, 1};
  h.custom_values = {1, 2};
  return h;
}

using H = Histogram*;

void check(Histogram h, const std::function<void(H)>& change, std::string_view error) {
  change(&h);
  const Status status = validate(h);
  EXPECT_EQ(message(status), error);
  EXPECT_EQ(status.ok(), error.empty());
}

TEST(Histogram, ValidationSaysWhatPrometheusSays) {
  check(valid(), [](H) {}, "");
  check(custom(), [](H) {}, "");
  check(Histogram(), [](H h) { h->sum = stale_nan(); }, "");
  check(
      valid(), [](H h) { h->count = 13; },
      "12 observations found in buckets, but the Count field is 13: histogram's observation count "
      "should equal the number of observations found in the buckets (in absence of NaN)");
  check(valid(), [](H h) { h->count = 13, h->sum = kNan; }, "");
  check(
      valid(), [](H h) { h->count = 10, h->sum = kNan; },
      "12 observations found in buckets, but the Count field is 10: histogram's observation count "
      "should be at least the number of observations found in the buckets");
  check(
      valid(), [](H h) { h->positive_deltas[1] = -2; },
      "positive side: bucket number 2 has observation count of -1: histogram has a bucket whose "
      "observation count is negative");
  check(
      valid(), [](H h) { h->negative_deltas[0] = -2; },
      "negative side: bucket number 1 has observation count of -2: histogram has a bucket whose "
      "observation count is negative");
  check(
      valid(), [](H h) { h->positive_spans[1].offset = -1; },
      "positive side: span number 2 with offset -1: histogram has a span whose offset is "
      "negative");
  check(
      valid(), [](H h) { h->negative_spans[0].length = 3; },
      "negative side: spans need 3 buckets, have 2 buckets: histogram spans specify different "
      "number of buckets than provided");
  check(
      valid(), [](H h) { h->custom_values = {1}; },
      "histogram with exponential schema must not have custom bounds");
  for (const std::int32_t schema : {-5, 9, -52, 1000}) {
    check(
        valid(), [&](H h) { h->schema = schema; },
        fmt::format("histogram has an invalid schema, which must be between -4 and 8 for "
                    "exponential buckets, or -53 for custom buckets, got schema {}",
                    schema));
  }
}

TEST(Histogram, ValidationOfCustomBucketsSaysWhatPrometheusSays) {
  check(
      custom(), [](H h) { h->custom_values = {2, 1}; },
      "custom buckets: previous bound is 2.000000 and current is 1.000000: histogram custom "
      "bounds must be in strictly increasing order");
  check(
      custom(), [](H h) { h->custom_values = {1, kNan}; },
      "custom buckets: histogram custom bounds must not be NaN");
  check(
      custom(), [](H h) { h->custom_values = {1, kInf}; },
      "custom buckets: last +Inf bound must not be explicitly defined: histogram custom bounds "
      "must be finite");
  check(
      custom(), [](H h) { h->custom_values = {1}; },
      "custom buckets: only 1 custom bounds defined which is insufficient to cover total span "
      "length of 3: histogram custom bounds are too few");
  check(
      custom(), [](H h) { h->positive_spans[0].offset = -1; },
      "custom buckets: span number 1 with offset -1: histogram has a span whose offset is "
      "negative");
  check(custom(), [](H h) { h->zero_count = 1; }, "custom buckets: must have zero count of 0");
  check(
      custom(), [](H h) { h->zero_threshold = 1; },
      "custom buckets: must have zero threshold of 0");
  check(
      custom(), [](H h) { h->negative_spans = {{0, 0}}; },
      "custom buckets: must not have negative spans");
  check(
      custom(), [](H h) { h->negative_deltas = {1}; },
      "custom buckets: must not have negative buckets");
  check(
      custom(), [](H h) { h->positive_deltas.assign(70'000, 0); },
      "custom buckets: histogram has 70000 buckets, more than 65536");
}

TEST(Histogram, FloatsAreNotComparedWithTheirCount) {
  FloatHistogram h = to_float(valid());
  EXPECT_TRUE(validate(h).ok());
  h.count = 1000;
  EXPECT_TRUE(validate(h).ok());
  h.positive_buckets[0] = -0.5;
  EXPECT_EQ(message(validate(h)),
            "positive side: bucket number 1 has observation count of -0.5: histogram has a bucket "
            "whose observation count is negative");
  h = to_float(valid());
  h.count = -1;
  EXPECT_EQ(message(validate(h)),
            "observation count is -1: histogram's observation count is negative");
  h = to_float(valid());
  h.zero_count = -1;
  EXPECT_EQ(message(validate(h)),
            "zero bucket has observation count of -1: histogram has a bucket whose observation "
            "count is negative");
}

TEST(Histogram, FloatFormHasAbsoluteCounts) {
  const FloatHistogram h = to_float(valid());
  EXPECT_EQ(h.positive_buckets, (std::vector<double>{1, 2, 1, 1}));
  EXPECT_EQ(h.negative_buckets, (std::vector<double>{2, 3}));
  EXPECT_EQ(h.count, 12);
}

TEST(Histogram, SameWhateverTheSpansLookLike) {
  Histogram a = valid();
  Histogram b = valid();
  b.positive_spans = {{0, 1}, {0, 1}, {0, 0}, {1, 2}, {5, 0}};
  b.reset_hint = CounterResetHint::kReset;
  EXPECT_TRUE(same_histogram(a, b));
  EXPECT_TRUE(same_histogram(to_float(a), to_float(b)));
  b.positive_spans[3].offset = 2;
  EXPECT_FALSE(same_histogram(a, b));
  a.sum = b.sum = kNan;
  b.positive_spans = a.positive_spans;
  EXPECT_TRUE(same_histogram(a, b));
  b.sum = stale_nan();
  EXPECT_FALSE(same_histogram(a, b));
  b.sum = a.sum;
  b.positive_deltas[0] = 7;
  EXPECT_FALSE(same_histogram(a, b));
  EXPECT_FALSE(same_histogram(to_float(a), to_float(b)));
}

TEST(Histogram, OneWithNanCountsIsTheSameAsItself) {
  FloatHistogram h = to_float(valid());
  for (double* number : {&h.count, &h.zero_count, &h.sum, &h.positive_buckets.front()}) {
    *number = std::nan("");
    ASSERT_TRUE(validate(h).ok());
    EXPECT_TRUE(same_histogram(h, FloatHistogram(h)));
  }
  FloatHistogram other = h;
  other.count = 1;
  EXPECT_FALSE(same_histogram(h, other));
}

TEST(Histogram, ResolutionIsReducedByMergingNeighbours) {
  struct Row {
    std::int32_t schema;
    std::int32_t max_schema;
    std::vector<HistogramSpan> spans;
    std::vector<double> counts;
    std::int32_t expected_schema;
    std::vector<HistogramSpan> expected_spans;
    std::vector<double> expected_counts;
  };
  const Row rows[] = {
      {1, 1, {{0, 3}}, {1, 2, 3}, 1, {{0, 3}}, {1, 2, 3}},
      {0, 1, {{0, 3}}, {1, 2, 3}, 0, {{0, 3}}, {1, 2, 3}},
      {kCustomBucketsSchema, -4, {{0, 3}}, {1, 2, 3}, kCustomBucketsSchema, {{0, 3}}, {1, 2, 3}},
      {53, 8, {{0, 1}}, {1}, 53, {{0, 1}}, {1}},
      // Bucket 0 stays, 1 and 2 become 1, 3 and 4 become 2.
      {1, 0, {{0, 4}, {1, 2}}, {1, 2, 3, 4, 5, 6}, 0, {{0, 4}}, {1, 5, 4, 11}},
      {9, 8, {{-3, 2}, {4, 1}}, {1, 2, 4}, 8, {{-1, 1}, {2, 1}}, {3, 4}},
      {10, 8, {{1, 8}}, {1, 1, 1, 1, 1, 1, 1, 1}, 8, {{1, 2}}, {4, 4}},
      {52, -4, {{5, 1}, {1000, 1}}, {1, 2}, -4, {{1, 1}}, {3}},
      {3, 2, {{0, 0}, {2, 0}, {1, 1}}, {7}, 2, {{2, 1}}, {7}},
  };
  for (const Row& row : rows) {
    FloatHistogram f;
    f.schema = row.schema;
    f.negative_spans = row.spans;
    f.negative_buckets = row.counts;
    Histogram h;
    h.schema = row.schema;
    h.positive_spans = row.spans;
    double before = 0;
    for (const double count : row.counts) {
      h.positive_deltas.push_back(static_cast<std::int64_t>(count - before));
      before = count;
    }
    ASSERT_TRUE(reduce_resolution(row.max_schema, &f).ok());
    ASSERT_TRUE(reduce_resolution(row.max_schema, &h).ok());
    EXPECT_EQ(f.schema, row.expected_schema);
    EXPECT_EQ(f.negative_spans, row.expected_spans) << row.schema;
    EXPECT_EQ(f.negative_buckets, row.expected_counts) << row.schema;
    const FloatHistogram same = to_float(h);
    EXPECT_EQ(same.schema, row.expected_schema);
    EXPECT_EQ(same.positive_spans, row.expected_spans);
    EXPECT_EQ(same.positive_buckets, row.expected_counts);
  }
}

TEST(Histogram, ResolutionOfOneWhosePartsDoNotFitIsNotReduced) {
  Histogram h = valid();
  h.positive_deltas.pop_back();
  const Histogram before = h;
  EXPECT_EQ(reduce_resolution(0, &h).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(h, before);
}

}  // namespace
}  // namespace tocsin::model
