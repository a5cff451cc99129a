// SPDX-License-Identifier: Apache-2.0
//
// TimeZone: IANA zones from the system's database (the one door to absl's time library).
//
// A value; shared, read-only.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"
#include "base/time.h"

namespace tocsin::base {

struct CivilTime {
  int year = 1970, month = 1, day = 1;  // month 1..12, day 1..31
  int hour = 0, minute = 0, second = 0, millisecond = 0;
  int weekday = 4;         // 0 = Sunday
  int year_day = 1;        // 1..366
  int offset_seconds = 0;  // east of UTC
  std::string zone;        // abbreviation, e.g. "CET"
};

class TimeZone {
 public:
  static TimeZone utc();
  static TimeZone local();
  // "Europe/Berlin", "UTC", "Local"; kNotFound "unknown time zone X".
  static StatusOr<TimeZone> load(std::string_view name);

  CivilTime civil(Timestamp t) const;
  // The time of a civil time in this zone; of two candidates the earlier.
  Timestamp from_civil(const CivilTime& civil) const;
  const std::string& name() const;

 private:
  struct Data;
  explicit TimeZone(std::shared_ptr<const Data> data) : data_(std::move(data)) {}
  std::shared_ptr<const Data> data_;
};

}  // namespace tocsin::base
