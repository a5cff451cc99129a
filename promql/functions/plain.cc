// SPDX-License-Identifier: Apache-2.0
//
// Functions about the query itself, conversions between scalar and vector, absence and order.
#include <algorithm>
#include <cmath>
#include <compare>
#include <numbers>

#include "promql/functions/numbers.h"
#include "promql/functions/vector_functions.h"

namespace tocsin::promql::functions {

namespace {

double seconds(std::int64_t ms) { return static_cast<double>(ms) / 1000; }

StatusOr<eval::Result> time(const CallContext& context) {
  std::vector<double> values;
  for (std::size_t i = 0; i < context.grid.count; ++i) {
    values.push_back(seconds(context.grid.time(i)));
  }
  return scalar_result(std::move(values));
}

eval::Result constant(const CallContext& context, double value) {
  return scalar_result(std::vector<double>(context.grid.count, value));
}

StatusOr<eval::Result> pi(const CallContext& context) {
  return constant(context, std::numbers::pi);
}
StatusOr<eval::Result> start(const CallContext& context) {
  return constant(context, seconds(context.run.setup().grid.start_ms));
}
StatusOr<eval::Result> end(const CallContext& context) {
  return constant(context, seconds(context.run.setup().end_ms));
}
StatusOr<eval::Result> range(const CallContext& context) {
  return constant(context, seconds(context.run.setup().end_ms - context.run.setup().grid.start_ms));
}
StatusOr<eval::Result> step(const CallContext& context) {
  const eval::Setup& setup = context.run.setup();
  const bool single = context.run.is_instant() || setup.end_ms == setup.grid.start_ms;
  return constant(context, single ? 0 : seconds(setup.grid.step_ms));
}

template <double (*F)(double, double)>
StatusOr<eval::Result> of_two(const CallContext& context) {
  ASSIGN_OR_RETURN(std::vector<double> left, context.scalar(0));
  ASSIGN_OR_RETURN(const std::vector<double> right, context.scalar(1));
  for (std::size_t i = 0; i < left.size(); ++i) left[i] = F(left[i], right[i]);
  return scalar_result(std::move(left));
}

StatusOr<eval::Result> vector(const CallContext& context) {
  ASSIGN_OR_RETURN(std::vector<double> values, context.scalar(0));
  eval::OutSeries series;
  series.column.present = eval::Bitmap(values.size(), true);
  series.column.values = std::move(values);
  eval::VectorSet set;
  set.push_back(std::move(series));
  return vector_result(std::move(set));
}

StatusOr<eval::Result> scalar(const CallContext& context) {
  ASSIGN_OR_RETURN(const eval::VectorSet set, context.floats(0));
  std::vector<double> values(context.grid.count, kNan);
  std::vector<std::uint8_t> seen(context.grid.count, 0);
  for (const eval::OutSeries& series : set) {
    series.column.present.for_each([&](std::size_t i) {
      values[i] = seen[i] == 0 ? series.column.values[i] : kNan;
      seen[i] = 1;
    });
  }
  return scalar_result(std::move(values));
}

// A selector itself: with a sign it is an expression.
const plan::Select* selector(const plan::PlanNode& argument) {
  return argument.expr->as<Unary>() != nullptr ? nullptr : argument.as<plan::Select>();
}

StatusOr<eval::Result> timestamp(const CallContext& context) {
  eval::VectorSet set;
  if (const auto* select = selector(context.argument(0))) {
    ASSIGN_OR_RETURN(set, eval::eval_select_times(context.run, *select, context.grid));
    for (eval::OutSeries& series : set) series.column.histograms.clear();
  } else {
    ASSIGN_OR_RETURN(set, context.vector(0));
    for (eval::OutSeries& series : set) {
      series.column.histograms.clear();
      for (std::size_t i = 0; i < context.grid.count; ++i) {
        series.column.values[i] = seconds(context.grid.time(i));
      }
    }
  }
  return nameless_result(context.run, std::move(set));
}

// Of selectors only: an expression has no samples of its own.
StatusOr<eval::Result> start_timestamp(const CallContext& context) {
  const auto* select = selector(context.argument(0));
  if (select == nullptr || !context.run.setup().use_start_timestamps) {
    RETURN_IF_ERROR(context.vector(0).status());
    return vector_result({});
  }
  ASSIGN_OR_RETURN(eval::VectorSet set,
                   eval::eval_select_starts(context.run, *select, context.grid));
  return nameless_result(context.run, std::move(set));
}

StatusOr<eval::Result> absent(const CallContext& context) {
  ASSIGN_OR_RETURN(const eval::VectorSet set, context.vector(0));
  eval::OutSeries series;
  series.labels = labels_of_absent(context.run, context.argument(0));
  series.column.values.assign(context.grid.count, 1);
  series.column.present = eval::Bitmap(context.grid.count);
  for (const eval::OutSeries& present : set) series.column.present |= present.column.present;
  series.column.present.invert();
  eval::VectorSet out;
  out.push_back(std::move(series));
  return vector_result(std::move(out));
}

// False after saying that the order of a range query is that of the labels.
bool sortable(const CallContext& context) {
  const eval::Setup& setup = context.run.setup();
  if (context.run.is_instant() || setup.end_ms == setup.grid.start_ms) return true;
  context.run.annotations.warn(
      "sort is ineffective for range queries since results are always ordered by labels",
      context.position);
  return false;
}

template <bool kDescending>
StatusOr<eval::Result> sort(const CallContext& context) {
  ASSIGN_OR_RETURN(eval::VectorSet set, context.floats(0));
  eval::remove_empty(&set);
  if (sortable(context) && context.grid.count == 1) {
    // NaN goes last in both directions.
    std::stable_sort(set.begin(), set.end(),
                     [](const eval::OutSeries& a, const eval::OutSeries& b) {
                       const double x = a.column.values[0];
                       const double y = b.column.values[0];
                       if (std::isnan(x) || std::isnan(y)) return !std::isnan(x) && std::isnan(y);
                       return kDescending ? x > y : x < y;
                     });
  }
  return vector_result(std::move(set));
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Takes the digits at the front of `text`, without leading zeros.
std::string_view take_number(std::string_view* text) {
  std::size_t end = 0;
  while (end < text->size() && is_digit((*text)[end])) ++end;
  std::string_view number = text->substr(0, end);
  text->remove_prefix(end);
  while (number.size() > 1 && number.front() == '0') number.remove_prefix(1);
  return number;
}

// Natural order: runs of digits compare as numbers, so "x9" is before "x10".
std::strong_ordering natural_order(std::string_view a, std::string_view b) {
  while (!a.empty() && !b.empty()) {
    if (is_digit(a.front()) && is_digit(b.front())) {
      const std::string_view x = take_number(&a);
      const std::string_view y = take_number(&b);
      if (x.size() != y.size()) return x.size() <=> y.size();
      if (x != y) return x <=> y;
      continue;
    }
    if (a.front() != b.front()) return a.front() <=> b.front();
    a.remove_prefix(1);
    b.remove_prefix(1);
  }
  return a.size() <=> b.size();
}

template <bool kDescending>
StatusOr<eval::Result> sort_by_label(const CallContext& context) {
  std::vector<std::string> names;
  for (std::size_t i = 1; i < context.call.arguments.size(); ++i) {
    ASSIGN_OR_RETURN(std::string name, context.text(i));
    names.push_back(std::move(name));
  }
  ASSIGN_OR_RETURN(eval::VectorSet set, context.vector(0));
  auto order = [&](const eval::OutSeries& a, const eval::OutSeries& b) {
    for (const std::string& name : names) {
      const auto by_name = natural_order(a.labels.get(name), b.labels.get(name));
      if (by_name != 0) return by_name;
    }
    return a.labels <=> b.labels;
  };
  if (sortable(context)) {
    std::stable_sort(set.begin(), set.end(),
                     [&](const eval::OutSeries& a, const eval::OutSeries& b) {
                       return kDescending ? order(b, a) < 0 : order(a, b) < 0;
                     });
  }
  return vector_result(std::move(set));
}

constexpr NamedFunction kFunctions[] = {
    {"absent", absent},
    {"end", end},
    {"max_of", of_two<max_nan>},
    {"min_of", of_two<min_nan>},
    {"pi", pi},
    {"range", range},
    {"scalar", scalar},
    {"sort", sort<false>},
    {"sort_desc", sort<true>},
    {"sort_by_label", sort_by_label<false>},
    {"sort_by_label_desc", sort_by_label<true>},
    {"start", start},
    {"start_timestamp", start_timestamp},
    {"step", step},
    {"time", time},
    {"timestamp", timestamp},
    {"vector", vector},
};

}  // namespace

std::span<const NamedFunction> plain_functions() { return kFunctions; }

}  // namespace tocsin::promql::functions
