// SPDX-License-Identifier: Apache-2.0
//
// Core: the parts of an open database and what is known about them, shared by appenders, selections
// and maintenance.
//
// Owns: all parts.
// Borrows: clock, files, registry. Lives as long as Db, which outlives appenders
// and selections.
// Threads: shared; every part says its own rules. Errors: of the parts.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "base/file_system.h"
#include "base/gate.h"
#include "base/metrics.h"
#include "base/mutex.h"
#include "base/time.h"
#include "tsdb/catalog/catalog.h"
#include "tsdb/core/learning.h"
#include "tsdb/core/turn.h"
#include "tsdb/head/head.h"
#include "tsdb/index/series_index.h"
#include "tsdb/ingest/backlog.h"
#include "tsdb/ingest/batch_pool.h"
#include "tsdb/ingest/commit_queue.h"
#include "tsdb/ingest/new_series_limit.h"
#include "tsdb/ingest/unkept_series.h"
#include "tsdb/journal/journal.h"
#include "tsdb/life/space_guard.h"
#include "tsdb/life/tombstone_file.h"
#include "tsdb/options.h"
#include "tsdb/run/run_store.h"

namespace tocsin::tsdb {

// Counters that parts increase; the values that live elsewhere are collected in metrics.cc.
struct Metrics {
  explicit Metrics(base::Registry& registry);

  base::Counter& series_created;
  base::Counter& series_removed;
  base::CounterVec& out_of_order_samples;  // by type, as the next two
  base::CounterVec& too_old_samples;
  base::Counter& out_of_order_exemplars;
  base::Counter& out_of_order;  // floats
  base::Counter& journal_corruptions;
  base::CounterVec& corruptions;  // by what was damaged
  base::Counter& compactions;
  base::Counter& compactions_failed;
  base::Counter& merges;
  base::Counter& merged_bytes;
  base::Counter& merge_rest;  // seconds
  base::Gauge& merge_memory;
  base::Counter& time_retentions;
  base::Counter& size_retentions;
  base::Histogram& compaction_duration;
  base::Histogram& tombstone_cleanup;
  base::Summary& sync_duration;
  base::Gauge& replay_duration;
};

struct Core {
  Core(std::string in_directory, const Options& in_options, const base::Clock& in_clock,
       base::FileSystem& in_files, base::Registry& registry);

  // Looks up the newest sample of a series at or after `from_ms` in runs up to sealed_max_ms, and
  // tells the head. kUnknownTime when there is none.
  StatusOr<Newest> newest_in_runs(storage::SeriesId id, std::int64_t from_ms);
  // The same for the newest in-order histogram.
  Status learn_histograms(const RunStore::Snapshot& snapshot, storage::SeriesId id,
                          std::int64_t from_ms);

  const std::string directory;
  const base::Clock& clock;
  base::FileSystem& files;
  base::Guarded<Options> options;
  Metrics metrics;

  std::unique_ptr<base::FileLock> lock;
  std::unique_ptr<RunStore> runs;
  SeriesIndex index;
  std::unique_ptr<Catalog> catalog;
  Head head;
  std::unique_ptr<Journal> journal;
  std::unique_ptr<CommitQueue> queue;
  Backlog backlog;
  BatchPool batches;
  NewSeriesLimit new_series;
  UnkeptSeries unkept;
  TombstoneFile tombstones;
  Learning learning;  // of the head, from runs
  SpaceGuard space;
  base::Gate gate;  // open appenders

  // Up to here runs may have the newest sample of a series without the head knowing it: they are
  // from before the start, or the series left memory. Only grows.
  std::atomic<std::int64_t> sealed_max_ms{INT64_MIN};
  Turn merging;  // taken before `maintenance`: seals go on while runs are merged
  Turn maintenance;
  std::atomic<bool> stopping{false};    // merges end
  mutable std::atomic<int> reading{0};  // selections that exist; merges yield to them
  // Runs in which a merge found damage since the start, ascending: they stay as they are.
  base::Guarded<std::vector<RunId>> damaged_runs;
  std::atomic<std::int64_t> epoch_began_ms{0};  // wall time at which the head's epoch began
  std::atomic<bool> seal_failed{false};         // chunks of older epochs wait for the next seal
};

// Reads the store and the journal back into `core`. Called once, by open().
Status recover(Core& core);

inline constexpr std::string_view kNotesFile = "notes";

// Brings the journal to the disk. What could not be is written again, and the error is returned.
Status sync_journal(Core& core);

// Notes of the head and their file: read before the journal, written before its position moves over
// records that have some. The journal is synced in between: a note must not outlive its series.
Status load_notes(Core& core);
Status save_notes(Core& core);

// Seals everything in the head into runs.
Status seal(Core& core);
// Lets series go from memory that had no samples for Options::head_keep. REQUIRES: the turn of
// maintenance is held.
Status evict_idle(Core& core);
// Forgets series that appends created and no commit kept, at the second call after their batch
// ended. REQUIRES: the turn of maintenance is held.
void forget_unkept(Core& core);
bool seal_is_due(const Core& core);

// Adds what the parts count to a page of metrics.
void collect_metrics(const Core& core, std::vector<base::MetricFamily>* out);

}  // namespace tocsin::tsdb
