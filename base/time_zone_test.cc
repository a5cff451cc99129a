// SPDX-License-Identifier: Apache-2.0
#include "base/time_zone.h"

#include <gtest/gtest.h>

namespace tocsin::base {
namespace {

TimeZone zone(std::string_view name) {
  StatusOr<TimeZone> loaded = TimeZone::load(name);
  EXPECT_TRUE(loaded.ok()) << name;
  return loaded.ok() ? *loaded : TimeZone::utc();
}

std::string text(const CivilTime& c) {
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:03} wd{} yd{} {:+} {}", c.year, c.month,
                     c.day, c.hour, c.minute, c.second, c.millisecond, c.weekday, c.year_day,
                     c.offset_seconds, c.zone);
}

TEST(TimeZone, ShowsCivilTime) {
  const auto check = [](std::string_view name, std::int64_t ms, std::string_view want) {
    EXPECT_EQ(text(zone(name).civil(from_ms(ms))), want) << name << " " << ms;
  };
  check("UTC", 0, "1970-01-01 00:00:00.000 wd4 yd1 +0 UTC");
  check("UTC", -1, "1969-12-31 23:59:59.999 wd3 yd365 +0 UTC");
  check("UTC", 951'782'400'000, "2000-02-29 00:00:00.000 wd2 yd60 +0 UTC");
  check("Europe/Berlin", 1'704'067'200'123, "2024-01-01 01:00:00.123 wd1 yd1 +3600 CET");
  check("Europe/Berlin", 1'719'792'000'000, "2024-07-01 02:00:00.000 wd1 yd183 +7200 CEST");
  check("America/New_York", 1'719'792'000'000, "2024-06-30 20:00:00.000 wd0 yd182 -14400 EDT");
}

TEST(TimeZone, FromCivilUndoesCivil) {
  for (const char* name : {"UTC", "Europe/Berlin", "Asia/Kolkata", "America/New_York"}) {
    const TimeZone z = zone(name);
    for (std::int64_t ms = 1'700'000'000'123; ms < 1'731'000'000'000; ms += 7'777'777'777) {
      EXPECT_EQ(to_ms(z.from_civil(z.civil(from_ms(ms)))), ms) << name;
    }
  }
}

TEST(TimeZone, OfTwoCandidatesTakesTheEarlier) {
  CivilTime twice;  // 02:30 comes twice when summer time ends
  twice.year = 2024;
  twice.month = 10;
  twice.day = 27;
  twice.hour = 2;
  twice.minute = 30;
  EXPECT_EQ(to_ms(zone("Europe/Berlin").from_civil(twice)), 1'729'989'000'000);
}

TEST(TimeZone, OutOfRangeFieldsCarryOver) {
  CivilTime c;
  c.year = 2023;
  c.month = 14;
  c.day = 30;
  EXPECT_EQ(text(TimeZone::utc().civil(TimeZone::utc().from_civil(c))),
            "2024-03-01 00:00:00.000 wd5 yd61 +0 UTC");
}

TEST(TimeZone, KnowsItsName) {
  EXPECT_EQ(zone("Europe/Berlin").name(), "Europe/Berlin");
  EXPECT_EQ(zone("Local").name(), "Local");
  EXPECT_EQ(zone("").name(), "UTC");
}

TEST(TimeZone, RefusesWhatIsNoZone) {
  for (const char* name : {"Mars/Base", "../etc/passwd", "/etc/localtime", "file:x", "Fixed/UTC+01",
                           "Europe/../UTC", "localtime", "Europe Berlin"}) {
    const StatusOr<TimeZone> loaded = TimeZone::load(name);
    ASSERT_FALSE(loaded.ok()) << name;
    EXPECT_EQ(loaded.status().code(), StatusCode::kNotFound);
    EXPECT_EQ(message(loaded.status()), fmt::format("unknown time zone {}", name));
  }
}

}  // namespace
}  // namespace tocsin::base
