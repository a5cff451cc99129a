// SPDX-License-Identifier: Apache-2.0
#include "exporters/app/push/pushed_page.h"

#include <algorithm>
#include <set>

#include "base/string_map.h"
#include "exporters/app/series_budget.h"
#include "formats/exposition.h"

namespace tocsin::exporters::app {
namespace {

using base::MetricType;

constexpr std::size_t kMaxLabels = 64;

MetricType type_of(model::MetricKind kind) {
  switch (kind) {
    case model::MetricKind::kCounter:
      return MetricType::kCounter;
    case model::MetricKind::kGauge:
      return MetricType::kGauge;
    case model::MetricKind::kHistogram:
      return MetricType::kHistogram;
    case model::MetricKind::kSummary:
      return MetricType::kSummary;
    default:
      return MetricType::kUntyped;
  }
}

bool is_ours(std::string_view name) {
  return name == "push_time_seconds" || name == "push_failure_time_seconds" ||
         name.starts_with("app_exporter_");
}

class Collector final : public formats::ExpositionSink {
 public:
  explicit Collector(const LabelPairs& group) : group_(with_instance(group)) {}

  Status sample(const formats::ExpositionSample& sample) override {
    if (sample.timestamp_ms) {
      return invalid_argument("pushed metrics must not have timestamps: {}", sample.series);
    }
    ASSIGN_OR_RETURN(const model::Labels labels, formats::parse_series(sample.series));
    const std::string_view name = labels.metric_name();
    if (is_ours(name)) return invalid_argument("the name {} is not for those who push", name);
    base::MetricSample out;
    base::MetricFamily& family = family_of(name, &out.suffix);
    out.value = sample.value;
    for (const auto& [label, value] : labels) {
      if (label == model::kMetricName) continue;
      if (value.size() > SeriesBudget::kMaxValueBytes) {
        return invalid_argument("the label {} of {} is longer than {} bytes", label, name,
                                SeriesBudget::kMaxValueBytes);
      }
      out.labels.emplace_back(label, value);
    }
    if (out.labels.size() > kMaxLabels) {
      return invalid_argument("{} has more than {} labels", name, kMaxLabels);
    }
    put_group(&out.labels);
    if (!seen_.emplace(std::string(name), out.labels).second) {
      return invalid_argument("a series was pushed twice: {}", sample.series);
    }
    family.samples.push_back(std::move(out));
    return ok();
  }

  void type(std::string_view metric, model::MetricKind kind) override {
    base::MetricFamily& family = declared(metric);
    if (!family.samples.empty() && family.type != type_of(kind)) has_late_type_ = metric;
    family.type = type_of(kind);
  }
  void help(std::string_view metric, std::string_view text) override {
    declared(metric).help = text;
  }
  void unit(std::string_view /*metric*/, std::string_view /*unit*/) override {}

  // Families without samples are left out.
  StatusOr<std::vector<base::MetricFamily>> take() {
    if (!has_late_type_.empty()) {
      return invalid_argument("the type of {} comes after its samples", has_late_type_);
    }
    std::erase_if(families_, [](const auto& family) { return family.samples.empty(); });
    StringMap<const base::MetricFamily*> names;
    for (const base::MetricFamily& family : families_) {
      for (const std::string& name : names_of_family(family.name, family.type)) {
        const auto [it, is_new] = names.emplace(name, &family);
        if (is_new) continue;
        return invalid_argument("the families {} and {} both have {}", it->second->name,
                                family.name, name);
      }
    }
    return std::move(families_);
  }

 private:
  base::MetricFamily& declared(std::string_view name) {
    const auto [it, is_new] = places_.try_emplace(std::string(name), families_.size());
    if (is_new) families_.push_back({std::string(name), "", MetricType::kUntyped, {}});
    return families_[it->second];
  }

  // A histogram has x_bucket, x_sum and x_count, a summary x_sum and x_count.
  base::MetricFamily& family_of(std::string_view name, std::string* suffix) {
    for (const std::string_view ending : {"_bucket", "_sum", "_count"}) {
      if (!name.ends_with(ending)) continue;
      const auto it = places_.find(name.substr(0, name.size() - ending.size()));
      if (it == places_.end()) continue;
      base::MetricFamily& family = families_[it->second];
      const bool is_histogram = family.type == MetricType::kHistogram;
      if (!is_histogram && (family.type != MetricType::kSummary || ending == "_bucket")) continue;
      *suffix = ending;
      return family;
    }
    return declared(name);
  }

  void put_group(LabelPairs* labels) const {
    for (const auto& [name, value] : group_) {
      const auto place = std::lower_bound(
          labels->begin(), labels->end(), name,
          [](const auto& pair, const std::string& text) { return pair.first < text; });
      const bool is_there = place != labels->end() && place->first == name;
      if (is_there && value.empty()) continue;  // an instance of its own
      if (is_there) place->second = value;
      if (!is_there) labels->emplace(place, name, value);
    }
  }

  const LabelPairs group_;
  std::vector<base::MetricFamily> families_;
  StringMap<std::size_t> places_;  // in families_
  std::set<std::pair<std::string, LabelPairs>> seen_;
  std::string has_late_type_;
};

}  // namespace

LabelPairs with_instance(LabelPairs group) {
  const auto place =
      std::lower_bound(group.begin(), group.end(), "instance",
                       [](const auto& pair, std::string_view text) { return pair.first < text; });
  if (place == group.end() || place->first != "instance") group.emplace(place, "instance", "");
  return group;
}

std::vector<std::string> names_of_family(const std::string& name, MetricType type) {
  std::vector<std::string> names = {name};
  if (type == MetricType::kHistogram || type == MetricType::kSummary) {
    names.push_back(name + "_sum");
    names.push_back(name + "_count");
  }
  if (type == MetricType::kHistogram) names.push_back(name + "_bucket");
  return names;
}

StatusOr<std::vector<base::MetricFamily>> read_pushed_page(std::string_view page,
                                                           const LabelPairs& group) {
  Collector collector(group);
  RETURN_IF_ERROR(formats::parse_text(page, collector));
  return collector.take();
}

}  // namespace tocsin::exporters::app
