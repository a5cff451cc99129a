// SPDX-License-Identifier: Apache-2.0
#include "tsdb/side/side_codec.h"

#include <gtest/gtest.h>

#include "tsdb/testing/side_test_data.h"

namespace tocsin::tsdb {
namespace {

using storage::SeriesId;
using testing::Random;

SideSample random_sample(Random& random) {
  SideSample sample;
  sample.id = SeriesId(7);
  sample.time_ms = static_cast<std::int64_t>(random() % 1'000'000) - 500'000;
  if (random() % 50 == 0) sample.time_ms = static_cast<std::int64_t>(random());
  sample.start_ms = random() % 3 == 0 ? static_cast<std::int64_t>(random() % 10'000) : 0;
  sample.out_of_order = random() % 2 == 0;
  sample.value = testing::random_value(random);
  if (random() % 10 == 0) sample.value = StartChange();
  return sample;
}

std::string coded(const std::vector<SideSample>& samples) {
  SideCodec codec;
  std::string bytes;
  for (const SideSample& sample : samples) codec.put(sample, &bytes);
  return bytes;
}

TEST(SideCodec, RandomSamplesComeBackTheSame) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    Random random(seed);
    std::vector<SideSample> samples(random() % 100);
    for (SideSample& sample : samples) sample = random_sample(random);
    std::vector<SideSample> read;
    const Status status = decode_side(coded(samples), SeriesId(7), &read);
    ASSERT_TRUE(status.ok()) << status << " seed " << seed;
    ASSERT_EQ(read.size(), samples.size()) << "seed " << seed;
    for (std::size_t i = 0; i < read.size(); ++i) {
      EXPECT_EQ(read[i].id, samples[i].id);
      EXPECT_EQ(read[i].time_ms, samples[i].time_ms) << "seed " << seed << " at " << i;
      EXPECT_EQ(read[i].start_ms, samples[i].start_ms);
      EXPECT_EQ(read[i].out_of_order, samples[i].out_of_order);
      EXPECT_TRUE(same_value(read[i].value, samples[i].value)) << "seed " << seed << " at " << i;
    }
  }
}

TEST(SideCodec, DamagedBytesAreAnErrorOrSamples) {
  for (std::uint64_t seed = 1; seed <= 3000; ++seed) {
    Random random(seed);
    std::vector<SideSample> samples(1 + random() % 8);
    for (SideSample& sample : samples) sample = random_sample(random);
    std::string bytes = coded(samples);
    for (std::uint64_t n = random() % 4; n > 0; --n) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    bytes.resize(bytes.size() - random() % std::min<std::size_t>(bytes.size(), 3));
    std::vector<SideSample> read(1);
    const Status status = decode_side(bytes, SeriesId(7), &read);
    if (!status.ok()) {
      EXPECT_EQ(status.code(), StatusCode::kDataLoss);
      EXPECT_EQ(read.size(), 1U) << "seed " << seed;
    }
  }
}

TEST(SideCodec, MoreThanAChunkHoldsIsDamage) {
  const std::vector<SideSample> samples(kMaxSideEntries + 1);
  std::vector<SideSample> read;
  EXPECT_EQ(decode_side(coded(samples), SeriesId(7), &read).code(), StatusCode::kDataLoss);
}

TEST(SideCodec, LateFloatsCostFewBytes) {
  std::vector<SideSample> samples(100);
  for (std::size_t i = 0; i < samples.size(); ++i) {
    samples[i].time_ms = 1'700'000'000'000 + static_cast<std::int64_t>(i) * 15'000;
    samples[i].out_of_order = true;
    samples[i].value = std::bit_cast<std::uint64_t>(static_cast<double>(i));
  }
  EXPECT_LT(coded(samples).size(), samples.size() * 6);
}

}  // namespace
}  // namespace tocsin::tsdb
