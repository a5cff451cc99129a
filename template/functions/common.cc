// SPDX-License-Identifier: Apache-2.0
#include "template/functions/common.h"

#include <array>
#include <cmath>
#include <cstdio>

#include "model/matcher.h"
#include "model/text.h"
#include "model/value.h"

namespace tocsin::tmpl {
namespace {

using Kind = Value::Kind;

// Go's %.4g.
std::string four_digits(double v) {
  if (std::isnan(v)) return "NaN";
  if (std::isinf(v)) return v > 0 ? "+Inf" : "-Inf";
  std::array<char, 32> buffer{};
  std::snprintf(buffer.data(), buffer.size(), "%.4g", v);
  return buffer.data();
}

constexpr std::array<std::string_view, 8> kSmallPrefixes = {"m", "u", "n", "p", "f", "a", "z", "y"};

std::string with_small_prefix(double v, std::string_view unit) {
  std::string_view prefix;
  for (const std::string_view p : kSmallPrefixes) {
    if (std::fabs(v) >= 1) break;
    prefix = p;
    v *= 1000;
  }
  return fmt::format("{}{}{}", four_digits(v), prefix, unit);
}

StatusOr<Value> match(Arguments a) {
  ASSIGN_OR_RETURN(const model::Regex regex, model::Regex::unanchored(a[0].string()));
  return Value::of(regex.matches(a[1].string()));
}

StatusOr<Value> replace_all(Arguments a) {
  ASSIGN_OR_RETURN(const model::Regex regex, model::Regex::unanchored(a[0].string()));
  return Value::of(regex.replace_all(a[2].string(), a[1].string()));
}

}  // namespace

StatusOr<double> to_number(const Value& value) {
  switch (value.kind()) {
    case Kind::kFloat:
      return value.number();
    case Kind::kInt:
      return static_cast<double>(value.integer());
    case Kind::kDuration:
      return model::to_seconds(value.duration());
    case Kind::kString: {
      const StatusOr<double> number = model::parse_float(value.string());
      if (number.ok()) return number;
      return invalid_argument("strconv.ParseFloat: parsing {}: invalid syntax",
                              model::go_quote(value.string()));
    }
    default:
      return invalid_argument("can't convert {} to float", value.type_name());
  }
}

std::string humanize(double v) {
  if (v == 0 || std::isnan(v) || std::isinf(v)) return four_digits(v);
  if (std::fabs(v) < 1) return with_small_prefix(v, "");
  std::string_view prefix;
  for (const std::string_view p : {"k", "M", "G", "T", "P", "E", "Z", "Y"}) {
    if (std::fabs(v) < 1000) break;
    prefix = p;
    v /= 1000;
  }
  return four_digits(v) + std::string(prefix);
}

std::string humanize_1024(double v) {
  if (std::fabs(v) <= 1 || std::isnan(v) || std::isinf(v)) return four_digits(v);
  std::string_view prefix;
  for (const std::string_view p : {"ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"}) {
    if (std::fabs(v) < 1024) break;
    prefix = p;
    v /= 1024;
  }
  return four_digits(v) + std::string(prefix);
}

std::string humanize_duration(double v) {
  if (std::isnan(v) || std::isinf(v)) return four_digits(v);
  if (v == 0) return "0s";
  if (std::fabs(v) < 1) return with_small_prefix(v, "s");
  const std::string_view sign = v < 0 ? "-" : "";
  v = std::fabs(v);
  constexpr double kMaxSeconds = 9.2e18;
  const auto total = static_cast<std::int64_t>(std::min(v, kMaxSeconds));
  const std::int64_t seconds = total % 60;
  const std::int64_t minutes = total / 60 % 60;
  const std::int64_t hours = total / 3600 % 24;
  const std::int64_t days = total / 86400;
  if (days != 0) return fmt::format("{}{}d {}h {}m {}s", sign, days, hours, minutes, seconds);
  if (hours != 0) return fmt::format("{}{}h {}m {}s", sign, hours, minutes, seconds);
  if (minutes != 0) return fmt::format("{}{}m {}s", sign, minutes, seconds);
  return fmt::format("{}{}s", sign, four_digits(v));
}

std::string humanize_percentage(double ratio) { return four_digits(ratio * 100) + "%"; }

StatusOr<Time> time_of_number(double unix_seconds) {
  constexpr double kMaxSeconds = 9.2e15;
  if (std::isnan(unix_seconds) || std::isinf(unix_seconds))
    return invalid_argument("value is NaN or Inf");
  if (std::fabs(unix_seconds) > kMaxSeconds) {
    return invalid_argument(
        "{} cannot be represented as a nanoseconds timestamp since it overflows int64",
        model::format_float_g(unix_seconds * 1e9));
  }
  return Time{model::from_ms(static_cast<std::int64_t>(std::floor(unix_seconds * 1000))),
              base::TimeZone::utc()};
}

StatusOr<std::string> humanize_timestamp(double unix_seconds) {
  if (std::isnan(unix_seconds) || std::isinf(unix_seconds)) return four_digits(unix_seconds);
  ASSIGN_OR_RETURN(const Time time, time_of_number(unix_seconds));
  return Value::of(time).to_text();
}

void add_common_functions(FunctionMap* functions) {
  FunctionMap& m = *functions;
  m["match"] = text_function({Kind::kString, Kind::kString}, match);
  m["reReplaceAll"] = text_function({Kind::kString, Kind::kString, Kind::kString}, replace_all);
  m["toUpper"] = text_function(
      {Kind::kString}, [](Arguments a) { return Value::of(model::to_upper(a[0].string())); });
  m["toLower"] = text_function(
      {Kind::kString}, [](Arguments a) { return Value::of(model::to_lower(a[0].string())); });
  m["safeHtml"] = text_function(
      {Kind::kString}, [](Arguments a) { return Value::of(a[0].string(), Value::Safe::kHtml); });
  m["humanizeDuration"] = text_function({Kind::kNil}, [](Arguments a) -> StatusOr<Value> {
    ASSIGN_OR_RETURN(const double v, to_number(a[0]));
    return Value::of(humanize_duration(v));
  });
}

}  // namespace tocsin::tmpl
