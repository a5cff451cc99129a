// SPDX-License-Identifier: Apache-2.0
//
// Go's time layouts. A layout is cut into literal text and fields; a field is recognised by how it
// would write the reference time, Mon Jan 2 15:04:05 2006 -0700.
#include <algorithm>
#include <array>
#include <charconv>

#include "model/alert.h"
#include "template/value.h"

namespace tocsin::tmpl {
namespace {

enum class Part {
  kLiteral,
  kLongMonth,
  kMonth,
  kNumMonth,
  kZeroMonth,
  kLongWeekday,
  kWeekday,
  kDay,
  kUnderDay,
  kZeroDay,
  kUnderYearDay,
  kZeroYearDay,
  kHour,
  kHour12,
  kZeroHour12,
  kMinute,
  kZeroMinute,
  kSecond,
  kZeroSecond,
  kLongYear,
  kYear,
  kUpperPm,
  kLowerPm,
  kZone,
  kIsoZoneColon,
  kIsoZone,
  kIsoZoneShort,
  kOffsetColon,
  kOffset,
  kOffsetShort,
  kFraction,
  kFractionTrimmed
};

struct Piece {
  Part part = Part::kLiteral;
  std::string_view text;  // of the layout
};

struct Pattern {
  std::string_view text;
  Part part;
};
// Longer ones first where one begins another.
constexpr auto kPatterns = std::to_array<Pattern>({
    {"January", Part::kLongMonth},
    {"Jan", Part::kMonth},
    {"Monday", Part::kLongWeekday},
    {"Mon", Part::kWeekday},
    {"MST", Part::kZone},
    {"2006", Part::kLongYear},
    {"__2", Part::kUnderYearDay},
    {"_2", Part::kUnderDay},
    {"002", Part::kZeroYearDay},
    {"01", Part::kZeroMonth},
    {"02", Part::kZeroDay},
    {"03", Part::kZeroHour12},
    {"04", Part::kZeroMinute},
    {"05", Part::kZeroSecond},
    {"06", Part::kYear},
    {"15", Part::kHour},
    {"PM", Part::kUpperPm},
    {"pm", Part::kLowerPm},
    {"Z07:00", Part::kIsoZoneColon},
    {"Z0700", Part::kIsoZone},
    {"Z07", Part::kIsoZoneShort},
    {"-07:00", Part::kOffsetColon},
    {"-0700", Part::kOffset},
    {"-07", Part::kOffsetShort},
    {"1", Part::kNumMonth},
    {"2", Part::kDay},
    {"3", Part::kHour12},
    {"4", Part::kMinute},
    {"5", Part::kSecond},
});

constexpr std::array<std::string_view, 12> kMonths = {
    "January", "February", "March",     "April",   "May",      "June",
    "July",    "August",   "September", "October", "November", "December"};
constexpr std::array<std::string_view, 7> kWeekdays = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                       "Thursday", "Friday", "Saturday"};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// ".000" or ".999" (or with a comma) that no digit follows.
std::size_t fraction_length(std::string_view rest) {
  if (rest.size() < 2 || (rest[0] != '.' && rest[0] != ',')) return 0;
  if (rest[1] != '0' && rest[1] != '9') return 0;
  std::size_t end = 1;
  while (end < rest.size() && rest[end] == rest[1]) ++end;
  return end < rest.size() && is_digit(rest[end]) ? 0 : end;
}

Piece match_piece(std::string_view rest) {
  if (const std::size_t length = fraction_length(rest); length > 0) {
    return {rest[1] == '0' ? Part::kFraction : Part::kFractionTrimmed, rest.substr(0, length)};
  }
  for (const Pattern& pattern : kPatterns) {
    if (rest.substr(0, pattern.text.size()) != pattern.text) continue;
    // "_2006" is an underscore and a year, "January" inside "Januaryish" is still a month.
    if (pattern.part == Part::kUnderDay && rest.substr(0, 5) == "_2006") continue;
    if (pattern.part == Part::kMonth && rest.size() > 3 && rest[3] >= 'a' && rest[3] <= 'z')
      continue;
    if (pattern.part == Part::kWeekday && rest.size() > 3 && rest[3] >= 'a' && rest[3] <= 'z')
      continue;
    return {pattern.part, rest.substr(0, pattern.text.size())};
  }
  return {};
}

std::vector<Piece> cut(std::string_view layout) {
  std::vector<Piece> pieces;
  std::size_t literal = 0;
  for (std::size_t i = 0; i < layout.size();) {
    const Piece piece = match_piece(layout.substr(i));
    if (piece.part == Part::kLiteral) {
      ++i;
      continue;
    }
    if (i > literal) pieces.push_back({Part::kLiteral, layout.substr(literal, i - literal)});
    pieces.push_back(piece);
    i += piece.text.size();
    literal = i;
  }
  if (literal < layout.size()) pieces.push_back({Part::kLiteral, layout.substr(literal)});
  return pieces;
}

std::string offset_text(int offset_seconds, std::string_view colon, bool minutes) {
  const char sign = offset_seconds < 0 ? '-' : '+';
  const int total = (offset_seconds < 0 ? -offset_seconds : offset_seconds) / 60;
  if (!minutes) return fmt::format("{}{:02}", sign, total / 60);
  return fmt::format("{}{:02}{}{:02}", sign, total / 60, colon, total % 60);
}

std::string fraction_text(int milliseconds, const Piece& piece) {
  std::string digits = fmt::format("{:03}000000", milliseconds);
  digits.resize(std::min(digits.size(), piece.text.size() - 1));
  if (piece.part == Part::kFractionTrimmed) {
    while (!digits.empty() && digits.back() == '0') digits.pop_back();
    if (digits.empty()) return "";
  }
  return piece.text[0] + digits;
}

std::string clock_text(const Piece& piece, const base::CivilTime& t) {
  const int hour12 = t.hour % 12 == 0 ? 12 : t.hour % 12;
  switch (piece.part) {
    case Part::kHour:
      return fmt::format("{:02}", t.hour);
    case Part::kHour12:
      return std::to_string(hour12);
    case Part::kZeroHour12:
      return fmt::format("{:02}", hour12);
    case Part::kMinute:
      return std::to_string(t.minute);
    case Part::kZeroMinute:
      return fmt::format("{:02}", t.minute);
    case Part::kSecond:
      return std::to_string(t.second);
    case Part::kZeroSecond:
      return fmt::format("{:02}", t.second);
    case Part::kUpperPm:
      return t.hour >= 12 ? "PM" : "AM";
    case Part::kLowerPm:
      return t.hour >= 12 ? "pm" : "am";
    case Part::kZone:
      return t.zone;
    case Part::kIsoZoneColon:
      return t.offset_seconds == 0 ? "Z" : offset_text(t.offset_seconds, ":", true);
    case Part::kIsoZone:
      return t.offset_seconds == 0 ? "Z" : offset_text(t.offset_seconds, "", true);
    case Part::kIsoZoneShort:
      return t.offset_seconds == 0 ? "Z" : offset_text(t.offset_seconds, "", false);
    case Part::kOffsetColon:
      return offset_text(t.offset_seconds, ":", true);
    case Part::kOffset:
      return offset_text(t.offset_seconds, "", true);
    case Part::kOffsetShort:
      return offset_text(t.offset_seconds, "", false);
    case Part::kFraction:
    case Part::kFractionTrimmed:
      return fraction_text(t.millisecond, piece);
    default:
      return "";
  }
}

std::string piece_text(const Piece& piece, const base::CivilTime& t) {
  const auto month = static_cast<std::size_t>(t.month - 1);
  const auto weekday = static_cast<std::size_t>(t.weekday);
  switch (piece.part) {
    case Part::kLiteral:
      return std::string(piece.text);
    case Part::kLongMonth:
      return std::string(kMonths[month]);
    case Part::kMonth:
      return std::string(kMonths[month].substr(0, 3));
    case Part::kNumMonth:
      return std::to_string(t.month);
    case Part::kZeroMonth:
      return fmt::format("{:02}", t.month);
    case Part::kLongWeekday:
      return std::string(kWeekdays[weekday]);
    case Part::kWeekday:
      return std::string(kWeekdays[weekday].substr(0, 3));
    case Part::kDay:
      return std::to_string(t.day);
    case Part::kUnderDay:
      return fmt::format("{:2}", t.day);
    case Part::kZeroDay:
      return fmt::format("{:02}", t.day);
    case Part::kUnderYearDay:
      return fmt::format("{:3}", t.year_day);
    case Part::kZeroYearDay:
      return fmt::format("{:03}", t.year_day);
    case Part::kLongYear:
      return fmt::format("{:04}", t.year);
    case Part::kYear:
      return fmt::format("{:02}", t.year % 100);
    default:
      return clock_text(piece, t);
  }
}

// What has been read of a time.
struct Reading {
  std::string_view rest;
  base::CivilTime civil;
  bool afternoon = false;
  bool twelve_hours = false;
  bool has_offset = false;
  int offset_seconds = 0;

  Reading() {
    civil.year = 0;
    civil.month = civil.day = 1;
  }

  // Reads between `least` and `most` digits.
  bool number(std::size_t least, std::size_t most, int* value) {
    std::size_t length = 0;
    while (length < most && length < rest.size() && is_digit(rest[length])) ++length;
    if (length < least) return false;
    std::from_chars(rest.data(), rest.data() + length, *value);
    rest.remove_prefix(length);
    return true;
  }
  bool skip(std::string_view text) {
    if (rest.substr(0, text.size()) != text) return false;
    rest.remove_prefix(text.size());
    return true;
  }
  template <std::size_t N>
  bool name(const std::array<std::string_view, N>& names, std::size_t length, int* index) {
    for (std::size_t i = 0; i < N; ++i) {
      if (!skip(names[i].substr(0, length))) continue;
      *index = static_cast<int>(i);
      return true;
    }
    return false;
  }
  bool fraction() {
    if (rest.empty() || (rest[0] != '.' && rest[0] != ',')) return false;
    int scale = 100;
    rest.remove_prefix(1);
    const std::size_t size = rest.size();
    for (; !rest.empty() && is_digit(rest[0]); rest.remove_prefix(1), scale /= 10) {
      civil.millisecond += (rest[0] - '0') * scale;
    }
    return rest.size() < size;
  }
  bool offset(std::string_view colon, bool minutes) {
    if (rest.empty() || (rest[0] != '+' && rest[0] != '-')) return false;
    const int sign = rest[0] == '-' ? -1 : 1;
    rest.remove_prefix(1);
    int h = 0;
    int m = 0;
    if (!number(2, 2, &h)) return false;
    if (minutes && (!skip(colon) || !number(2, 2, &m))) return false;
    has_offset = true;
    offset_seconds = sign * (h * 3600 + m * 60);
    return h <= 24 && m < 60;
  }
  bool iso_zone(std::string_view colon, bool minutes) {
    if (!skip("Z")) return offset(colon, minutes);
    has_offset = true;
    return true;
  }
  bool zone_name() {
    std::size_t length = 0;
    while (length < rest.size() && rest[length] >= 'A' && rest[length] <= 'Z') ++length;
    if (rest.substr(0, length) == "UTC" || rest.substr(0, length) == "GMT") has_offset = true;
    rest.remove_prefix(length);
    return length >= 3 && length <= 5;
  }
  bool half_day(std::string_view am, std::string_view pm) {
    twelve_hours = true;
    afternoon = skip(pm);
    return afternoon || skip(am);
  }
};

bool read_date_piece(const Piece& piece, Reading* r) {
  int ignored = 0;
  switch (piece.part) {
    case Part::kLiteral:
      return r->skip(piece.text);
    case Part::kLongMonth:
    case Part::kMonth: {
      const bool found = r->name(kMonths, piece.part == Part::kMonth ? 3 : 9, &r->civil.month);
      r->civil.month += 1;
      return found;
    }
    case Part::kNumMonth:
      return r->number(1, 2, &r->civil.month);
    case Part::kZeroMonth:
      return r->number(2, 2, &r->civil.month);
    case Part::kLongWeekday:
      return r->name(kWeekdays, 9, &ignored);
    case Part::kWeekday:
      return r->name(kWeekdays, 3, &ignored);
    case Part::kUnderDay:
      r->skip(" ");
      return r->number(1, 2, &r->civil.day);
    case Part::kDay:
      return r->number(1, 2, &r->civil.day);
    case Part::kZeroDay:
      return r->number(2, 2, &r->civil.day);
    case Part::kLongYear:
      return r->number(4, 4, &r->civil.year);
    case Part::kYear: {
      const bool found = r->number(2, 2, &r->civil.year);
      r->civil.year += r->civil.year >= 69 ? 1900 : 2000;
      return found;
    }
    default:
      return false;
  }
}

bool read_piece(const Piece& piece, Reading* r) {
  switch (piece.part) {
    case Part::kHour:
      return r->number(2, 2, &r->civil.hour);
    case Part::kHour12:
      return r->number(1, 2, &r->civil.hour);
    case Part::kZeroHour12:
      return r->number(2, 2, &r->civil.hour);
    case Part::kMinute:
      return r->number(1, 2, &r->civil.minute);
    case Part::kZeroMinute:
      return r->number(2, 2, &r->civil.minute);
    case Part::kSecond:
    case Part::kZeroSecond:
      if (!r->number(piece.part == Part::kSecond ? 1 : 2, 2, &r->civil.second)) return false;
      // A fraction may follow although the layout has none.
      if (r->rest.size() > 1 && r->rest[0] == '.' && is_digit(r->rest[1])) return r->fraction();
      return true;
    case Part::kUpperPm:
      return r->half_day("AM", "PM");
    case Part::kLowerPm:
      return r->half_day("am", "pm");
    case Part::kZone:
      return r->zone_name();
    case Part::kIsoZoneColon:
      return r->iso_zone(":", true);
    case Part::kIsoZone:
      return r->iso_zone("", true);
    case Part::kIsoZoneShort:
      return r->iso_zone("", false);
    case Part::kOffsetColon:
      return r->offset(":", true);
    case Part::kOffset:
      return r->offset("", true);
    case Part::kOffsetShort:
      return r->offset("", false);
    case Part::kFraction:
      return r->fraction();
    case Part::kFractionTrimmed:
      r->fraction();
      return true;  // the seconds may have taken it
    default:
      return read_date_piece(piece, r);
  }
}

bool is_leap(int year) { return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0); }

bool in_range(const base::CivilTime& t) {
  static constexpr std::array<int, 12> kDays = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  if (t.month < 1 || t.month > 12 || t.day < 1) return false;
  const int days =
      kDays[static_cast<std::size_t>(t.month - 1)] + (t.month == 2 && is_leap(t.year) ? 1 : 0);
  return t.day <= days && t.hour < 24 && t.minute < 60 && t.second < 60;
}

}  // namespace

std::string format_time(const Time& time, std::string_view layout) {
  base::CivilTime civil;
  if (time.time == model::kNoTime) {
    civil.year = 1;
    civil.weekday = 1;
    civil.zone = "UTC";
  } else {
    civil = time.zone.civil(time.time);
  }
  std::string out;
  for (const Piece& piece : cut(layout)) out += piece_text(piece, civil);
  return out;
}

StatusOr<Time> parse_time(std::string_view layout, std::string_view text,
                          const base::TimeZone& zone) {
  Reading reading;
  reading.rest = text;
  for (const Piece& piece : cut(layout)) {
    const std::string_view before = reading.rest;
    if (read_piece(piece, &reading)) continue;
    return invalid_argument("parsing time \"{}\" as \"{}\": cannot parse \"{}\" as \"{}\"", text,
                            layout, before, piece.text);
  }
  if (!reading.rest.empty()) {
    return invalid_argument("parsing time \"{}\": extra text: \"{}\"", text, reading.rest);
  }
  base::CivilTime& civil = reading.civil;
  if (reading.twelve_hours) civil.hour = civil.hour % 12 + (reading.afternoon ? 12 : 0);
  if (!in_range(civil)) return invalid_argument("parsing time \"{}\": value out of range", text);
  if (!reading.has_offset) return Time{zone.from_civil(civil), zone};
  const model::Timestamp utc = base::TimeZone::utc().from_civil(civil);
  return Time{utc - std::chrono::seconds(reading.offset_seconds), base::TimeZone::utc()};
}

}  // namespace tocsin::tmpl
