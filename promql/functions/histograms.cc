// SPDX-License-Identifier: Apache-2.0
//
// The functions of histograms. Series of classic histograms are grouped once by their labels without
// "le"; each step of a group is one histogram, unless a native one of these labels is there too.
#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <unordered_map>
#include <utility>

#include "model/value.h"
#include "promql/functions/classic_histogram.h"
#include "promql/functions/numbers.h"
#include "promql/functions/vector_functions.h"
#include "promql/native/statistics.h"

namespace tocsin::promql::functions {

namespace {

struct Part {
  const eval::Column* column;
  double upper_bound;
};
struct Group {
  model::Labels labels;  // without le
  std::vector<Part> parts;
  std::vector<const eval::OutSeries*> natives;  // with the labels, and perhaps an le
};

std::string for_metric(std::string_view name) {
  return name.empty() ? "" : fmt::format(" for metric name {}", model::go_quote(name));
}

// Notes name the metric only where its name is not removed before the end.
std::string_view noted_metric(const CallContext& context, const model::Labels& labels) {
  return context.run.setup().delayed_name_removal ? labels.metric_name() : std::string_view();
}

std::vector<Group> group_buckets(const CallContext& context, const eval::VectorSet& set,
                                 PositionRange position) {
  static const std::vector<std::string> kLe = {std::string(model::kBucketLabel)};
  std::vector<Group> groups;
  std::unordered_map<model::Labels, std::size_t, model::LabelsHash> place;
  const auto group_of = [&](const eval::OutSeries& series) -> Group& {
    model::Labels labels = series.labels.drop(kLe);
    auto [it, inserted] = place.try_emplace(labels, groups.size());
    if (inserted) groups.push_back({std::move(labels), {}, {}});
    return groups[it->second];
  };
  for (const eval::OutSeries& series : set) {
    if (series.column.has_histograms()) {
      group_of(series).natives.push_back(&series);
      eval::Bitmap floats = series.column.present;
      if (!floats.subtract(series.column.histogram_steps()).any()) continue;
    }
    const std::string_view le = series.labels.get(model::kBucketLabel);
    const StatusOr<double> bound = model::parse_float(le);
    if (!bound.ok()) {
      context.run.annotations.warn(
          fmt::format("bucket label \"le\" is missing or has a malformed value of {}{}",
                      model::go_quote(le), for_metric(noted_metric(context, series.labels))),
          position);
      continue;
    }
    group_of(series).parts.push_back({&series.column, *bound});
  }
  return groups;
}

void collect(const Group& group, std::size_t step, std::vector<Bucket>* buckets) {
  buckets->clear();
  for (const Part& part : group.parts) {
    if (!part.column->present.test(step) || part.column->histogram(step) != nullptr) continue;
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
    join(repair, time_ms, time_ms);
  }
  void add(const RepairNote& other) {
    if (other.count_ == 0) return;
    if (count_ == 0) {
      *this = other;
      return;
    }
    count_ += other.count_;
    join(other.total_, other.first_ms_, other.last_ms_);
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
  void join(const Repair& repair, std::int64_t first_ms, std::int64_t last_ms) {
    total_.min_bound = std::min(total_.min_bound, repair.min_bound);
    total_.max_bound = std::max(total_.max_bound, repair.max_bound);
    total_.max_difference = std::max(total_.max_difference, repair.max_difference);
    first_ms_ = std::min(first_ms_, first_ms);
    last_ms_ = std::max(last_ms_, last_ms);
  }
  static model::Timestamp whole_second(std::int64_t ms) { return model::from_ms(ms / 1000 * 1000); }
  Repair total_;
  std::uint64_t count_ = 0;
  std::int64_t first_ms_ = 0;
  std::int64_t last_ms_ = 0;
};

// Calls classic(&buckets, step) or native(histogram, metric, step) for every step of a group, and
// appends what they give. A step with both kinds gives a warning only.
template <typename Classic, typename Native>
void evaluate_group(const CallContext& context, const Group& group, PositionRange position,
                    std::pair<Classic, Native> functions, eval::VectorSet* out) {
  eval::OutSeries result;
  result.labels = group.labels;
  result.column = eval::Column(context.grid.count);
  std::vector<Bucket> buckets;
  eval::Bitmap classic(context.grid.count);
  for (std::size_t i = 0; i < context.grid.count && !group.parts.empty(); ++i) {
    collect(group, i, &buckets);
    if (buckets.empty()) continue;
    classic.set(i);
    result.column.put(i, functions.first(&buckets, i));
  }
  for (const eval::OutSeries* series : group.natives) {
    eval::OutSeries own;  // of a native histogram with an le of its own
    own.labels = series->labels;
    own.column = eval::Column(context.grid.count);
    eval::OutSeries& target = series->labels == group.labels ? result : own;
    series->column.histogram_steps().for_each([&](std::size_t i) {
      const std::string_view metric = noted_metric(context, series->labels);
      if (classic.test(i)) {
        result.column.present.clear(i);
        eval::annotate::mixed_classic_and_native(metric, position, &context.run.annotations);
        return;
      }
      target.column.put(i, functions.second(*series->column.histograms[i], metric, i));
    });
    if (own.column.present.any()) out->push_back(std::move(own));
  }
  out->push_back(std::move(result));
}

void note_nan(native::NanEffect effect, std::string_view metric, PositionRange position,
              eval::AnnotationSet* out) {
  if (effect == native::NanEffect::kNone) return;
  out->info(fmt::format("input to histogram_quantile has NaN observations, result is {}{}",
                        effect == native::NanEffect::kResultIsNan ? "NaN" : "skewed higher",
                        for_metric(metric)),
            position);
}

eval::VectorSet quantile_of_group(const CallContext& context, const Group& group,
                                  std::span<const double> q, PositionRange position,
                                  RepairNote* note) {
  eval::VectorSet out;
  const auto classic = [&](std::vector<Bucket>* buckets, std::size_t i) {
    Repair repair;
    const double value = bucket_quantile(q[i], buckets, &repair);
    note->add(repair, context.grid.time(i));
    return value;
  };
  const auto of_native = [&](const model::FloatHistogram& histogram, std::string_view metric,
                             std::size_t i) {
    const native::Quantile quantile = native::quantile(q[i], histogram);
    note_nan(quantile.nan, metric, position, &context.run.annotations);
    return quantile.value;
  };
  evaluate_group(context, group, position, std::pair(classic, of_native), &out);
  for (eval::OutSeries& series : out) context.run.drop_name(&series);
  return out;
}

void report(const CallContext& context, const std::vector<Group>& groups,
            const std::vector<RepairNote>& notes, PositionRange position) {
  std::map<std::string_view, RepairNote> of_metric;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    of_metric[noted_metric(context, groups[g].labels)].add(notes[g]);
  }
  for (const auto& [metric, note] : of_metric) {
    note.report(metric, position, &context.run.annotations);
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
    eval::VectorSet results = quantile_of_group(context, groups[g], q, position, &notes[g]);
    std::move(results.begin(), results.end(), std::back_inserter(out));
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
      eval::VectorSet results = quantile_of_group(context, groups[g], q, position, &notes[g]);
      for (eval::OutSeries& series : results) {
        series.labels =
            model::LabelsBuilder(series.labels).set(label, quantile_label(q.at(0))).build();
        out.push_back(std::move(series));
      }
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
  const PositionRange position = context.argument(2).position();
  const auto classic = [&](std::vector<Bucket>* buckets, std::size_t i) {
    return bucket_fraction(lower[i], upper[i], buckets);
  };
  const auto of_native = [&](const model::FloatHistogram& histogram, std::string_view metric,
                             std::size_t i) {
    const bool empty = histogram.count == 0 || std::isnan(lower[i]) || std::isnan(upper[i]);
    if (!empty && lower[i] < upper[i] && native::has_nan_observations(histogram)) {
      context.run.annotations.info(
          fmt::format("input to histogram_fraction has NaN observations, which are excluded from "
                      "all fractions{}",
                      for_metric(metric)),
          position);
    }
    return native::fraction(lower[i], upper[i], histogram);
  };
  eval::VectorSet out;
  for (const Group& group : group_buckets(context, set, position)) {
    evaluate_group(context, group, position, std::pair(classic, of_native), &out);
  }
  return nameless_result(context.run, std::move(out));
}

// A number of each native histogram; floats have none and are left out.
template <double (*F)(const model::FloatHistogram&)>
StatusOr<eval::Result> of_native(const CallContext& context) {
  ASSIGN_OR_RETURN(eval::VectorSet set, context.vector(0));
  eval::VectorSet out;
  for (eval::OutSeries& series : set) {
    if (!series.column.has_histograms()) continue;
    eval::Column numbers(context.grid.count);
    series.column.histogram_steps().for_each(
        [&](std::size_t i) { numbers.put(i, F(*series.column.histograms[i])); });
    series.column = std::move(numbers);
    out.push_back(std::move(series));
  }
  return nameless_result(context.run, std::move(out));
}

double average(const model::FloatHistogram& h) { return h.sum / h.count; }
double count_of(const model::FloatHistogram& h) { return h.count; }
double sum_of(const model::FloatHistogram& h) { return h.sum; }
double deviation(const model::FloatHistogram& h) { return std::sqrt(native::variance(h)); }

constexpr NamedFunction kFunctions[] = {
    {"histogram_avg", of_native<average>},
    {"histogram_count", of_native<count_of>},
    {"histogram_fraction", histogram_fraction},
    {"histogram_quantile", histogram_quantile},
    {"histogram_quantiles", histogram_quantiles},
    {"histogram_stddev", of_native<deviation>},
    {"histogram_stdvar", of_native<native::variance>},
    {"histogram_sum", of_native<sum_of>},
};

}  // namespace

std::span<const NamedFunction> histogram_functions() { return kFunctions; }

}  // namespace tocsin::promql::functions
