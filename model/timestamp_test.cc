// SPDX-License-Identifier: Apache-2.0
#include "model/timestamp.h"

#include <gtest/gtest.h>

#include "model/alert.h"

namespace tocsin::model {
namespace {

using namespace std::chrono_literals;

TEST(ParseDuration, AcceptsEachUnitOnceInOrder) {
  const auto check = [](std::string_view text, Duration want, std::string_view printed) {
    const auto got = parse_duration(text);
    ASSERT_TRUE(got.ok()) << text << got.status();
    EXPECT_EQ(*got, want) << text;
    EXPECT_EQ(format_duration(want), printed);
  };
  check("0", 0ms, "0s");
  check("0w", 0ms, "0s");
  check("324ms", 324ms, "324ms");
  check("3s", 3s, "3s");
  check("90m", 90min, "1h30m");
  check("4d1h", 97h, "4d1h");
  check("14d", 14 * 24h, "2w");
  check("90d", 90 * 24h, "90d");
  check("3w2d1h", (23 * 24 + 1) * 1h, "23d1h");
  check("10y", 3650 * 24h, "10y");
  check("1y2w3d4h5m6s7ms", (365 + 14 + 3) * 24h + 4h + 5min + 6s + 7ms, "382d4h5m6s7ms");
  EXPECT_EQ(format_duration(-90min), "-1h30m");
}

TEST(ParseDuration, RefusesTheRest) {
  const auto check = [](std::string_view text, std::string_view want) {
    const auto got = parse_duration(text);
    ASSERT_FALSE(got.ok()) << text;
    EXPECT_EQ(message(got.status()), want);
  };
  check("", "empty duration string");
  check("1", R"(not a valid duration string: "1")");
  check("1y1m1d", R"(not a valid duration string: "1y1m1d")");
  check("1s1s", R"(not a valid duration string: "1s1s")");
  check("-1w", R"(not a valid duration string: "-1w")");
  check("1.5d", R"(unknown unit "." in duration "1.5d")");
  check("d", R"(not a valid duration string: "d")");
  check("1q", R"(unknown unit "q" in duration "1q")");
  check("99999999999999999999s", R"(not a valid duration string: "99999999999999999999s")");
  check("294y", "duration out of range");
  check("200y10000w", "duration out of range");
}

TEST(GoDuration, ParsesAndPrints) {
  const auto check = [](std::string_view text, Duration want, std::string_view printed) {
    const auto got = parse_go_duration(text);
    ASSERT_TRUE(got.ok()) << text << got.status();
    EXPECT_EQ(*got, want) << text;
    EXPECT_EQ(format_go_duration(want), printed);
  };
  check("0", 0ms, "0s");
  check("1.5h", 90min, "1h30m0s");
  check("300ms", 300ms, "300ms");
  check("-2m", -2min, "-2m0s");
  check("+5s", 5s, "5s");
  check("1h15m30.918s", 1h + 15min + 30918ms, "1h15m30.918s");
  check(".5s", 500ms, "500ms");
  check("1m2s3ms", 62003ms, "1m2.003s");
  check("1500us", 1ms, "1ms");
  check("2000000ns", 2ms, "2ms");
  check("2000\xc2\xb5s", 2ms, "2ms");
  check("1.5s", 1500ms, "1.5s");
  check("100h", 100h, "100h0m0s");
}

TEST(GoDuration, RefusesTheRest) {
  const auto check = [](std::string_view text, std::string_view want) {
    const auto got = parse_go_duration(text);
    ASSERT_FALSE(got.ok()) << text;
    EXPECT_EQ(message(got.status()), want);
  };
  check("", R"(time: invalid duration "")");
  check("3", R"(time: missing unit in duration "3")");
  check("1d", R"(time: unknown unit "d" in duration "1d")");
  check(".s", R"(time: invalid duration ".s")");
  check("-", R"(time: invalid duration "-")");
  check("3000000h", R"(time: invalid duration "3000000h")");
}

TEST(Rfc3339, ParsesAndPrints) {
  const auto check = [](std::string_view text, std::int64_t want_ms, std::string_view printed) {
    const auto got = parse_rfc3339(text);
    ASSERT_TRUE(got.ok()) << text;
    EXPECT_EQ(to_ms(*got), want_ms) << text;
    EXPECT_EQ(format_rfc3339(*got), printed);
  };
  check("1970-01-01T00:00:00Z", 0, "1970-01-01T00:00:00Z");
  check("2026-01-02T03:04:05.678+01:00", 1767319445678, "2026-01-02T02:04:05.678Z");
  check("2024-02-29T23:59:59.5Z", 1709251199500, "2024-02-29T23:59:59.5Z");
  check("2000-02-29T00:00:00-00:30", 951784200000, "2000-02-29T00:30:00Z");
  check("1969-12-31T23:59:59.999999999Z", -1, "1969-12-31T23:59:59.999Z");
  check("9999-12-31T23:59:59Z", 253402300799000, "9999-12-31T23:59:59Z");
  EXPECT_EQ(format_rfc3339(from_ms(1000), Fraction::kMillis), "1970-01-01T00:00:01.000Z");
}

TEST(Rfc3339, GosZeroTimeIsNoTime) {
  EXPECT_EQ(format_rfc3339(kNoTime), "0001-01-01T00:00:00Z");
  EXPECT_EQ(*parse_rfc3339("0001-01-01T00:00:00Z"), kNoTime);
  EXPECT_EQ(to_ms(*parse_timestamp("0001-01-01T00:00:00Z")), -62135596800000);
}

TEST(Rfc3339, TheWholeRangeOfTimesCanBePrinted) {
  EXPECT_EQ(format_rfc3339(kMinTime).back(), 'Z');
  EXPECT_EQ(format_rfc3339(kMaxTime).substr(0, 9), "73071226-");
}

TEST(Rfc3339, EveryDayOfFourCenturiesRoundTrips) {
  for (std::int64_t day = -25000; day < 147000; ++day) {
    const Timestamp t = from_ms(day * 86'400'000);
    const std::string text = format_rfc3339(t);
    const auto back = parse_rfc3339(text);
    ASSERT_TRUE(back.ok()) << text;
    ASSERT_EQ(*back, t) << text;
  }
}

TEST(Rfc3339, RefusesTheRest) {
  for (const std::string_view text :
       {"", "2026-01-02", "2026-01-02T03:04:05", "2026-01-02 03:04:05Z", "2026-1-02T03:04:05Z",
        "2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z",
        "2026-01-01T24:00:00Z", "2026-01-01T00:00:60Z", "2026-01-01T00:00:00.Z",
        "2026-01-01T00:00:00+0100", "2026-01-01T00:00:00Zx", "2026-01-01t00:00:00z"}) {
    EXPECT_FALSE(parse_rfc3339(text).ok()) << text;
  }
}

TEST(ParseTimestamp, TakesSecondsOrRfc3339) {
  EXPECT_EQ(to_ms(*parse_timestamp("1435781430.781")), 1435781430781);
  EXPECT_EQ(to_ms(*parse_timestamp("-1.5")), -1500);
  EXPECT_EQ(to_ms(*parse_timestamp("1e9")), 1000000000000);
  EXPECT_EQ(to_ms(*parse_timestamp("2015-07-01T20:10:51.781Z")), 1435781451781);
  EXPECT_EQ(*parse_timestamp("-292273086-05-16T16:47:06Z"), kMinTime);
  EXPECT_EQ(*parse_timestamp("292277025-08-18T07:12:54.999999999Z"), kMaxTime);
  for (const std::string_view bad : {"", "foo", "NaN", "inf", "1e300"}) {
    const auto got = parse_timestamp(bad);
    ASSERT_FALSE(got.ok()) << bad;
    EXPECT_EQ(message(got.status()),
              "cannot parse \"" + std::string(bad) + "\" to a valid timestamp");
  }
}

TEST(Size, ParsesAndPrints) {
  const auto check = [](std::string_view text, std::uint64_t want, std::string_view printed) {
    const auto got = parse_size(text);
    ASSERT_TRUE(got.ok()) << text << got.status();
    EXPECT_EQ(*got, want) << text;
    EXPECT_EQ(format_size(want), printed);
  };
  check("0", 0, "0B");
  check("1B", 1, "1B");
  check("1KB", 1024, "1KiB");
  check("512MB", 512U << 20U, "512MiB");
  check("1.5GiB", 3U << 29U, "1GiB512MiB");
  check("2TB", 2ULL << 40U, "2TiB");
  check("7EB", 7ULL << 60U, "7EiB");
  for (const std::string_view bad : {"", "512", "MB", "1XB", "-1MB", "8EB", "1 MB"}) {
    EXPECT_FALSE(parse_size(bad).ok()) << bad;
  }
  EXPECT_EQ(message(parse_size("512").status()), R"(units: missing unit in "512")");
}

}  // namespace
}  // namespace tocsin::model
