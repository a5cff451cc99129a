// SPDX-License-Identifier: Apache-2.0
//
// The inside of SeriesIndex: tables under one shared mutex, and the evaluation of matchers.
//
// Invariants: a series is in all_, labels_, by_labels_, in the postings of each of its pairs and of
// each of its names; a pair or name without series does not exist. Each series has one value per
// name, so the postings of a name are the disjoint union of those of its pairs.
//
// Select first copies a set of candidates and afterwards only makes it smaller. So it may give up
// the mutex in between: labels of a candidate never change, ids are never reused, and a series that
// appears later is no candidate. Regular expressions and callbacks therefore run without the mutex,
// over symbols, which do not move.
//
// Threads: shared. Lock order: mutex_, then sorted_mutex_.
// Errors: as SeriesIndex.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/mutex.h"
#include "tsdb/index/id_table.h"
#include "tsdb/index/label_store.h"
#include "tsdb/index/postings.h"
#include "tsdb/index/series_index.h"
#include "tsdb/index/symbols.h"

namespace tocsin::tsdb {

struct LabelValue {
  std::string_view text;  // in Symbols: stays valid
  Symbol symbol = kNoSymbol;
};
using LabelValues = std::vector<LabelValue>;  // ascending by text

struct SeriesIndex::Impl {
 public:
  explicit Impl(std::uint64_t max_series) : max_series_(max_series) {}

  std::uint32_t find(const model::Labels& labels, std::uint64_t hash) const
      ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  void insert(std::uint32_t id, const model::Labels& labels) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void remove(std::uint32_t id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Forgets names and values without series, after remove().
  void drop_empty() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  model::Labels labels_of(std::uint32_t id) const ABSL_SHARED_LOCKS_REQUIRED(mutex_);

  // The candidates that match; takes the mutex inside.
  Postings select(const model::Matchers& matchers) const;
  std::vector<std::string> names_of(const model::Matchers& matchers, const Alive& alive) const;
  std::vector<std::string> values_of(std::string_view name, const model::Matchers& matchers,
                                     const Alive& alive) const;

  struct Pair {
    SymbolPair labels;
    Postings series;
  };
  struct Name {
    Postings series;
    std::vector<Symbol> values;  // only appended to while `epoch` stays
    std::uint64_t epoch = 0;     // unique in the index; changes when values are removed
    std::uint64_t removed = 0;   // values without series that drop_empty() has to remove
  };

  const std::uint64_t max_series_;
  mutable base::SharedMutex mutex_;
  Symbols symbols_ ABSL_GUARDED_BY(mutex_);
  LabelStore labels_ ABSL_GUARDED_BY(mutex_);
  IdTable by_labels_ ABSL_GUARDED_BY(mutex_);
  Postings all_ ABSL_GUARDED_BY(mutex_);
  std::unordered_map<Symbol, Name> names_ ABSL_GUARDED_BY(mutex_);
  std::vector<Pair> pairs_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::uint32_t> free_pairs_ ABSL_GUARDED_BY(mutex_);
  IdTable pair_table_ ABSL_GUARDED_BY(mutex_);  // to positions in pairs_
  std::uint64_t next_id_ ABSL_GUARDED_BY(mutex_) = 1;
  std::uint64_t epoch_ ABSL_GUARDED_BY(mutex_) = 0;

 private:
  struct Plan;  // see index_select.cc

  bool equal(std::uint32_t id, const model::Labels& labels) const
      ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  // Null when absent.
  const Postings* find_name(std::string_view name) const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  const Postings* find_pair(SymbolPair pair) const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  const Postings* find_pair(std::string_view name, std::string_view value) const
      ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  std::uint32_t pair_position(SymbolPair pair) const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  void add_to_pair(SymbolPair pair, std::uint32_t id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void remove_from_pair(SymbolPair pair, std::uint32_t id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // False when nothing can match.
  bool plan(const model::Matcher& matcher, Plan* plan) const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  bool plan_literals(const model::Matcher& matcher, Plan* plan) const
      ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  Postings evaluate(Plan plan) const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  Postings union_of_values(Symbol name, std::span<const Symbol> values) const
      ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  void apply(const model::Matcher& matcher, Postings* set) const;
  void apply_by_candidate(const model::Matcher& matcher, Postings* set) const;
  void apply_by_value(const model::Matcher& matcher, const LabelValues& values,
                      Postings* set) const;
  std::vector<Symbol> values_in(Symbol name, const Postings& set, const Alive& alive) const;
  // Values of a name in order; null when no series has it. Sorts only what came since the last
  // call.
  std::shared_ptr<const LabelValues> sorted_values(std::string_view name) const;

  struct Sorted {
    std::shared_ptr<const LabelValues> values;
    std::size_t covered = 0;  // of Name::values
    std::uint64_t epoch = 0;
  };
  mutable base::Mutex sorted_mutex_;
  mutable std::unordered_map<Symbol, Sorted> sorted_ ABSL_GUARDED_BY(sorted_mutex_);
};

}  // namespace tocsin::tsdb
