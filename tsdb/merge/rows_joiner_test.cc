// SPDX-License-Identifier: Apache-2.0
#include "tsdb/merge/rows_joiner.h"

#include <bit>
#include <filesystem>
#include <utility>

#include <gtest/gtest.h>

#include "tsdb/run/run_builder.h"

namespace tocsin::tsdb {
namespace {

using TimesPtr = std::shared_ptr<const storage::TimestampColumn>;

TimesPtr times(std::vector<std::int64_t> ms) {
  auto column = std::make_shared<storage::TimestampColumn>();
  column->ms = std::move(ms);
  return column;
}

RunRows rows_of(TimesPtr column, double value, bool own_times = false) {
  RunRows part;
  part.rows.append_bits(static_cast<std::uint32_t>(column->ms.size()),
                        std::bit_cast<std::uint64_t>(value));
  part.times = std::move(column);
  part.own_times = own_times;
  return part;
}

RunRows join(RowsJoiner* joiner, std::vector<RunRows> parts) {
  RunRows out;
  joiner->join(&parts, &out);
  return out;
}

using Ms = std::vector<std::int64_t>;

TEST(RowsJoiner, SeriesOfTheSamePlacesShareTheJoinedColumn) {
  RowsJoiner joiner;
  const TimesPtr early = times({10, 20});
  const TimesPtr late = times({30, 40});
  const RunRows one = join(&joiner, {rows_of(late, 1), rows_of(early, 2)});
  const RunRows two = join(&joiner, {rows_of(early, 3), rows_of(late, 4)});
  EXPECT_EQ(one.times->ms, (Ms{10, 20, 30, 40}));
  EXPECT_EQ(one.times, two.times);
  EXPECT_FALSE(one.own_times);
  EXPECT_EQ(joiner.memory_bytes(), 4 * sizeof(std::int64_t));
}

TEST(RowsJoiner, KeepsNothingOfColumnsThatNoOtherSeriesHas) {
  RowsJoiner joiner;
  const TimesPtr shared = times({30, 40});
  const RunRows joined = join(&joiner, {rows_of(times({10, 20}), 1, true), rows_of(shared, 2)});
  EXPECT_EQ(joined.times->ms, (Ms{10, 20, 30, 40}));
  EXPECT_EQ(joined.rows.count_present(), 4U);
  EXPECT_TRUE(joined.own_times);
  EXPECT_TRUE(join(&joiner, {rows_of(times({1}), 1, true)}).own_times);
  EXPECT_EQ(joiner.memory_bytes(), 0U);
}

TEST(RowsJoiner, OfEqualTimestampsTheFirstSourceIsTaken) {
  RowsJoiner joiner;
  const RunRows joined =
      join(&joiner, {rows_of(times({10, 30}), 1), rows_of(times({10, 20, 30}), 2)});
  EXPECT_EQ(joined.times->ms, (Ms{10, 20, 30}));
  EXPECT_TRUE(joined.own_times);
  EXPECT_EQ(joined.rows.changes.size(), 3U);  // 1, 2, 1
  EXPECT_EQ(joiner.memory_bytes(), 0U);
}

// A head whose series have timestamps of their own has as many columns as series.
TEST(RunWriter, HoldsNoColumnsThatNoOtherSeriesHas) {
  const auto memory_with = [](bool own_times) {
    const std::filesystem::path path = std::filesystem::path(::testing::TempDir()) / "run.sst";
    RunInfo info;
    info.id = RunId(1);
    RunWriter writer(path.string(), info, Effort::kSeal);
    constexpr std::int64_t kRows = 1000;
    for (std::uint64_t id = 1; id <= 50; ++id) {
      Ms ms;
      for (std::int64_t i = 0; i < kRows; ++i) ms.push_back(i * 15'000);
      const RunRows rows = rows_of(times(std::move(ms)), 1, own_times);
      EXPECT_TRUE(writer.add("metric", storage::SeriesId(id), rows).ok());
    }
    return writer.memory_bytes();
  };
  EXPECT_GE(memory_with(false), 50U * 1000 * sizeof(std::int64_t));
  EXPECT_LT(memory_with(true), 50U * 1000);
}

}  // namespace
}  // namespace tocsin::tsdb
