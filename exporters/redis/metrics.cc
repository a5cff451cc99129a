// SPDX-License-Identifier: Apache-2.0
#include "exporters/redis/metrics.h"

#include <algorithm>
#include <limits>

#include "base/utf8.h"
#include "exporters/redis/names.h"
#include "model/value.h"

namespace tocsin::exporters {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";

std::string clean_text(std::string text) {
  std::string out;
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::size_t length = base::utf8_length(rest);
    const std::string_view one = length == 0 ? kReplacement : rest.substr(0, length);
    if (out.size() + one.size() > RedisMetrics::kMaxLabelBytes) break;
    out.append(one);
    rest.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return out;
}

bool is_plain_ascii(std::string_view text) {
  return text.size() <= RedisMetrics::kMaxLabelBytes &&
         std::all_of(text.begin(), text.end(), [](char c) { return (c & 0x80) == 0; });
}

}  // namespace

LabelPairs RedisMetrics::clean(LabelPairs labels) const {
  for (auto& [name, text] : labels) {
    if (!is_plain_ascii(text)) text = clean_text(std::move(text));
  }
  if (options_.with_role) labels.emplace_back("instance_role", role_);
  std::sort(labels.begin(), labels.end());
  return labels;
}

base::MetricFamily& RedisMetrics::family(std::string_view name, base::MetricType type) {
  if (const auto it = places_.find(name); it != places_.end()) return families_[it->second];
  places_.emplace(name, families_.size());
  families_.push_back({fmt::format("{}_{}", options_.prefix, name), help_of(name), type, {}});
  return families_.back();
}

void RedisMetrics::add(std::string_view name, base::MetricType type, double value,
                       LabelPairs labels) {
  family(name, type).samples.push_back({"", clean(std::move(labels)), value});
}

void RedisMetrics::own(std::string_view name, base::MetricType type, double value) {
  family(name, type).samples.push_back({"", {}, value});
}

void RedisMetrics::distribution(const Distribution& kind, std::string_view command,
                                const Points& points, Totals totals) {
  const LabelPairs labels = clean({{"cmd", std::string(command)}});
  std::vector<base::MetricSample>& samples = family(kind.name, kind.type).samples;
  const auto point = [&](double at, double value) {
    LabelPairs all = labels;
    all.emplace_back(kind.label, model::format_float_g(at));
    std::sort(all.begin(), all.end());
    samples.push_back({std::string(kind.suffix), std::move(all), value});
  };
  for (const auto& [at, value] : points) point(at, value);
  if (kind.type == base::MetricType::kHistogram) {
    point(std::numeric_limits<double>::infinity(), totals.count);
  }
  samples.push_back({"_sum", labels, totals.sum});
  samples.push_back({"_count", labels, totals.count});
}

std::vector<base::MetricFamily> RedisMetrics::take() {
  for (base::MetricFamily& family : families_) {
    const bool is_distribution =
        family.type == base::MetricType::kHistogram || family.type == base::MetricType::kSummary;
    if (!is_distribution) continue;
    // By command, the first label; the points of each stay in their order.
    std::stable_sort(
        family.samples.begin(), family.samples.end(),
        [](const auto& a, const auto& b) { return a.labels.front() < b.labels.front(); });
  }
  return std::move(families_);
}

void RedisMetrics::histogram(std::string_view name, std::string_view command, const Points& buckets,
                             Totals totals) {
  distribution({name, base::MetricType::kHistogram, "le", "_bucket"}, command, buckets, totals);
}

void RedisMetrics::summary(std::string_view name, std::string_view command, const Points& quantiles,
                           Totals totals) {
  distribution({name, base::MetricType::kSummary, "quantile", ""}, command, quantiles, totals);
}

}  // namespace tocsin::exporters
