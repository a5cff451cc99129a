// SPDX-License-Identifier: Apache-2.0
//
// Inhibitor: mutes target alerts while a source alert with equal labels fires.
//
// Every rule keeps all its sources, by the values of its `equal` labels (a missing label equals an
// empty one). A target that is a source of the rule as well is not muted by sources that are
// targets as well, so that two such alerts do not mute each other.
// Threads: shared. Does not fail.
// Bound: sources are alerts that the alert store holds.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/mutex.h"
#include "model/alert.h"
#include "notifier/options.h"

namespace tocsin::notifier {

class Inhibitor {
 public:
  explicit Inhibitor(const std::vector<InhibitOptions>& rules);
  ~Inhibitor();

  // Takes the newest version of an alert; an older one than it knows is ignored.
  void put(const model::Alert& alert);
  // The fingerprint of the source that mutes `labels`, by the first rule that has one; the
  // smallest.
  std::optional<std::uint64_t> muting(const model::Labels& labels, base::Timestamp now) const;
  // Forgets resolved sources.
  void collect_garbage(base::Timestamp now);
  std::size_t rules() const { return rules_.size(); }

 private:
  struct Source {
    base::Timestamp starts_at, ends_at, updated_at;
    bool is_target = false;  // of the same rule
    bool fires_at(base::Timestamp now) const { return ends_at == model::kNoTime || ends_at > now; }
  };
  using Sources = std::unordered_map<std::uint64_t, Source>;
  struct Rule {
    InhibitOptions options;
    std::unordered_map<std::string, Sources> by_equal;
  };

  static std::string equal_values(const Rule& rule, const model::Labels& labels);

  mutable base::Mutex mutex_;
  std::vector<Rule> rules_;  // their by_equal is guarded by mutex_; the rest never changes
};

}  // namespace tocsin::notifier
