// SPDX-License-Identifier: Apache-2.0
#include "promql/script/nhcb.h"

#include <cmath>
#include <map>
#include <optional>
#include <utility>

#include "model/value.h"

namespace tocsin::promql::script {

namespace {

struct Classic {                        // one histogram at one time
  std::map<double, double> cumulative;  // by upper bound
  std::optional<double> count, sum;
};
using ByTime = std::map<std::size_t, Classic>;  // by position in the series

enum class Kind { kNone, kBucket, kCount, kSum };

// The kind of a series and the labels of the histogram it belongs to.
std::pair<Kind, model::Labels> histogram_of(const model::Labels& labels) {
  const std::string_view name = labels.metric_name();
  for (auto [suffix, kind] :
       {std::pair{"_bucket", Kind::kBucket}, {"_count", Kind::kCount}, {"_sum", Kind::kSum}}) {
    if (!name.ends_with(suffix)) continue;
    model::LabelsBuilder builder(labels);
    builder.set(model::kMetricName, name.substr(0, name.size() - std::string_view(suffix).size()));
    if (kind == Kind::kBucket) {
      if (!labels.has(model::kBucketLabel)) return {Kind::kNone, {}};
      builder.remove(model::kBucketLabel);
    }
    return {kind, builder.build()};
  }
  return {Kind::kNone, {}};
}

void collect(const LoadedSeries& series, std::map<model::Labels, ByTime>* all) {
  const auto [kind, labels] = histogram_of(series.line.labels);
  if (kind == Kind::kNone) return;
  const StatusOr<double> bound = model::parse_float(series.line.labels.get(model::kBucketLabel));
  if (kind == Kind::kBucket && !bound.ok()) return;
  for (std::size_t i = 0; i < series.line.points.size(); ++i) {
    const SeriesLine::Item& item = series.line.points[i];
    if (item.kind != SeriesLine::Item::Kind::kFloat) continue;
    Classic& classic = (*all)[labels][i];
    if (kind == Kind::kBucket) classic.cumulative[*bound] = item.value;
    if (kind == Kind::kCount) classic.count = item.value;
    if (kind == Kind::kSum) classic.sum = item.value;
  }
}

model::FloatHistogram convert(const Classic& classic) {
  model::FloatHistogram h;
  h.schema = model::kCustomBucketsSchema;
  double previous = 0;
  for (const auto& [bound, cumulative] : classic.cumulative) {
    if (!std::isinf(bound)) h.custom_values.push_back(bound);
    h.positive_buckets.push_back(cumulative - previous);
    previous = cumulative;
  }
  h.count = classic.count.value_or(previous);
  if (h.custom_values.size() == h.positive_buckets.size()) {  // no +Inf bucket: the rest lies above
    h.positive_buckets.push_back(h.count - previous);
  }
  h.sum = classic.sum.value_or(0);
  h.positive_spans = {{0, static_cast<std::uint32_t>(h.positive_buckets.size())}};
  return h;
}

}  // namespace

std::vector<SeriesLine> make_nhcb_series(const std::vector<LoadedSeries>& loaded) {
  std::map<model::Labels, ByTime> all;
  for (const LoadedSeries& series : loaded) collect(series, &all);
  std::vector<SeriesLine> lines;
  for (const auto& [labels, by_time] : all) {
    SeriesLine line;
    line.labels = labels;
    for (const auto& [position, classic] : by_time) {
      if (classic.cumulative.empty()) continue;
      line.points.resize(position + 1);
      line.points[position].kind = SeriesLine::Item::Kind::kHistogram;
      line.points[position].histogram =
          std::make_shared<const model::FloatHistogram>(convert(classic));
    }
    if (!line.points.empty()) lines.push_back(std::move(line));
  }
  return lines;
}

}  // namespace tocsin::promql::script
