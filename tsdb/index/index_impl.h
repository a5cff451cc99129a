// SPDX-License-Identifier: Apache-2.0
//
// The inside of SeriesIndex: tables under one mutex, and the evaluation of matchers.
//
// Invariants: a series is in all_, series_, by_labels_ and in the postings of each of its pairs and
// their names; a pair or name without series does not exist between two calls.
//
// Select first copies a set of candidates and afterwards only makes it smaller. So it may give up
// the mutex in between: labels of a candidate never change, ids are never reused for other labels,
// and a series that appears later is no candidate. Regular expressions and callbacks therefore run
// without the mutex, over texts that a pin keeps.
//
// Threads: shared. Lock order: mutex_, then sorted_ or the value cache.
// Errors: as SeriesIndex.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/mutex.h"
#include "tsdb/index/label_pairs.h"
#include "tsdb/index/label_sets.h"
#include "tsdb/index/series_index.h"
#include "tsdb/index/striped_mutex.h"
#include "tsdb/index/value_cache.h"

namespace tocsin::tsdb {

struct LabelValue {
  std::string_view text;  // valid while a pin from before is held
  PairId pair = kNone;
};
using LabelValues = std::vector<LabelValue>;  // ascending by text

struct SeriesIndex::Impl {
 public:
  struct Loader;    // see index_load.cc
  struct Restorer;  // see index_restore.cc

  explicit Impl(std::uint64_t max_series) : max_series_(max_series) {}

  // 0 when absent.
  std::uint32_t find(std::string_view encoded, std::uint32_t tag) const
      ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  void insert(std::uint32_t id, std::uint32_t tag, std::string_view encoded)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Ids of removed series stay in no table; sweep() must follow. REQUIRES: they exist; ascending.
  void remove(std::span<const std::uint32_t> ids) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void load(const SeriesRows& rows, const Postings* wanted) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Bytes of model::Labels.
  std::string encoded_of(std::uint32_t id) const ABSL_SHARED_LOCKS_REQUIRED(mutex_);

  // The candidates that match; takes the mutex inside.
  Postings select(const model::Matchers& matchers) const;
  std::vector<std::string> names_of(const model::Matchers& matchers, const Alive& alive) const;
  std::vector<std::string> values_of(std::string_view name, const model::Matchers& matchers,
                                     const Alive& alive, std::size_t limit) const;

  std::shared_ptr<const void> pin() const {
    const StripedReaderLock lock(mutex_);
    return pairs_.pin();
  }

  const std::uint64_t max_series_;
  Lookup history_;  // set before use by several threads
  mutable ValueCache value_cache_;
  std::atomic<std::uint64_t> removals_{0};
  std::atomic<std::uint64_t> refused_{0};

  mutable StripedMutex mutex_;
  LabelPairs pairs_ ABSL_GUARDED_BY(mutex_);
  LabelSets sets_ ABSL_GUARDED_BY(mutex_);
  SeriesTable series_ ABSL_GUARDED_BY(mutex_);
  // By the highest bits of the tag, so that growing one stops nobody for long.
  static constexpr unsigned kTableBits = 6;
  std::array<IdTable, 1U << kTableBits> by_labels_ ABSL_GUARDED_BY(mutex_);
  Postings all_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t next_id_ ABSL_GUARDED_BY(mutex_) = 1;
  std::uint64_t classify_at_ ABSL_GUARDED_BY(mutex_) = 64;

  // The value of one name of a series, kNone when it has none.
  PairId value_of(std::uint32_t id, NameId name) const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  IdTable& table(std::uint32_t tag) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return by_labels_[tag >> (32U - kTableBits)];
  }

 private:
  struct Plan;  // see index_select.cc

  bool equal(std::uint32_t id, std::string_view encoded) const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  void note_size() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Null when absent.
  const Postings* find_name(std::string_view name) const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  const Postings* find_pair(std::string_view name, std::string_view value) const
      ABSL_SHARED_LOCKS_REQUIRED(mutex_);

  // False when nothing can match.
  bool plan(const model::Matcher& matcher, Plan* plan) const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  bool plan_literals(const model::Matcher& matcher, Plan* plan) const
      ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  Postings evaluate(Plan plan) const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  void apply(const model::Matcher& matcher, Postings* set) const;
  void apply_by_candidate(const model::Matcher& matcher, Postings* set) const;
  void apply_by_value(const model::Matcher& matcher, Postings* set) const;
  // Which values of the matcher's name its expression matches; null when no series has the name.
  std::shared_ptr<const ValueMatches> match_values(const model::Matcher& matcher) const;
  // REQUIRES: `matches` is of the name as it is now.
  Postings series_of(const LabelPairs::Name& name, const ValueMatches& matches, bool hits) const
      ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  std::vector<std::string> values_in(std::string_view name, const Postings& set,
                                     const Alive& alive) const;
  // Values of a name in order; null when no series has it. Sorts only what came since the last
  // call.
  std::shared_ptr<const LabelValues> sorted_values(std::string_view name) const;

  struct Sorted {
    std::shared_ptr<const LabelValues> values;
    std::size_t covered = 0;  // of Name::values
    std::uint64_t epoch = 0;
    std::uint64_t last_use = 0;
  };
  struct SortedValues {
    std::unordered_map<NameId, Sorted> by_name;
    std::uint64_t uses = 0;
  };
  static constexpr std::size_t kMaxSorted = 64;  // names whose values are kept in order
  base::Guarded<SortedValues> sorted_;
};

}  // namespace tocsin::tsdb
