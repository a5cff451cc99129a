// SPDX-License-Identifier: Apache-2.0
//
// The types of every function. Grouped by shape; find_function() looks in an index by name.
#include <algorithm>
#include <string_view>

#include "promql/ast.h"

namespace tocsin::promql {
namespace {

constexpr ValueType kS = ValueType::kScalar;
constexpr ValueType kT = ValueType::kString;
constexpr ValueType kV = ValueType::kVector;
constexpr ValueType kM = ValueType::kMatrix;

constexpr std::string_view kVectorFunctions[] = {"abs",
                                                 "absent",
                                                 "acos",
                                                 "acosh",
                                                 "asin",
                                                 "asinh",
                                                 "atan",
                                                 "atanh",
                                                 "ceil",
                                                 "cos",
                                                 "cosh",
                                                 "deg",
                                                 "exp",
                                                 "floor",
                                                 "histogram_avg",
                                                 "ln",
                                                 "log10",
                                                 "log2",
                                                 "histogram_count",
                                                 "histogram_stddev",
                                                 "rad",
                                                 "sgn",
                                                 "sin",
                                                 "histogram_stdvar",
                                                 "histogram_sum",
                                                 "sinh",
                                                 "sort",
                                                 "sort_desc",
                                                 "sqrt",
                                                 "tan",
                                                 "tanh",
                                                 "timestamp"};

// Take the evaluation time when called without an argument.
constexpr std::string_view kDateFunctions[] = {"day_of_month",  "day_of_week", "day_of_year",
                                               "days_in_month", "hour",        "minute",
                                               "month",         "year"};

constexpr std::string_view kRangeFunctions[] = {"absent_over_time",
                                                "avg_over_time",
                                                "changes",
                                                "count_over_time",
                                                "delta",
                                                "deriv",
                                                "first_over_time",
                                                "idelta",
                                                "increase",
                                                "irate",
                                                "last_over_time",
                                                "max_over_time",
                                                "min_over_time",
                                                "present_over_time",
                                                "rate",
                                                "resets",
                                                "stddev_over_time",
                                                "stdvar_over_time",
                                                "sum_over_time"};

constexpr std::string_view kExperimentalRangeFunctions[] = {
    "mad_over_time", "ts_of_first_over_time", "ts_of_last_over_time", "ts_of_max_over_time",
    "ts_of_min_over_time"};

std::vector<FunctionSignature> make_functions() {
  std::vector<FunctionSignature> all = {
      {"clamp", {kV, kS, kS}},
      {"clamp_max", {kV, kS}},
      {"clamp_min", {kV, kS}},
      {"histogram_fraction", {kS, kS, kV}},
      {"histogram_quantile", {kS, kV}},
      {"label_join", {kV, kT, kT, kT}, -1},
      {"label_replace", {kV, kT, kT, kT, kT}},
      {"pi", {}, 0, kS},
      {"predict_linear", {kM, kS}},
      {"quantile_over_time", {kS, kM}},
      {"round", {kV, kS}, 1},
      {"scalar", {kV}, 0, kS},
      {"time", {}, 0, kS},
      {"vector", {kS}},
      // Experimental.
      {"double_exponential_smoothing", {kM, kS, kS}, 0, kV, true},
      {"end", {}, 0, kS, true},
      {"histogram_quantiles", {kV, kT, kS, kS}, 9, kV, true},
      {"info", {kV, kV}, 1, kV, true},
      {"max_of", {kS, kS}, 0, kS, true},
      {"min_of", {kS, kS}, 0, kS, true},
      {"range", {}, 0, kS, true},
      {"sort_by_label", {kV, kT}, -1, kV, true},
      {"sort_by_label_desc", {kV, kT}, -1, kV, true},
      {"start", {}, 0, kS, true},
      {"start_timestamp", {kV}, 0, kV, true},
      {"step", {}, 0, kS, true},
  };
  for (const std::string_view name : kVectorFunctions) all.push_back({name, {kV}});
  for (const std::string_view name : kDateFunctions) all.push_back({name, {kV}, 1});
  for (const std::string_view name : kRangeFunctions) all.push_back({name, {kM}});
  for (const std::string_view name : kExperimentalRangeFunctions) {
    all.push_back({name, {kM}, 0, kV, true});
  }
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return all;
}

}  // namespace

const std::vector<FunctionSignature>& all_functions() {
  static const auto* const functions = new std::vector<FunctionSignature>(make_functions());
  return *functions;
}

const FunctionSignature* find_function(std::string_view name) {
  const std::vector<FunctionSignature>& all = all_functions();
  const auto found = std::lower_bound(
      all.begin(), all.end(), name,
      [](const FunctionSignature& f, std::string_view wanted) { return f.name < wanted; });
  return found != all.end() && found->name == name ? &*found : nullptr;
}

}  // namespace tocsin::promql
