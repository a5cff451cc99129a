// SPDX-License-Identifier: Apache-2.0
//
// Aggregations. Groups are resolved once to dense numbers; then each series is added, whole column
// by whole column, into the accumulators of its group.
#include "promql/eval/aggregate.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <unordered_map>
#include <utility>

#include "model/histogram_buckets.h"
#include "model/value.h"
#include "promql/eval/accumulators.h"
#include "promql/eval/batches.h"
#include "promql/eval/evaluation.h"
#include "promql/eval/limit.h"
#include "promql/functions/numbers.h"
#include "promql/functions/vector_functions.h"
#include "promql/native/sum.h"

namespace tocsin::promql::eval {

namespace {

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

template <typename Accumulator>
Column accumulate(const Group& group, const VectorSet& set, std::size_t steps) {
  std::vector<Accumulator> accumulators(steps);
  Column out(steps);
  for (std::size_t member : group.members) {
    const Column& column = set[member].column;
    column.present.for_each([&](std::size_t i) { accumulators[i].add(column.values[i]); });
    out.present |= column.present;
  }
  out.present.for_each([&](std::size_t i) { out.values[i] = accumulators[i].value(); });
  return out;
}

// `column` gives the result of a group.
template <typename F>
StatusOr<VectorSet> for_groups(const std::vector<Group>& groups, F column) {
  VectorSet out;
  for (const Group& group : groups) {
    OutSeries series;
    series.labels = group.labels;
    series.drop_name = group.drop_name;
    ASSIGN_OR_RETURN(series.column, column(group));
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
      if (const HistogramPtr& histogram = series.column.histogram(i); histogram != nullptr) {
        count(i, place(series, model::to_string(*histogram)));
        return;
      }
      const double v = series.column.values[i];
      auto [it, inserted] = place_of_value.try_emplace(std::bit_cast<std::uint64_t>(v), 0);
      if (inserted) it->second = place(series, model::format_float_f(v));
      count(i, it->second);
    });
  }

  void count(std::size_t step, std::size_t place) {
    Column& counted = out_[place].column;
    const double before = counted.present.test(step) ? counted.values[step] : 0;
    counted.put(step, before + 1);
  }

  std::size_t place(const OutSeries& series, const std::string& value) {
    model::Labels labels = grouping_.labels(series.labels);
    if (!grouping_.leaves_out(label_)) {
      labels = model::LabelsBuilder(labels).set(label_, value).build();
    }
    auto [it, inserted] = places_.try_emplace(labels, out_.size());
    if (inserted) {
      OutSeries counted;
      counted.labels = std::move(labels);
      counted.column = Column(steps_);
      out_.push_back(std::move(counted));
    }
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

Column simple(AggregateOp op, const Group& group, const VectorSet& set, std::size_t steps) {
  return with_accumulator(op, [&]<typename Accumulator>(Accumulator) {
    return accumulate<Accumulator>(group, set, steps);
  });
}

// The histograms of a group at every step, for sum and avg.
template <typename Accumulator>
class HistogramGroup {
 public:
  HistogramGroup(std::size_t steps, PositionRange where, AnnotationSet* annotations)
      : totals_(steps), where_(where), annotations_(annotations) {}

  // The memory that it took, for a rough account: a total holds three numbers per bucket.
  std::uint64_t add(const Column& column, std::string_view metric) {
    std::uint64_t bytes = 0;
    column.present.for_each([&](std::size_t i) {
      Total& total = totals_[i];
      if (total.misfit) return;
      const HistogramPtr& histogram = column.histogram(i);
      (histogram == nullptr ? total.floats : total.histograms) = true;
      if (histogram == nullptr) return;
      if (!total.sum) {
        // After a float there will be no result: nothing is added, so nothing is said of it.
        if (total.floats) return;
        total.sum.emplace(*histogram);
        bytes += 3 * bytes_of(*histogram);
      } else if (!total.sum->add(*histogram)) {
        annotate::mixed_schemas(metric, where_, annotations_);
        total.misfit = true;
      }
    });
    return bytes;
  }

  // Puts the totals beside those of the floats, and nothing where both are.
  void finish(Column* out) {
    for (std::size_t i = 0; i < totals_.size(); ++i) {
      const Total& total = totals_[i];
      if (!total.histograms) continue;
      if (total.sum && total.sum->reconciled()) {
        annotate::reconciled("aggregation", where_, annotations_);
      }
      if (total.floats) annotate::mixed_types_in_aggregation(where_, annotations_);
      if (total.floats || total.misfit) {
        out->present.clear(i);
        continue;
      }
      if (total.sum->resets_conflict()) {
        annotate::resets_conflict("aggregation", where_, annotations_);
      }
      out->put(i, std::make_shared<const model::FloatHistogram>(total.sum->value()));
    }
  }

 private:
  struct Total {
    std::optional<Accumulator> sum;
    bool floats = false, histograms = false;
    bool misfit = false;  // exponential and custom buckets; what comes after them is not looked at
  };
  std::vector<Total> totals_;
  const PositionRange where_;
  AnnotationSet* annotations_;
};

bool any_histogram(const Group& group, const VectorSet& set) {
  return std::any_of(group.members.begin(), group.members.end(),
                     [&](std::size_t member) { return set[member].column.has_histograms(); });
}

// sum and avg of a group that has histograms; takes them out of `set`.
template <typename Accumulator>
StatusOr<Column> mixed_total(Evaluation& run, const plan::AggregateNode& node, const Group& group,
                             VectorSet* set, std::size_t steps) {
  HistogramGroup<Accumulator> histograms(steps, node.inner->position(), &run.annotations);
  Charge charge(run);
  for (std::size_t member : group.members) {
    Column& column = (*set)[member].column;
    RETURN_IF_ERROR(run.check());
    const std::string_view metric = (*set)[member].labels.metric_name();
    RETURN_IF_ERROR(charge.add(0, histograms.add(column, metric)));
    column.drop_histograms();
  }
  Column out = simple(node.syntax->op, group, *set, steps);
  histograms.finish(&out);
  return out;
}

bool takes_histograms(AggregateOp op) {
  return op == AggregateOp::kSum || op == AggregateOp::kAvg || op == AggregateOp::kCount ||
         op == AggregateOp::kGroup || op == AggregateOp::kLimitk || op == AggregateOp::kLimitRatio;
}

// Whether there is a histogram at a step at which something may be chosen.
bool meets_histogram(const Column& column, std::span<const double> limits) {
  bool any = false;
  if (!column.has_histograms()) return false;
  column.histogram_steps().for_each([&](std::size_t i) { any = any || limits[i] >= 1; });
  return any;
}

// For an aggregation of numbers; says so when there were histograms.
void ignore_histograms(Evaluation& run, const plan::AggregateNode& node, PositionRange whole,
                       std::span<const double> parameter, VectorSet* set) {
  const AggregateOp op = node.syntax->op;
  const bool chooses = op == AggregateOp::kTopk || op == AggregateOp::kBottomk;
  bool any = false, noted = false;
  for (OutSeries& series : *set) {
    noted = noted || !chooses || meets_histogram(series.column, parameter);
    any = series.column.drop_histograms() || any;
  }
  if (!any) return;
  remove_empty(set);
  if (!noted) return;
  annotate::ignored_in_aggregation(aggregate_text(op), chooses ? whole : node.inner->position(),
                                   &run.annotations);
}

// Upstream names the largest and the smallest only.
void warn_invalid_parameters(std::span<const double> quantiles, PositionRange where,
                             AnnotationSet* annotations) {
  double least = 0, most = 1;
  std::vector<double> invalid;
  for (const double q : quantiles) {
    if (std::isnan(q)) invalid.assign(1, q);
    least = std::min(least, q);
    most = std::max(most, q);
  }
  invalid.push_back(most);
  invalid.push_back(least);
  functions::warn_invalid_quantiles(invalid, where, annotations);
}

}  // namespace

StatusOr<VectorSet> eval_aggregate(Evaluation& run, const plan::AggregateNode& node,
                                   const plan::PlanNode& whole, const Grid& grid) {
  const AggregateOp op = node.syntax->op;
  if (op == AggregateOp::kCountValues) return count_values(run, node, grid);
  ASSIGN_OR_RETURN(std::optional<VectorSet> folded, fold_aggregate(run, node, grid));
  if (folded) return *std::move(folded);
  std::vector<double> parameter;
  if (node.parameter != nullptr) {
    ASSIGN_OR_RETURN(parameter, run.eval_scalar(*node.parameter, grid));
  }
  ASSIGN_OR_RETURN(VectorSet set, run.eval_vector(*node.inner, grid));
  if (op == AggregateOp::kLimitRatio) {
    return limit_ratio(std::move(set), parameter, node.parameter->position(), &run.annotations);
  }
  if (!takes_histograms(op)) {
    ignore_histograms(run, node, whole.unsigned_position(), parameter, &set);
  }
  const Grouping grouping(node.syntax->grouping, node.syntax->without);
  const std::vector<Group> groups = make_groups(grouping, set);
  if (op == AggregateOp::kLimitk) return limit_count(groups, std::move(set), parameter);
  if (op == AggregateOp::kTopk) return choose_extremes<true>(groups, std::move(set), parameter);
  if (op == AggregateOp::kBottomk) return choose_extremes<false>(groups, std::move(set), parameter);
  if (op == AggregateOp::kQuantile) {
    warn_invalid_parameters(parameter, node.parameter->position(), &run.annotations);
    return quantiles(groups, set, parameter);
  }
  const bool totals = op == AggregateOp::kSum || op == AggregateOp::kAvg;
  return for_groups(groups, [&](const Group& group) -> StatusOr<Column> {
    if (!totals || !any_histogram(group, set)) return simple(op, group, set, grid.count);
    return op == AggregateOp::kSum
               ? mixed_total<native::HistogramSum>(run, node, group, &set, grid.count)
               : mixed_total<native::HistogramMean>(run, node, group, &set, grid.count);
  });
}

}  // namespace tocsin::promql::eval
