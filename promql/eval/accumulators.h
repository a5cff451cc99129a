// SPDX-License-Identifier: Apache-2.0
//
// What aggregations add floats to, one per group and step, and the labels by which series are grouped.
//
// Values; pure functions.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "model/labels.h"
#include "promql/ast.h"
#include "promql/functions/numbers.h"

namespace tocsin::promql::eval {

// The labels that stay: `by` keeps the names, `without` drops them and the metric name.
class Grouping {
 public:
  Grouping(std::vector<std::string> names, bool without)
      : names_(std::move(names)), without_(without) {
    if (without_) names_.emplace_back(model::kMetricName);
    std::sort(names_.begin(), names_.end());
    names_.erase(std::unique(names_.begin(), names_.end()), names_.end());
  }
  model::Labels labels(const model::Labels& of) const {
    return without_ ? of.drop(names_) : of.keep(names_);
  }
  // Whether `without` names it.
  bool leaves_out(const std::string& name) const {
    return without_ && std::binary_search(names_.begin(), names_.end(), name);
  }

 private:
  std::vector<std::string> names_;
  bool without_;
};

namespace accumulators {

template <bool kMax>
struct Extreme {
  double best = 0;
  bool any = false;
  void add(double x) {
    if (!any || std::isnan(best) || (kMax ? best < x : best > x)) best = x;
    any = true;
  }
  double value() const { return best; }
};

struct Count {
  double n = 0;
  void add(double) { n += 1; }
  double value() const { return n; }
};

struct One {
  void add(double) {}
  double value() const { return 1; }
};

struct Sum : functions::KahanSum {
  double value() const { return sum + compensation; }
};

// Welford's running variance.
struct Spread {
  double n = 0, mean = 0, squares = 0;
  void add(double x) {
    if (n == 0) {
      n = 1;
      mean = x;
      squares = std::isfinite(x) ? 0 : functions::kNan;
      return;
    }
    n += 1;
    const double delta = x - mean;
    mean += delta / n;
    squares += delta * (x - mean);
  }
};
struct Variance : Spread {
  double value() const { return squares / n; }
};
struct Deviation : Spread {
  double value() const { return std::sqrt(squares / n); }
};

}  // namespace accumulators

// Calls f with an accumulator of the operator's type; `group` is what the others are.
template <typename F>
auto with_accumulator(AggregateOp op, F f) {
  switch (op) {
    case AggregateOp::kSum:
      return f(accumulators::Sum());
    case AggregateOp::kAvg:
      return f(functions::Mean());
    case AggregateOp::kCount:
      return f(accumulators::Count());
    case AggregateOp::kMin:
      return f(accumulators::Extreme<false>());
    case AggregateOp::kMax:
      return f(accumulators::Extreme<true>());
    case AggregateOp::kStddev:
      return f(accumulators::Deviation());
    case AggregateOp::kStdvar:
      return f(accumulators::Variance());
    default:
      return f(accumulators::One());
  }
}

}  // namespace tocsin::promql::eval
