// SPDX-License-Identifier: Apache-2.0
#include "tsdb/tile/tile.h"

#include <algorithm>
#include <bit>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/record_log.h"
#include "tsdb/tile/time_codec.h"

namespace tocsin::tsdb {
namespace {

struct Data {
  std::uint64_t id = 0;
  TileRows rows;
  std::vector<double> floats;
  std::vector<std::uint64_t> present;
  std::vector<std::int64_t> starts;

  RowChanges changes() const {
    RowChanges result;
    result.append(floats, present);
    result.start_ms = starts;
    return result;
  }
};

Data random_data(std::mt19937_64& random) {
  Data data;
  data.id = random() % 100'000 + 1;
  data.rows = {static_cast<std::uint32_t>(random() % 1000),
               static_cast<std::uint32_t>(random() % 50),
               static_cast<std::uint32_t>(1 + random() % 240)};
  double value = 0;
  for (std::uint32_t i = 0; i < data.rows.rows; ++i) {
    if (random() % 3 == 0) value += static_cast<double>(random() % 1000) / 10;
    data.floats.push_back(value);
    if (data.id % 5 == 0) data.starts.push_back(static_cast<std::int64_t>(i / 100 * 1000));
  }
  if (data.id % 3 == 0) {
    data.present.resize((data.rows.rows + 63) / 64);
    for (std::uint64_t& word : data.present) word = random() | random();
    data.present[0] |= 1;
    if (data.rows.rows % 64 != 0) {
      data.present.back() &= (std::uint64_t{1} << (data.rows.rows % 64)) - 1;
    }
  }
  return data;
}

std::vector<Data> random_tile(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<Data> all;
  for (std::size_t count = 1 + random() % 64; count > 0; --count)
    all.push_back(random_data(random));
  return all;
}

std::string encoded(const std::vector<Data>& all, Effort effort = Effort::kSeal) {
  TileBuilder builder(effort);
  for (const Data& data : all) builder.add(data.id, data.rows, data.changes());
  EXPECT_EQ(builder.count(), all.size());
  std::string frame = builder.finish();
  EXPECT_EQ(builder.count(), 0U);
  return frame;
}

bool present(const std::vector<std::uint64_t>& bitmap, std::uint32_t row) {
  return bitmap.empty() || ((bitmap[row / 64] >> (row % 64)) & 1U) != 0;
}

void expect_equal(const TileSamples& samples, const Data& data) {
  ASSERT_EQ(samples.rows.column, data.rows.column);
  ASSERT_EQ(samples.rows.first, data.rows.first);
  ASSERT_EQ(samples.rows.rows, data.rows.rows);
  ASSERT_EQ(samples.floats.size(), data.rows.rows);
  ASSERT_EQ(samples.start_ms, data.starts);
  for (std::uint32_t row = 0; row < data.rows.rows; ++row) {
    ASSERT_EQ(present(samples.present, row), present(data.present, row)) << row;
    if (!present(data.present, row)) continue;
    ASSERT_EQ(std::bit_cast<std::uint64_t>(samples.floats[row]),
              std::bit_cast<std::uint64_t>(data.floats[row]))
        << row;
  }
}

// Some rows of a slot are what all of them are.
void expect_parts(const Tile& tile, std::uint32_t slot, const TileSamples& all,
                  std::mt19937_64& random) {
  const std::uint32_t rows = all.rows.rows;
  for (int i = 0; i < 5; ++i) {
    const auto begin = static_cast<std::uint32_t>(random() % rows);
    const auto end = static_cast<std::uint32_t>(begin + 1 + random() % (rows - begin));
    SCOPED_TRACE(testing::Message() << "rows " << begin << " to " << end << " of " << rows);
    TileSamples part;
    ASSERT_TRUE(tile.decode(slot, begin, end, &part).ok());
    ASSERT_EQ(part.rows.first, all.rows.first + begin);
    ASSERT_EQ(part.rows.rows, end - begin);
    ASSERT_EQ(part.floats.size(), end - begin);
    ASSERT_EQ(part.start_ms.size(), all.start_ms.empty() ? 0 : end - begin);
    ASSERT_EQ(part.present.size(), all.present.empty() ? 0 : (end - begin + 63) / 64);
    for (std::uint32_t row = begin; row < end; ++row) {
      ASSERT_EQ(present(part.present, row - begin), present(all.present, row)) << row;
      ASSERT_EQ(std::bit_cast<std::uint64_t>(part.floats[row - begin]),
                std::bit_cast<std::uint64_t>(all.floats[row]))
          << row;
      if (!part.start_ms.empty()) {
        ASSERT_EQ(part.start_ms[row - begin], all.start_ms[row]) << row;
      }
    }
  }
}

TEST(Tile, DecodesEachSeriesAlone) {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    const std::vector<Data> all = random_tile(seed);
    const std::string frame = encoded(all, seed % 2 == 0 ? Effort::kSeal : Effort::kCold);
    const auto tile = Tile::parse(frame);
    ASSERT_TRUE(tile.ok()) << tile.status();
    ASSERT_EQ(tile->count(), all.size());
    for (std::uint32_t slot = tile->count(); slot-- > 0;) {
      ASSERT_EQ(tile->id(slot), all[slot].id);
      ASSERT_EQ(tile->rows(slot).rows, all[slot].rows.rows);
      TileSamples samples;
      ASSERT_TRUE(tile->decode(slot, &samples).ok());
      expect_equal(samples, all[slot]);
      std::mt19937_64 random(seed * 64 + slot);
      expect_parts(*tile, slot, samples, random);
      RowChanges changes;
      ASSERT_TRUE(tile->decode(slot, &changes).ok());
      ASSERT_EQ(changes.start_ms, all[slot].starts);
      TileBuilder again(Effort::kSeal);
      again.add(all[slot].id, all[slot].rows, changes);
      const std::string copy = again.finish();
      TileSamples copied;
      ASSERT_TRUE(Tile::parse(copy)->decode(0, &copied).ok());
      expect_equal(copied, all[slot]);
    }
  }
}

TEST(Tile, AnOwnedOneNeedsNoFrame) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    const std::vector<Data> all = random_tile(seed);
    std::string frame = encoded(all, seed % 2 == 0 ? Effort::kSeal : Effort::kCold);
    const auto tile = Tile::parse_owned(frame);
    ASSERT_TRUE(tile.ok()) << tile.status();
    EXPECT_GE(tile->memory_bytes(), frame.size() / 2);
    frame.assign(frame.size(), '\xff');
    for (std::uint32_t slot = 0; slot < tile->count(); ++slot) {
      TileSamples samples;
      ASSERT_TRUE(tile->decode(slot, &samples).ok());
      expect_equal(samples, all[slot]);
    }
  }
}

TEST(Tile, LargeTiles) {
  std::mt19937_64 random(1);
  std::vector<Data> all(3);
  for (Data& data : all) {
    data.id = random() >> 32U;
    data.rows.rows = 10'000;
    for (int i = 0; i < 10'000; ++i) data.floats.push_back(std::bit_cast<double>(random() >> 2U));
  }
  const std::string frame = encoded(all);
  ASSERT_GT(frame.size(), 200'000U);
  const auto tile = Tile::parse(frame);
  ASSERT_TRUE(tile.ok());
  TileSamples samples;
  ASSERT_TRUE(tile->decode(2, &samples).ok());
  expect_equal(samples, all[2]);
}

TEST(Tile, AnyFlippedBitIsDataLoss) {
  const std::string good = encoded(random_tile(5));
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ (1 << (i % 8)));
    ASSERT_EQ(Tile::parse(bad).status().code(), StatusCode::kDataLoss) << "byte " << i;
  }
  for (std::size_t size = 0; size < good.size(); size += 7) {
    ASSERT_FALSE(Tile::parse(std::string_view(good).substr(0, size)).ok()) << size;
  }
}

// Replaces the checksum by a right one, as a hostile or buggy writer would.
std::string resealed(std::string frame) {
  frame.resize(frame.size() - 4);
  put_fixed(&frame, base::crc32c(frame));
  return frame;
}

TEST(Tile, WrongBytesBehindARightChecksumAreErrorsOrData) {
  for (std::uint64_t seed = 0; seed < 3000; ++seed) {
    std::mt19937_64 random(seed);
    const Effort effort = seed % 3 == 0 ? Effort::kCold : Effort::kSeal;
    std::string frame = encoded(random_tile(seed % 20), effort);
    for (std::size_t flips = 1 + random() % 4; flips > 0; --flips) {
      frame[random() % frame.size()] = static_cast<char>(random());
    }
    frame = resealed(std::move(frame));
    const auto tile = Tile::parse(frame);
    if (!tile.ok()) continue;
    for (std::uint32_t slot = 0; slot < tile->count(); ++slot) {
      TileSamples samples;
      RowChanges changes;
      const bool good = tile->decode(slot, &samples).ok();
      ASSERT_EQ(tile->decode(slot, &changes).ok(), good) << "seed " << seed;
      if (!good) continue;
      ASSERT_EQ(samples.floats.size(), samples.rows.rows) << "seed " << seed;
      ASSERT_EQ(changes.rows, samples.rows.rows) << "seed " << seed;
    }
  }
}

TEST(Tile, NamesANewerVersion) {
  std::string frame = encoded(random_tile(1));
  frame[4] = 4;
  const Status status = Tile::parse(resealed(frame)).status();
  EXPECT_EQ(status.code(), StatusCode::kUnimplemented);
  EXPECT_EQ(message(status), "not supported yet: frame version 4");
}

TEST(TimesBlock, HoldsColumnsByNumber) {
  const std::vector<std::int64_t> a = {1, 2, 3};
  const std::vector<std::int64_t> b = {-100, 1'700'000'000'000};
  std::string columns[2];
  encode_times(a, &columns[0]);
  encode_times(b, &columns[1]);
  const std::string frame = make_times_block(columns);
  const auto block = TimesBlock::parse(frame);
  ASSERT_TRUE(block.ok());
  std::vector<std::int64_t> times;
  ASSERT_TRUE(block->decode(1, &times).ok());
  EXPECT_EQ(times, b);
  ASSERT_TRUE(block->decode(0, &times).ok());
  EXPECT_EQ(times, a);
  EXPECT_EQ(block->decode(2, &times).code(), StatusCode::kDataLoss);
  EXPECT_FALSE(Tile::parse(frame).ok()) << "another kind of frame";
}

}  // namespace
}  // namespace tocsin::tsdb
