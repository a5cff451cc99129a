// SPDX-License-Identifier: Apache-2.0
#include "base/time_zone.h"

#include <absl/time/civil_time.h>
#include <absl/time/time.h>

namespace tocsin::base {
namespace {

constexpr std::size_t kMaxName = 100;

// The library would also take file names; only names of the database get through.
bool is_zone_name(std::string_view name) {
  if (name.size() > kMaxName || name.starts_with('/')) return false;
  if (name.find("..") != std::string_view::npos || name.starts_with("Fixed/")) return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '+' || c == '-' || c == '/';
  });
}

}  // namespace

struct TimeZone::Data {
  absl::TimeZone zone;
  std::string name;
};

TimeZone TimeZone::utc() {
  return TimeZone(std::make_shared<const Data>(Data{absl::UTCTimeZone(), "UTC"}));
}

TimeZone TimeZone::local() {
  return TimeZone(std::make_shared<const Data>(Data{absl::LocalTimeZone(), "Local"}));
}

StatusOr<TimeZone> TimeZone::load(std::string_view name) {
  if (name.empty() || name == "UTC") return utc();
  if (name == "Local") return local();
  Data data;
  data.name = name;
  if (!is_zone_name(name) || name == "localtime" || !absl::LoadTimeZone(data.name, &data.zone)) {
    return not_found("unknown time zone {}", name);
  }
  return TimeZone(std::make_shared<const Data>(std::move(data)));
}

CivilTime TimeZone::civil(Timestamp t) const {
  const absl::Time time = absl::FromUnixMillis(to_ms(t));
  const absl::TimeZone::CivilInfo info = data_->zone.At(time);
  CivilTime civil;
  civil.year = static_cast<int>(info.cs.year());
  civil.month = info.cs.month();
  civil.day = info.cs.day();
  civil.hour = info.cs.hour();
  civil.minute = info.cs.minute();
  civil.second = info.cs.second();
  civil.millisecond = static_cast<int>(absl::ToInt64Milliseconds(info.subsecond));
  // The library counts weekdays from Monday.
  civil.weekday = (static_cast<int>(absl::GetWeekday(info.cs)) + 1) % 7;
  civil.year_day = absl::GetYearDay(absl::CivilDay(info.cs));
  civil.offset_seconds = info.offset;
  civil.zone = info.zone_abbr;
  return civil;
}

Timestamp TimeZone::from_civil(const CivilTime& civil) const {
  const absl::CivilSecond second(civil.year, civil.month, civil.day, civil.hour, civil.minute,
                                 civil.second);
  // "pre" reads the time with the offset in force before a change: the earlier of two candidates.
  const absl::TimeZone::TimeInfo info = data_->zone.At(second);
  return from_ms(absl::ToUnixMillis(info.pre) + civil.millisecond);
}

const std::string& TimeZone::name() const { return data_->name; }

}  // namespace tocsin::base
