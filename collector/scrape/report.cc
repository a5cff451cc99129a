// SPDX-License-Identifier: Apache-2.0
#include "collector/scrape/report.h"

#include "model/value.h"

namespace tocsin::collector {

Report::Report(const ScrapeOptions& options, const model::Labels& target_labels)
    : extra_(options.extra_metrics),
      timeout_seconds_(base::to_seconds(options.timeout)),
      sample_limit_(static_cast<double>(options.limits.samples)) {
  std::vector<std::string_view> names = {"up", "scrape_duration_seconds", "scrape_samples_scraped",
                                         "scrape_samples_post_metric_relabeling",
                                         "scrape_series_added"};
  if (extra_)
    names.insert(names.end(),
                 {"scrape_timeout_seconds", "scrape_sample_limit", "scrape_body_size_bytes"});
  for (std::string_view name : names) {
    model::LabelsBuilder labels(target_labels);
    labels_.push_back(labels.set(model::kMetricName, name).build());
  }
  refs_.resize(labels_.size());
}

Status Report::append(storage::Appender& appender, model::Timestamp t,
                      const ScrapeFigures& figures) {
  const std::array<double, 8> values = {figures.up ? 1.0 : 0.0,
                                        figures.duration_seconds,
                                        static_cast<double>(figures.scraped),
                                        static_cast<double>(figures.after_relabel),
                                        static_cast<double>(figures.series_added),
                                        timeout_seconds_,
                                        sample_limit_,
                                        figures.body_bytes};
  return append_values(appender, t, std::span(values).first(labels_.size()));
}

Status Report::append_stale(storage::Appender& appender, model::Timestamp t) {
  for (std::size_t i = 0; i < labels_.size(); ++i) {
    RETURN_IF_ERROR(append_by_ref(appender, i, t, model::stale_nan()));
  }
  return ok();
}

Status Report::append_by_ref(storage::Appender& appender, std::size_t i, model::Timestamp t,
                             double value) {
  StatusOr<storage::AppendResult> result = appender.append(refs_[i], labels_[i], t, value);
  if (result.ok()) {
    refs_[i] = result->ref;
    return ok();
  }
  const StatusCode code = result.status().code();
  // Refused: another target has the same labels and wrote this time first.
  if (code == StatusCode::kOutOfRange || code == StatusCode::kAlreadyExists) return ok();
  return result.status();
}

void Report::reset() {
  refs_.assign(labels_.size(), {});
  group_ = {};
}

Status Report::append_values(storage::Appender& appender, model::Timestamp t,
                             std::span<const double> values) {
  if (group_) {
    RETURN_IF_ERROR(appender.step(group_, t));
    if (appender.set_range(0, values).ok()) return ok();
    for (std::uint32_t i = 0; i < values.size(); ++i) {
      Status status = appender.set(i, values[i]);
      // A target with the same labels took the series into its group.
      if (status.code() == StatusCode::kNotFound) status = append_by_ref(appender, i, t, values[i]);
      RETURN_IF_ERROR(status);
    }
    return ok();
  }
  for (std::size_t i = 0; i < values.size(); ++i)
    RETURN_IF_ERROR(append_by_ref(appender, i, t, values[i]));
  if (std::all_of(refs_.begin(), refs_.end(), [](storage::SeriesRef ref) { return bool(ref); })) {
    ASSIGN_OR_RETURN(group_, appender.define_group({}, refs_));
  }
  return ok();
}

}  // namespace tocsin::collector
