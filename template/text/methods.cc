// SPDX-License-Identifier: Apache-2.0
#include "template/text/methods.h"

#include <utility>

#include "model/alert.h"

namespace tocsin::tmpl {
namespace {

using Methods = std::map<std::string, Method, std::less<>>;
using Arguments = std::span<const Value>;

constexpr std::int64_t kZeroTimeSeconds = -62135596800;  // year 1

base::CivilTime civil(const Time& time) {
  if (time.time == model::kNoTime) {
    base::CivilTime zero;
    zero.year = 1;
    zero.weekday = 1;
    zero.zone = "UTC";
    return zero;
  }
  return time.zone.civil(time.time);
}

Status check_count(Arguments arguments, std::size_t wanted, std::string_view name) {
  if (arguments.size() == wanted) return ok();
  return invalid_argument("wrong number of args for {}: want {} got {}", name, wanted,
                          arguments.size());
}

// A method without arguments.
template <typename F>
Method plain(std::string name, F compute) {
  return
      [name = std::move(name), compute](const Value& self, Arguments arguments) -> StatusOr<Value> {
        RETURN_IF_ERROR(check_count(arguments, 0, name));
        return compute(self);
      };
}

// A method with one argument of a kind.
template <typename F>
Method with(std::string name, Value::Kind kind, F compute) {
  return [name = std::move(name), kind, compute](const Value& self,
                                                 Arguments arguments) -> StatusOr<Value> {
    RETURN_IF_ERROR(check_count(arguments, 1, name));
    if (!arguments[0].is(kind)) {
      return invalid_argument("wrong type for value in {}: got {}", name, arguments[0].type_name());
    }
    return compute(self, arguments[0]);
  };
}

// A number that prints as a name: a month or a day of the week.
std::shared_ptr<const Type> named(std::string type, const std::vector<std::string>& names) {
  auto result = std::make_shared<Type>();
  result->name = std::move(type);
  result->text = [names](const Value& self) {
    const Value* value = self.find_field("value");
    return names[static_cast<std::size_t>(value->integer()) % names.size()];
  };
  result->methods["String"] =
      plain("String", [](const Value& self) { return Value::of(self.to_text()); });
  return result;
}

Value month_value(int month) {
  static const auto type =
      named("time.Month", {"December", "January", "February", "March", "April", "May", "June",
                           "July", "August", "September", "October", "November"});
  return Value::of(Fields{{"value", Value::of(month), ""}}, type);
}

Value weekday_value(int day) {
  static const auto type = named("time.Weekday", {"Sunday", "Monday", "Tuesday", "Wednesday",
                                                  "Thursday", "Friday", "Saturday"});
  return Value::of(Fields{{"value", Value::of(day), ""}}, type);
}

std::int64_t unix_seconds(const Time& time) {
  if (time.time == model::kNoTime) return kZeroTimeSeconds;
  return std::chrono::floor<std::chrono::seconds>(time.time).time_since_epoch().count();
}

Value truncated(const Value& self, const Value& unit, bool round) {
  const std::int64_t step = unit.duration().count();
  const std::int64_t value = self.duration().count();
  if (step <= 0) return self;
  const std::int64_t rest = value % step;
  std::int64_t result = value - rest;
  if (round && 2 * (rest < 0 ? -rest : rest) >= step) result += rest < 0 ? -step : step;
  return Value::of(model::Duration(result));
}

Methods make_time_methods() {
  using Kind = Value::Kind;
  Methods m;
  const auto part = [&m](const char* name, int base::CivilTime::* member) {
    m[name] =
        plain(name, [member](const Value& self) { return Value::of(civil(self.time()).*member); });
  };
  part("Year", &base::CivilTime::year);
  part("Day", &base::CivilTime::day);
  part("Hour", &base::CivilTime::hour);
  part("Minute", &base::CivilTime::minute);
  part("Second", &base::CivilTime::second);
  part("YearDay", &base::CivilTime::year_day);
  m["Month"] =
      plain("Month", [](const Value& self) { return month_value(civil(self.time()).month); });
  m["Weekday"] =
      plain("Weekday", [](const Value& self) { return weekday_value(civil(self.time()).weekday); });
  m["Nanosecond"] = plain("Nanosecond", [](const Value& self) {
    return Value::of(civil(self.time()).millisecond * 1000000);
  });
  m["Unix"] = plain("Unix", [](const Value& self) { return Value::of(unix_seconds(self.time())); });
  m["UnixMilli"] = plain("UnixMilli", [](const Value& self) {
    const Time& time = self.time();
    return Value::of(time.time == model::kNoTime ? kZeroTimeSeconds * 1000
                                                 : model::to_ms(time.time));
  });
  m["UTC"] = plain("UTC", [](const Value& self) {
    return Value::of(Time{self.time().time, base::TimeZone::utc()});
  });
  m["Local"] = plain("Local", [](const Value& self) {
    return Value::of(Time{self.time().time, base::TimeZone::local()});
  });
  m["IsZero"] = plain(
      "IsZero", [](const Value& self) { return Value::of(self.time().time == model::kNoTime); });
  m["String"] =
      plain("String", [](const Value& self) { return Value::of(time_text(self.time())); });
  m["Format"] = with("Format", Kind::kString, [](const Value& self, const Value& layout) {
    return Value::of(format_time(self.time(), layout.string()));
  });
  m["Add"] = with("Add", Kind::kDuration, [](const Value& self, const Value& duration) {
    return Value::of(Time{self.time().time + duration.duration(), self.time().zone});
  });
  m["Sub"] = with("Sub", Kind::kTime, [](const Value& self, const Value& other) {
    return Value::of(self.time().time - other.time().time);
  });
  m["Before"] = with("Before", Kind::kTime, [](const Value& self, const Value& other) {
    return Value::of(self.time().time < other.time().time);
  });
  m["After"] = with("After", Kind::kTime, [](const Value& self, const Value& other) {
    return Value::of(self.time().time > other.time().time);
  });
  m["Equal"] = with("Equal", Kind::kTime, [](const Value& self, const Value& other) {
    return Value::of(self.time().time == other.time().time);
  });
  return m;
}

Methods make_duration_methods() {
  Methods m;
  const auto in = [&m](const char* name, double unit_ms) {
    m[name] = plain(name, [unit_ms](const Value& self) {
      return Value::of(static_cast<double>(self.duration().count()) / unit_ms);
    });
  };
  in("Seconds", 1e3);
  in("Minutes", 6e4);
  in("Hours", 3.6e6);
  m["Milliseconds"] = plain("Milliseconds", [](const Value& self) {
    return Value::of(std::int64_t{self.duration().count()});
  });
  m["Nanoseconds"] = plain("Nanoseconds", [](const Value& self) {
    return Value::of(std::int64_t{self.duration().count()} * 1000000);
  });
  m["String"] = plain("String", [](const Value& self) { return Value::of(self.to_text()); });
  m["Abs"] =
      plain("Abs", [](const Value& self) { return Value::of(std::chrono::abs(self.duration())); });
  m["Round"] = with("Round", Value::Kind::kDuration, [](const Value& self, const Value& unit) {
    return truncated(self, unit, true);
  });
  m["Truncate"] =
      with("Truncate", Value::Kind::kDuration,
           [](const Value& self, const Value& unit) { return truncated(self, unit, false); });
  return m;
}

}  // namespace

const Methods& time_methods() {
  static const auto* const methods = new Methods(make_time_methods());
  return *methods;
}

const Methods& duration_methods() {
  static const auto* const methods = new Methods(make_duration_methods());
  return *methods;
}

std::string time_text(const Time& time) {
  return format_time(time, "2006-01-02 15:04:05.999999999 -0700 MST");
}

}  // namespace tocsin::tmpl
