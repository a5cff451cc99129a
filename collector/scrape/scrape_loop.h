// SPDX-License-Identifier: Apache-2.0
//
// ScrapeLoop: one target's schedule: fetch, parse, append, again.
//
// A scrape either stores its whole page at one timestamp or, when anything about it is wrong,
// nothing of it: then every series of the page before goes stale and up is 0. A series that is
// missing from a page goes stale at that scrape. Timestamps are the scheduled times when the scrape
// starts within min(1 % of the interval, 2 ms) of them.
// Threads: start(), stop() and status() from any thread; the request is sent by the thread of the
// timers; everything else on the target's strand.
// Errors: shown in status().last_error. Does
// not throw.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/executor.h"
#include "base/gate.h"
#include "base/mutex.h"
#include "collector/collector.h"
#include "collector/scrape/page_writer.h"
#include "collector/scrape/report.h"
#include "collector/scrape/shared.h"
#include "collector/scrape/target.h"

namespace tocsin::collector {

class ScrapeLoop : public std::enable_shared_from_this<ScrapeLoop> {
 public:
  enum class AfterStop { kMarkStale, kLeave };

  // Borrows: services. Shares `shared` (its gate is held while a scrape runs). `seed` sets the place in the
  // interval.
  ScrapeLoop(Target target, std::shared_ptr<const ScrapeOptions> options,
             const Collector::Services& services, std::shared_ptr<ScrapeShared> shared,
             std::uint64_t seed);

  void start();
  // No scrape starts after this; a running one ends by itself. With kMarkStale its series go stale
  // after 2.1 intervals, unless the same series are scraped by another target by then.
  void stop(AfterStop after);
  TargetStatus status() const;
  // What the target's page says about its metrics; nothing after ten scrapes without a page.
  std::vector<model::MetricMetadata> metadata() const;
  const Target& target() const { return target_; }
  const std::string& job() const { return options_->job; }

 private:
  struct Attempt {
    base::Timestamp time;  // of the samples
    base::SteadyTime started;
    base::Gate::Pass pass;
    ScrapeFigures figures;
    bool page_read = false;
    std::string error;  // "" while all is well
  };
  using AttemptPtr = std::shared_ptr<Attempt>;

  void arm();
  void begin();
  net::ClientRequest make_request() const;
  void finish(const AttemptPtr& attempt, StatusOr<net::ClientResponse>* response);
  Status read_page(const net::ClientResponse& response, ScrapeMemory* memory, Attempt* attempt);
  Status store_page(storage::Appender& appender, const PageWriter::Page& page, Attempt* attempt);
  Status store_failure(storage::Appender& appender, const Status& why, Attempt* attempt);
  void commit(std::unique_ptr<storage::Appender> appender, AttemptPtr attempt);
  void complete(const AttemptPtr& attempt, const Status& committed);
  void forget_places();
  void mark_all_stale(base::Timestamp t);

  const Target target_;
  const std::shared_ptr<const ScrapeOptions> options_;
  const Collector::Services services_;
  const std::shared_ptr<ScrapeShared> shared_;
  base::Summary& interval_length_;
  const base::Duration offset_;
  const net::ClientRequest request_;
  base::Strand strand_;

  // Confined to strand_.
  PageWriter writer_;
  Report report_;

  mutable base::Mutex mutex_;
  TargetStatus status_ ABSL_GUARDED_BY(mutex_);
  base::Timestamp scheduled_ ABSL_GUARDED_BY(mutex_);
  std::uint32_t failures_ ABSL_GUARDED_BY(mutex_) = 0;  // in a row
  base::Timers::Id timer_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace tocsin::collector
