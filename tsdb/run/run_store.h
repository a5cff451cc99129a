// SPDX-License-Identifier: Apache-2.0
//
// RunStore: immutable runs of tiles in RocksDB, and the manifest.
//
// A run holds all sealed samples of some series in [min_ms, max_ms]: tiles of up to 64 series in
// metric order, the timestamp columns its series share, a directory (series id -> tile, slot) and
// the metric names.
// Runs are written with SstFileWriter and ingested; one synced WriteBatch makes a run, the journal
// position it covers and the catalog's changes visible together. A crash in between leaves an orphan run
// that open() deletes. docs/formats/tsdb_runs.md has every byte.
// Hides: RocksDB (tsdb/kv), tile
// codecs.
// Owns: the RocksDB directory. Threads: shared; write_run and drop are serialised inside,
// reads never wait for them.
// Errors: kDataLoss for a failed checksum, naming run and tile;
// kResourceExhausted when the disk is full (nothing of the run is then visible).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "storage/queryable.h"
#include "storage/types.h"
#include "tsdb/side/side_chunk.h"
#include "tsdb/tile/rows.h"

namespace tocsin::tsdb {

using RunId = base::StrongInt<struct RunIdTag, std::uint64_t>;

struct RunInfo {
  RunId id;
  std::uint8_t tier = 0;    // 0: sealed from the head
  std::int64_t min_ms = 0;  // closed
  std::int64_t max_ms = 0;  // closed
  std::uint64_t series = 0;
  std::uint64_t samples = 0;
  std::uint64_t bytes = 0;      // of the table file
  std::int64_t created_ms = 0;  // wall time; 0: not known
  // Side samples count apart from those in tiles: they may be older. With nothing in tiles, min_ms
  // and max_ms are those of the side.
  std::uint64_t side_samples = 0;
  std::int64_t side_min_ms = INT64_MAX;  // closed
  std::int64_t side_max_ms = INT64_MIN;  // closed
};

// Samples of one series: row i is at times->ms[first + i]. Series of one source share `times`.
struct RunRows {
  std::shared_ptr<const storage::TimestampColumn> times;
  std::uint32_t first = 0;
  RowChanges rows;
  bool own_times = false;  // no other series has this column: nothing is gained by remembering it
};

// What one series has beside its tiles: tsdb/side.
struct RunSideInput {
  storage::SeriesId id;
  std::vector<SideChunk> chunks;
};

// What a run is made of: series, and where to get the samples of one when its turn has come. They
// are put in metric order (name, then id): ids of a source are contiguous, so that the series which
// a query selects lie next to each other.
struct RunPlan {
  struct Series {
    storage::SeriesId id;
    std::string_view name;  // the metric's
    std::uint32_t tag = 0;  // of the caller
  };
  std::vector<Series> series;  // in any order
  // Replaces what `out` holds; no row present: the series is left out.
  std::function<Status(const Series& series, RunRows* out)> read;
  std::uint64_t max_samples = 0;  // for the space it may need on the disk
  std::vector<RunSideInput> side;
};

// Where replay must start after this run exists: journal records before it are covered.
struct JournalPosition {
  std::uint64_t segment = 0;
  std::uint64_t offset = 0;
  friend auto operator<=>(const JournalPosition&, const JournalPosition&) = default;
};

class KvBatch;
class KvStore;
class Tombstones;

class RunStore {
 public:
  // For crash tests: called after each step of write_run and merge ("file", "ingest", "commit"); an
  // error
  // ends the call there and cleans nothing up, as a crash would.
  using StepHook = std::function<Status(std::string_view step)>;
  // Opens or creates the RocksDB in `directory`. kFailedPrecondition when a newer program wrote it.
  static StatusOr<std::unique_ptr<RunStore>> open(const std::string& directory, StepHook hook = {});
  // For reading only: it must exist, the folder is not touched, and what would change it fails.
  static StatusOr<std::unique_ptr<RunStore>> open_read_only(const std::string& directory);
  ~RunStore();
  RunStore(const RunStore&) = delete;
  RunStore& operator=(const RunStore&) = delete;

  // Opaque bytes stored with a run for the head's own bookkeeping (which rows of which groups it
  // covers).
  struct Commit {
    JournalPosition journal;           // smallest position still needed after this run
    std::string head_state;            // returned by head_state() after a restart
    const KvBatch* catalog = nullptr;  // becomes visible with the run
    std::int64_t created_ms = 0;       // wall time
  };
  // Writes and publishes a run, series by series: memory is a tile, the timestamp columns as
  // encoded and 16 bytes per series. Without a sample writes no run but still commits the rest.
  StatusOr<RunInfo> write_run(RunPlan plan, const Commit& commit);

  struct Merge {
    std::vector<RunId> inputs;            // ascending
    std::uint8_t tier = 1;                // of the result; from 2 on it is made as small as can be
    const Tombstones* deleted = nullptr;  // samples left out; null: none
    std::function<Status()> pause;        // called after each series; an error ends the merge
    std::size_t column_bytes = 128U << 20;  // memory for timestamps
    std::int64_t created_ms = 0;            // wall time
  };
  struct Merged {
    RunInfo run;                   // id 0 when nothing was left
    std::optional<RunId> damaged;  // this input cannot be read: nothing was changed
    std::uint64_t bytes_read = 0;  // of the inputs' files
    std::size_t peak_bytes = 0;    // most memory that it held
    // With deleted samples: series that no run holds any more.
    std::vector<storage::SeriesId> gone;
  };
  // Replaces runs by one, in one synced step after its file is complete; readers keep the old ones
  // as long as they hold a snapshot. Seals and drops go on meanwhile. kFailedPrecondition when an
  // input was dropped. A damaged input is only named: left out of the next merge it stays as readable as it
  // is.
  StatusOr<Merged> merge(const Merge& merge);

  JournalPosition journal_position() const;
  std::string head_state() const;
  // Runs in ascending id; an immutable snapshot that keeps its runs readable while held.
  class Snapshot;
  std::shared_ptr<const Snapshot> snapshot() const;
  static std::span<const RunInfo> runs(const Snapshot& snapshot);
  // Memory of what reading keeps, in bytes; each has a limit of its own.
  struct Caches {
    std::size_t directories = 0;
    std::size_t side_directories = 0;
    std::size_t times = 0;
    std::size_t tiles = 0;
  };
  static Caches caches(const Snapshot& snapshot);

  // Appends to (*out)[i] the columns that `ids[i]` has in [min_ms, max_ms], oldest run first; out
  // has ids.size() entries. REQUIRES: ids ascending. Series of one group of one run share `times`.
  // Damaged tiles are left out and named in `warnings`. Charged to the context's account by the
  // caller.
  static Status read(const Snapshot& snapshot, std::span<const storage::SeriesId> ids,
                     std::int64_t min_ms, std::int64_t max_ms,
                     std::vector<std::vector<storage::SeriesColumn>>* out,
                     std::vector<std::string>* warnings);

  // Appends to (*out)[i] the side chunks of `ids[i]` that touch [min_ms, max_ms], oldest run first.
  // As read() otherwise.
  static Status read_side(const Snapshot& snapshot, std::span<const storage::SeriesId> ids,
                          std::int64_t min_ms, std::int64_t max_ms,
                          std::vector<std::vector<SideChunk>>* out,
                          std::vector<std::string>* warnings);

  // Drops runs whose max_ms < before_ms; returns the ids of series that no remaining run holds and
  // that keep(id), if given, does not name.
  StatusOr<std::vector<storage::SeriesId>> drop_runs_before(
      std::int64_t before_ms, const std::function<bool(storage::SeriesId)>& keep);

  // The series of one run, ascending; kDataLoss when its directory is damaged.
  static StatusOr<std::vector<storage::SeriesId>> series_of(const Snapshot& snapshot, RunId run);
  // All side samples of one run, ascending by series; damaged ones are left out and named.
  static StatusOr<std::vector<RunSideInput>> side_of(const Snapshot& snapshot, RunId run,
                                                     std::vector<std::string>* warnings);
  // As read(), of one run and without a range; nothing is taken from a cache.
  static Status read_one(const Snapshot& snapshot, RunId run,
                         std::span<const storage::SeriesId> ids,
                         std::vector<std::vector<storage::SeriesColumn>>* out,
                         std::vector<std::string>* warnings);

  // Time range in which `id` may have samples in runs: for label queries. False when no run has it.
  static bool may_have(const Snapshot& snapshot, storage::SeriesId id, std::int64_t min_ms,
                       std::int64_t max_ms);

  // A run is not begun when less than this would be left on the disk after it.
  void set_reserve(std::uint64_t bytes);

  std::uint64_t bytes_on_disk() const;
  // Of dropped runs whose files readers still hold.
  std::uint64_t dropped_bytes() const;
  // For the parts that keep other things in the same store.
  KvStore& kv();
  // RocksDB checkpoint into `directory`, which must not exist.
  Status checkpoint(const std::string& directory);

 private:
  struct Impl;
  explicit RunStore(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tocsin::tsdb
