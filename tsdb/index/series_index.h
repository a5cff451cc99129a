// SPDX-License-Identifier: Apache-2.0
//
// SeriesIndex: label sets <-> dense series ids, and which ids match.
//
// Labels are pairs of interned 32-bit symbols in one arena; postings are compressed bitmaps per
// name=value. Ids are dense and handed out in order, so series created together are contiguous.
// Hides: symbols, postings (CRoaring), regular-expression shortcuts.
// Threads: shared; look-ups do not block each other.
// Errors: kResourceExhausted above Options::max_active_series; matchers and names are trusted to be
// valid.
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

namespace tocsin::tsdb {

class SeriesIndex {
 public:
  explicit SeriesIndex(std::uint64_t max_series);
  ~SeriesIndex();
  SeriesIndex(const SeriesIndex&) = delete;
  SeriesIndex& operator=(const SeriesIndex&) = delete;

  struct Resolved {
    storage::SeriesId id;
    bool created = false;
  };
  // Finds the series of `labels`, or creates it with the next id.
  StatusOr<Resolved> resolve(const model::Labels& labels);
  // Finds it, or returns id 0.
  storage::SeriesId find(const model::Labels& labels) const;
  // Puts back a series with its old id (from the journal or the store). Ids need not be in order;
  // the next new id is above all. kDataLoss when the id exists with other labels.
  Status restore(storage::SeriesId id, const model::Labels& labels);
  // Forgets series whose samples are gone. Their ids are never used again.
  void remove(std::span<const storage::SeriesId> ids);

  model::Labels labels(storage::SeriesId id) const;  // empty when unknown
  // The metric name of a series, "" when it has none or is unknown. The view points into the
  // symbols: equal names have equal data(), and it is valid as long as a pin() from before the call
  // is held.
  std::string_view metric_name(storage::SeriesId id) const;
  // The same for many at once, which takes the lock once: out[i] belongs to ids[i].
  std::vector<std::string_view> metric_names(std::span<const storage::SeriesId> ids) const;
  // While held, views into the symbols stay valid, also of series that are removed meanwhile.
  std::shared_ptr<const void> pin() const;
  std::uint64_t size() const;
  storage::SeriesId next_id() const;
  std::uint64_t memory_bytes() const;

  // Ids that match all matchers, ascending. No matchers: all. Stops with `limit` ids (0: no limit).
  std::vector<storage::SeriesId> select(const model::Matchers& matchers,
                                        std::size_t limit = 0) const;

  // Sorted names / values among the series that match and for which `alive(id)` is true (null:
  // all).
  using Alive = std::function<bool(storage::SeriesId)>;
  std::vector<std::string> label_names(const model::Matchers& matchers, const Alive& alive) const;
  std::vector<std::string> label_values(std::string_view name, const model::Matchers& matchers,
                                        const Alive& alive) const;

  std::vector<storage::CardinalityEntry> series_by_metric(std::size_t limit) const;
  std::vector<storage::CardinalityEntry> values_by_label(std::size_t limit) const;
  std::vector<storage::CardinalityEntry> series_by_pair(std::size_t limit) const;
  std::uint64_t label_pairs() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tocsin::tsdb
