// SPDX-License-Identifier: Apache-2.0
#include "model/value.h"

#include <limits>
#include <random>

#include <gtest/gtest.h>

namespace tocsin::model {
namespace {

TEST(ParseFloat, AcceptsGosFloats) {
  const auto check = [](std::string_view text, double want) {
    const auto got = parse_float(text);
    ASSERT_TRUE(got.ok()) << text;
    EXPECT_EQ(*got, want) << text;
  };
  check("0", 0);
  check("1.", 1);
  check("+.5e3", 500);
  check("-12.25", -12.25);
  check("1E-3", 0.001);
  check("1e-400", 0);
  check("4.9e-324", 5e-324);
  check("9007199254740993", 9007199254740992.0);
  check("0x1p-2", 0.25);
  check("-0X1.8P+1", -3);
  check("0x.8p1", 1);
  check("0x1p-2000", 0);
  check("0x1p-1074", 5e-324);
  check("inf", INFINITY);
  check("+Infinity", INFINITY);
  check("-INF", -INFINITY);
  EXPECT_TRUE(std::signbit(*parse_float("-0")));
  for (const std::string_view nan : {"NaN", "nan", "NAN"}) {
    EXPECT_EQ(std::bit_cast<std::uint64_t>(*parse_float(nan)), kNormalNanBits);
  }
}

TEST(ParseFloat, RefusesTheRest) {
  for (const std::string text :
       {"",     "+",    "-",    ".",       "e5",   "1e",        "1e+",         "1_000",
        "0x10", "0xp1", "0x1p", "0x1p1_0", "+nan", "nanx",      "nan(1)",      "infin",
        "1 ",   " 1",   "1,5",  "--1",     "+-1",  "0x1.8.1p1", "\xef\xbc\x91"}) {
    const auto got = parse_float(text);
    ASSERT_FALSE(got.ok()) << text;
    EXPECT_NE(message(got.status()).find(": invalid syntax"), std::string_view::npos);
  }
  EXPECT_EQ(message(parse_float("1e400").status()),
            R"(strconv.ParseFloat: parsing "1e400": value out of range)");
  EXPECT_FALSE(parse_float("-0x1p2000").ok());
}

TEST(FormatFloat, HasTheShortestDigitsAtAnySize) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 100'000; ++i) {
    // Between 2^-22 and 2^54, around the values at which another form begins.
    const std::uint64_t exponent = 1023 - 22 + random() % 77;
    const std::uint64_t fraction = random() & (random() % 2 == 0 ? ~0ULL : ~0ULL << 40U);
    const double v = std::bit_cast<double>(exponent << 52U | (fraction >> 12U));
    const std::string text = format_float(v);
    if (v >= 1e-6) {
      ASSERT_EQ(text, format_float_f(v)) << i;
    }
    ASSERT_EQ(*parse_float(text), v) << text;
  }
}

TEST(FormatFloat, HasGosForms) {
  const auto check = [](double v, std::string_view api, std::string_view g, std::string_view e,
                        std::string_view f) {
    EXPECT_EQ(format_float(v), api);
    EXPECT_EQ(format_float_g(v), g);
    EXPECT_EQ(format_float_e(v), e);
    EXPECT_EQ(format_float_f(v), f);
  };
  check(0, "0", "0", "0e+00", "0");
  check(-0.0, "-0", "-0", "-0e+00", "-0");
  check(1, "1", "1", "1e+00", "1");
  check(-1.5, "-1.5", "-1.5", "-1.5e+00", "-1.5");
  check(100000, "100000", "100000", "1e+05", "100000");
  check(1e6, "1000000", "1e+06", "1e+06", "1000000");
  check(123456.7, "123456.7", "123456.7", "1.234567e+05", "123456.7");
  check(1234567, "1234567", "1.234567e+06", "1.234567e+06", "1234567");
  check(0.0001, "0.0001", "0.0001", "1e-04", "0.0001");
  check(0.00001, "0.00001", "1e-05", "1e-05", "0.00001");
  check(1e-6, "0.000001", "1e-06", "1e-06", "0.000001");
  check(1.5e-7, "1.5e-07", "1.5e-07", "1.5e-07", "0.00000015");
  check(1e20, "100000000000000000000", "1e+20", "1e+20", "100000000000000000000");
  check(1e21, "1e+21", "1e+21", "1e+21", "1000000000000000000000");
  check(1e23, "1e+23", "1e+23", "1e+23", "100000000000000000000000");
  check(9007199254740992.0, "9007199254740992", "9.007199254740992e+15", "9.007199254740992e+15",
        "9007199254740992");
  check(-1e100, "-1e+100", "-1e+100", "-1e+100", "-1" + std::string(100, '0'));
  check(INFINITY, "+Inf", "+Inf", "+Inf", "+Inf");
  check(-INFINITY, "-Inf", "-Inf", "-Inf", "-Inf");
  check(stale_nan(), "NaN", "NaN", "NaN", "NaN");
}

TEST(FormatFloat, EveryFormParsesBack) {
  std::mt19937_64 random(20260101);
  for (int i = 0; i < 20000; ++i) {
    const std::uint64_t bits = random();
    const double v = std::bit_cast<double>(bits);
    if (!std::isfinite(v)) continue;
    for (const std::string& text :
         {format_float(v), format_float_g(v), format_float_e(v), format_float_f(v)}) {
      const auto back = parse_float(text);
      ASSERT_TRUE(back.ok()) << text;
      ASSERT_EQ(std::bit_cast<std::uint64_t>(*back), bits) << text;
    }
  }
}

TEST(Value, OnlyTheMarkerIsStale) {
  EXPECT_TRUE(is_stale(stale_nan()));
  EXPECT_FALSE(is_stale(normal_nan()));
  EXPECT_FALSE(is_stale(std::numeric_limits<double>::quiet_NaN()));
}

}  // namespace
}  // namespace tocsin::model
