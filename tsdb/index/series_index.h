// SPDX-License-Identifier: Apache-2.0
//
// SeriesIndex: label sets <-> dense series ids, and which ids match: of the series in memory.
//
// A label set is two lists of interned pairs that it shares with other series; postings are
// compressed bitmaps per name=value. Ids are dense and handed out in order, so series created
// together are contiguous. A series that leaves gives its memory back and its id is never used for
// another: the look-up given with set_history() finds it again.
// Hides: interned texts, postings (CRoaring), regular-expression shortcuts and what they matched.
// Threads: shared; look-ups do not block each other.
// Errors: kResourceExhausted above max_series; matchers and names are trusted to be valid.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "model/labels.h"
#include "model/matcher.h"
#include "storage/admin.h"
#include "storage/types.h"
#include "tsdb/index/postings.h"
#include "tsdb/index/series_rows.h"

namespace tocsin::tsdb {

class SeriesIndex {
 public:
  explicit SeriesIndex(std::uint64_t max_series);
  ~SeriesIndex();
  SeriesIndex(const SeriesIndex&) = delete;
  SeriesIndex& operator=(const SeriesIndex&) = delete;

  // Finds a series that is not in memory by its tag and labels; 0 when there is none. Called
  // without a lock, by any thread.
  using Lookup =
      std::function<StatusOr<storage::SeriesId>(std::uint32_t tag, const model::Labels& labels)>;
  // REQUIRES: nobody else uses the index yet.
  void set_history(Lookup lookup);

  struct Resolved {
    storage::SeriesId id;
    bool created = false;  // it was not in memory; its id may be an old one
  };
  // Finds the series of `labels`, or brings it back with its old id, or creates it with the next.
  StatusOr<Resolved> resolve(const model::Labels& labels);
  // Finds it in memory, or returns id 0.
  storage::SeriesId find(const model::Labels& labels) const;
  // Puts back a series with its old id (from the journal). Ids need not be in order; the next new
  // id is above all. kDataLoss when the id exists with other labels.
  Status restore(storage::SeriesId id, const model::Labels& labels);
  // The same for many, which costs a third. On error some are in.
  Status restore(std::span<const NamedSeries> series);
  // Puts back many series, of `wanted` only (null: all). Faster than restore(), and no label set is
  // built. kDataLoss when one exists with another id or other labels; then some are in.
  Status load(const SeriesRows& rows, const Postings* wanted = nullptr);
  // What load() takes, of those of `ids` (ascending) that are here.
  SeriesRows rows(std::span<const storage::SeriesId> ids) const;
  SeriesRows rows_without_tags(std::span<const storage::SeriesId> ids) const;
  // Forgets series. Their ids are never given to other labels.
  void remove(std::span<const storage::SeriesId> ids);
  // The same in parts: memory comes back, and values without series go, with the sweep after the
  // last.
  void remove_part(std::span<const storage::SeriesId> ids);
  void sweep();
  // No id below `next` is handed out again.
  void reserve_ids(std::uint64_t next);

  model::Labels labels(storage::SeriesId id) const;  // empty when unknown
  bool has(storage::SeriesId id) const;
  // The metric name of a series, "" when it has none or is unknown. The view points into the
  // index: until the next remove() equal names have equal data(), and it is valid as long as a
  // pin() from before the call is held.
  std::string_view metric_name(storage::SeriesId id) const;
  // The same for many at once, which takes the lock once: out[i] belongs to ids[i].
  std::vector<std::string_view> metric_names(std::span<const storage::SeriesId> ids) const;
  // While held, views into the index stay valid, also of series that are removed meanwhile.
  std::shared_ptr<const void> pin() const;
  std::uint64_t size() const;
  storage::SeriesId next_id() const;
  // Changes whenever series were removed.
  std::uint64_t removals() const;

  struct Stats {
    std::uint64_t series = 0;
    std::uint64_t pairs = 0;
    std::uint64_t label_sets = 0;  // distinct parts of label sets
    std::uint64_t bytes = 0;
    std::uint64_t regex_hits = 0;  // expressions found in the cache of what they matched
    std::uint64_t regex_misses = 0;
    std::uint64_t regex_bytes = 0;
    std::uint64_t refused = 0;  // series not created because of max_series
  };
  // Looks at every pair, not at every series.
  Stats stats() const;
  std::uint64_t memory_bytes() const { return stats().bytes; }

  // Ids that match all matchers, ascending. No matchers: all. Stops with `limit` ids (0: no limit).
  std::vector<storage::SeriesId> select(const model::Matchers& matchers,
                                        std::size_t limit = 0) const;
  Postings select_set(const model::Matchers& matchers) const;

  // Sorted names / values among the series that match and for which `alive(id)` is true (null:
  // all).
  using Alive = std::function<bool(storage::SeriesId)>;
  std::vector<std::string> label_names(const model::Matchers& matchers, const Alive& alive) const;
  // Ends after `limit` values (0: no limit).
  std::vector<std::string> label_values(std::string_view name, const model::Matchers& matchers,
                                        const Alive& alive, std::size_t limit = 0) const;

  // The largest of: series per metric name, values per label name, series per name=value. These
  // are counts that the index keeps; the walk is over names or pairs, never over series.
  std::vector<storage::CardinalityEntry> series_by_metric(std::size_t limit) const;
  std::vector<storage::CardinalityEntry> values_by_label(std::size_t limit) const;
  std::vector<storage::CardinalityEntry> series_by_pair(std::size_t limit) const;
  std::vector<storage::CardinalityEntry> bytes_by_label(std::size_t limit) const;
  std::uint64_t label_pairs() const;

 private:
  SeriesRows make_rows(std::span<const storage::SeriesId> ids, bool with_tags) const;

  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tocsin::tsdb
