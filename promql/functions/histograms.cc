// SPDX-License-Identifier: Apache-2.0
//
// histogram_quantile, histogram_quantiles and histogram_fraction over classic histograms. Series
// are grouped once by their labels without "le"; each step of a group is one histogram.
#include <algorithm>
#include <cmath>
#include <optional>
#include <unordered_map>
#include <utility>

#include "model/value.h"
#include "promql/functions/classic_histogram.h"
#include "promql/functions/numbers.h"
#include "promql/functions/vector_functions.h"

namespace tocsin::promql::functions {

namespace {

struct Part {
  const eval::Column* column;
  double upper_bound;
};
struct Group {
  model::Labels labels;  // without le
  std::vector<Part> parts;
};

std::string for_metric(std::string_view name) {
  return name.empty() ? "" : fmt::format(" for metric name {}", model::go_quote(name));
}

std::vector<Group> group_buckets(const CallContext& context, const eval::VectorSet& set,
                                 PositionRange position) {
  static const std::vector<std::string> kLe = {std::string(model::kBucketLabel)};
  std::vector<Group> groups;
  std::unordered_map<model::Labels, std::size_t, model::LabelsHash> place;
  for (const eval::OutSeries& series : set) {
    const std::string_view le = series.labels.get(model::kBucketLabel);
    const StatusOr<double> bound = model::parse_float(le);
    if (!bound.ok()) {
      context.run.annotations.warn(
          fmt::format("bucket label \"le\" is missing or has a malformed value of {}{}",
                      model::go_quote(le), for_metric(series.labels.metric_name())),
          position);
      continue;
    }
    model::Labels labels = series.labels.drop(kLe);
    auto [it, inserted] = place.try_emplace(labels, groups.size());
    if (inserted) groups.push_back({std::move(labels), {}});
    groups[it->second].parts.push_back({&series.column, *bound});
  }
  return groups;
}

void collect(const Group& group, std::size_t step, std::vector<Bucket>* buckets) {
  buckets->clear();
  for (const Part& part : group.parts) {
    if (!part.column->present.test(step)) continue;
    buckets->push_back({part.upper_bound, part.column->values[step]});
  }
}

// All repairs of one metric in one query make one info.
class RepairNote {
 public:
  void add(const Repair& repair, std::int64_t time_ms) {
    if (!repair.forced) return;
    if (count_ == 0) {
      total_ = repair;
      first_ms_ = last_ms_ = time_ms;
    }
    ++count_;
    total_.min_bound = std::min(total_.min_bound, repair.min_bound);
    total_.max_bound = std::max(total_.max_bound, repair.max_bound);
    total_.max_difference = std::max(total_.max_difference, repair.max_difference);
    first_ms_ = std::min(first_ms_, time_ms);
    last_ms_ = std::max(last_ms_, time_ms);
  }
  void report(std::string_view metric, PositionRange position, eval::AnnotationSet* out) const {
    if (count_ == 0) return;
    out->info(
        fmt::format("input to histogram_quantile needed to be fixed for monotonicity (see "
                    "https://prometheus.io/docs/prometheus/latest/querying/functions/"
                    "#histogram_quantile){}, from buckets {} to {}, with a max diff of {:.2g}, "
                    "over {} samples from {} to {}",
                    for_metric(metric), model::format_float_g(total_.min_bound),
                    model::format_float_g(total_.max_bound), total_.max_difference, count_,
                    model::format_rfc3339(whole_second(first_ms_)),
                    model::format_rfc3339(whole_second(last_ms_))),
        position);
  }

 private:
  static model::Timestamp whole_second(std::int64_t ms) { return model::from_ms(ms / 1000 * 1000); }
  Repair total_;
  std::uint64_t count_ = 0;
  std::int64_t first_ms_ = 0;
  std::int64_t last_ms_ = 0;
};

eval::OutSeries quantile_of_group(const CallContext& context, const Group& group,
                                  std::span<const double> q, RepairNote* note) {
  eval::OutSeries out;
  out.labels = group.labels;
  out.column = eval::Column(context.grid.count);
  std::vector<Bucket> buckets;
  for (std::size_t i = 0; i < context.grid.count; ++i) {
    collect(group, i, &buckets);
    if (buckets.empty()) continue;
    Repair repair;
    out.column.put(i, bucket_quantile(q[i], &buckets, &repair));
    note->add(repair, context.grid.time(i));
  }
  context.run.drop_name(&out);
  return out;
}

void report(const CallContext& context, const std::vector<Group>& groups,
            const std::vector<RepairNote>& notes, PositionRange position) {
  for (std::size_t g = 0; g < groups.size(); ++g) {
    notes[g].report(groups[g].labels.metric_name(), position, &context.run.annotations);
  }
}

StatusOr<eval::Result> histogram_quantile(const CallContext& context) {
  ASSIGN_OR_RETURN(const std::vector<double> q, context.scalar(0));
  warn_invalid_quantiles(q, context.argument(0).position(), &context.run.annotations);
  ASSIGN_OR_RETURN(const eval::VectorSet set, context.vector(1));
  const PositionRange position = context.argument(1).position();
  const std::vector<Group> groups = group_buckets(context, set, position);
  std::vector<RepairNote> notes(groups.size());
  eval::VectorSet out;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    out.push_back(quantile_of_group(context, groups[g], q, &notes[g]));
  }
  report(context, groups, notes, position);
  RETURN_IF_ERROR(context.run.merge_names(&out));
  return vector_result(std::move(out));
}

// As OpenMetrics writes a label value: always with a fraction or an exponent.
std::string quantile_label(double q) {
  std::string text = model::format_float_g(q);
  if (std::isfinite(q) && text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

StatusOr<eval::Result> histogram_quantiles(const CallContext& context) {
  ASSIGN_OR_RETURN(const eval::VectorSet set, context.vector(0));
  ASSIGN_OR_RETURN(const std::string label, context.text(1));
  if (!model::is_label_name(label))
    return failed_precondition("invalid label name {}", model::go_quote(label));
  const PositionRange position = context.argument(0).position();
  const std::vector<Group> groups = group_buckets(context, set, position);
  std::vector<RepairNote> notes(groups.size());
  eval::VectorSet out;
  for (std::size_t a = 2; a < context.call.arguments.size(); ++a) {
    ASSIGN_OR_RETURN(const std::vector<double> q, context.scalar(a));
    warn_invalid_quantiles(q, context.argument(a).position(), &context.run.annotations);
    for (std::size_t g = 0; g < groups.size(); ++g) {
      eval::OutSeries series = quantile_of_group(context, groups[g], q, &notes[g]);
      series.labels =
          model::LabelsBuilder(series.labels).set(label, quantile_label(q.at(0))).build();
      out.push_back(std::move(series));
    }
  }
  report(context, groups, notes, position);
  RETURN_IF_ERROR(eval::merge_same_labels(&out));
  return vector_result(std::move(out));
}

StatusOr<eval::Result> histogram_fraction(const CallContext& context) {
  ASSIGN_OR_RETURN(const std::vector<double> lower, context.scalar(0));
  ASSIGN_OR_RETURN(const std::vector<double> upper, context.scalar(1));
  ASSIGN_OR_RETURN(const eval::VectorSet set, context.vector(2));
  eval::VectorSet out;
  std::vector<Bucket> buckets;
  for (const Group& group : group_buckets(context, set, context.argument(2).position())) {
    eval::OutSeries series;
    series.labels = group.labels;
    series.column = eval::Column(context.grid.count);
    for (std::size_t i = 0; i < context.grid.count; ++i) {
      collect(group, i, &buckets);
      if (!buckets.empty()) series.column.put(i, bucket_fraction(lower[i], upper[i], &buckets));
    }
    context.run.drop_name(&series);
    out.push_back(std::move(series));
  }
  RETURN_IF_ERROR(context.run.merge_names(&out));
  return vector_result(std::move(out));
}

// Of a native histogram only; a float sample has none of these and is left out.
StatusOr<eval::Result> of_native(const CallContext& context) {
  RETURN_IF_ERROR(context.vector(0).status());
  return vector_result({});
}

constexpr NamedFunction kFunctions[] = {
    {"histogram_avg", of_native},
    {"histogram_count", of_native},
    {"histogram_fraction", histogram_fraction},
    {"histogram_quantile", histogram_quantile},
    {"histogram_quantiles", histogram_quantiles},
    {"histogram_stddev", of_native},
    {"histogram_stdvar", of_native},
    {"histogram_sum", of_native},
};

}  // namespace

std::span<const NamedFunction> histogram_functions() { return kFunctions; }

}  // namespace tocsin::promql::functions
