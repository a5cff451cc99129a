// SPDX-License-Identifier: Apache-2.0
//
// ColumnMerger against a map: random sources that follow one another, overlap or interleave.
#include "tsdb/query/column_merger.h"

#include <bit>
#include <map>
#include <random>

#include <gtest/gtest.h>

#include "tsdb/testing/random_load.h"

namespace tocsin::tsdb {
namespace {

using storage::SeriesColumn;

struct Sample {
  std::uint64_t bits = 0;
  std::int64_t start_ms = 0;
  friend bool operator==(const Sample&, const Sample&) = default;
};
using Samples = std::map<std::int64_t, Sample>;

std::ostream& operator<<(std::ostream& out, const Sample& sample) {
  return out << std::hex << sample.bits << " from " << std::dec << sample.start_ms;
}

TimesPtr times_of(std::vector<std::int64_t> ms) {
  auto times = std::make_shared<storage::TimestampColumn>();
  times->ms = std::move(ms);
  return times;
}

SeriesColumn column_of(TimesPtr times, std::vector<double> floats) {
  SeriesColumn column;
  column.rows = static_cast<std::uint32_t>(floats.size());
  column.times = std::move(times);
  column.floats = std::move(floats);
  return column;
}

// A piece of the head with what the column holds.
Piece piece_of(const SeriesColumn& column) {
  Piece piece;
  auto times = std::make_shared<storage::TimestampColumn>();
  Decimal base;
  std::uint32_t next_row = 0;
  for (std::uint32_t row = 0; row < column.rows; ++row) {
    times->ms.push_back(column.times->ms[column.first + row]);
    const Token token = column.has(row)
                            ? make_token(std::bit_cast<std::uint64_t>(column.floats[row]), &base)
                            : make_absent_token();
    char bytes[kMaxTokenBytes];
    piece.own_log.append(bytes, write_token(token, row, &next_row, bytes));
  }
  piece.times = std::move(times);
  piece.length = column.rows;
  return piece;
}

// Fails when the column does not keep the rules of storage/queryable.h.
Samples samples_of(const SeriesColumn& column) {
  Samples samples;
  EXPECT_EQ(column.floats.size(), column.rows);
  EXPECT_TRUE(column.start_ms.empty() || column.start_ms.size() == column.rows);
  EXPECT_TRUE(column.present.empty() || column.present.size() == (column.rows + 63) / 64);
  if (column.rows != 0) {
    EXPECT_LE(std::size_t{column.first} + column.rows, column.times->ms.size());
    EXPECT_TRUE(column.has(column.rows - 1)) << "the last row holds a sample";
  }
  std::int64_t last = INT64_MIN;
  for (std::uint32_t row = 0; row < column.rows; ++row) {
    const std::int64_t ms = column.times->ms[column.first + row];
    EXPECT_GT(ms, last) << "times ascend";
    last = ms;
    if (!column.has(row)) continue;
    samples[ms] = {std::bit_cast<std::uint64_t>(column.floats[row]),
                   column.start_ms.empty() ? 0 : column.start_ms[row]};
  }
  return samples;
}

class ColumnMergerTest : public ::testing::Test {
 protected:
  std::uint64_t below(std::uint64_t n) { return random_() % n; }
  SeriesColumn random_column(std::int64_t from, std::int64_t span, bool starts);

  std::mt19937_64 random_;
};

// What a sample is follows from its time, so that sources which overlap agree.
SeriesColumn ColumnMergerTest::random_column(std::int64_t from, std::int64_t span, bool starts) {
  std::vector<std::int64_t> ms;
  for (std::int64_t t = from; t < from + span; t += 1 + static_cast<std::int64_t>(below(4))) {
    ms.push_back(t);
  }
  const bool partial = below(3) == 0;
  SeriesColumn column;
  column.times = times_of(ms);
  column.first = static_cast<std::uint32_t>(below(ms.size()));
  column.rows = static_cast<std::uint32_t>(ms.size()) - column.first;
  if (partial) column.present.resize((std::size_t{column.rows} + 63) / 64);
  for (std::uint32_t row = 0; row < column.rows; ++row) {
    const std::int64_t t = ms[column.first + row];
    column.floats.push_back(static_cast<double>(t % 7) / 4);
    if (starts) column.start_ms.push_back(t % 5 == 0 ? 0 : t / 100);
    if (partial && below(4) != 0) column.present[row / 64] |= std::uint64_t{1} << (row % 64);
  }
  return column;
}

TEST_F(ColumnMergerTest, OfRandomSourcesIsTheirUnion) {
  const std::uint64_t seed = testing::make_seed();
  SCOPED_TRACE(fmt::format("TOCSIN_TEST_SEED={}", seed));
  random_.seed(seed);
  for (int round = 0; round < 3000; ++round) {
    SCOPED_TRACE(round);
    const std::int64_t min_ms = below(2) == 0 ? INT64_MIN : static_cast<std::int64_t>(below(500));
    const std::int64_t max_ms = below(2) == 0 ? INT64_MAX
                                              : std::max<std::int64_t>(min_ms, 0) + 100 +
                                                    static_cast<std::int64_t>(below(500));
    const bool overlapping = below(2) == 0;
    const bool starts = below(4) == 0;
    std::vector<SeriesColumn> sealed;
    std::vector<Piece> head;
    Samples expected;
    std::int64_t next = 0;
    const std::uint64_t runs = below(4);
    for (std::uint64_t i = runs + below(3) + 1; i > 0; --i) {
      const auto span = static_cast<std::int64_t>(1 + below(300));
      const bool in_run = sealed.size() < runs;
      SeriesColumn column = random_column(
          overlapping ? static_cast<std::int64_t>(below(600)) : next, span, starts && in_run);
      next += span;
      for (std::uint32_t row = 0; row < column.rows; ++row) {
        const std::int64_t t = column.times->ms[column.first + row];
        if (!column.has(row) || t < min_ms || t > max_ms) continue;
        const Sample sample{std::bit_cast<std::uint64_t>(column.floats[row]),
                            column.start_ms.empty() ? 0 : column.start_ms[row]};
        // Sources in front come first, whatever else they say.
        expected.emplace(t, sample);
      }
      if (in_run) {
        sealed.push_back(std::move(column));
      } else {
        head.push_back(piece_of(column));
      }
    }
    ColumnMerger merger(min_ms, max_ms);
    const StatusOr<SeriesColumn> merged = merger.merge(sealed, head);
    ASSERT_TRUE(merged.ok()) << merged.status();
    ASSERT_EQ(samples_of(*merged), expected);
  }
}

TEST_F(ColumnMergerTest, OneSourceIsHandedOn) {
  const TimesPtr times = times_of({10, 20, 30});
  std::vector<SeriesColumn> sealed = {column_of(times, {1, 2, 3})};
  const double* const floats = sealed[0].floats.data();
  ColumnMerger merger(0, 100);
  const StatusOr<SeriesColumn> merged = merger.merge(sealed, {});
  EXPECT_EQ(merged->floats.data(), floats) << "it was copied";
  EXPECT_EQ(merged->times, times);
}

TEST_F(ColumnMergerTest, SeriesOfTheSamePlacesShareTheirTimes) {
  const TimesPtr first = times_of({10, 20, 30});
  const TimesPtr second = times_of({40, 50});
  const TimesPtr between = times_of({25, 45});
  ColumnMerger merger(0, 100);
  const auto merge = [&](std::vector<SeriesColumn> sealed) {
    return merger.merge(sealed, {})->times;
  };
  const TimesPtr together = merge({column_of(first, {1, 2, 3}), column_of(second, {4, 5})});
  EXPECT_EQ(together->ms, (std::vector<std::int64_t>{10, 20, 30, 40, 50}));
  EXPECT_EQ(merge({column_of(second, {8, 9}), column_of(first, {5, 6, 7})}), together);
  const TimesPtr mixed = merge({column_of(first, {1, 2, 3}), column_of(between, {4, 5})});
  EXPECT_EQ(mixed->ms, (std::vector<std::int64_t>{10, 20, 25, 30, 45}));
  EXPECT_EQ(merge({column_of(first, {3, 2, 1}), column_of(between, {5, 4})}), mixed);
  EXPECT_EQ(merge({column_of(first, {1, 2, 3}), column_of(second, {4, 5})}), together);
}

TEST_F(ColumnMergerTest, OfTwoSamplesWithOneTimestampTheFirstSourceCounts) {
  ColumnMerger merger(0, 100);
  std::vector<SeriesColumn> sealed = {column_of(times_of({20, 30}), {1, 2}),
                                      column_of(times_of({10, 20, 40}), {3, 4, 5})};
  const std::vector<Piece> head = {piece_of(column_of(times_of({30, 40, 50}), {6, 7, 8}))};
  const StatusOr<SeriesColumn> merged = merger.merge(sealed, head);
  EXPECT_EQ(merged->floats, (std::vector<double>{3, 1, 2, 5, 8}));
}

}  // namespace
}  // namespace tocsin::tsdb
