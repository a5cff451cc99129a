// SPDX-License-Identifier: Apache-2.0
//
// ColumnMerger: the columns of runs and the pieces of the head of one series -> one column by time.
//
// Sources that follow one another are put one behind the other, and a single one is handed on as it
// is. Sources that overlap (a sample is in a run and still in the head; a merge put samples around
// those of another run) are merged by time; of several samples with one timestamp the first
// source's counts. Series whose rows come from the same places get the same TimestampColumn object.
// A confined value: one per batch that is read.
// Errors: kDataLoss for a damaged change log.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <tuple>
#include <vector>

#include "base/status.h"
#include "storage/queryable.h"
#include "tsdb/head/change_log.h"
#include "tsdb/head/chunk.h"

namespace tocsin::tsdb {

class ColumnMerger {
 public:
  // Rows outside [min_ms, max_ms] are left out.
  ColumnMerger(std::int64_t min_ms, std::int64_t max_ms) : min_ms_(min_ms), max_ms_(max_ms) {}

  // Makes the column of one series; its rows are 0 when it has no sample, else the last one holds a
  // sample. `sealed` columns are those of runs and are used up.
  StatusOr<storage::SeriesColumn> merge(std::span<storage::SeriesColumn> sealed,
                                        std::span<const Piece> head);

 private:
  // Rows [begin, end) of a source that hold its first and its last sample of the range.
  struct Part {
    storage::SeriesColumn* column = nullptr;
    std::uint32_t begin = 0;
    std::uint32_t end = 0;
    std::int64_t first_ms = 0;
    std::int64_t last_ms = 0;
  };
  using Place = std::tuple<const storage::TimestampColumn*, std::uint32_t, std::uint32_t>;
  struct Made {
    TimesPtr times;
    std::vector<TimesPtr> sources;  // so that their addresses are not used again
  };

  void add(storage::SeriesColumn* column);
  Status decode(std::span<const Piece> head);
  storage::SeriesColumn take_single();
  storage::SeriesColumn append();
  storage::SeriesColumn interleave();
  TimesPtr times_of_parts();
  // The object that holds these times, if it was made last.
  TimesPtr shared(std::vector<std::int64_t> ms);

  const std::int64_t min_ms_;
  const std::int64_t max_ms_;
  std::map<std::vector<Place>, Made> made_;
  TimesPtr interleaved_;

  // Of the series being merged.
  std::vector<Part> parts_;
  std::vector<storage::SeriesColumn> decoded_;
};

}  // namespace tocsin::tsdb
