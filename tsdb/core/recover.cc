// SPDX-License-Identifier: Apache-2.0
//
// Start: series of the store, then the journal from where the last run ends. The same Head::apply
// as for new batches; labels go to the index on a thread of their own meanwhile.
#include "base/log.h"
#include "tsdb/core/core.h"
#include "tsdb/core/head_state.h"
#include "tsdb/core/series_restorer.h"
#include "tsdb/life/deletion.h"

namespace tocsin::tsdb {
namespace {

class Replayer {
 public:
  Replayer(Core& core, std::uint64_t last) : core_(core), series_(core.index), last_(last) {}

  Status record(std::uint8_t type, std::string_view payload) {
    if (type != kBatchRecord)
      return failed_precondition("journal record type {} is newer than this program", type);
    ASSIGN_OR_RETURN(const std::uint64_t sequence, BatchCodec::sequence(payload));
    if (sequence <= last_) return ok();  // in a run, or written again after a failed sync
    if (sequence != last_ + 1) gap(sequence);
    last_ = sequence;
    StatusOr<Batch> batch = codec_.decode(payload);
    if (!batch.ok()) {
      base::log::error("journal record cannot be read and is skipped",
                       {{"sequence", sequence}, {"error", message(batch.status())}});
      codec_.forget_all();
      ++damaged_;
      return ok();
    }
    for (Batch::NewSeries& series : batch->new_series) {
      if (core_.head.add_durable(series.id)) unstored_.push_back(series.id);
      RETURN_IF_ERROR(series_.add(std::move(series)));
    }
    batch->new_series.clear();
    lost_ += core_.head.apply(*batch).unknown;
    return ok();
  }
  // After the last record.
  Status finish() { return series_.finish(); }

  std::uint64_t last() const { return last_; }
  std::uint64_t damaged() const { return damaged_; }
  std::uint64_t lost() const { return lost_ + codec_.lost_rows(); }
  const std::vector<storage::SeriesId>& unstored() const { return unstored_; }

 private:
  void gap(std::uint64_t sequence) {
    base::log::error("journal records are missing", {{"from", last_ + 1}, {"to", sequence - 1}});
    codec_.forget_all();
    ++damaged_;
  }

  Core& core_;
  SeriesRestorer series_;
  BatchCodec codec_;
  std::uint64_t last_;
  std::uint64_t damaged_ = 0;
  std::uint64_t lost_ = 0;
  std::vector<storage::SeriesId> unstored_;
};

Status load_series(Core& core) {
  std::int64_t sealed_max_ms = INT64_MIN;
  const auto snapshot = core.runs->snapshot();
  for (const RunInfo& run : RunStore::runs(*snapshot)) {
    sealed_max_ms = std::max({sealed_max_ms, run.max_ms, run.side_max_ms});
  }
  core.sealed_max_ms = sealed_max_ms;
  core.catalog = std::make_unique<Catalog>(core.runs->kv(), core.index);
  RETURN_IF_ERROR(core.catalog->open(sealed_max_ms, [&](std::span<const std::uint32_t> ids) {
    for (const std::uint32_t id : ids) core.head.add_durable(storage::SeriesId(id));
  }));
  core.index.set_history([&core](std::uint32_t tag, const model::Labels& labels) {
    return core.catalog->find_left(tag, labels);
  });
  return ok();
}

}  // namespace

Status recover(Core& core) {
  const base::SteadyTime begin = core.clock.steady_now();
  RETURN_IF_ERROR(load_series(core));
  RETURN_IF_ERROR(load_notes(core));
  ASSIGN_OR_RETURN(const HeadState state, HeadState::decode(core.runs->head_state()));
  core.head.reserve_group_ids(state.next_group);

  const std::string directory = base::join_path(core.directory, "journal");
  Replayer replayer(core, state.last_covered);
  JournalReplay replay;
  RETURN_IF_ERROR(replay_journal(
      core.files, directory, core.runs->journal_position(),
      [&](std::uint8_t type, std::string_view payload) { return replayer.record(type, payload); },
      &replay));
  RETURN_IF_ERROR(annotate(replayer.finish(), "{}", directory));
  core.head.drop_all_groups();
  RETURN_IF_ERROR(recover_tombstones(core));
  core.metrics.journal_corruptions.inc(
      static_cast<double>(replay.torn_segments + replayer.damaged()));
  core.metrics.corruptions.with({"journal"})
      .inc(static_cast<double>(replay.torn_segments + replayer.damaged()));
  if (replayer.lost() != 0) {
    base::log::error("samples of the journal were lost with their series or group",
                     {{"count", replayer.lost()}});
  }

  const std::uint64_t segment_bytes = core.options.lock()->journal_segment_bytes;
  ASSIGN_OR_RETURN(core.journal,
                   Journal::open(core.files, core.clock,
                                 {directory, segment_bytes, replay.next_segment, replay.bytes}));
  core.queue = std::make_unique<CommitQueue>(core.head, *core.journal, replayer.last() + 1);
  core.queue->give_back_unstored(replayer.unstored());
  core.epoch_began_ms =
      replay.oldest_created_ms != 0 ? replay.oldest_created_ms : base::to_ms(core.clock.now());
  measure_backlog(core);
  const std::chrono::duration<double> took = core.clock.steady_now() - begin;
  core.metrics.replay_duration.set(took.count());
  base::log::info("database is open", {{"series", core.index.size()},
                                       {"records", replay.records},
                                       {"journal_bytes", replay.bytes},
                                       {"seconds", took.count()}});
  return ok();
}

}  // namespace tocsin::tsdb
