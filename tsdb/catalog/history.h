// SPDX-License-Identifier: Apache-2.0
//
// History: which series had samples on which days, and their labels, read from the store.
//
// Answers for series that have left memory; it knows the others too. A day's answer may name a
// series that has no sample in a part of the day.
// Hides: keys, blocks, and a cache of blocks.
// Borrows: KvStore. Threads: shared; readers never wait for a writer's I/O.
// Errors: kDataLoss for damaged postings (a damaged block is counted and costs its series),
// kCancelled and such from `cancel`, of the store.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/mutex.h"
#include "base/status.h"
#include "model/labels.h"
#include "model/matcher.h"
#include "storage/limits.h"
#include "tsdb/catalog/catalog_keys.h"
#include "tsdb/index/postings.h"
#include "tsdb/index/series_rows.h"
#include "tsdb/kv/kv_store.h"

namespace tocsin::tsdb {

struct DayRange {
  Day first = 0;  // closed
  Day last = -1;  // closed
};

class History {
 public:
  explicit History(const KvStore& kv) : kv_(kv) {}
  History(const History&) = delete;
  History& operator=(const History&) = delete;

  // Finds out which days there are. Called once, before all others.
  Status open();

  // Ids that match and had samples on a day of the range.
  StatusOr<Postings> select(const model::Matchers& matchers, DayRange days,
                            const storage::CancelToken* cancel) const;
  // Adds names, or values of a name, of series of `ids` that had samples on a day of the range.
  Status label_names(const Postings& ids, DayRange days, const storage::CancelToken* cancel,
                     std::set<std::string>* out) const;
  Status label_values(std::string_view name, const Postings& ids, DayRange days,
                      const storage::CancelToken* cancel, std::set<std::string>* out) const;

  // Takes out ids that are not stored: days go on naming series that were forgotten.
  Status keep_stored(Postings* ids) const;
  // Labels of a stored series; empty when there is none.
  StatusOr<model::Labels> labels(std::uint32_t id) const;
  // The stored series with these labels among those that have left memory; 0 when there is none.
  StatusOr<std::uint32_t> find(std::uint32_t tag, const model::Labels& labels) const;

  // What the writer needs too. Absent values are empty.
  StatusOr<Postings> postings(const std::string& key) const;
  StatusOr<Postings> postings_of_day(Day day) const { return postings(day_key(day)); }
  StatusOr<std::vector<std::uint32_t>> ids_of_tag(std::uint32_t tag) const;
  // The block of an id; without rows when it is not stored or damaged, which is logged.
  StatusOr<std::shared_ptr<const SeriesRows>> block_of(std::uint32_t id) const;
  std::vector<Day> days(DayRange range) const;
  std::uint64_t damaged_blocks() const { return damaged_.load(); }
  std::size_t cached_bytes() const;

  // Says that values changed: the writer calls these after its commit.
  void note_day(Day day) { days_.lock()->insert(day); }
  void forget_day(Day day) { days_.lock()->erase(day); }
  void note_block(std::uint32_t block);

 private:
  static constexpr std::size_t kCachedBlocks = 64;
  // With fewer candidates their labels are looked at, instead of all values of a label.
  static constexpr std::uint64_t kFewCandidates = 2048;

  struct Blocks {
    struct Entry {
      std::shared_ptr<const SeriesRows> rows;
      std::uint64_t last_use = 0;
    };
    std::unordered_map<std::uint32_t, Entry> by_number;
    std::uint64_t uses = 0;
    std::uint64_t changes = 0;
  };

  StatusOr<Postings> select_day(const model::Matchers& matchers, Day day,
                                const storage::CancelToken* cancel) const;
  // Ids of the day whose value of the label makes the expression, =~ or !=, true.
  StatusOr<Postings> scan_values(const model::Matcher& matcher, bool wanted, Day day,
                                 const storage::CancelToken* cancel) const;
  Status keep_matching(const model::Matchers& matchers, Postings* set) const;

  const KvStore& kv_;
  base::Guarded<std::set<Day>> days_;
  base::Guarded<Blocks> blocks_;
  mutable std::atomic<std::uint64_t> damaged_{0};
};

}  // namespace tocsin::tsdb
