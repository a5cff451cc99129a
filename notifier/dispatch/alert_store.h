// SPDX-License-Identifier: Apache-2.0
//
// AlertStore: the newest version of every alert, by fingerprint, until it is resolved and
// collected.
//
// Alerts whose time ranges overlap are merged: the earliest start, the younger one's annotations.
// Nothing is persisted: whoever sends alerts sends them again.
// Threads: shared.
// Errors: put() refuses a new alert above the limit and otherwise cannot fail.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/mutex.h"
#include "model/alert.h"

namespace tocsin::notifier {

class AlertStore {
 public:
  explicit AlertStore(std::uint64_t max_alerts) : max_alerts_(max_alerts) {}

  // Stores `alert`, merged with the one held; returns what is held now, nothing when refused.
  std::optional<model::Alert> put(model::Alert alert, base::Timestamp now);
  std::optional<model::Alert> find(std::uint64_t fingerprint) const;
  std::vector<model::Alert> all() const;  // by fingerprint
  // Drops resolved alerts.
  void collect_garbage(base::Timestamp now);

 private:
  const std::uint64_t max_alerts_;
  mutable base::Mutex mutex_;
  std::unordered_map<std::uint64_t, model::Alert> alerts_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tocsin::notifier
