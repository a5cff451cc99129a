// SPDX-License-Identifier: Apache-2.0
//
// Parts of a date in UTC, of seconds since the epoch; without argument of the evaluation time.
#include <chrono>
#include <cmath>

#include "promql/functions/numbers.h"
#include "promql/functions/vector_functions.h"

namespace tocsin::promql::functions {

namespace {

using std::chrono::days;
using std::chrono::sys_days;
using std::chrono::year_month_day;

struct Date {
  explicit Date(std::int64_t seconds)
      : day(std::chrono::floor<days>(std::chrono::sys_seconds(std::chrono::seconds(seconds)))),
        ymd(day),
        second_of_day(seconds - std::int64_t{day.time_since_epoch().count()} * 86400) {}
  sys_days day;
  year_month_day ymd;
  std::int64_t second_of_day;
};

double year(const Date& d) { return static_cast<double>(static_cast<int>(d.ymd.year())); }
double month(const Date& d) { return static_cast<double>(static_cast<unsigned>(d.ymd.month())); }
double day_of_month(const Date& d) {
  return static_cast<double>(static_cast<unsigned>(d.ymd.day()));
}
double day_of_week(const Date& d) {
  return static_cast<double>(std::chrono::weekday(d.day).c_encoding());
}
double day_of_year(const Date& d) {
  const sys_days first = d.ymd.year() / std::chrono::January / 1;
  return static_cast<double>((d.day - first).count() + 1);
}
double days_in_month(const Date& d) {
  const auto last = d.ymd.year() / d.ymd.month() / std::chrono::last;
  return static_cast<double>(static_cast<unsigned>(last.day()));
}
double hour(const Date& d) { return static_cast<double>(d.second_of_day / 3600); }
double minute(const Date& d) { return static_cast<double>(d.second_of_day % 3600 / 60); }

// Beyond any calendar; a value outside has no date.
constexpr double kMaxSeconds = 1e12;

template <double (*F)(const Date&)>
StatusOr<eval::Result> part(const CallContext& context) {
  eval::VectorSet set;
  if (context.call.arguments.empty()) {
    eval::OutSeries now;
    now.column = eval::Column(context.grid.count);
    for (std::size_t i = 0; i < context.grid.count; ++i) {
      now.column.put(i, static_cast<double>(context.grid.time(i)) / 1000);
    }
    set.push_back(std::move(now));
  } else {
    ASSIGN_OR_RETURN(set, context.floats(0));
  }
  for (eval::OutSeries& series : set) {
    series.column.present.for_each([&](std::size_t i) {
      double& v = series.column.values[i];
      v = std::fabs(v) <= kMaxSeconds ? F(Date(static_cast<std::int64_t>(v))) : kNan;
    });
  }
  return nameless_result(context.run, std::move(set));
}

constexpr NamedFunction kFunctions[] = {
    {"day_of_month", part<day_of_month>},
    {"day_of_week", part<day_of_week>},
    {"day_of_year", part<day_of_year>},
    {"days_in_month", part<days_in_month>},
    {"hour", part<hour>},
    {"minute", part<minute>},
    {"month", part<month>},
    {"year", part<year>},
};

}  // namespace

std::span<const NamedFunction> date_functions() { return kFunctions; }

}  // namespace tocsin::promql::functions
