// SPDX-License-Identifier: Apache-2.0
//
// RowsJoiner: the samples that several sources have of one series -> one list of rows.
//
// Rows of sources that do not overlap in time are put one behind the other, and series that are put
// together from the same places get the same TimestampColumn object. Otherwise samples are merged
// by time; of several with one timestamp the first source's is taken.
// Threads: confined. Errors: none.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <tuple>
#include <vector>

#include "tsdb/run/run_store.h"

namespace tocsin::tsdb {

class RowsJoiner {
 public:
  // Keeps the columns that it made within `max_bytes`.
  explicit RowsJoiner(std::size_t max_bytes = 16U << 20)
      : max_rows_kept_(max_bytes / sizeof(std::int64_t)) {}

  // Replaces what `out` holds. Parts are used up.
  void join(std::vector<RunRows>* parts, RunRows* out);
  std::size_t memory_bytes() const { return rows_kept_ * sizeof(std::int64_t); }

 private:
  using TimesPtr = std::shared_ptr<const storage::TimestampColumn>;
  struct Slice {
    RunRows* part = nullptr;
    std::uint32_t begin = 0;  // rows of the part
    std::uint32_t end = 0;
    std::int64_t first_ms = 0;
    std::int64_t last_ms = 0;
  };
  using Place = std::tuple<const storage::TimestampColumn*, std::uint32_t, std::uint32_t>;
  struct Made {
    TimesPtr times;
    std::vector<TimesPtr> sources;  // so that their addresses are not used again
  };

  void append(RunRows* out) const;
  void interleave(RunRows* out) const;
  TimesPtr times_of_slices();
  TimesPtr joined_times() const;

  std::vector<Slice> slices_;
  std::map<std::vector<Place>, Made> made_;
  const std::size_t max_rows_kept_;
  std::size_t rows_kept_ = 0;
};

}  // namespace tocsin::tsdb
