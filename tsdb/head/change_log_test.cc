// SPDX-License-Identifier: Apache-2.0
#include "tsdb/head/change_log.h"

#include <bit>
#include <limits>
#include <random>

#include <gtest/gtest.h>

#include "model/value.h"

namespace tocsin::tsdb {
namespace {

using Rows = std::vector<std::optional<std::uint64_t>>;  // bits, or absent

std::uint64_t bits_of(double v) { return std::bit_cast<std::uint64_t>(v); }

struct Encoded {
  std::string log;
  std::uint32_t length = 0;
};

// Writes rows as a group's slot does: a token only where the value changes.
Encoded encode(const Rows& rows) {
  Encoded out;
  Decimal base;
  std::uint32_t next = 0;
  std::optional<std::uint64_t> current;
  for (std::uint32_t row = 0; row < rows.size(); ++row) {
    if (rows[row] != current) {
      char bytes[kMaxTokenBytes];
      const Token token = rows[row] ? make_token(*rows[row], &base) : make_absent_token();
      out.log.append(bytes, write_token(token, row, &next, bytes));
      if (rows[row]) {
        EXPECT_EQ(base_of(*rows[row], base.exponent), base);
      }
      current = rows[row];
    }
  }
  out.length = static_cast<std::uint32_t>(rows.size());
  return out;
}

Rows decode(const Encoded& in, std::uint32_t begin, std::uint32_t end) {
  DecodedRows decoded;
  EXPECT_TRUE(decode_rows(in.log, in.length, begin, end, &decoded));
  EXPECT_EQ(decoded.floats.size(), end - begin);
  Rows rows;
  for (std::size_t i = 0; i < decoded.floats.size(); ++i) {
    const bool present = ((decoded.present[i / 64] >> (i % 64)) & 1U) != 0;
    rows.push_back(present ? std::optional(bits_of(decoded.floats[i])) : std::nullopt);
  }
  return rows;
}

const std::vector<double>& nasty_values() {
  using limits = std::numeric_limits<double>;
  static const std::vector<double> values = {0.0,
                                             -0.0,
                                             1,
                                             -1,
                                             0.1,
                                             0.2,
                                             0.3,
                                             0.1 + 0.2,
                                             1.0 / 3,
                                             1e-7,
                                             1e21,
                                             1e22,
                                             1e23,
                                             5e-324,
                                             2.5,
                                             1e15 + 0.3,
                                             limits::max(),
                                             limits::lowest(),
                                             limits::min(),
                                             limits::denorm_min(),
                                             limits::infinity(),
                                             -limits::infinity(),
                                             limits::quiet_NaN(),
                                             model::stale_nan(),
                                             model::normal_nan(),
                                             std::bit_cast<double>(0x7ff0000000000001ULL),
                                             std::bit_cast<double>(0xfff8000000000000ULL),
                                             std::bit_cast<double>(0x7fffffffffffffffULL),
                                             9007199254740991.0,
                                             9007199254740992.0,
                                             9007199254740993.0,
                                             -9007199254740991.0,
                                             1234567890.125,
                                             99999999.99,
                                             1e-22,
                                             1e-23,
                                             123456.789e-10,
                                             4.35,
                                             0.000001,
                                             3e5};
  return values;
}

TEST(ChangeLog, EveryPairOfNastyValuesComesBackBitForBit) {
  for (const double a : nasty_values()) {
    for (const double b : nasty_values()) {
      const Rows rows = {bits_of(a), bits_of(b), bits_of(b), std::nullopt,
                         bits_of(a), bits_of(a), bits_of(b)};
      EXPECT_EQ(decode(encode(rows), 0, 7), rows) << a << " " << b;
    }
  }
}

TEST(ChangeLog, DecimalsAreExact) {
  const auto check = [](double v, std::int64_t mantissa, std::uint8_t exponent) {
    const std::optional<Decimal> decimal = to_decimal(bits_of(v), 0);
    ASSERT_TRUE(decimal) << v;
    EXPECT_EQ(*decimal, (Decimal{mantissa, exponent})) << v;
    EXPECT_EQ(from_decimal(*decimal), bits_of(v)) << v;
  };
  check(0, 0, 0);
  check(-17, -17, 0);
  check(0.1, 1, 1);
  check(4.35, 435, 2);
  check(1234.5678, 12345678, 4);
  check(9007199254740991.0, 9007199254740991, 0);
  EXPECT_FALSE(to_decimal(bits_of(-0.0), 0));
  EXPECT_FALSE(to_decimal(bits_of(9007199254740992.0), 0));
  EXPECT_FALSE(to_decimal(bits_of(std::numeric_limits<double>::infinity()), 0));
}

TEST(ChangeLog, KeepsTheExponentOfTheBase) {
  EXPECT_EQ(to_decimal(bits_of(2), 3), (Decimal{2000, 3}));
  EXPECT_EQ(to_decimal(bits_of(9007199254740991.0), 3), (Decimal{9007199254740991, 0}));
}

TEST(ChangeLog, RepeatsCostNothing) {
  Rows rows(1000, bits_of(42.5));
  const Encoded encoded = encode(rows);
  EXPECT_LE(encoded.log.size(), 4U);
  EXPECT_EQ(decode(encoded, 0, 1000), rows);
}

TEST(ChangeLog, ACounterStepCostsOneByte) {
  Rows rows;
  for (int i = 0; i < 100; ++i) rows.push_back(bits_of(100000 + i * 3));
  EXPECT_LE(encode(rows).log.size(), 103U);
}

Rows random_rows(std::mt19937_64& random) {
  Rows rows;
  double value = static_cast<double>(random() % 100000);
  const std::uint64_t exponent = random() % 4;
  const double unit = std::pow(10.0, static_cast<double>(exponent));
  const std::size_t count = random() % 400 + 1;
  while (rows.size() < count) {
    switch (random() % 12) {
      case 0:
        rows.insert(rows.end(), random() % 90, std::nullopt);
        break;
      case 1:
        rows.push_back(random());
        break;
      case 2:
        rows.push_back(model::kStaleNanBits);
        break;
      case 3:
        rows.insert(rows.end(), random() % 200, bits_of(value));
        break;
      default:
        value = std::round(value * unit + static_cast<double>(random() % 1000) - 400) / unit;
        rows.push_back(bits_of(value));
    }
  }
  return rows;
}

TEST(ChangeLog, RandomWalksComeBackFromAnyRange) {
  const std::uint64_t seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < 300; ++round) {
    const Rows rows = random_rows(random);
    const Encoded encoded = encode(rows);
    const auto size = static_cast<std::uint32_t>(rows.size());
    EXPECT_EQ(decode(encoded, 0, size), rows);
    const auto begin = static_cast<std::uint32_t>(random() % (size + 1));
    const auto end = begin + static_cast<std::uint32_t>(random() % (size - begin + 1));
    EXPECT_EQ(decode(encoded, begin, end), Rows(rows.begin() + begin, rows.begin() + end));
    Rows longer(rows.begin() + begin, rows.end());
    longer.resize(longer.size() + 70);
    EXPECT_EQ(decode(encoded, begin, size + 70), longer) << "rows past the length are absent";
  }
}

TEST(ChangeLog, DamagedBytesNeverCrash) {
  const std::uint64_t seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < 2000; ++round) {
    std::string bytes(random() % 60, '\0');
    for (char& c : bytes) c = static_cast<char>(random());
    DecodedRows decoded;
    static_cast<void>(
        decode_rows(bytes, static_cast<std::uint32_t>(random() % 300), 3, 200, &decoded));
    EXPECT_LE(decoded.floats.size(), 197U);
  }
}

}  // namespace
}  // namespace tocsin::tsdb
