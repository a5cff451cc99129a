// SPDX-License-Identifier: Apache-2.0
//
// SeriesBlock: the label sets of up to 1024 consecutive ids as one value of the store.
//
// What series share is in a block once: texts of pairs, and lists of pairs. A block needs no other
// block to be read, so damage costs the series of one block.
// Pure functions of values.
// Errors: kDataLoss for damaged bytes, kFailedPrecondition for those of a newer program.
// Read next: docs/formats/tsdb_series.md.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "base/string_map.h"
#include "tsdb/index/series_rows.h"

namespace tocsin::tsdb {

inline constexpr std::uint32_t kBlockIds = 1024;

std::string encode_block(const SeriesRows& rows);
// Every number in the result is within its table.
StatusOr<SeriesRows> decode_block(std::string_view bytes);

// Null when the id is not in the rows.
const SeriesRows::Row* find_row(const SeriesRows& rows, std::uint32_t id);

// RowsBuilder puts rows of several SeriesRows together. Confined.
class RowsBuilder {
 public:
  // REQUIRES: ids ascend.
  void add(const SeriesRows& from, const SeriesRows::Row& row);
  SeriesRows take() { return std::move(rows_); }

 private:
  std::uint32_t set_number(const SeriesRows& from, std::uint32_t set);

  SeriesRows rows_;
  StringMap<std::uint32_t> pairs_;
  std::map<std::vector<std::uint32_t>, std::uint32_t> sets_;
};

}  // namespace tocsin::tsdb
