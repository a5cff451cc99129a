// SPDX-License-Identifier: Apache-2.0
//
// Catalog: what the store keeps of series: label sets by id, which series each day has, and how one
// that left memory is found again.
//
// Memory holds the series that are active; all others are here only. A run's series are written
// with the run, in the batch that publishes it: rows of those that are new, and the day postings of
// those that the day did not have yet. A series leaves memory when it was in no run for a while:
// first it can be found by its tag, then it goes. What is left behind by a crash between two steps
// is known to be harmless: ids of a day without a row are skipped, a row without a day is written
// again.
// Hides: keys, blocks, postings on disk.
// Borrows: KvStore, SeriesIndex.
// Threads: what changes it belongs to who holds the turn of maintenance; const functions are
// shared.
// Errors: of the store; kDataLoss for damaged values.
// Read next: docs/formats/tsdb_series.md, docs/decisions/0014-series-leave-memory.md.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include "base/status.h"
#include "storage/queryable.h"
#include "storage/types.h"
#include "tsdb/catalog/history.h"
#include "tsdb/index/postings.h"
#include "tsdb/index/series_index.h"
#include "tsdb/kv/kv_store.h"

namespace tocsin::tsdb {

// Which series of a run have samples on which days.
class RunDays {
 public:
  // REQUIRES: ids ascend.
  void add(storage::SeriesId id, const storage::SeriesColumn& column);
  void add(storage::SeriesId id, std::int64_t time_ms);

  const std::map<Day, std::vector<std::uint32_t>>& by_day() const { return by_day_; }
  std::int64_t max_ms() const { return max_ms_; }  // INT64_MIN without samples

 private:
  void add_day(std::uint32_t id, Day day);

  std::map<Day, std::vector<std::uint32_t>> by_day_;
  std::int64_t max_ms_ = INT64_MIN;
};

class Catalog {
 public:
  // For crash tests: called after each step that writes ("rows", "postings", "tags", "left",
  // "forgotten"); an error ends the call there.
  using StepHook = std::function<Status(std::string_view step)>;

  Catalog(KvStore& kv, SeriesIndex& index, StepHook hook = {});
  Catalog(const Catalog&) = delete;
  Catalog& operator=(const Catalog&) = delete;

  // Loads the active series into the index; loaded(ids) is told them in pieces. `sealed_max_ms` is
  // the newest sample of all runs.
  Status open(std::int64_t sealed_max_ms,
              const std::function<void(std::span<const std::uint32_t>)>& loaded);

  // What a run changes here. `batch` must be committed with the run; then apply() it.
  struct Change {
    KvBatch batch;
    std::map<Day, Postings> days;
    Postings in_run;
    Postings active;  // stored and in memory after it
    std::vector<std::uint32_t> blocks;
    std::int64_t max_ms = INT64_MIN;
  };
  // `new_series` are those whose rows are not stored; unknown ones are left out. Large changes are
  // written before the batch, which a crash may leave behind. REQUIRES: what names these series is
  // on the disk already, or their ids could be given to others and the rest would name those.
  StatusOr<Change> prepare(const RunDays& run, std::span<const storage::SeriesId> new_series);
  // `now_ms` bounds the time of the data: a sample from the future makes no other series idle.
  void apply(Change change, std::int64_t now_ms);

  // Stored series in memory that were in no run for `keep_ms` of the data's time, ascending.
  std::vector<storage::SeriesId> idle(std::int64_t keep_ms);
  // How many idle() would give; forgets nothing.
  std::uint64_t count_idle(std::int64_t keep_ms) const;
  std::uint64_t count_resident() const { return resident_.count(); }
  // Makes series findable that are about to leave memory. They may leave when it returns OK.
  Status let_go(std::span<const storage::SeriesId> ids);
  // Says that these left memory.
  void note_left(std::span<const storage::SeriesId> ids);

  // Forgets series of which no sample is left.
  Status forget(std::span<const storage::SeriesId> ids);
  // Forgets days before this one, and series that only they had and that are not in memory.
  Status forget_days_before(Day day);

  const History& history() const { return history_; }
  // The days of [min_ms, max_ms] that may have series which are not in memory; none when the last
  // is before the first.
  DayRange left_days(std::int64_t min_ms, std::int64_t max_ms) const;
  // For SeriesIndex::set_history().
  StatusOr<storage::SeriesId> find_left(std::uint32_t tag, const model::Labels& labels) const;
  // Newest sample that a series outside of memory may have; INT64_MIN when none has left.
  std::int64_t left_max_ms() const { return left_max_ms_.load(); }

  struct Stats {
    std::uint64_t left = 0;   // series that left memory since the start
    std::uint64_t found = 0;  // of these or older ones, came back
    std::uint64_t damaged_blocks = 0;
    // Memory of what was read: label sets, and the database's blocks that they and postings are in.
    std::size_t cached_sets_bytes = 0;
    std::size_t cached_blocks_bytes = 0;
  };
  Stats stats() const;

 private:
  // Runs of a short time, together: which series they had.
  struct Recent {
    std::int64_t time_ms = 0;  // of the data when they were written
    std::int64_t max_ms = 0;   // newest sample
    Postings series;
  };
  static constexpr std::size_t kMaxBatchBytes = 4U << 20;
  static constexpr std::int64_t kTogetherMs = 2LL * 60 * 1000;
  static constexpr std::size_t kDaysInMemory = 4;

  Status load_block(std::uint32_t number, const Postings& active,
                    const std::function<void(std::span<const std::uint32_t>)>& loaded);
  Status flush(KvBatch* batch, std::size_t above = kMaxBatchBytes);
  Status step(std::string_view name) const { return hook_ ? hook_(name) : ok(); }
  Status write_rows(std::vector<std::uint32_t> ids, Change* change);
  Status write_day(Day day, const std::vector<std::uint32_t>& ids, Change* change);
  using WidePairs = std::map<std::string, Postings>;  // by key
  Status write_pairs(Day day, std::span<const std::uint32_t> ids, WidePairs* wide_pairs,
                     KvBatch* batch);
  Status put_pair(std::string key, const Postings& added, KvBatch* batch);
  StatusOr<const Postings*> recorded(Day day);

  KvStore& kv_;
  SeriesIndex& index_;
  const StepHook hook_;
  History history_;

  Postings resident_;  // in memory and stored
  std::deque<Recent> recent_;
  std::int64_t time_ms_ = INT64_MIN;         // of the data
  std::int64_t recent_left_ms_ = INT64_MIN;  // newest sample of runs that are not in recent_
  std::map<Day, Postings> recorded_;         // what the day postings have, of days in use

  std::atomic<std::int64_t> left_max_ms_{INT64_MIN};
  std::atomic<std::uint64_t> left_{0};
  mutable std::atomic<std::uint64_t> found_{0};
};

}  // namespace tocsin::tsdb
