// SPDX-License-Identifier: Apache-2.0
#include "tsdb/side/side_store.h"

#include <gtest/gtest.h>

#include "tsdb/testing/side_test_data.h"

namespace tocsin::tsdb {
namespace {

using storage::SeriesId;
using testing::Random;

SideSample sample_of(std::uint64_t id, std::int64_t t, std::uint64_t count, bool late = false) {
  model::Histogram h;
  h.positive_spans = {{0, 1}};
  h.positive_deltas = {static_cast<std::int64_t>(count)};
  h.count = count;
  return {SeriesId(id), t, 0, late, h};
}

std::vector<std::int64_t> times(const SideStore& store, std::uint64_t id, std::int64_t min_ms,
                                std::int64_t max_ms) {
  std::vector<SideSample> samples;
  EXPECT_TRUE(store.read(SeriesId(id), min_ms, max_ms, &samples).ok());
  std::vector<std::int64_t> out;
  for (const SideSample& sample : samples) out.push_back(sample.time_ms);
  return out;
}

TEST(SideStore, KnowsWhoHasSideData) {
  SideStore store;
  EXPECT_FALSE(store.any());
  EXPECT_TRUE(store.apply(sample_of(70'000, 10, 1), 1));
  EXPECT_TRUE(store.any());
  EXPECT_TRUE(store.has(SeriesId(70'000)));
  EXPECT_FALSE(store.has(SeriesId(70'001)));
  EXPECT_FALSE(store.has(SeriesId(UINT64_MAX)));
  EXPECT_FALSE(store.has_samples(SeriesId(70'000), 11, 20));
  EXPECT_TRUE(store.has_samples(SeriesId(70'000), 0, 10));
  store.remove(SeriesId(70'000));
  EXPECT_FALSE(store.has(SeriesId(70'000)));
  EXPECT_EQ(store.stats().bytes, 0U);
}

TEST(SideStore, RefusesWhatIsInOrderNoMore) {
  SideStore store;
  EXPECT_TRUE(store.apply(sample_of(1, 10, 1), 1));
  EXPECT_FALSE(store.apply(sample_of(1, 10, 2), 1));
  EXPECT_FALSE(store.apply(sample_of(1, 9, 2), 1));
  EXPECT_TRUE(store.apply(sample_of(1, 9, 2, true), 1));
  EXPECT_EQ(times(store, 1, 0, 100), (std::vector<std::int64_t>{10, 9}));
  EXPECT_EQ(*store.last(SeriesId(1)).time_ms, 10);
}

TEST(SideStore, AnEpochIsSealedWholeAndTheNewestIsRemembered) {
  SideStore store;
  for (std::int64_t t = 1; t <= 2000; ++t) {
    ASSERT_TRUE(store.apply(sample_of(1, t, static_cast<std::uint64_t>(t)), 1));
  }
  ASSERT_TRUE(store.apply(sample_of(2, 5, 1), 1));
  ASSERT_TRUE(store.apply(sample_of(1, 2001, 2001), 2));
  const std::vector<SideStore::Sealed> sealed = store.close_before(2);
  std::size_t samples = 0;
  for (const SideStore::Sealed& one : sealed) {
    samples += one.chunk->samples;
    std::vector<SideSample> read;
    ASSERT_TRUE(decode_side(one.chunk->bytes, one.id, &read).ok());  // each alone
    EXPECT_EQ(read.size(), one.chunk->samples);
  }
  EXPECT_EQ(samples, 2001U);
  store.drop(sealed);
  EXPECT_EQ(times(store, 1, 0, 5000), (std::vector<std::int64_t>{2001}));
  EXPECT_EQ(times(store, 2, 0, 5000), (std::vector<std::int64_t>{}));
  EXPECT_TRUE(store.has(SeriesId(2)));
  EXPECT_EQ(*store.last(SeriesId(2)).time_ms, 5);
  EXPECT_FALSE(store.last(SeriesId(2)).in_memory);
  EXPECT_FALSE(store.apply(sample_of(2, 5, 1), 2));
  EXPECT_TRUE(store.apply(sample_of(2, 6, 1), 2));
}

TEST(SideStore, AStartIsKeptOncePerEpoch) {
  SideStore store;
  const auto start = [&](std::int64_t t, std::int64_t s, std::uint64_t epoch) {
    store.apply({SeriesId(1), t, s, false, StartChange()}, epoch);
  };
  start(10, 5, 1);
  start(20, 5, 1);
  start(30, 25, 1);
  start(40, 25, 2);
  EXPECT_EQ(times(store, 1, 0, 100), (std::vector<std::int64_t>{10, 30, 40}));
  EXPECT_FALSE(store.has_samples(SeriesId(1), INT64_MIN, INT64_MAX));
  EXPECT_EQ(store.last(SeriesId(1)).start_ms, 25);
}

TEST(SideStore, ChunksCanBeMadeAnew) {
  Random random(1);
  std::vector<SideSample> samples;
  for (std::int64_t t = 0; t < 3000; ++t) {
    samples.push_back({SeriesId(1), t, t % 7, t % 3 == 0, testing::random_value(random)});
    if (t % 10 == 0) samples.push_back({SeriesId(1), t, 9, false, StartChange()});
  }
  std::vector<SideSample> read;
  for (const SideChunk& chunk : make_side_chunks(samples)) {
    ASSERT_TRUE(decode_side(chunk.bytes, SeriesId(1), &read).ok());
  }
  std::erase_if(samples, [](const SideSample& sample) { return sample.value.index() == 3; });
  ASSERT_EQ(read.size(), samples.size());
  for (std::size_t i = 0; i < read.size(); ++i) {
    EXPECT_EQ(read[i].time_ms, samples[i].time_ms);
    EXPECT_EQ(read[i].start_ms, samples[i].start_ms);
    EXPECT_TRUE(same_value(read[i].value, samples[i].value));
  }
}

}  // namespace
}  // namespace tocsin::tsdb
