// SPDX-License-Identifier: Apache-2.0
#include "collector/scrape/start_times.h"

#include <array>
#include <cmath>
#include <string>
#include <unordered_map>

namespace tocsin::collector {

namespace {

constexpr std::string_view kCreated = "_created";

bool has_start(model::MetricKind kind) {
  return kind == model::MetricKind::kCounter || kind == model::MetricKind::kHistogram ||
         kind == model::MetricKind::kSummary;
}

// What a sample and the line with its start have in common: the name without what the kind puts
// behind it, and the labels without those that tell samples of one metric apart.
std::string metric_key(std::string_view series, model::MetricKind kind, bool created) {
  const StatusOr<model::Labels> labels = formats::parse_series(series, kind);
  if (!labels.ok()) return {};
  std::string_view name = labels->metric_name();
  if (created) {
    name.remove_suffix(kCreated.size());
  } else {
    constexpr std::array<std::string_view, 4> kSuffixes = {"_total", "_bucket", "_sum", "_count"};
    for (const std::string_view suffix : kSuffixes) {
      const bool of_counter = suffix == "_total";
      if (of_counter != (kind == model::MetricKind::kCounter) || !name.ends_with(suffix)) continue;
      name.remove_suffix(suffix.size());
      break;
    }
  }
  std::string key(name);
  key.push_back('\xff');
  for (const model::LabelView& label : *labels) {
    const bool number =
        (kind == model::MetricKind::kHistogram && label.name == model::kBucketLabel) ||
        (kind == model::MetricKind::kSummary && label.name == model::kQuantileLabel);
    if (number || label.name == model::kMetricName) continue;
    key.append(label.name).append("\xff").append(label.value).append("\xff");
  }
  return key;
}

}  // namespace

bool is_created_line(std::string_view series, model::MetricKind kind) {
  if (!has_start(kind)) return false;
  if (series.starts_with("{")) {  // the name is in quotes
    const StatusOr<model::Labels> labels = formats::parse_series(series, kind);
    return labels.ok() && labels->metric_name().ends_with(kCreated);
  }
  return series.substr(0, series.find_first_of("{ \t")).ends_with(kCreated);
}

void StartTimes::learn(std::size_t samples, const std::function<Line(std::size_t)>& line) {
  lines_.clear();
  std::unordered_map<std::string, std::uint32_t> created;
  for (std::size_t i = 0; i < samples; ++i) {
    const Line at = line(i);
    if (!at.created) continue;
    created.emplace(metric_key(at.series, at.kind, true), static_cast<std::uint32_t>(i));
  }
  if (created.empty()) return;
  lines_.assign(samples, kNone);
  for (std::size_t i = 0; i < samples; ++i) {
    const Line at = line(i);
    if (at.created || !has_start(at.kind)) continue;
    const auto found = created.find(metric_key(at.series, at.kind, false));
    if (found != created.end()) lines_[i] = found->second;
  }
}

const std::vector<std::int64_t>& StartTimes::of(const formats::PageReader::Page& page) {
  starts_.clear();
  if (!page.starts.empty()) {
    starts_.assign(page.values.size(), 0);
    for (const auto& [sample, ms] : page.starts) starts_[sample] = ms;
  } else if (lines_.size() <= page.values.size() && !lines_.empty()) {
    starts_.assign(page.values.size(), 0);
    for (std::size_t i = 0; i < lines_.size(); ++i) {
      constexpr double kMaxSeconds = 9e12;
      if (lines_[i] == kNone) continue;
      const double seconds = page.values[lines_[i]];
      if (std::fabs(seconds) < kMaxSeconds) {
        starts_[i] = static_cast<std::int64_t>(seconds * 1000);
      }
    }
  }
  return starts_;
}

}  // namespace tocsin::collector
