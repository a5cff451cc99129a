// SPDX-License-Identifier: Apache-2.0
//
// Which series match, whether they are in memory or in the store only, and their labels.
//
// Memory is asked first: a series that leaves meanwhile was found there, and one that comes back is
// found in the store too.
// Borrows: Core. Threads: shared. Errors: of the store and of the token.
#pragma once

#include <cstdint>
#include <vector>

#include "tsdb/core/core.h"

namespace tocsin::tsdb {

struct TimeRange {
  std::int64_t min_ms = 0;  // closed
  std::int64_t max_ms = 0;  // closed
};

// Ids that match, ascending: all of those in memory, and the others that may have samples in the
// range.
StatusOr<std::vector<storage::SeriesId>> find_series(const Core& core,
                                                     const model::Matchers& matchers,
                                                     TimeRange range,
                                                     const storage::CancelToken* cancel);
// Puts series of one metric together, metrics by name, as runs have them: a batch of a query over many
// metrics then needs few tiles. Series that are not in memory come last. Fewer than kOrderedFrom are
// left as they are: their order then does not depend on who is in memory.
inline constexpr std::size_t kOrderedFrom = 1024;
void order_by_metric(const Core& core, const model::Matchers& matchers,
                     std::vector<storage::SeriesId>* ids);
// Finds series that are not in memory, for who asks memory itself: made before memory is asked, used
// after it. A series that leaves or comes back in between may be found in both, never in neither.
class LeftSeries {
 public:
  explicit LeftSeries(const Core& core);
  StatusOr<Postings> find(const model::Matchers& matchers, TimeRange range,
                          const storage::CancelToken* cancel) const;

 private:
  const Core& core_;
  std::uint64_t removals_;
  Postings in_memory_;
};

// Empty for an unknown series.
StatusOr<model::Labels> labels_of(const Core& core, storage::SeriesId id);

}  // namespace tocsin::tsdb
