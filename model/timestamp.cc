// SPDX-License-Identifier: Apache-2.0
//
// Calendar dates use the proleptic Gregorian calendar counted in eras of 400 years that begin on
// 1 March, so that leap days come last; std::chrono's years end at 32767, our times do not.
#include "model/timestamp.h"

#include <charconv>
#include <cmath>
#include <optional>
#include <span>

#include <fmt/format.h>

#include "model/labels.h"
#include "model/value.h"

namespace tocsin::model {
namespace {

constexpr std::int64_t kMsPerDay = 86'400'000;
constexpr std::uint64_t kMaxNanoseconds = INT64_MAX;
constexpr std::int64_t kGoZeroTimeMs = -62'135'596'800'000;  // 0001-01-01T00:00:00Z

bool is_digit(char c) { return c >= '0' && c <= '9'; }

struct Unit {
  std::string_view name;
  std::uint64_t scale;
};

// Nanoseconds, from the biggest: the order in which a duration must name them.
constexpr Unit kPrometheusUnits[] = {{"y", 31'536'000'000'000'000},
                                     {"w", 604'800'000'000'000},
                                     {"d", 86'400'000'000'000},
                                     {"h", 3'600'000'000'000},
                                     {"m", 60'000'000'000},
                                     {"s", 1'000'000'000},
                                     {"ms", 1'000'000}};
constexpr Unit kGoUnits[] = {
    {"ns", 1},         {"us", 1'000},        {"\xc2\xb5s", 1'000},  {"\xce\xbcs", 1'000},
    {"ms", 1'000'000}, {"s", 1'000'000'000}, {"m", 60'000'000'000}, {"h", 3'600'000'000'000}};
constexpr Unit kSizeUnits[] = {{"B", 1},
                               {"KiB", 1ULL << 10U},
                               {"MiB", 1ULL << 20U},
                               {"GiB", 1ULL << 30U},
                               {"TiB", 1ULL << 40U},
                               {"PiB", 1ULL << 50U},
                               {"EiB", 1ULL << 60U},
                               {"KB", 1ULL << 10U},
                               {"MB", 1ULL << 20U},
                               {"GB", 1ULL << 30U},
                               {"TB", 1ULL << 40U},
                               {"PB", 1ULL << 50U},
                               {"EB", 1ULL << 60U}};

const Unit* find_unit(std::span<const Unit> units, std::string_view name) {
  for (const Unit& unit : units) {
    if (unit.name == name) return &unit;
  }
  return nullptr;
}

std::size_t count_digits(std::string_view text) {
  std::size_t n = 0;
  while (n < text.size() && is_digit(text[n])) ++n;
  return n;
}

// Parses `text`, which is digits only; false when it does not fit.
bool parse_digits(std::string_view text, std::uint64_t* value) {
  const auto result = std::from_chars(text.data(), text.data() + text.size(), *value);
  return result.ec == std::errc() && result.ptr == text.data() + text.size();
}

// A sum of "1.5h30m" terms, as Go's time.ParseDuration and the size flags share it.
class UnitSum {
 public:
  // `kind` begins every error: "time" and "units"; `noun` is what is parsed: "duration ", "".
  UnitSum(std::span<const Unit> units, std::string_view kind, std::string_view noun)
      : units_(units), kind_(kind), noun_(noun) {}

  StatusOr<std::uint64_t> parse(std::string_view body, std::string_view whole) const {
    if (body == "0") return std::uint64_t{0};
    if (body.empty()) return invalid(whole);
    std::uint64_t sum = 0;
    while (!body.empty()) {
      ASSIGN_OR_RETURN(const std::uint64_t term, take_term(&body, whole));
      if (term > kMaxNanoseconds - sum) return invalid(whole);
      sum += term;
    }
    return sum;
  }

 private:
  Status invalid(std::string_view whole) const {
    return invalid_argument("{}: invalid {}{}", kind_, noun_, go_quote(whole));
  }

  StatusOr<std::uint64_t> take_term(std::string_view* rest, std::string_view whole) const {
    const std::string_view integral = rest->substr(0, count_digits(*rest));
    rest->remove_prefix(integral.size());
    std::string_view fraction;
    if (!rest->empty() && rest->front() == '.') {
      fraction = rest->substr(1, count_digits(rest->substr(1)));
      rest->remove_prefix(1 + fraction.size());
    }
    std::uint64_t value = 0;
    if (integral.empty() && fraction.empty()) return invalid(whole);
    if (!integral.empty() && !parse_digits(integral, &value)) return invalid(whole);
    std::size_t length = 0;
    while (length < rest->size() && (*rest)[length] != '.' && !is_digit((*rest)[length])) ++length;
    if (length == 0) {
      return invalid_argument("{}: missing unit in {}{}", kind_, noun_, go_quote(whole));
    }
    const Unit* unit = find_unit(units_, rest->substr(0, length));
    if (unit == nullptr) {
      return invalid_argument("{}: unknown unit {} in {}{}", kind_,
                              go_quote(rest->substr(0, length)), noun_, go_quote(whole));
    }
    rest->remove_prefix(length);
    if (value > kMaxNanoseconds / unit->scale) return invalid(whole);
    return value * unit->scale + scale_fraction(fraction, unit->scale);
  }

  // Digits below 1e-18 of a unit cannot change the result.
  static std::uint64_t scale_fraction(std::string_view digits, std::uint64_t scale) {
    if (digits.empty()) return 0;
    std::uint64_t value = 0;
    if (!parse_digits(digits.substr(0, 18), &value)) return 0;
    const double denominator =
        std::pow(10.0, static_cast<double>(std::min<std::size_t>(digits.size(), 18)));
    return static_cast<std::uint64_t>(static_cast<double>(value) *
                                      (static_cast<double>(scale) / denominator));
  }

  std::span<const Unit> units_;
  std::string_view kind_;
  std::string_view noun_;
};

Status bad_duration(std::string_view text) {
  return invalid_argument("not a valid duration string: {}", go_quote(text));
}

std::int64_t days_from_civil(std::int64_t year, unsigned month, unsigned day) {
  year -= month <= 2 ? 1 : 0;
  const std::int64_t era = (year >= 0 ? year : year - 399) / 400;
  const std::int64_t year_of_era = year - era * 400;
  const std::int64_t day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
  return era * 146'097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year -
         719'468;
}

struct Date {
  std::int64_t year;
  std::int64_t month;
  std::int64_t day;
};

Date civil_from_days(std::int64_t days) {
  days += 719'468;
  const std::int64_t era = (days >= 0 ? days : days - 146'096) / 146'097;
  const std::int64_t day_of_era = days - era * 146'097;
  const std::int64_t year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const std::int64_t day_of_year =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const std::int64_t shifted = (5 * day_of_year + 2) / 153;  // March is 0
  const std::int64_t month = shifted < 10 ? shifted + 3 : shifted - 9;
  return {year_of_era + era * 400 + (month <= 2 ? 1 : 0), month,
          day_of_year - (153 * shifted + 2) / 5 + 1};
}

unsigned days_in_month(unsigned year, unsigned month) {
  constexpr unsigned kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  return month == 2 && leap ? 29 : kDays[month - 1];
}

// Reads fixed-width fields off the front of a text; `good` turns false at the first misfit.
struct FieldReader {
  std::string_view rest;
  bool good = true;

  void literal(char c) {
    good = good && !rest.empty() && rest.front() == c;
    if (good) rest.remove_prefix(1);
  }
  unsigned number(std::size_t width, unsigned min, unsigned max) {
    unsigned value = 0;
    good = good && rest.size() >= width && count_digits(rest.substr(0, width)) == width;
    if (!good) return min;
    for (std::size_t i = 0; i < width; ++i)
      value = value * 10 + static_cast<unsigned>(rest[i] - '0');
    rest.remove_prefix(width);
    good = value >= min && value <= max;
    return good ? value : min;
  }
  // The optional fraction of a second in milliseconds, cut off as Go does.
  unsigned fraction_ms() {
    if (!good || rest.empty() || (rest.front() != '.' && rest.front() != ',')) return 0;
    rest.remove_prefix(1);
    const std::size_t count = count_digits(rest);
    good = count > 0;
    unsigned ms = 0;
    for (std::size_t i = 0; i < 3; ++i)
      ms = ms * 10 + (i < count ? static_cast<unsigned>(rest[i] - '0') : 0);
    rest.remove_prefix(count);
    return ms;
  }
  // "Z" or "+01:00", in minutes.
  int offset_minutes() {
    if (good && rest == "Z") {
      rest.remove_prefix(1);
      return 0;
    }
    const bool negative = good && !rest.empty() && rest.front() == '-';
    literal(negative ? '-' : '+');
    const unsigned hours = number(2, 0, 24);
    literal(':');
    const int minutes = static_cast<int>(hours * 60 + number(2, 0, 59));
    return negative ? -minutes : minutes;
  }
};

std::optional<Timestamp> read_rfc3339(std::string_view text) {
  FieldReader in{text};
  const unsigned year = in.number(4, 0, 9999);
  in.literal('-');
  const unsigned month = in.number(2, 1, 12);
  in.literal('-');
  const unsigned day = in.number(2, 1, days_in_month(year, month));
  in.literal('T');
  const unsigned hour = in.number(2, 0, 23);
  in.literal(':');
  const unsigned minute = in.number(2, 0, 59);
  in.literal(':');
  const unsigned second = in.number(2, 0, 59);
  const unsigned ms = in.fraction_ms();
  const int offset = in.offset_minutes();
  if (!in.good || !in.rest.empty()) return std::nullopt;
  const std::int64_t seconds =
      static_cast<std::int64_t>(hour * 3600 + minute * 60 + second) - offset * 60;
  return from_ms(days_from_civil(year, month, day) * kMsPerDay + seconds * 1000 + ms);
}

// Upstream's API prints and accepts these as "the beginning" and "the end" of all time.
constexpr std::string_view kMinTimeText = "-292273086-05-16T16:47:06Z";
constexpr std::string_view kMaxTimeText = "292277025-08-18T07:12:54.999999999Z";

}  // namespace

StatusOr<Duration> parse_duration(std::string_view text) {
  if (text == "0") return Duration(0);
  if (text.empty()) return invalid_argument("empty duration string");
  const std::span<const Unit> units = kPrometheusUnits;
  std::string_view rest = text;
  std::uint64_t sum = 0;
  std::size_t next_unit = 0;
  while (!rest.empty()) {
    const std::size_t digits = count_digits(rest);
    std::uint64_t value = 0;
    if (digits == 0 || !parse_digits(rest.substr(0, digits), &value)) return bad_duration(text);
    rest.remove_prefix(digits);
    std::size_t length = 0;
    while (length < rest.size() && !is_digit(rest[length])) ++length;
    if (length == 0) return bad_duration(text);
    const Unit* unit = find_unit(units, rest.substr(0, length));
    if (unit == nullptr) {
      return invalid_argument("unknown unit {} in duration {}", go_quote(rest.substr(0, length)),
                              go_quote(text));
    }
    const auto position = static_cast<std::size_t>(unit - units.data());
    if (position < next_unit) return bad_duration(text);
    next_unit = position + 1;
    rest.remove_prefix(length);
    if (value > kMaxNanoseconds / unit->scale || value * unit->scale > kMaxNanoseconds - sum) {
      return invalid_argument("duration out of range");
    }
    sum += value * unit->scale;
  }
  return Duration(static_cast<std::int64_t>(sum / 1'000'000));
}

std::string format_duration(Duration duration) {
  if (duration.count() == 0) return "0s";
  std::string out;
  std::uint64_t ms = static_cast<std::uint64_t>(duration.count());
  if (duration.count() < 0) {
    out.push_back('-');
    ms = 0 - ms;
  }
  for (const Unit& unit : kPrometheusUnits) {
    const std::uint64_t scale = unit.scale / 1'000'000;
    // Years and weeks only without a remainder: 90d reads better than 12w6d.
    const bool only_exact = unit.name == "y" || unit.name == "w";
    if (ms < scale || (only_exact && ms % scale != 0)) continue;
    out.append(fmt::format("{}{}", ms / scale, unit.name));
    ms %= scale;
  }
  return out;
}

StatusOr<Duration> parse_go_duration(std::string_view text) {
  std::string_view body = text;
  const bool negative = !body.empty() && body.front() == '-';
  if (negative || (!body.empty() && body.front() == '+')) body.remove_prefix(1);
  ASSIGN_OR_RETURN(const std::uint64_t ns,
                   UnitSum(kGoUnits, "time", "duration ").parse(body, text));
  const auto ms = static_cast<std::int64_t>(ns / 1'000'000);
  return Duration(negative ? -ms : ms);
}

std::string format_go_duration(Duration duration) {
  const bool negative = duration.count() < 0;
  const auto bits = static_cast<std::uint64_t>(duration.count());
  const std::uint64_t ms = negative ? 0 - bits : bits;
  std::string out(negative ? "-" : "");
  if (ms == 0) return "0s";
  if (ms < 1000) return out + fmt::format("{}ms", ms);
  const std::uint64_t hours = ms / 3'600'000;
  const std::uint64_t minutes = ms / 60'000 % 60;
  if (hours > 0) out.append(fmt::format("{}h", hours));
  if (hours > 0 || minutes > 0) out.append(fmt::format("{}m", minutes));
  out.append(fmt::format("{}", ms / 1000 % 60));
  if (ms % 1000 != 0) {
    out.append(fmt::format(".{:03}", ms % 1000));
    while (out.back() == '0') out.pop_back();
  }
  out.push_back('s');
  return out;
}

StatusOr<Timestamp> parse_timestamp(std::string_view text) {
  if (const StatusOr<double> seconds = parse_float(text); seconds.ok()) {
    const double ms = std::round(*seconds * 1000.0);
    if (std::isnan(ms) || std::fabs(ms) > static_cast<double>(to_ms(kMaxTime))) {
      return invalid_argument("cannot parse {} to a valid timestamp", go_quote(text));
    }
    return from_ms(static_cast<std::int64_t>(ms));
  }
  if (const auto t = read_rfc3339(text)) return *t;
  if (text == kMinTimeText) return kMinTime;
  if (text == kMaxTimeText) return kMaxTime;
  return invalid_argument("cannot parse {} to a valid timestamp", go_quote(text));
}

StatusOr<Timestamp> parse_rfc3339(std::string_view text) {
  const auto t = read_rfc3339(text);
  if (!t) return invalid_argument("cannot parse {} as an RFC 3339 time", go_quote(text));
  return to_ms(*t) == kGoZeroTimeMs ? Timestamp::min() : *t;
}

std::string format_rfc3339(Timestamp t, Fraction fraction) {
  const std::int64_t ms = t == Timestamp::min() ? kGoZeroTimeMs : to_ms(t);
  std::int64_t days = ms / kMsPerDay;
  std::int64_t rest = ms % kMsPerDay;
  if (rest < 0) {
    rest += kMsPerDay;
    --days;
  }
  const Date date = civil_from_days(days);
  std::string out(date.year < 0 ? "-" : "");
  const std::int64_t seconds = rest / 1000;
  out.append(fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", std::abs(date.year), date.month,
                         date.day, seconds / 3600, seconds / 60 % 60, seconds % 60));
  if (fraction == Fraction::kMillis || rest % 1000 != 0) {
    out.append(fmt::format(".{:03}", rest % 1000));
    while (fraction == Fraction::kShortest && out.back() == '0') out.pop_back();
  }
  out.push_back('Z');
  return out;
}

StatusOr<std::uint64_t> parse_size(std::string_view text) {
  return UnitSum(kSizeUnits, "units", "").parse(text, text);
}

std::string format_size(std::uint64_t bytes) {
  constexpr std::string_view kNames[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  if (bytes == 0) return "0B";
  std::string out;
  for (std::size_t i = std::size(kNames); i-- > 0;) {
    const std::uint64_t part = (bytes >> (10 * i)) & 1023U;
    if (part != 0) out.append(fmt::format("{}{}", part, kNames[i]));
  }
  return out;
}

}  // namespace tocsin::model
