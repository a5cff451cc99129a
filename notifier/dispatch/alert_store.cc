// SPDX-License-Identifier: Apache-2.0
#include "notifier/dispatch/alert_store.h"

#include <algorithm>
#include <utility>

namespace tocsin::notifier {
namespace {

bool strictly_inside(base::Timestamp t, const model::Alert& alert) {
  return t > alert.starts_at && t < alert.ends_at;
}

// Joins two versions of one alert; the one updated later wins where they differ.
model::Alert merge(const model::Alert& a, const model::Alert& b, base::Timestamp now) {
  const bool b_is_younger = b.updated_at >= a.updated_at;
  const model::Alert& older = b_is_younger ? a : b;
  model::Alert merged = b_is_younger ? b : a;
  merged.starts_at = std::min(a.starts_at, b.starts_at);
  // An end that was only assumed gives way to what the younger version says.
  const bool older_end_counts = merged.resolved_at(now) ? older.resolved_at(now) : !older.timeout;
  if (older_end_counts) merged.ends_at = std::max(merged.ends_at, older.ends_at);
  return merged;
}

}  // namespace

std::optional<model::Alert> AlertStore::put(model::Alert alert, base::Timestamp now) {
  const std::uint64_t fingerprint = alert.fingerprint();
  base::MutexLock lock(mutex_);
  const auto it = alerts_.find(fingerprint);
  if (it == alerts_.end()) {
    if (alerts_.size() >= max_alerts_) return std::nullopt;
    return alerts_.emplace(fingerprint, std::move(alert)).first->second;
  }
  model::Alert& held = it->second;
  if (strictly_inside(alert.ends_at, held) || strictly_inside(alert.starts_at, held)) {
    alert = merge(held, alert, now);
  }
  held = std::move(alert);
  return held;
}

std::optional<model::Alert> AlertStore::find(std::uint64_t fingerprint) const {
  base::MutexLock lock(mutex_);
  const auto it = alerts_.find(fingerprint);
  return it == alerts_.end() ? std::nullopt : std::optional(it->second);
}

std::vector<model::Alert> AlertStore::all() const {
  std::vector<std::pair<std::uint64_t, model::Alert>> sorted;
  {
    base::MutexLock lock(mutex_);
    sorted.assign(alerts_.begin(), alerts_.end());
  }
  std::sort(sorted.begin(), sorted.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<model::Alert> alerts;
  alerts.reserve(sorted.size());
  for (auto& [fingerprint, alert] : sorted) alerts.push_back(std::move(alert));
  return alerts;
}

void AlertStore::collect_garbage(base::Timestamp now) {
  base::MutexLock lock(mutex_);
  std::erase_if(alerts_, [now](const auto& entry) { return entry.second.resolved_at(now); });
}

}  // namespace tocsin::notifier
