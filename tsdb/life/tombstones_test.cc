// SPDX-License-Identifier: Apache-2.0
#include "tsdb/life/tombstones.h"

#include <random>
#include <set>

#include <gtest/gtest.h>

#include "base/testing/mem_fs.h"
#include "tsdb/life/tombstone_file.h"

namespace tocsin::tsdb {
namespace {

using storage::SeriesId;

std::string text(const Tombstones& stones) {
  std::string out;
  for (const Tombstone& stone : stones.list()) {
    out += fmt::format("{}[{},{}] ", stone.id.value(), stone.deleted.min_ms, stone.deleted.max_ms);
  }
  return out;
}

TEST(TombstonesTest, OverlappingAndTouchingIntervalsAreOne) {
  const struct {
    std::vector<Tombstone> given;
    std::string expected;
  } cases[] = {
      {{}, ""},
      {{{SeriesId(2), {5, 9}}, {SeriesId(1), {0, 1}}}, "1[0,1] 2[5,9] "},
      {{{SeriesId(1), {5, 9}}, {SeriesId(1), {0, 4}}}, "1[0,9] "},
      {{{SeriesId(1), {5, 9}}, {SeriesId(1), {0, 3}}}, "1[0,3] 1[5,9] "},
      {{{SeriesId(1), {0, 20}}, {SeriesId(1), {5, 9}}, {SeriesId(1), {8, 12}}}, "1[0,20] "},
      {{{SeriesId(1), {0, 1}}, {SeriesId(2), {2, 3}}}, "1[0,1] 2[2,3] "},
      {{{SeriesId(1), {INT64_MIN, 0}}, {SeriesId(1), {-5, INT64_MAX}}},
       "1[-9223372036854775808,9223372036854775807] "},
  };
  for (const auto& one : cases) EXPECT_EQ(text(Tombstones(one.given)), one.expected);
}

TEST(TombstonesTest, WhatIsLeftOfAnIntervalIsItsGaps) {
  const std::vector<Interval> deleted{{0, 3}, {10, 20}};
  const auto check = [&](Interval whole, const std::vector<Interval>& expected) {
    EXPECT_EQ(gaps(whole, deleted), expected) << whole.min_ms << " " << whole.max_ms;
  };
  check({-5, 30}, {{-5, -1}, {4, 9}, {21, 30}});
  check({0, 20}, {{4, 9}});
  check({1, 2}, {});
  check({12, 25}, {{21, 25}});
  check({30, 40}, {{30, 40}});
  check({INT64_MIN, INT64_MAX}, {{INT64_MIN, -1}, {4, 9}, {21, INT64_MAX}});
}

std::vector<Tombstone> random_stones(std::mt19937_64& random) {
  std::vector<Tombstone> stones;
  for (std::uint64_t i = random() % 40; i > 0; --i) {
    const auto begin = static_cast<std::int64_t>(random() % 200);
    stones.push_back(
        {SeriesId(1 + random() % 5), {begin, begin + static_cast<std::int64_t>(random() % 20)}});
  }
  return stones;
}

TEST(TombstonesTest, CoversAndHidesWhatASetOfPointsSays) {
  const std::uint64_t seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < 300; ++round) {
    const std::vector<Tombstone> given = random_stones(random);
    std::set<std::pair<std::uint64_t, std::int64_t>> points;
    for (const Tombstone& stone : given) {
      for (std::int64_t t = stone.deleted.min_ms; t <= stone.deleted.max_ms; ++t)
        points.emplace(stone.id.value(), t);
    }
    const Tombstones stones(given);
    auto times = std::make_shared<storage::TimestampColumn>();
    for (std::int64_t t = 0; t < 230; t += 1 + static_cast<std::int64_t>(random() % 3))
      times->ms.push_back(t);
    storage::SeriesColumn column;
    column.first = static_cast<std::uint32_t>(random() % 10);
    column.rows = static_cast<std::uint32_t>(times->ms.size()) - column.first;
    column.times = times;
    std::set<std::int64_t> expected;
    const bool partial = random() % 2 == 0;
    if (partial) column.present.resize((column.rows + 63) / 64);
    for (std::uint32_t row = 0; row < column.rows; ++row) {
      const std::int64_t t = times->ms[column.first + row];
      column.floats.push_back(static_cast<double>(t));
      const bool there = !partial || random() % 2 == 0;
      if (partial && there) column.present[row / 64] |= 1ULL << (row % 64);
      if (there && !points.contains({1, t})) expected.insert(t);
      ASSERT_EQ(stones.covers(SeriesId(1), t), points.contains({1, t})) << t;
    }
    hide_deleted(stones.of(SeriesId(1)), &column);
    std::set<std::int64_t> left;
    for (std::uint32_t row = 0; row < column.rows; ++row) {
      if (!column.has(row)) continue;
      left.insert(times->ms[column.first + row]);
      ASSERT_EQ(column.floats[row], static_cast<double>(times->ms[column.first + row]));
    }
    ASSERT_EQ(left, expected);
    const bool untouched = stones.of(SeriesId(1)).empty();
    ASSERT_TRUE(untouched || column.rows == 0 || column.has(column.rows - 1));
    const StatusOr<Tombstones> decoded = Tombstones::decode(stones.encode());
    ASSERT_TRUE(decoded.ok()) << decoded.status();
    ASSERT_EQ(*decoded, stones);
  }
}

TEST(TombstonesTest, HistogramsInADeletedIntervalGo) {
  auto times = std::make_shared<storage::TimestampColumn>();
  times->ms = {1, 2, 3};
  storage::SeriesColumn column;
  column.times = times;
  column.rows = 3;
  column.floats = {0, 0, 7};
  column.start_ms = {1, 1, 3};
  column.histograms.resize(2);
  column.histograms[1].first = 1;
  hide_deleted(std::vector<Interval>{{2, 3}}, &column);
  EXPECT_EQ(column.rows, 1U);
  EXPECT_EQ(column.histograms.size(), 1U);
  EXPECT_EQ(column.start_ms.size(), 1U);
}

TEST(TombstonesTest, DamagedBytesAreAnErrorAndANewerVersionIsNamed) {
  const std::string good =
      Tombstones({{SeriesId(1), {-5, 5}}, {SeriesId(70000), {0, 1LL << 50}}}).encode();
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 0x41);
    EXPECT_FALSE(Tombstones::decode(bad).ok()) << i;
    EXPECT_FALSE(Tombstones::decode(good.substr(0, i)).ok()) << i;
  }
  std::string newer = good;
  newer[8] = 2;
  const Status refused = Tombstones::decode(newer).status();
  EXPECT_EQ(refused.code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(message(refused), "the tombstones have format version 2, this program reads 1");
}

TEST(TombstoneFileTest, AChangeIsOnDiskWhollyOrNotAtAll) {
  const auto memory = base::testing::make_mem_fs();
  for (std::uint64_t n = 1; n < 9; ++n) {
    SCOPED_TRACE(n);
    base::testing::FaultFs faulty(*memory);
    ASSERT_TRUE(memory->remove("tombstones").ok());
    TombstoneFile file(faulty, "tombstones", 10);
    ASSERT_TRUE(file.add({{SeriesId(1), {0, 5}}}).ok());
    faulty.fail_at(n, base::testing::FaultFs::Fault::kTornWrite, true);
    const bool added = file.add({{SeriesId(2), {0, 5}}}).ok();
    EXPECT_EQ(file.snapshot()->size(), added ? 2U : 1U);
    faulty.clear();
    faulty.power_cut();
    TombstoneFile again(*memory, "tombstones", 10);
    bool damaged = true;
    ASSERT_TRUE(again.load(&damaged).ok());
    EXPECT_FALSE(damaged);
    // A failure after the rename may leave the new content, which the caller was not promised.
    EXPECT_GE(again.snapshot()->size(), file.snapshot()->size());
    EXPECT_EQ(again.snapshot()->of(SeriesId(1)).size(), 1U);
  }
}

TEST(TombstoneFileTest, TheNumberOfIntervalsIsBounded) {
  const auto memory = base::testing::make_mem_fs();
  TombstoneFile file(*memory, "tombstones", 2);
  ASSERT_TRUE(file.add({{SeriesId(1), {0, 5}}, {SeriesId(1), {10, 15}}}).ok());
  const Status full = file.add({{SeriesId(1), {20, 25}}});
  EXPECT_EQ(full.code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(message(full), "3 deleted intervals are more than 2: clean the tombstones first");
  EXPECT_TRUE(file.add({{SeriesId(1), {6, 9}}}).ok()) << "they become one";
  EXPECT_EQ(file.snapshot()->size(), 1U);
}

TEST(TombstoneFileTest, ADamagedFileIsSetAsideAndReported) {
  RecordProperty("expects_error_lines", 1);
  const auto memory = base::testing::make_mem_fs();
  ASSERT_TRUE(base::write_file_atomically(*memory, "tombstones", "not what it should be").ok());
  TombstoneFile file(*memory, "tombstones", 2);
  bool damaged = false;
  ASSERT_TRUE(file.load(&damaged).ok());
  EXPECT_TRUE(damaged);
  EXPECT_TRUE(file.snapshot()->empty());
  EXPECT_TRUE(memory->info("tombstones.damaged").ok());
  ASSERT_TRUE(file.load(&damaged).ok());
  EXPECT_FALSE(damaged);
}

}  // namespace
}  // namespace tocsin::tsdb
