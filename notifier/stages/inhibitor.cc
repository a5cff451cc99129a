// SPDX-License-Identifier: Apache-2.0
#include "notifier/stages/inhibitor.h"

#include <algorithm>
#include <utility>

namespace tocsin::notifier {

Inhibitor::Inhibitor(const std::vector<InhibitOptions>& rules) {
  rules_.reserve(rules.size());
  for (const InhibitOptions& options : rules) rules_.push_back({options, {}});
}

Inhibitor::~Inhibitor() = default;

std::string Inhibitor::equal_values(const Rule& rule, const model::Labels& labels) {
  std::string values;
  for (const std::string& name : rule.options.equal) {
    values.append(labels.get(name)).push_back('\xff');  // never part of a value: those are UTF-8
  }
  return values;
}

void Inhibitor::put(const model::Alert& alert) {
  const std::uint64_t fingerprint = alert.fingerprint();
  base::MutexLock lock(mutex_);
  for (Rule& rule : rules_) {
    if (!model::matches_all(rule.options.source, alert.labels)) continue;
    Source& source = rule.by_equal[equal_values(rule, alert.labels)][fingerprint];
    if (source.updated_at > alert.updated_at) continue;
    source = {alert.starts_at, alert.ends_at, alert.updated_at,
              model::matches_all(rule.options.target, alert.labels)};
  }
}

std::optional<std::uint64_t> Inhibitor::muting(const model::Labels& labels,
                                               base::Timestamp now) const {
  base::MutexLock lock(mutex_);
  for (const Rule& rule : rules_) {
    if (!model::matches_all(rule.options.target, labels)) continue;
    const auto sources = rule.by_equal.find(equal_values(rule, labels));
    if (sources == rule.by_equal.end()) continue;
    const bool is_source = model::matches_all(rule.options.source, labels);
    std::optional<std::uint64_t> found;
    for (const auto& [fingerprint, source] : sources->second) {
      if (!source.fires_at(now) || (is_source && source.is_target)) continue;
      if (!found || fingerprint < *found) found = fingerprint;
    }
    if (found) return found;
  }
  return std::nullopt;
}

void Inhibitor::collect_garbage(base::Timestamp now) {
  base::MutexLock lock(mutex_);
  for (Rule& rule : rules_) {
    for (auto it = rule.by_equal.begin(); it != rule.by_equal.end();) {
      std::erase_if(it->second, [now](const auto& entry) { return !entry.second.fires_at(now); });
      it = it->second.empty() ? rule.by_equal.erase(it) : std::next(it);
    }
  }
}

}  // namespace tocsin::notifier
