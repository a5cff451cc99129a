// SPDX-License-Identifier: Apache-2.0
//
// ScrapeLoop: one target's schedule: fetch, parse, append, again.
//
// A scrape either stores its whole page at one timestamp or, when anything about it is wrong,
// nothing of it: then every series of the page before goes stale and up is 0. A series that is
// missing from a page goes stale at that scrape. Timestamps are the scheduled times when the scrape
// starts within min(1 % of the interval, 2 ms) of them.
// Threads: start(), stop() and status() from
// any thread; everything else on the target's strand.
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
#include "collector/scrape/metrics.h"
#include "collector/scrape/report.h"
#include "collector/scrape/series_cache.h"
#include "collector/scrape/target.h"

namespace tocsin::collector {

class ScrapeLoop : public std::enable_shared_from_this<ScrapeLoop> {
 public:
  enum class AfterStop { kMarkStale, kLeave };

  // Borrows: services, metrics, gate (held while a scrape runs). `seed` sets the place in the
  // interval.
  ScrapeLoop(Target target, std::shared_ptr<const ScrapeOptions> options,
             const Collector::Services& services, ScrapeMetrics& metrics, base::Gate& gate,
             std::uint64_t seed);

  void start();
  // No scrape starts after this; a running one ends by itself. With kMarkStale its series go stale
  // after 2.1 intervals, unless the same series are scraped by another target by then.
  void stop(AfterStop after);
  TargetStatus status() const;
  const Target& target() const { return target_; }

 private:
  struct Line {
    CachedSeries* series;
    double value;
    std::optional<std::int64_t> time_ms;
    bool done = false;
  };
  struct Attempt {
    base::Timestamp time;  // of the samples
    base::SteadyTime started;
    base::Gate::Pass pass;
    ScrapeFigures figures;
    std::string error;  // "" while all is well
  };
  using AttemptPtr = std::shared_ptr<Attempt>;

  void arm();
  void fire();
  void begin();
  net::ClientRequest make_request() const;
  void finish(const AttemptPtr& attempt, const StatusOr<net::ClientResponse>& response);
  Status read_page(const net::ClientResponse& response, Attempt* attempt);
  Status store_page(storage::Appender& appender, Attempt* attempt);
  Status store_row(storage::Appender& appender, const Attempt& attempt);
  enum class Pass { kRow, kRest };
  Status store_line(storage::Appender& appender, Line* line, const Attempt& attempt, Pass pass);
  Status append_by_ref(storage::Appender& appender, CachedSeries* series, base::Timestamp t,
                       double value);
  Status regroup(storage::Appender& appender);
  Status store_failure(storage::Appender& appender, const Attempt& attempt);
  void mark_missing_by_ref(storage::Appender& appender, model::Timestamp t);
  void commit(std::unique_ptr<storage::Appender> appender, AttemptPtr attempt);
  void complete(const AttemptPtr& attempt, const Status& committed);
  void forget_places();
  void mark_all_stale(base::Timestamp t);

  const Target target_;
  const std::shared_ptr<const ScrapeOptions> options_;
  const Collector::Services services_;
  ScrapeMetrics& metrics_;
  base::Gate& gate_;
  const base::Duration offset_;
  base::Strand strand_;

  // Confined to strand_.
  SeriesCache cache_;
  Report report_;
  storage::GroupId group_;
  std::vector<CachedSeries*> members_;  // of group_, by position
  std::vector<Line> lines_;             // of the page in hand
  std::uint64_t scrape_ =
      1;  // number of the last page; entries start at 0, unseen by the page before
  bool regroup_ = false;

  mutable base::Mutex mutex_;
  TargetStatus status_ ABSL_GUARDED_BY(mutex_);
  base::Timestamp scheduled_ ABSL_GUARDED_BY(mutex_);
  base::Timers::Id timer_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace tocsin::collector
