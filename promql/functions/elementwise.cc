// SPDX-License-Identifier: Apache-2.0
//
// Functions of each value on its own: mathematics, clamping, rounding.
#include <cmath>
#include <numbers>

#include "promql/functions/numbers.h"
#include "promql/functions/vector_functions.h"

namespace tocsin::promql::functions {

namespace {

double sign(double v) { return v < 0 ? -1 : v > 0 ? 1 : v; }
double to_radians(double v) { return v * std::numbers::pi / 180; }
double to_degrees(double v) { return v * 180 / std::numbers::pi; }

template <typename F>
void apply(eval::VectorSet* set, F f) {
  for (eval::OutSeries& series : *set) {
    std::vector<double>& values = series.column.values;
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = f(values[i], i);
  }
}

template <double (*F)(double)>
StatusOr<eval::Result> each(const CallContext& context) {
  ASSIGN_OR_RETURN(eval::VectorSet set, context.floats(0));
  apply(&set, [](double v, std::size_t) { return F(v); });
  return nameless_result(context.run, std::move(set));
}

StatusOr<eval::Result> clamp(const CallContext& context) {
  ASSIGN_OR_RETURN(eval::VectorSet set, context.floats(0));
  ASSIGN_OR_RETURN(const std::vector<double> low, context.scalar(1));
  ASSIGN_OR_RETURN(const std::vector<double> high, context.scalar(2));
  apply(&set, [&](double v, std::size_t i) { return max_nan(low[i], min_nan(high[i], v)); });
  for (eval::OutSeries& series : set) {
    for (std::size_t i = 0; i < low.size(); ++i) {
      if (low[i] > high[i]) series.column.present.clear(i);
    }
  }
  return nameless_result(context.run, std::move(set));
}

template <double (*F)(double, double)>
StatusOr<eval::Result> clamp_one(const CallContext& context) {
  ASSIGN_OR_RETURN(eval::VectorSet set, context.floats(0));
  ASSIGN_OR_RETURN(const std::vector<double> bound, context.scalar(1));
  apply(&set, [&](double v, std::size_t i) { return F(bound[i], v); });
  return nameless_result(context.run, std::move(set));
}

StatusOr<eval::Result> round(const CallContext& context) {
  ASSIGN_OR_RETURN(eval::VectorSet set, context.floats(0));
  std::vector<double> nearest(context.grid.count, 1);
  if (context.call.arguments.size() > 1) {
    ASSIGN_OR_RETURN(nearest, context.scalar(1));
  }
  // Multiplying by the inverse keeps the error of, say, 0.1 out of the result.
  for (double& n : nearest) n = 1 / n;
  apply(&set,
        [&](double v, std::size_t i) { return std::floor(v * nearest[i] + 0.5) / nearest[i]; });
  return nameless_result(context.run, std::move(set));
}

constexpr NamedFunction kFunctions[] = {
    {"abs", each<std::fabs>},
    {"acos", each<std::acos>},
    {"acosh", each<std::acosh>},
    {"asin", each<std::asin>},
    {"asinh", each<std::asinh>},
    {"atan", each<std::atan>},
    {"atanh", each<std::atanh>},
    {"ceil", each<std::ceil>},
    {"clamp", clamp},
    {"clamp_max", clamp_one<min_nan>},
    {"clamp_min", clamp_one<max_nan>},
    {"cos", each<std::cos>},
    {"cosh", each<std::cosh>},
    {"deg", each<to_degrees>},
    {"exp", each<std::exp>},
    {"floor", each<std::floor>},
    {"ln", each<std::log>},
    {"log10", each<std::log10>},
    {"log2", each<std::log2>},
    {"rad", each<to_radians>},
    {"round", round},
    {"sgn", each<sign>},
    {"sin", each<std::sin>},
    {"sinh", each<std::sinh>},
    {"sqrt", each<std::sqrt>},
    {"tan", each<std::tan>},
    {"tanh", each<std::tanh>},
};

}  // namespace

std::span<const NamedFunction> elementwise_functions() { return kFunctions; }

}  // namespace tocsin::promql::functions
