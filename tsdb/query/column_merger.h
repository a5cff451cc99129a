// SPDX-License-Identifier: Apache-2.0
//
// ColumnMerger: the columns of runs and the pieces of the head of one series -> one column.
//
// Pieces are given oldest first, the columns of runs in any order. A row counts when it is newer
// than all rows of the sources before it, so a sample that is both in a run and in the head (it was
// sealed in between, or replayed) appears once. Series whose rows come from the same places get the
// same TimestampColumn object. A confined value: one per batch that is read.
// Errors: kDataLoss for
// a damaged change log.
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

  // Makes the column of one series; its rows are 0 when it has no sample. `sealed` columns are
  // those of runs.
  StatusOr<storage::SeriesColumn> merge(std::span<const storage::SeriesColumn> sealed,
                                        std::span<const Piece> head);

 private:
  struct Part {
    TimesPtr times;
    std::uint32_t first;
    std::uint32_t rows;
    friend auto operator<=>(const Part&, const Part&) = default;
  };
  void add_sealed(const storage::SeriesColumn& column);
  Status add_piece(const Piece& piece);
  // Cuts `rows` rows from `first` of `times` to the range and to what is newer than the rows so
  // far.
  Part cut(const TimesPtr& times, std::uint32_t first, std::uint32_t rows) const;
  void close_part(const Part& part, std::size_t values_before);
  TimesPtr times_of(const std::vector<Part>& parts);

  const std::int64_t min_ms_;
  const std::int64_t max_ms_;
  std::map<std::vector<Part>, TimesPtr> merged_;

  // Of the series being merged.
  std::vector<Part> parts_;
  DecodedRows rows_;
  std::vector<std::int64_t> starts_;  // of rows_; shorter or empty: none
  std::int64_t last_ms_ = INT64_MIN;
};

}  // namespace tocsin::tsdb
