// SPDX-License-Identifier: Apache-2.0
//
// Round trips of the codecs of values and timestamps, and what they make of wrong bytes.
#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tsdb/tile/bit_pack.h"
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

std::string encoded(const Values& values) {
  std::string out;
  encode_values(values, &out);
  return out;
}

void expect_round_trip(const Values& values) {
  const std::string data = encoded(values);
  ByteReader in(data);
  Values decoded;
  ASSERT_TRUE(decode_values(&in, static_cast<std::uint32_t>(values.size()), &decoded));
  ASSERT_TRUE(in.at_end());
  ASSERT_EQ(bits(decoded), bits(values));
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
      {"fixed steps", counter(240, 15, 0), ValueLayout::kDelta2, 20},
      {"noisy counter", counter(240, 15, 100), ValueLayout::kDelta, 256},
      {"long fractions", with(repeat(third, 240), 7, third * 2), ValueLayout::kSparse, 40},
      {"any bits", random_bits, ValueLayout::kFixed, 801},
      {"one value", {42.5}, ValueLayout::kConstant, 5},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    const std::string data = encoded(row.values);
    EXPECT_EQ(layout_of(data), row.layout);
    EXPECT_LE(data.size(), row.max_bytes);
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
  expect_round_trip({});
}

TEST(ValueCodec, RoundTripsRandomSeries) {
  for (std::uint64_t seed = 0; seed < 2000; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937_64 random(seed);
    Values values;
    const std::size_t count = 1 + random() % 300;
    const std::uint64_t kind = random() % 6;
    const double scale = std::pow(10.0, static_cast<double>(random() % 20) - 10);
    double value = 0;
    for (std::size_t i = 0; i < count; ++i) {
      if (random() % 4 != 0) {
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

TEST(BitPack, RoundTripsEveryWidthAndExceptions) {
  std::mt19937_64 random(3);
  for (unsigned width = 0; width <= 64; ++width) {
    for (const std::size_t count : {1U, 7U, 63U, 64U}) {
      std::vector<std::uint64_t> values(count);
      for (auto& value : values) value = width == 0 ? 0 : random() >> (64 - width);
      if (count > 10) values[count / 2] = random();
      std::string data;
      pack_block(values, &data);
      EXPECT_LE(data.size(), 2 + (count * width + 7) / 8 + (count > 10 ? 11 : 0)) << width;
      std::vector<std::uint64_t> decoded(count);
      ByteReader in(data);
      ASSERT_TRUE(unpack_block(&in, decoded)) << width;
      ASSERT_EQ(decoded, values) << width;
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
    ByteReader values(data);
    Values decoded;
    if (decode_values(&values, count, &decoded)) {
      ASSERT_EQ(decoded.size(), count);
    }
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
