// SPDX-License-Identifier: Apache-2.0
//
// Pool: the targets of one job: takes target groups from its sources, relabels, starts and stops
// loops.
//
// Owns: its sources and loops.
// Borrows: services.
// Threads: shared; updates of sources are applied one at a time.
// Errors: a target that relabelling makes invalid is left out, logged and counted; over
// target_limit every target of the job fails until the limit holds again.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "collector/collector.h"
#include "collector/scrape/scrape_loop.h"
#include "collector/scrape/shared.h"

namespace tocsin::collector {

class Pool {
 public:
  Pool(std::shared_ptr<const ScrapeOptions> options, const Collector::Services& services,
       std::shared_ptr<ScrapeShared> shared, std::uint64_t seed);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  void start();
  void stop(ScrapeLoop::AfterStop after);
  // Appends this job's targets.
  void describe(TargetsSnapshot* out) const;
  // Appends the loops of targets whose labels match.
  void list(const model::Matchers& matchers,
            std::vector<std::shared_ptr<const ScrapeLoop>>* out) const;
  const ScrapeOptions& options() const { return *options_; }

 private:
  // Sources are told apart by their index.
  using GroupKey = std::pair<std::size_t, std::string>;
  void update(std::size_t source, std::vector<discovery::TargetGroup> groups);
  std::shared_ptr<const ScrapeOptions> options_for(const Target& target) const;
  std::map<std::string, Target> wanted_targets() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::shared_ptr<const ScrapeOptions> options_;
  const Collector::Services services_;
  const std::shared_ptr<ScrapeShared> shared_;
  const std::uint64_t seed_;
  std::vector<std::unique_ptr<discovery::Source>> sources_;

  mutable base::Mutex mutex_;
  std::map<GroupKey, discovery::TargetGroup> groups_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::shared_ptr<ScrapeLoop>> loops_ ABSL_GUARDED_BY(mutex_);
  std::vector<DroppedTarget> dropped_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t dropped_count_ ABSL_GUARDED_BY(mutex_) = 0;
  std::string limit_error_ ABSL_GUARDED_BY(mutex_);
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace tocsin::collector
