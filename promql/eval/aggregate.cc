// SPDX-License-Identifier: Apache-2.0
//
// Aggregations. Groups are resolved once to dense numbers; then each series is added, whole column
// by whole column, into the accumulators of its group.
#include "promql/eval/aggregate.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>
#include <utility>

#include "model/value.h"
#include "promql/eval/evaluation.h"
#include "promql/eval/limit.h"
#include "promql/functions/numbers.h"
#include "promql/functions/vector_functions.h"

namespace tocsin::promql::eval {

namespace {

using functions::KahanSum;
using functions::Mean;

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

 private:
  std::vector<std::string> names_;
  bool without_;
};

std::vector<Group> make_groups(const Grouping& grouping, const VectorSet& set) {
  std::vector<Group> groups;
  std::unordered_map<model::Labels, std::size_t, model::LabelsHash> place;
  for (std::size_t i = 0; i < set.size(); ++i) {
    model::Labels labels = grouping.labels(set[i].labels);
    auto [it, inserted] = place.try_emplace(labels, groups.size());
    if (inserted) groups.push_back({std::move(labels), false, {}});
    groups[it->second].drop_name = groups[it->second].drop_name || set[i].drop_name;
    groups[it->second].members.push_back(i);
  }
  return groups;
}

struct Extreme {
  double best = 0;
  bool any = false;
};
template <bool kMax>
struct ExtremeOf : Extreme {
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

struct Sum : KahanSum {
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

template <typename Accumulator>
VectorSet accumulate(const std::vector<Group>& groups, const VectorSet& set, std::size_t steps) {
  VectorSet out;
  for (const Group& group : groups) {
    std::vector<Accumulator> accumulators(steps);
    OutSeries series;
    series.labels = group.labels;
    series.drop_name = group.drop_name;
    series.column = Column(steps);
    for (std::size_t member : group.members) {
      const Column& column = set[member].column;
      column.present.for_each([&](std::size_t i) { accumulators[i].add(column.values[i]); });
      series.column.present |= column.present;
    }
    series.column.present.for_each(
        [&](std::size_t i) { series.column.values[i] = accumulators[i].value(); });
    out.push_back(std::move(series));
  }
  return out;
}

VectorSet quantiles(const std::vector<Group>& groups, const VectorSet& set,
                    std::span<const double> q) {
  VectorSet out;
  std::vector<double> values;
  for (const Group& group : groups) {
    OutSeries series;
    series.labels = group.labels;
    series.drop_name = group.drop_name;
    series.column = Column(q.size());
    for (std::size_t i = 0; i < q.size(); ++i) {
      values.clear();
      for (std::size_t member : group.members) {
        if (set[member].column.present.test(i)) values.push_back(set[member].column.values[i]);
      }
      if (!values.empty()) series.column.put(i, functions::quantile(q[i], &values));
    }
    out.push_back(std::move(series));
  }
  return out;
}

// Counts per group and value; each pair is a series of its own.
class ValueCounts {
 public:
  ValueCounts(Evaluation& run, const Grouping& grouping, std::string label, std::size_t steps)
      : grouping_(grouping), label_(std::move(label)), steps_(steps), charge_(run) {}

  // Errors: each value is a column of its own, so the memory is charged as they appear.
  Status add(const OutSeries& series) {
    const std::size_t before = out_.size();
    add_all(series);
    return charge_.add(0, (out_.size() - before) * steps_ * (sizeof(double) + 1));
  }
  VectorSet take() { return std::move(out_); }

 private:
  void add_all(const OutSeries& series) {
    std::unordered_map<std::uint64_t, std::size_t> place_of_value;
    series.column.present.for_each([&](std::size_t i) {
      const double v = series.column.values[i];
      auto [it, inserted] = place_of_value.try_emplace(std::bit_cast<std::uint64_t>(v), 0);
      if (inserted) it->second = place(series, v);
      OutSeries& counted = out_[it->second];
      const double before = counted.column.present.test(i) ? counted.column.values[i] : 0;
      counted.column.put(i, before + 1);
    });
  }

  std::size_t place(const OutSeries& series, double value) {
    model::Labels labels = model::LabelsBuilder(grouping_.labels(series.labels))
                               .set(label_, model::format_float_f(value))
                               .build();
    auto [it, inserted] = places_.try_emplace(labels, out_.size());
    if (inserted) {
      OutSeries counted;
      counted.labels = std::move(labels);
      counted.column = Column(steps_);
      out_.push_back(std::move(counted));
    }
    out_[it->second].drop_name = out_[it->second].drop_name || series.drop_name;
    return it->second;
  }

  const Grouping& grouping_;
  const std::string label_;
  const std::size_t steps_;
  Charge charge_;
  VectorSet out_;
  std::unordered_map<model::Labels, std::size_t, model::LabelsHash> places_;
};

StatusOr<VectorSet> count_values(Evaluation& run, const plan::AggregateNode& node,
                                 const Grid& grid) {
  ASSIGN_OR_RETURN(const Result parameter, run.eval(*node.parameter, grid));
  const std::string& label = parameter.text;
  if (!model::is_label_name(label)) {
    return failed_precondition("invalid label name {}", model::go_quote(label));
  }
  ASSIGN_OR_RETURN(const VectorSet set, run.eval_vector(*node.inner, grid));
  const Grouping grouping(node.syntax->grouping, node.syntax->without);
  ValueCounts counts(run, grouping, label, grid.count);
  for (const OutSeries& series : set) RETURN_IF_ERROR(counts.add(series));
  return counts.take();
}

VectorSet simple(AggregateOp op, const std::vector<Group>& groups, const VectorSet& set,
                 std::size_t steps) {
  switch (op) {
    case AggregateOp::kSum:
      return accumulate<Sum>(groups, set, steps);
    case AggregateOp::kAvg:
      return accumulate<Mean>(groups, set, steps);
    case AggregateOp::kCount:
      return accumulate<Count>(groups, set, steps);
    case AggregateOp::kMin:
      return accumulate<ExtremeOf<false>>(groups, set, steps);
    case AggregateOp::kMax:
      return accumulate<ExtremeOf<true>>(groups, set, steps);
    case AggregateOp::kStddev:
      return accumulate<Deviation>(groups, set, steps);
    case AggregateOp::kStdvar:
      return accumulate<Variance>(groups, set, steps);
    default:
      return accumulate<One>(groups, set, steps);
  }
}

}  // namespace

StatusOr<VectorSet> eval_aggregate(Evaluation& run, const plan::AggregateNode& node,
                                   const Grid& grid) {
  const AggregateOp op = node.syntax->op;
  if (op == AggregateOp::kCountValues) return count_values(run, node, grid);
  std::vector<double> parameter;
  if (node.parameter != nullptr) {
    ASSIGN_OR_RETURN(parameter, run.eval_scalar(*node.parameter, grid));
  }
  ASSIGN_OR_RETURN(VectorSet set, run.eval_vector(*node.inner, grid));
  if (op == AggregateOp::kLimitRatio) {
    return limit_ratio(std::move(set), parameter, node.parameter->position(), &run.annotations);
  }
  const Grouping grouping(node.syntax->grouping, node.syntax->without);
  const std::vector<Group> groups = make_groups(grouping, set);
  if (op == AggregateOp::kLimitk) return limit_count(groups, std::move(set), parameter);
  if (op == AggregateOp::kTopk) return choose_extremes<true>(groups, std::move(set), parameter);
  if (op == AggregateOp::kBottomk) return choose_extremes<false>(groups, std::move(set), parameter);
  if (op == AggregateOp::kQuantile) {
    functions::warn_invalid_quantiles(parameter, node.parameter->position(), &run.annotations);
    return quantiles(groups, set, parameter);
  }
  return simple(op, groups, set, grid.count);
}

}  // namespace tocsin::promql::eval
