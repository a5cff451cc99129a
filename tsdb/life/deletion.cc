// SPDX-License-Identifier: Apache-2.0
#include "tsdb/life/deletion.h"

#include <algorithm>
#include <map>

#include "base/log.h"
#include "tsdb/query/selection.h"
#include "tsdb/query/series_finder.h"

namespace tocsin::tsdb {
namespace {

using storage::kBatchSeries;
using storage::SeriesColumn;
using storage::SeriesId;

constexpr std::int64_t kHourMs = 3'600'000;

StatusOr<std::vector<SeriesId>> matching(const Core& core, const std::vector<model::Matchers>& sets,
                                         Interval interval) {
  std::vector<SeriesId> ids;
  for (const model::Matchers& matchers : sets) {
    ASSIGN_OR_RETURN(const std::vector<SeriesId> found,
                     find_series(core, matchers, {interval.min_ms, interval.max_ms}, nullptr));
    ids.insert(ids.end(), found.begin(), found.end());
  }
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

std::int64_t newest_of(const std::vector<SeriesColumn>& columns) {
  std::int64_t newest = kUnknownTime;
  for (const SeriesColumn& column : columns) {
    for (std::uint32_t row = column.rows; row > 0; --row) {
      if (!column.has(row - 1)) continue;
      newest = std::max(newest, column.times->ms[column.first + row - 1]);
      break;
    }
  }
  return newest;
}

// Adds the newest sample in runs of each of `ids` that has one in `interval`; the others stay in
// `ids`.
Status find_newest(const RunStore::Snapshot& runs, Interval interval, std::vector<SeriesId>* ids,
                   std::map<SeriesId, std::int64_t>* newest) {
  std::vector<SeriesId> left;
  for (std::size_t begin = 0; begin < ids->size(); begin += kBatchSeries) {
    const auto batch = std::span(*ids).subspan(begin, std::min(kBatchSeries, ids->size() - begin));
    std::vector<std::vector<SeriesColumn>> columns(batch.size());
    std::vector<std::string> warnings;
    RETURN_IF_ERROR(
        RunStore::read(runs, batch, interval.min_ms, interval.max_ms, &columns, &warnings));
    std::vector<std::vector<SideChunk>> side(batch.size());
    RETURN_IF_ERROR(
        RunStore::read_side(runs, batch, interval.min_ms, interval.max_ms, &side, &warnings));
    for (std::size_t i = 0; i < batch.size(); ++i) {
      std::int64_t time = newest_of(columns[i]);
      for (const SideChunk& chunk : side[i]) {
        time = std::max(time, std::min(chunk.max_ms, interval.max_ms));
      }
      if (time == kUnknownTime) {
        left.push_back(batch[i]);
      } else {
        newest->emplace(batch[i], time);
      }
    }
  }
  *ids = std::move(left);
  return ok();
}

// The newest samples at or after `from_ms` of series that the head does not know them of. Most
// series end when the newest run does, so the newest hours are looked at first.
StatusOr<std::map<SeriesId, std::int64_t>> newest_in_runs(const Core& core,
                                                          std::vector<SeriesId> ids,
                                                          std::int64_t from_ms) {
  std::map<SeriesId, std::int64_t> newest;
  const auto snapshot = core.runs->snapshot();
  std::int64_t end_ms = INT64_MIN;
  for (const RunInfo& run : RunStore::runs(*snapshot)) {
    end_ms = std::max({end_ms, run.max_ms, run.side_max_ms});
  }
  for (std::int64_t hours = 2; !ids.empty() && end_ms >= from_ms; hours *= 6) {
    const bool all = hours > 10'000 || end_ms < INT64_MIN + hours * kHourMs;
    const std::int64_t begin_ms = all ? from_ms : std::max(from_ms, end_ms - hours * kHourMs);
    RETURN_IF_ERROR(find_newest(*snapshot, {begin_ms, end_ms}, &ids, &newest));
    if (begin_ms == from_ms) break;
    end_ms = begin_ms - 1;
  }
  return newest;
}

}  // namespace

Status delete_series(Core& core, const std::vector<model::Matchers>& matcher_sets,
                     Interval interval) {
  if (interval.min_ms > interval.max_ms) return ok();
  std::vector<Tombstone> stones;
  const auto add = [&](SeriesId id, std::int64_t newest_ms) {
    const std::int64_t end_ms = std::min(interval.max_ms, newest_ms);
    if (end_ms >= interval.min_ms) stones.push_back({id, {interval.min_ms, end_ms}});
  };
  std::vector<SeriesId> unknown;
  ASSIGN_OR_RETURN(const std::vector<SeriesId> ids, matching(core, matcher_sets, interval));
  for (const SeriesId id : ids) {
    const std::optional<Newest> newest = core.head.newest(id);
    const std::int64_t side_ms = core.head.side().last(id).time_ms.value_or(kUnknownTime);
    const std::int64_t newest_ms = std::max(newest ? newest->time_ms : kUnknownTime, side_ms);
    if (newest_ms != kUnknownTime) {
      add(id, newest_ms);
    } else {
      unknown.push_back(id);
    }
  }
  ASSIGN_OR_RETURN(const auto in_runs, newest_in_runs(core, std::move(unknown), interval.min_ms));
  for (const auto& [id, newest_ms] : in_runs) add(id, newest_ms);
  if (stones.empty()) return ok();
  // A power cut must not take samples away that the tombstones end at: others with these times
  // would be taken for deleted.
  RETURN_IF_ERROR(annotate(sync_journal(core), "deleting series"));
  RETURN_IF_ERROR(annotate(core.tombstones.add(stones), "deleting series"));
  base::log::info("series deleted", {{"series", stones.size()}});
  return ok();
}

bool has_undeleted(const Core& core, SeriesId id, Interval interval,
                   std::span<const Interval> deleted) {
  std::vector<Interval> left = gaps(interval, deleted);
  if (const std::optional<Newest> newest = core.head.newest(id);
      newest && newest->time_ms != kUnknownTime && !core.head.side().has(id)) {
    std::erase_if(left, [&](const Interval& gap) { return gap.min_ms > newest->time_ms; });
    for (const Interval& gap : left) {
      if (gap.contains(newest->time_ms)) return true;
    }
  }
  if (left.empty()) return false;
  const TsdbSelection selection(core, {}, base::from_ms(left.front().min_ms),
                                base::from_ms(left.back().max_ms), {{id, {}}});
  storage::ColumnBatch batch;
  return selection.read(0, &batch).ok() && !batch.series.empty();
}

std::optional<Interval> known_to_head(const Core& core, const Tombstone& stone) {
  const std::optional<Newest> newest = core.head.newest(stone.id);
  if (!newest || newest->time_ms == kUnknownTime) return std::nullopt;
  if (!stone.deleted.contains(newest->time_ms)) return std::nullopt;
  return Interval{newest->time_ms, newest->time_ms};
}

Status forget_void_tombstones(Core& core) {
  const auto stones = core.tombstones.snapshot();
  if (stones->empty()) return ok();
  core.learning.end_round();
  const Head::Stats head = core.head.stats();
  std::int64_t oldest_ms = head.min_ms;
  for (const RunInfo& run : RunStore::runs(*core.runs->snapshot())) {
    if (run.samples != 0) oldest_ms = std::min(oldest_ms, run.min_ms);
    if (run.side_samples != 0) oldest_ms = std::min(oldest_ms, run.side_min_ms);
  }
  return core.tombstones.reduce([&](const Tombstone& stone) -> std::vector<Interval> {
    const StatusOr<model::Labels> labels = labels_of(core, stone.id);
    if (labels.ok() && labels->empty()) return {};
    if (stone.deleted.max_ms >= oldest_ms) return {stone.deleted};
    const std::optional<Interval> known = known_to_head(core, stone);
    return known ? std::vector{*known} : std::vector<Interval>();
  });
}

Status recover_tombstones(Core& core) {
  bool damaged = false;
  RETURN_IF_ERROR(core.tombstones.load(&damaged));
  if (damaged) core.metrics.corruptions.with({"tombstones"}).inc();
  // An id may be given to another series after a restart, when nothing is left of its old one.
  return core.tombstones.reduce([&](const Tombstone& stone) -> std::vector<Interval> {
    const StatusOr<model::Labels> labels = labels_of(core, stone.id);
    if (labels.ok() && labels->empty()) return {};
    return {stone.deleted};
  });
}

}  // namespace tocsin::tsdb
