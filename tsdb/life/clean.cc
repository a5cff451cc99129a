// SPDX-License-Identifier: Apache-2.0
#include "tsdb/life/clean.h"

#include <algorithm>
#include <set>

#include "base/log.h"
#include "tsdb/life/deletion.h"
#include "tsdb/life/retention.h"

namespace tocsin::tsdb {
namespace {

using storage::SeriesId;

bool overlaps(const RunInfo& run, const Interval& interval) {
  const bool tiles = run.min_ms <= interval.max_ms && run.max_ms >= interval.min_ms;
  return tiles || (run.side_min_ms <= interval.max_ms && run.side_max_ms >= interval.min_ms);
}

class Cleaner {
 public:
  Cleaner(Core& core, const Tombstones& deleted) : core_(core), deleted_(deleted) {}

  Status clean() {
    runs_ = core_.runs->snapshot();
    const std::vector<RunInfo> infos(RunStore::runs(*runs_).begin(), RunStore::runs(*runs_).end());
    for (const RunInfo& run : infos) {
      runs_ = core_.runs->snapshot();
      const StatusOr<std::vector<SeriesId>> ids = RunStore::series_of(*runs_, run.id);
      Status cleaned = ids.ok() ? ok() : ids.status();
      if (ids.ok() && is_touched(run, *ids)) cleaned = rewrite(run);
      if (cleaned.ok()) continue;
      if (cleaned.code() != StatusCode::kDataLoss) return cleaned;
      damaged_.push_back(run);
      damage_ = cleaned;
    }
    return ok();
  }

  // Ranges of runs that could not be read: their tombstones stay.
  bool is_in_damage(const Interval& interval) const {
    return std::any_of(damaged_.begin(), damaged_.end(),
                       [&](const RunInfo& run) { return overlaps(run, interval); });
  }
  const Status& damage() const { return damage_; }
  // Series that no run holds any more.
  std::vector<SeriesId> gone() const { return {gone_.begin(), gone_.end()}; }
  std::size_t rewritten() const { return rewritten_; }

 private:
  bool is_touched(const RunInfo& run, const std::vector<SeriesId>& ids) const {
    return std::any_of(ids.begin(), ids.end(), [&](SeriesId id) {
      const std::span<const Interval> deleted = deleted_.of(id);
      return std::any_of(deleted.begin(), deleted.end(),
                         [&](const Interval& interval) { return overlaps(run, interval); });
    });
  }

  // What is left of the run takes its place.
  Status rewrite(const RunInfo& run) {
    runs_.reset();  // so that dropping it gives its space back at once
    RunStore::Merge merge;
    merge.inputs = {run.id};
    merge.tier = run.tier;
    merge.deleted = &deleted_;
    merge.created_ms = run.created_ms;
    ASSIGN_OR_RETURN(const RunStore::Merged merged, core_.runs->merge(merge));
    if (merged.damaged) return data_loss("run {} is damaged", run.id.value());
    for (const SeriesId id : merged.gone) {
      if (!core_.head.has_samples(id, INT64_MIN, INT64_MAX)) gone_.insert(id);
    }
    ++rewritten_;
    return ok();
  }

  Core& core_;
  const Tombstones& deleted_;
  std::shared_ptr<const RunStore::Snapshot> runs_;  // of the run that is looked at
  std::vector<RunInfo> damaged_;
  Status damage_;
  std::set<SeriesId> gone_;
  std::size_t rewritten_ = 0;
};

Status forget_cleaned(Core& core, const Tombstones& cleaned, const Cleaner& cleaner) {
  core.learning.end_round();
  return core.tombstones.reduce([&](const Tombstone& stone) -> std::vector<Interval> {
    if (cleaner.is_in_damage(stone.deleted)) return {stone.deleted};
    // What was deleted meanwhile is not cleaned yet.
    std::vector<Interval> left = gaps(stone.deleted, cleaned.of(stone.id));
    if (const std::optional<Interval> known = known_to_head(core, stone)) left.push_back(*known);
    return left;
  });
}

}  // namespace

Status clean_tombstones(Core& core) {
  const auto deleted = core.tombstones.snapshot();  // before the seal: it has all of their samples
  if (deleted->empty()) return ok();
  RETURN_IF_ERROR(annotate(seal(core), "cleaning tombstones"));
  const Turn::Holder merging(core.merging);  // which would take runs away
  const Turn::Holder turn(core.maintenance);
  const base::SteadyTime begin = core.clock.steady_now();
  Cleaner cleaner(core, *deleted);
  RETURN_IF_ERROR(annotate(cleaner.clean(), "cleaning tombstones"));
  RETURN_IF_ERROR(annotate(forget_series(core, cleaner.gone()), "cleaning tombstones"));
  RETURN_IF_ERROR(annotate(forget_cleaned(core, *deleted, cleaner), "cleaning tombstones"));
  RETURN_IF_ERROR(forget_void_tombstones(core));
  const std::chrono::duration<double> took = core.clock.steady_now() - begin;
  core.metrics.tombstone_cleanup.observe(took.count());
  base::log::info("tombstones cleaned", {{"runs_rewritten", cleaner.rewritten()},
                                         {"series_forgotten", cleaner.gone().size()},
                                         {"seconds", took.count()}});
  return annotate(cleaner.damage(), "cleaning tombstones");
}

}  // namespace tocsin::tsdb
