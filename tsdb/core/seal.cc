// SPDX-License-Identifier: Apache-2.0
//
// Sealing.
//
// A seal cuts everything at one place of the journal: a new segment and a new epoch of the head
// begin together between two commits. Chunks of older epochs become runs; then the segments before
// the cut are not needed. Until a run is published its chunks stay readable; between that and
// dropping them a sample is in both, which readers expect.
#include "base/heap.h"
#include "base/log.h"
#include "tsdb/core/core.h"
#include "tsdb/core/head_state.h"
#include "tsdb/core/seal_source.h"
#include "tsdb/core/side_seal.h"

namespace tocsin::tsdb {
namespace {

using storage::SeriesId;

// A run takes 8 bytes of memory per series while it is written, and its tiles are read as a whole.
constexpr std::uint64_t kMaxRunSamples = 200'000'000;

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

Status write_runs(Core& core, std::span<const ChunkPtr> chunks, SideSeal* side, const Cut& cut) {
  std::vector<RunSideInput> beside = side->take();
  SealSource source(chunks, core.index, *side);
  source.count_days_of(beside);
  do {
    RunDays days;
    ASSIGN_OR_RETURN(RunPlan plan, source.take(kMaxRunSamples, &days));
    const bool last = source.empty();
    if (last) plan.side = std::move(beside);
    ASSIGN_OR_RETURN(Catalog::Change change,
                     core.catalog->prepare(days, last ? cut.unstored : std::vector<SeriesId>()));
    RunStore::Commit commit = cut.commit;
    commit.catalog = &change.batch;
    commit.created_ms = base::to_ms(core.clock.now());
    if (!last) {
      // Only the last run moves the journal's position: a crash in between replays, and readers
      // skip doubles.
      commit.journal = core.runs->journal_position();
      commit.head_state = core.runs->head_state();
    }
    RETURN_IF_ERROR(core.runs->write_run(std::move(plan), commit).status());
    core.catalog->apply(std::move(change), commit.created_ms);
    core.metrics.compactions.inc();
  } while (!source.empty());
  return ok();
}

Status seal_cut(Core& core, const Cut& cut) {
  // The catalog is written part by part. After a power cut the ids of series that only a lost journal named
  // would be given to others, and the parts would name those.
  RETURN_IF_ERROR(sync_journal(core));
  const std::vector<ChunkPtr> chunks = core.head.close_before(cut.epoch);
  ASSIGN_OR_RETURN(SideSeal side, SideSeal::make(core.head.side(), cut.epoch));
  // Before the journal's position moves: a crash after that would not read their records again.
  RETURN_IF_ERROR(save_notes(core));
  RETURN_IF_ERROR(write_runs(core, chunks, &side, cut));
  core.head.drop_chunks(chunks);
  side.drop();
  core.head.forget_range_before(cut.epoch);
  RETURN_IF_ERROR(core.journal->remove_before(cut.commit.journal.segment));
  return evict_idle(core);
}

}  // namespace

namespace {

Status seal_in_turn(Core& core) {
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

}  // namespace

Status seal(Core& core) {
  const Status result = seal_in_turn(core);
  core.runs->kv().release_cache();  // it has read the days' postings to write them again
  base::release_heap();
  measure_backlog(core);
  resume_commits(core);
  return result;
}

}  // namespace tocsin::tsdb
