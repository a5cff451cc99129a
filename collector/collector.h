// SPDX-License-Identifier: Apache-2.0
//
// Collector: keeps the scrape pools in step with configuration and discovery, and shows them.
//
// Hides: pools, loops, scrape cache, staleness.
// Owns: its sources and loops. Borrows: everything in
// Services.
// Threads: shared. Fetching is asynchronous; parsing and appending run on
// Services::ingest, one strand per target. apply() may be called again at any time: unchanged
// targets go on undisturbed, with their schedule.
// Errors: a bad scrape costs only itself (up = 0,
// lastError). Does not throw.
// Read next: scrape_loop.h, collector_test.cc.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/executor.h"
#include "base/metrics.h"
#include "base/time.h"
#include "collector/options.h"
#include "discovery/source.h"
#include "model/labels.h"
#include "model/matcher.h"
#include "model/metadata.h"
#include "net/http_client.h"
#include "storage/appender.h"

namespace tocsin::collector {

enum class Health { kUnknown, kUp, kDown };

struct TargetStatus {
  std::string job;
  model::Labels discovered;
  model::Labels labels;
  std::string scrape_url;
  std::string global_url;  // with the host name in place of localhost
  std::string last_error;
  base::Timestamp last_scrape;  // epoch before the first
  base::Duration last_duration{0};
  Health health = Health::kUnknown;
  base::Duration interval{0};
  base::Duration timeout{0};
};

struct DroppedTarget {
  std::string job;
  model::Labels discovered;
};

// What a target's page says about its metrics.
struct TargetMetadata {
  model::Labels labels;                        // of the target
  std::vector<model::MetricMetadata> metrics;  // ascending by name
};

struct TargetsSnapshot {
  std::vector<TargetStatus> active;    // by job, then URL
  std::vector<DroppedTarget> dropped;  // at most limits.kept_dropped_targets per job
  std::vector<std::pair<std::string, std::uint64_t>> dropped_counts;  // per job
};

class Collector {
 public:
  struct Services {
    const base::Clock& clock;
    base::Timers& timers;
    base::Executor& ingest;
    base::Executor& blocking;
    base::FileSystem& files;
    base::Registry& metrics;
    net::HttpClient& http;
    storage::Appendable& storage;
  };

  explicit Collector(Services services);
  ~Collector();
  Collector(const Collector&) = delete;
  Collector& operator=(const Collector&) = delete;

  void apply(const CollectorOptions& options);
  TargetsSnapshot targets() const;
  // What active targets whose labels match say about their metrics (about `metric` only, unless it
  // is empty), by job, then URL; stops behind the target that makes it `limit` metrics or more.
  // Targets that failed for ten scrapes say nothing.
  std::vector<TargetMetadata> metadata(const model::Matchers& matchers, std::string_view metric,
                                       std::size_t limit) const;
  std::vector<std::string> pools() const;
  // Stops sources and loops and waits for running scrapes; writes no staleness markers. Idempotent.
  void stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tocsin::collector
