// SPDX-License-Identifier: Apache-2.0
//
// Round trips of the codecs of values and timestamps, and what they make of wrong bytes.
#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tsdb/tile/bit_pack.h"
#include "tsdb/tile/number_code.h"
#include "tsdb/tile/rows.h"
#include "tsdb/tile/squeeze.h"
#include "tsdb/tile/time_codec.h"
#include "tsdb/tile/value_codec.h"

namespace tocsin::tsdb {
namespace {

using Values = std::vector<double>;

const double kStale = std::bit_cast<double>(std::uint64_t{0x7ff0000000000002});
const double kOtherNan = std::bit_cast<double>(std::uint64_t{0xfff8dead00000001});

std::vector<std::uint64_t> bits(const Values& values) {
  std::vector<std::uint64_t> result;
  for (const double value : values) result.push_back(std::bit_cast<std::uint64_t>(value));
  return result;
}

RowChanges changes_of(const Values& values) {
  RowChanges changes;
  changes.append(values, {});
  return changes;
}

struct Encoded {
  std::string data;
  ValueShape shape;
};

Encoded encoded(const Values& values, Effort effort = Effort::kSeal) {
  Encoded result;
  const auto count = static_cast<std::uint32_t>(values.size());
  ValueEncoder encoder(effort);
  const bool patched = encoder.encode(changes_of(values), &result.data);
  result.shape = {count, {}, count, patched};
  return result;
}

// Ranges around the borders of blocks and segments, and small ones anywhere.
void expect_ranges(std::string_view data, const ValueShape& shape, const Values& values) {
  const std::uint32_t count = shape.count;
  std::vector<std::uint32_t> borders = {0, count};
  for (const std::uint32_t near : {1U, 64U, 127U, 128U, 255U, 256U, 257U, 511U, 512U, 1024U}) {
    if (near < count) borders.push_back(near);
    if (near < count) borders.push_back(count - near);
  }
  for (const std::uint32_t begin : borders) {
    for (const std::uint32_t end : borders) {
      if (begin > end) continue;
      ByteReader in(data);
      Values decoded;
      ASSERT_TRUE(decode_values(&in, shape, {begin, end}, &decoded)) << begin << " to " << end;
      ASSERT_EQ(bits(decoded), bits(Values(values.begin() + begin, values.begin() + end)))
          << begin << " to " << end;
    }
  }
}

void expect_round_trip(const Values& values) {
  for (const Effort effort : {Effort::kSeal, Effort::kCold}) {
    const Encoded made = encoded(values, effort);
    ByteReader in(made.data);
    Values decoded;
    ASSERT_TRUE(decode_values(&in, made.shape, &decoded));
    ASSERT_TRUE(in.at_end());
    ASSERT_EQ(bits(decoded), bits(values));
    ByteReader again(made.data);
    RowChanges changes;
    ASSERT_TRUE(decode_values(&again, made.shape, &changes));
    ASSERT_EQ(changes.rows, values.size());
    for (std::size_t row = 0; row < values.size(); ++row) {
      const Change& change = changes.changes[changes.find(static_cast<std::uint32_t>(row))];
      ASSERT_EQ(bits_of(change), bits(values)[row]) << row;
    }
    expect_ranges(made.data, made.shape, values);
  }
}

Values repeat(double value, std::size_t count) { return Values(count, value); }

Values counter(std::size_t count, double step, double noise) {
  std::mt19937_64 random(count);
  Values values;
  double value = 1000;
  for (std::size_t i = 0; i < count; ++i) {
    value += step + std::floor(noise * static_cast<double>(random() % 1000) / 1000);
    values.push_back(value);
  }
  return values;
}

Values with(Values values, std::size_t row, double value) {
  values[row] = value;
  return values;
}

TEST(ValueCodec, ChoosesTheCheapestLayoutAndItsSize) {
  const double third = 1.0 / 3;
  Values steps = repeat(0.25, 200);
  for (std::size_t i = 90; i < 200; ++i) steps[i] = 0.5;
  Values random_bits;
  std::mt19937_64 random(1);
  Values octave;
  for (int i = 0; i < 100; ++i) {
    octave.push_back(1 + static_cast<double>(random() >> 12U) * 0x1p-52);
  }
  for (int i = 0; i < 100; ++i) random_bits.push_back(std::bit_cast<double>(random() >> 2U));
  struct Row {
    const char* name;
    Values values;
    ValueLayout layout;
    std::size_t max_bytes;
  };
  const Row rows[] = {
      {"constant integer", repeat(1, 240), ValueLayout::kConstant, 3},
      {"constant decimal", repeat(98.64, 240), ValueLayout::kConstant, 5},
      {"constant infinity", repeat(std::numeric_limits<double>::infinity(), 240),
       ValueLayout::kConstant, 9},
      {"constant not a number", repeat(kOtherNan, 240), ValueLayout::kConstant, 9},
      {"one change", steps, ValueLayout::kSparse, 10},
      {"one change, then stale", with(steps, 199, kStale), ValueLayout::kSparse, 22},
      {"fixed steps", counter(240, 15, 0), ValueLayout::kDelta, 20},
      {"noisy counter", counter(240, 15, 100), ValueLayout::kDelta, 225},
      {"long fractions", with(repeat(third, 240), 7, third * 2), ValueLayout::kPlain, 40},
      {"any bits", random_bits, ValueLayout::kPlain, 814},
      {"one octave", octave, ValueLayout::kPlain, 701},
      {"one value", {42.5}, ValueLayout::kConstant, 5},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    const Encoded made = encoded(row.values);
    EXPECT_EQ(layout_of(made.data), row.layout);
    EXPECT_LE(made.data.size(), row.max_bytes);
    expect_round_trip(row.values);
  }
}

TEST(ValueCodec, KeepsTheBitsOfSpecialValues) {
  const Values specials = {0.0,
                           -0.0,
                           kStale,
                           kOtherNan,
                           std::numeric_limits<double>::quiet_NaN(),
                           std::numeric_limits<double>::infinity(),
                           -std::numeric_limits<double>::infinity(),
                           std::numeric_limits<double>::denorm_min(),
                           std::numeric_limits<double>::max(),
                           9007199254740993.0,
                           9.2e18,
                           -9.3e18,
                           1e300,
                           0.1 + 0.2,
                           5e-324,
                           -1.5};
  expect_round_trip(specials);
  for (const double special : specials) {
    for (const std::size_t row : {0U, 1U, 63U, 64U, 65U, 199U}) {
      expect_round_trip(with(counter(200, 15, 100), row, special));
      expect_round_trip(with(repeat(0.1, 200), row, special));
    }
    expect_round_trip({special});
    expect_round_trip({special, 1, special});
  }
}

TEST(ValueCodec, RoundTripsRandomSeries) {
  for (std::uint64_t seed = 0; seed < 2000; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937_64 random(seed);
    Values values;
    const std::size_t count = 1 + random() % (seed % 20 == 0 ? 3000 : 300);
    const std::uint64_t rare = seed % 40 == 0 ? 30 : 4;
    const std::uint64_t kind = random() % 6;
    const double scale = std::pow(10.0, static_cast<double>(random() % 20) - 10);
    double value = 0;
    for (std::size_t i = 0; i < count; ++i) {
      if (random() % rare != 0) {
        const auto r = static_cast<double>(random() % 100'000);
        if (kind == 0) value += r;
        if (kind == 1) value = r * scale;
        if (kind == 2) value = r / 1000;
        if (kind == 3) value = std::sin(r);
        if (kind == 4) value = std::bit_cast<double>(random());
        if (kind == 5) value = random() % 30 == 0 ? kStale : std::round(r) / 100;
      }
      values.push_back(value);
    }
    expect_round_trip(values);
  }
}

TEST(ValueCodec, TheNumberCodeIsWithinFourPercentOfTheEntropy) {
  // Increments between 500 and 1500: 1000 equally likely numbers.
  std::mt19937_64 random(9);
  Values values;
  double value = 0;
  for (int i = 0; i < 1440; ++i) {
    value += 500 + static_cast<double>(random() % 1000);
    values.push_back(value);
  }
  const Encoded cold = encoded(values, Effort::kCold);
  EXPECT_EQ(layout_of(cold.data), ValueLayout::kCoded);
  EXPECT_LE(static_cast<double>(cold.data.size()), 1440 * std::log2(1000) / 8 * 1.04);
  EXPECT_GE(encoded(values, Effort::kSeal).data.size(), cold.data.size());
  expect_round_trip(values);
}

// Lists of several lengths, read alone and side by side.
void expect_lists(const NumberEncoder& encoder, std::span<const std::uint64_t> values,
                  std::string_view code) {
  ByteReader in(code);
  NumberDecoder decoder;
  ASSERT_TRUE(decoder.open(&in));
  ASSERT_TRUE(in.at_end());
  for (std::size_t count = 1; count <= NumberDecoder::kMaxLists; ++count) {
    std::vector<std::string> bits(count);
    std::vector<std::vector<std::uint64_t>> decoded;
    std::vector<std::span<const std::uint64_t>> wanted;
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t begin = i * values.size() / count;
      wanted.push_back(values.subspan(begin, std::min(values.size() - begin, kMaxList - i % 3)));
      encoder.write_list(wanted[i], &bits[i]);
      decoded.emplace_back(wanted[i].size());
    }
    std::vector<NumberDecoder::List> lists;
    for (std::size_t i = 0; i < count; ++i) lists.push_back({bits[i], decoded[i]});
    ASSERT_TRUE(decoder.read(lists)) << count;
    for (std::size_t i = 0; i < count; ++i) ASSERT_TRUE(std::ranges::equal(decoded[i], wanted[i]));
    bits.back().push_back('\0');
    lists.back().bits = bits.back();
    EXPECT_FALSE(decoder.read(lists)) << "a byte too many";
    if (bits.back().size() == 1) continue;
    lists.back().bits.remove_suffix(2);
    EXPECT_FALSE(decoder.read(lists)) << "a byte too few";
  }
}

TEST(NumberCode, RoundTripsEveryWidth) {
  std::mt19937_64 random(4);
  NumberEncoder encoder;
  for (unsigned width = 0; width <= 64; ++width) {
    for (const std::size_t count : {1U, 2U, 100U, 1000U}) {
      std::vector<std::uint64_t> values(count);
      for (auto& value : values) value = width == 0 ? 7 : random() >> (64 - width);
      if (count > 50) values[20] = random();
      if (width % 3 == 0) {
        for (auto& value : values) value <<= width % 17;
      }
      if (count > 500) {
        for (std::size_t i = 0; i < count; i += 2) values[i] = 0 - values[i];
      }
      std::string data;
      encoder.plan(values);
      ASSERT_TRUE(encoder.write_code(&data)) << width;
      expect_lists(encoder, values, data);
    }
  }
}

TEST(RowChanges, SlicesAreWhatTheRowsWere) {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937_64 random(seed);
    RowChanges changes;
    std::vector<std::uint64_t> rows;  // bits; absent: all ones
    for (std::uint64_t count = 1 + random() % 20; count > 0; --count) {
      const auto length = static_cast<std::uint32_t>(1 + random() % 9);
      const std::uint64_t kind = random() % 4;
      const double value = static_cast<double>(random() % 100) / 4;
      const std::uint64_t word = kind == 0 ? random() : std::bit_cast<std::uint64_t>(value);
      if (kind == 3) {
        changes.append_absent(length);
      } else {
        changes.append_bits(length, word);
      }
      rows.insert(rows.end(), length, kind == 3 ? ~std::uint64_t{0} : word);
    }
    ASSERT_EQ(changes.rows, rows.size());
    const auto begin = static_cast<std::uint32_t>(random() % rows.size());
    const auto end = static_cast<std::uint32_t>(begin + random() % (rows.size() - begin + 1));
    RowChanges slice;
    slice.append(changes, begin, end);
    ASSERT_EQ(slice.rows, end - begin);
    std::uint32_t present = 0;
    for (std::uint32_t row = 0; row < slice.rows; ++row) {
      const Change& change = slice.changes[slice.find(row)];
      const std::uint64_t expected = rows[begin + row];
      ASSERT_EQ(change.kind == Change::kAbsent, expected == ~std::uint64_t{0}) << row;
      if (change.kind == Change::kAbsent) continue;
      ASSERT_EQ(bits_of(change), expected) << row;
      if (present++ == 0) {
        ASSERT_EQ(slice.first_present(), row);
      }
    }
    ASSERT_EQ(slice.count_present(), present);
  }
}

TEST(Squeeze, KeepsTextsOfAllSizes) {
  for (const std::size_t size : {0U, 1U, 100U, 100'000U}) {
    std::string text;
    for (std::size_t i = 0; i < size; ++i) text.push_back(static_cast<char>(i % 7 * (i / 1000)));
    std::string data;
    squeeze(text, 3, &data);
    if (size > 1000) {
      EXPECT_LT(data.size(), size / 10);
    }
    ByteReader in(data);
    std::unique_ptr<char[]> buffer;
    std::string_view back;
    ASSERT_TRUE(unsqueeze(&in, &buffer, &back));
    EXPECT_EQ(back, text);
  }
}

TEST(BitPack, RoundTripsEveryWidthAndExceptions) {
  std::mt19937_64 random(3);
  for (unsigned width = 0; width <= 64; ++width) {
    for (const std::size_t count : {1U, 7U, 63U, 64U}) {
      std::vector<std::uint64_t> values(count);
      for (auto& value : values) value = width == 0 ? 0 : random() >> (64 - width);
      if (count > 10) values[count / 2] = random();
      std::string data;
      pack_block(values, &data);
      const unsigned bits = std::min(64U, width + 1);  // and a sign
      EXPECT_LE(data.size(), 2 + (count * bits + 7) / 8 + (count > 10 ? 11 : 0)) << width;
      std::uint64_t decoded[kPackBlock];
      ByteReader in(data);
      ASSERT_TRUE(unpack_block(&in, count, decoded)) << width;
      ASSERT_EQ(std::vector<std::uint64_t>(decoded, decoded + count), values) << width;
      ASSERT_TRUE(in.at_end());
    }
  }
}

TEST(TimeCodec, RoundTripsColumns) {
  using Times = std::vector<std::int64_t>;
  Times regular;
  for (int i = 0; i < 240; ++i) regular.push_back(1'700'000'000'000 + i * 15'000);
  Times jittered = regular;
  for (std::size_t i = 0; i < jittered.size(); i += 7) jittered[i] += 3;
  Times gap = regular;
  gap.erase(gap.begin() + 50, gap.begin() + 90);
  const std::int64_t low = std::numeric_limits<std::int64_t>::min();
  const std::int64_t high = std::numeric_limits<std::int64_t>::max();
  const std::pair<Times, std::size_t> rows[] = {
      {{}, 1},         {{5}, 2},  {{-5, -4, 100}, 6}, {regular, 14},
      {jittered, 400}, {gap, 26}, {{low, high}, 22},  {{low, 0, high}, 32}};
  for (const auto& [times, max_bytes] : rows) {
    std::string data;
    encode_times(times, &data);
    EXPECT_LE(data.size(), max_bytes);
    ByteReader in(data);
    Times decoded;
    ASSERT_TRUE(decode_times(&in, &decoded));
    EXPECT_EQ(decoded, times);
    EXPECT_TRUE(in.at_end());
  }
}

TEST(TimeCodec, RefusesTimesThatDoNotAscend) {
  std::string equal;
  put_varint(&equal, 3);
  put_signed(&equal, 10);
  put_varint(&equal, 0);
  put_varint(&equal, 1);
  std::string back;
  put_varint(&back, 2);
  put_signed(&back, 10);
  put_varint(&back, zigzag(static_cast<std::uint64_t>(-4)));
  for (const std::string& data : {equal, back}) {
    ByteReader in(data);
    std::vector<std::int64_t> decoded;
    EXPECT_FALSE(decode_times(&in, &decoded));
  }
}

TEST(TimeCodec, RoundTripsPresenceAndChanges) {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937_64 random(seed);
    const auto rows = static_cast<std::uint32_t>(1 + random() % 300);
    std::vector<std::uint64_t> bitmap((rows + 63) / 64);
    std::vector<std::int64_t> starts;
    const std::uint64_t run = 1 + random() % 40;
    std::uint32_t expected = 0;
    for (std::uint32_t row = 0; row < rows; ++row) {
      const bool present = (row / run + seed) % 2 == 0;
      if (present) bitmap[row / 64] |= std::uint64_t{1} << (row % 64);
      expected += present;
      starts.push_back(static_cast<std::int64_t>(row / run) * -1'000'000'007);
    }
    EXPECT_EQ(count_present(bitmap, rows), expected);
    std::string data;
    encode_presence(bitmap, rows, &data);
    EXPECT_LE(data.size(), 1 + (rows + 7) / 8);
    encode_changes(starts, &data);
    ByteReader in(data);
    std::vector<std::uint64_t> decoded;
    ASSERT_TRUE(decode_presence(&in, rows, &decoded));
    EXPECT_EQ(decoded, bitmap);
    std::vector<std::int64_t> decoded_starts;
    ASSERT_TRUE(decode_changes(&in, rows, &decoded_starts));
    EXPECT_EQ(decoded_starts, starts);
    EXPECT_TRUE(in.at_end());
  }
}

// The decoders see no checksum of their own: any bytes must end in an answer or in false.
TEST(Codecs, SurviveRandomBytes) {
  for (std::uint64_t seed = 0; seed < 20'000; ++seed) {
    std::mt19937_64 random(seed);
    std::string data;
    for (std::size_t size = random() % 60; size > 0; --size) {
      data.push_back(static_cast<char>(random() % 3 == 0 ? random() % 8 : random()));
    }
    const auto count = static_cast<std::uint32_t>(random() % 500);
    const ValueShape shape{count, {}, count, random() % 2 == 0};
    ByteReader values(data);
    Values decoded;
    const bool good = decode_values(&values, shape, &decoded);
    if (good) {
      ASSERT_EQ(decoded.size(), count);
    }
    ByteReader same(data);
    RowChanges row_changes;
    ASSERT_EQ(decode_values(&same, shape, &row_changes), good);
    ASSERT_TRUE(!good || row_changes.rows == count);
    // Behind the head of the number code, which random bytes rarely get past.
    std::string coded(1, static_cast<char>(5));
    put_varint(&coded, random() % 1000);
    coded.push_back(static_cast<char>(random() % 4));
    coded += data;
    ByteReader numbers(coded);
    Values from_numbers;
    if (decode_values(&numbers, shape, &from_numbers)) {
      ASSERT_EQ(from_numbers.size(), count);
    }
    ByteReader squeezed(data);
    std::unique_ptr<char[]> buffer;
    std::string_view text;
    static_cast<void>(unsqueeze(&squeezed, &buffer, &text));
    ByteReader times(data);
    std::vector<std::int64_t> decoded_times;
    if (decode_times(&times, &decoded_times)) {
      ASSERT_LE(decoded_times.size(), kMaxRows);
    }
    ByteReader presence(data);
    std::vector<std::uint64_t> bitmap;
    decode_presence(&presence, count, &bitmap);
    ByteReader changes(data);
    decode_changes(&changes, count, &decoded_times);
  }
}

TEST(ByteReader, StopsAtTheEndAndStaysFailed) {
  std::string overlong(10, '\xff');
  ByteReader bad(overlong);
  EXPECT_EQ(bad.varint(), 0U);
  EXPECT_FALSE(bad.ok());
  EXPECT_EQ(bad.fixed<std::uint32_t>(), 0U);

  std::string data;
  put_varint(&data, ~std::uint64_t{0});
  put_signed(&data, std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(data.size(), varint_size(~std::uint64_t{0}) * 2);
  ByteReader in(data);
  EXPECT_EQ(in.varint(), ~std::uint64_t{0});
  EXPECT_EQ(in.signed_varint(), std::numeric_limits<std::int64_t>::min());
  EXPECT_TRUE(in.ok());
  EXPECT_TRUE(in.bytes(1).empty());
  EXPECT_FALSE(in.ok());
}

}  // namespace
}  // namespace tocsin::tsdb
