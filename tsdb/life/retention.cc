// SPDX-License-Identifier: Apache-2.0
#include "tsdb/life/retention.h"

#include <algorithm>
#include <iterator>

#include "base/log.h"
#include "tsdb/life/deletion.h"

namespace tocsin::tsdb {

using storage::SeriesId;

namespace {

std::int64_t newest_of(const RunInfo& run) { return std::max(run.max_ms, run.side_max_ms); }

struct Reasons {
  bool time = false;
  bool space = false;
};

// Bytes by which the database is above its limits.
StatusOr<std::uint64_t> excess_bytes(const Core& core, std::span<const RunInfo> runs) {
  const Options options = *core.options.lock();
  std::uint64_t used = core.journal->size_bytes();
  for (const RunInfo& run : runs) used += run.bytes;
  ASSIGN_OR_RETURN(const std::uint64_t limit, retention_limit_bytes(core));
  std::uint64_t excess = limit != 0 && used > limit ? used - limit : 0;
  if (options.retention_min_free != 0) {
    ASSIGN_OR_RETURN(const std::uint64_t free, core.files.free_bytes(core.directory));
    // What readers still hold of dropped runs is as good as free.
    const std::uint64_t soon = free + core.runs->dropped_bytes();
    if (soon < options.retention_min_free)
      excess = std::max(excess, options.retention_min_free - soon);
  }
  return excess;
}

// The time before which runs end that have to go.
StatusOr<std::int64_t> drop_before(const Core& core, Reasons* reasons) {
  const auto snapshot = core.runs->snapshot();
  std::vector<RunInfo> runs(RunStore::runs(*snapshot).begin(), RunStore::runs(*snapshot).end());
  std::sort(runs.begin(), runs.end(),
            [](const RunInfo& a, const RunInfo& b) { return newest_of(a) < newest_of(b); });
  const model::Duration retention = core.options.lock()->retention;
  std::int64_t before_ms =
      retention.count() == 0 ? INT64_MIN : base::to_ms(core.clock.now() - retention);
  ASSIGN_OR_RETURN(std::uint64_t excess, excess_bytes(core, runs));
  for (const RunInfo& run : runs) {
    if (newest_of(run) < before_ms) {
      reasons->time = true;
    } else if (excess != 0) {
      reasons->space = true;
      before_ms = newest_of(run) + 1;
    } else {
      break;
    }
    excess -= std::min(excess, run.bytes);
  }
  return before_ms;
}

// The first day with samples in runs.
Day first_day(const Core& core) {
  std::int64_t min_ms = INT64_MAX;
  for (const RunInfo& run : RunStore::runs(*core.runs->snapshot())) {
    min_ms = std::min({min_ms, run.min_ms, run.side_min_ms});
  }
  return day_of(min_ms);
}

}  // namespace

Status forget_series(Core& core, const std::vector<SeriesId>& gone) {
  std::vector<SeriesId> forgotten;
  core.queue->exclusive([&] {
    const std::vector<SeriesId> removed = core.head.remove_series(gone);
    core.index.remove(removed);
    core.metrics.series_removed.inc(static_cast<double>(removed.size()));
    // One that got a sample just now lives on.
    std::copy_if(gone.begin(), gone.end(), std::back_inserter(forgotten),
                 [&](SeriesId id) { return !core.head.has_series(id); });
  });
  RETURN_IF_ERROR(core.catalog->forget(forgotten));
  return core.catalog->forget_days_before(first_day(core));
}

StatusOr<std::uint64_t> retention_limit_bytes(const Core& core) {
  const Options options = *core.options.lock();
  if (options.retention_percentage <= 0) return options.retention_bytes;
  ASSIGN_OR_RETURN(const std::uint64_t total, core.files.total_bytes(core.directory));
  return static_cast<std::uint64_t>(static_cast<double>(total) * options.retention_percentage /
                                    100);
}

Status retain(Core& core) {
  const Turn::Holder turn(core.maintenance);
  forget_unkept(core);
  Reasons reasons;
  ASSIGN_OR_RETURN(const std::int64_t before_ms, drop_before(core, &reasons));
  if (!reasons.time && !reasons.space) return ok();
  const auto in_head = [&](SeriesId id) { return core.head.has_samples(id, INT64_MIN, INT64_MAX); };
  ASSIGN_OR_RETURN(const std::vector<SeriesId> gone,
                   core.runs->drop_runs_before(before_ms, in_head));
  if (reasons.time) core.metrics.time_retentions.inc();
  if (reasons.space) core.metrics.size_retentions.inc();
  base::log::info("old samples dropped", {{"before_ms", before_ms},
                                          {"too_old", reasons.time},
                                          {"too_much", reasons.space},
                                          {"series_forgotten", gone.size()}});
  RETURN_IF_ERROR(forget_series(core, gone));
  return forget_void_tombstones(core);
}

}  // namespace tocsin::tsdb
