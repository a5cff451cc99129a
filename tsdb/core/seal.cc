// SPDX-License-Identifier: Apache-2.0
//
// Sealing.
//
// A seal cuts everything at one place of the journal: a new segment and a new epoch of the head
// begin together between two commits. Chunks of older epochs become runs; then the segments before
// the cut are not needed. Until a run is published its chunks stay readable; between that and
// dropping them a sample is in both, which readers expect.
#include "base/log.h"
#include "tsdb/core/core.h"
#include "tsdb/core/head_state.h"
#include "tsdb/core/side_seal.h"
#include "tsdb/query/column_merger.h"

namespace tocsin::tsdb {
namespace {

using storage::SeriesId;

constexpr std::uint64_t kWorthSealing = 1U << 20;  // bytes of journal
constexpr std::uint64_t kMaxRunRows = 8'000'000;   // decoded at once: 64 MB of values

struct Cut {
  std::uint64_t epoch = 0;
  RunStore::Commit commit;
  std::vector<SeriesId> unstored;
};

StatusOr<Cut> make_cut(Core& core) {
  Cut cut;
  Status rolled;
  core.queue->exclusive([&] {
    rolled = core.journal->roll();
    if (!rolled.ok()) return;
    cut.epoch = core.head.begin_epoch();
    cut.commit.journal = {core.journal->segment(), 0};
    cut.commit.head_state =
        HeadState{core.queue->next_sequence() - 1, core.head.next_group_id()}.encode();
    cut.unstored = core.queue->take_unstored();
  });
  RETURN_IF_ERROR(rolled);
  core.epoch_began_ms = base::to_ms(core.clock.now());
  return cut;
}

struct Source {
  SeriesId id;
  ChunkPtr chunk;
  std::uint32_t slot;
};

// What the chunks hold, by series and then by time.
std::vector<Source> sources_of(std::span<const ChunkPtr> chunks) {
  std::vector<Source> sources;
  for (const ChunkPtr& chunk : chunks) {
    for (std::uint32_t slot = 0; slot < chunk->slots(); ++slot) {
      if (chunk->ids[slot] && chunk->lengths[slot] != 0)
        sources.push_back({chunk->ids[slot], chunk, slot});
    }
  }
  std::sort(sources.begin(), sources.end(), [](const Source& a, const Source& b) {
    return std::pair(a.id, a.chunk->order) < std::pair(b.id, b.chunk->order);
  });
  return sources;
}

// Takes series off the front of `sources` until the run is large enough.
StatusOr<std::vector<RunSeriesInput>> take_run(const Core& core, const SideSeal& side,
                                               std::span<const Source>* sources) {
  ColumnMerger merger(INT64_MIN, INT64_MAX);
  std::vector<RunSeriesInput> run;
  std::uint64_t rows = 0;
  while (!sources->empty() && rows < kMaxRunRows) {
    const SeriesId id = sources->front().id;
    std::vector<Piece> pieces;
    storage::GroupId group;
    for (; !sources->empty() && sources->front().id == id; *sources = sources->subspan(1)) {
      const Source& source = sources->front();
      pieces.push_back(
          {source.chunk->times, source.chunk->lengths[source.slot], source.chunk, source.slot, {}});
      group = source.chunk->group;
    }
    ASSIGN_OR_RETURN(storage::SeriesColumn column, merger.merge({}, pieces));
    side.fill_starts(id, &column);
    rows += column.rows;
    run.push_back({id, group, core.index.labels(id), std::move(column)});
  }
  return run;
}

// Which days the series of a run have. REQUIRES: both ascend by series.
StatusOr<RunDays> days_of(std::span<const RunSeriesInput> run, std::span<const RunSideInput> side) {
  RunDays days;
  for (const RunSeriesInput& series : run) {
    for (; !side.empty() && side.front().id <= series.id; side = side.subspan(1)) {
      RETURN_IF_ERROR(add_side_days(side.front(), &days));
    }
    days.add(series.id, series.column);
  }
  for (const RunSideInput& series : side) RETURN_IF_ERROR(add_side_days(series, &days));
  return days;
}

Status write_runs(Core& core, std::span<const Source> sources, SideSeal* side, const Cut& cut) {
  do {
    ASSIGN_OR_RETURN(std::vector<RunSeriesInput> run, take_run(core, *side, &sources));
    const bool last = sources.empty();
    std::vector<RunSideInput> beside = last ? side->take() : std::vector<RunSideInput>();
    ASSIGN_OR_RETURN(const RunDays days, days_of(run, beside));
    ASSIGN_OR_RETURN(Catalog::Change change,
                     core.catalog->prepare(days, last ? cut.unstored : std::vector<SeriesId>()));
    RunStore::Commit commit = cut.commit;
    commit.catalog = &change.batch;
    if (!last) {
      // Only the last run moves the journal's position: a crash in between replays, and readers
      // skip doubles.
      commit.journal = core.runs->journal_position();
      commit.head_state = core.runs->head_state();
    }
    RETURN_IF_ERROR(core.runs->write_run(std::move(run), commit, std::move(beside)).status());
    core.catalog->apply(std::move(change), base::to_ms(core.clock.now()));
    core.metrics.compactions.inc();
  } while (!sources.empty());
  return ok();
}

Status seal_cut(Core& core, const Cut& cut) {
  const std::vector<ChunkPtr> chunks = core.head.close_before(cut.epoch);
  ASSIGN_OR_RETURN(SideSeal side, SideSeal::make(core.head.side(), cut.epoch));
  RETURN_IF_ERROR(write_runs(core, sources_of(chunks), &side, cut));
  core.head.drop_chunks(chunks);
  side.drop();
  core.head.forget_range_before(cut.epoch);
  RETURN_IF_ERROR(save_notes(core));
  RETURN_IF_ERROR(core.journal->remove_before(cut.commit.journal.segment));
  return evict_idle(core);
}

}  // namespace

bool seal_is_due(const Core& core) {
  if (core.seal_failed) return true;
  // On a nearly full disk: a run is smaller than its journal.
  if (core.space.full() && core.journal->size_bytes() > kWorthSealing) return true;
  const Options options = *core.options.lock();
  const std::int64_t age_ms = base::to_ms(core.clock.now()) - core.epoch_began_ms;
  return age_ms >= options.seal_age.count() || core.head.stats().samples >= options.seal_samples ||
         core.head.side().stats().bytes >= options.seal_side_bytes;
}

Status seal(Core& core) {
  const Turn::Holder turn(core.maintenance);
  const base::SteadyTime begin = core.clock.steady_now();
  StatusOr<Cut> cut = make_cut(core);
  Status result = cut.status();
  if (cut.ok()) {
    result = seal_cut(core, *cut);
    if (!result.ok()) core.queue->exclusive([&] { core.queue->give_back_unstored(cut->unstored); });
  }
  core.seal_failed = !result.ok();
  if (!result.ok()) core.metrics.compactions_failed.inc();
  const std::chrono::duration<double> took = core.clock.steady_now() - begin;
  core.metrics.compaction_duration.observe(took.count());
  return annotate(result, "sealing");
}

}  // namespace tocsin::tsdb
