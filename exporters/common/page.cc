// SPDX-License-Identifier: Apache-2.0
#include "exporters/common/page.h"

#include <algorithm>
#include <iterator>

namespace tocsin::exporters {
namespace {

bool is_plain(const base::MetricFamily& family) {
  return family.type == base::MetricType::kCounter || family.type == base::MetricType::kGauge ||
         family.type == base::MetricType::kUntyped;
}

std::size_t sort_samples(base::MetricFamily* family) {
  if (!is_plain(*family)) return 0;
  std::vector<base::MetricSample>& samples = family->samples;
  std::stable_sort(samples.begin(), samples.end(),
                   [](const auto& a, const auto& b) { return a.labels < b.labels; });
  const auto rest = std::unique(samples.begin(), samples.end(),
                                [](const auto& a, const auto& b) { return a.labels == b.labels; });
  const auto dropped = static_cast<std::size_t>(samples.end() - rest);
  samples.erase(rest, samples.end());
  return dropped;
}

}  // namespace

std::size_t tidy_families(std::vector<base::MetricFamily>* families) {
  std::stable_sort(families->begin(), families->end(),
                   [](const auto& a, const auto& b) { return a.name < b.name; });
  std::vector<base::MetricFamily> merged;
  merged.reserve(families->size());
  for (base::MetricFamily& family : *families) {
    if (family.samples.empty()) continue;
    if (!merged.empty() && merged.back().name == family.name) {
      std::move(family.samples.begin(), family.samples.end(),
                std::back_inserter(merged.back().samples));
    } else {
      merged.push_back(std::move(family));
    }
  }
  std::size_t dropped = 0;
  for (base::MetricFamily& family : merged) dropped += sort_samples(&family);
  *families = std::move(merged);
  return dropped;
}

}  // namespace tocsin::exporters
