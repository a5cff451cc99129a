// SPDX-License-Identifier: Apache-2.0
#include "tsdb/side/histogram_codec.h"

#include <functional>

#include <gtest/gtest.h>

#include "tsdb/testing/side_test_data.h"

namespace tocsin::tsdb {
namespace {

using model::CounterResetHint;
using model::FloatHistogram;
using model::Histogram;
using testing::Random;

Histogram counter() {
  Histogram h;
  h.schema = 2;
  h.zero_threshold = 1e-128;
  h.zero_count = 1;
  h.count = 101;
  h.sum = 55.5;
  h.positive_spans = {{0, 4}, {2, 2}};
  h.positive_deltas = {10, 5, 5, 5, -15, 10};  // 10 15 20 25 10 20
  return h;
}

TEST(HistogramCodec, RandomHistogramsComeBackTheSame) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    Random random(seed);
    HistogramCodec writer;
    std::string bytes;
    std::vector<SideValue> values;
    Histogram steady = counter();
    for (int i = 0; i < 30; ++i) {
      if (random() % 5 == 0) steady = testing::random_histogram(random);
      testing::observe(random, &steady);
      const bool floats = random() % 3 == 0;
      values.push_back(floats ? SideValue(testing::random_float_histogram(random)) : steady);
      if (floats) writer.put(std::get<2>(values.back()), &bytes);
      if (!floats) writer.put(steady, &bytes);
    }
    ByteReader in(bytes);
    HistogramCodec reader;
    for (const SideValue& value : values) {
      SideValue read = Histogram();
      if (value.index() == 1) reader.read(&in, &std::get<1>(read));
      if (value.index() == 2) reader.read(&in, &read.emplace<FloatHistogram>());
      ASSERT_TRUE(in.ok()) << "seed " << seed;
      ASSERT_TRUE(same_value(read, value)) << "seed " << seed;
      if (value.index() == 1) {
        EXPECT_EQ(std::get<1>(read).reset_hint, std::get<1>(value).reset_hint);
      }
    }
    EXPECT_TRUE(in.at_end());
  }
}

TEST(HistogramCodec, ASteadyHistogramCostsFewBytes) {
  HistogramCodec codec;
  std::string bytes;
  Histogram h = counter();
  codec.put(h, &bytes);
  const std::size_t first = bytes.size();
  EXPECT_LT(first, 60U);
  codec.put(h, &bytes);
  EXPECT_EQ(bytes.size() - first, 4U);  // flags, sum, one run of nothing
  bytes.clear();
  h.positive_deltas[2] += 3;
  h.positive_deltas[3] -= 3;
  h.count += 3;
  h.sum += 1.5;
  codec.put(h, &bytes);
  EXPECT_LE(bytes.size(), 8U);
}

TEST(HistogramCodec, HintsAreThoseOfStorage) {
  using enum CounterResetHint;
  struct Row {
    std::string_view name;
    std::function<void(Histogram*)> change;
    CounterResetHint hint;
  };
  const Row rows[] = {
      {"same", [](Histogram*) {}, kNotReset},
      {"one more", [](Histogram* h) { ++h->positive_deltas[5], ++h->count; }, kNotReset},
      {"said to be a reset", [](Histogram* h) { h->reset_hint = kReset; }, kUnknown},
      {"gauge", [](Histogram* h) { h->reset_hint = kGauge; }, kGauge},
      {"smaller bucket", [](Histogram* h) { --h->positive_deltas[5], ++h->zero_count; }, kUnknown},
      {"smaller count", [](Histogram* h) { --h->positive_deltas[5], --h->count; }, kUnknown},
      {"smaller zero bucket", [](Histogram* h) { h->zero_count = 0, ++h->positive_deltas[5]; },
       kUnknown},
      {"other schema", [](Histogram* h) { h->schema = 1; }, kUnknown},
      {"other zero threshold", [](Histogram* h) { h->zero_threshold = 1; }, kUnknown},
      {"one bucket more",
       [](Histogram* h) {
         h->positive_spans[1].length = 3;
         h->positive_deltas.push_back(-19);
         ++h->count;
       },
       kNotReset},
      {"filled bucket gone",
       [](Histogram* h) {
         h->positive_spans = {{1, 3}, {2, 2}};
         h->positive_deltas = {15, 5, 5, -15, 10};
         h->zero_count += 10;
       },
       kUnknown},
      {"stale", [](Histogram* h) { h->sum = model::stale_nan(); }, kUnknown},
  };
  for (const Row& row : rows) {
    HistogramCodec codec;
    std::string bytes;
    EXPECT_EQ(codec.hint_of(counter()), kUnknown);
    codec.put(counter(), &bytes);
    Histogram next = counter();
    row.change(&next);
    EXPECT_EQ(codec.hint_of(next), row.hint) << row.name;
    if (row.name == "said to be a reset") continue;
    FloatHistogram before = to_float(counter());
    HistogramCodec floats;
    floats.put(before, &bytes);
    EXPECT_EQ(floats.hint_of(to_float(next)), row.hint) << row.name;
    EXPECT_EQ(floats.hint_of(next), row.hint == kGauge ? kGauge : kUnknown) << row.name;
  }
  HistogramCodec codec;
  std::string bytes;
  codec.put(counter(), &bytes);
  codec.interrupt();
  EXPECT_EQ(codec.hint_of(counter()), kUnknown);
}

TEST(HistogramCodec, DamagedBytesAreAnErrorOrAHistogram) {
  for (std::uint64_t seed = 1; seed <= 3000; ++seed) {
    Random random(seed);
    HistogramCodec writer;
    std::string bytes;
    for (int i = 0; i < 5; ++i) writer.put(testing::random_histogram(random), &bytes);
    for (std::uint64_t n = random() % 4; n > 0; --n) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    bytes.resize(bytes.size() - random() % 3);
    ByteReader in(bytes);
    HistogramCodec reader;
    while (in.ok() && !in.at_end()) {
      Histogram h;
      reader.read(&in, &h);
    }
  }
}

}  // namespace
}  // namespace tocsin::tsdb
