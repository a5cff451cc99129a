// SPDX-License-Identifier: Apache-2.0
//
// Tombstones: which intervals of which series are deleted.
//
// Intervals of a series are closed, ascending, and neither overlap nor touch. Who reads samples
// takes the tombstones first and the samples after them: a clean-up publishes what it rewrote
// before it forgets a tombstone, so that no sample comes back.
// Threads: a value; published ones are immutable and shared.
// Errors: kDataLoss for damaged bytes, kFailedPrecondition for those of a newer program.
// Read next: docs/formats/tsdb_tombstones.md, tombstone_file.h.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "storage/queryable.h"
#include "storage/types.h"

namespace tocsin::tsdb {

struct Interval {
  std::int64_t min_ms = 0;  // closed
  std::int64_t max_ms = 0;  // closed

  bool contains(std::int64_t ms) const { return min_ms <= ms && ms <= max_ms; }
  friend bool operator==(const Interval&, const Interval&) = default;
};

struct Tombstone {
  storage::SeriesId id;
  Interval deleted;
  friend bool operator==(const Tombstone&, const Tombstone&) = default;
};

class Tombstones {
 public:
  Tombstones() = default;
  // In any order; overlapping and touching intervals become one. REQUIRES: min_ms <= max_ms.
  explicit Tombstones(std::vector<Tombstone> stones);

  bool empty() const { return ids_.empty(); }
  std::size_t size() const { return ids_.size(); }  // intervals of all series
  // Valid as long as this object. Empty for a series of which nothing is deleted.
  std::span<const Interval> of(storage::SeriesId id) const;
  bool covers(storage::SeriesId id, std::int64_t ms) const;
  std::vector<Tombstone> list() const;  // ascending by series, then time

  std::string encode() const;
  static StatusOr<Tombstones> decode(std::string_view bytes);

  friend bool operator==(const Tombstones&, const Tombstones&) = default;

 private:
  // Side by side, so that the intervals of a series are a span.
  std::vector<storage::SeriesId> ids_;
  std::vector<Interval> intervals_;
};

// Takes the samples in `deleted` out of the column. Its last row then holds a sample; `rows` is 0
// when none is left.
void hide_deleted(std::span<const Interval> deleted, storage::SeriesColumn* column);

// What is left of `whole` without `deleted`, ascending.
std::vector<Interval> gaps(Interval whole, std::span<const Interval> deleted);

}  // namespace tocsin::tsdb
