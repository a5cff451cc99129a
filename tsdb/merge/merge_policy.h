// SPDX-License-Identifier: Apache-2.0
//
// MergePolicy: which runs are to become one, from the list of runs alone.
//
// Runs of tier 0 (sealed from the head) become one of tier 1 for each window of 2 hours, those one
// of tier 2 for each window of 24 hours: a sample is written three times. A run belongs to the
// window, aligned to the time of the data, that its newest sample lies in; it may begin in an
// earlier one. A window is merged when newer data is beyond it, or when it has passed and nothing
// was sealed for a while.
// Pure functions of values.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "tsdb/run/run_store.h"

namespace tocsin::tsdb {

inline constexpr std::uint8_t kColdTier = 2;

struct MergeJob {
  std::vector<RunId> inputs;  // ascending
  std::uint8_t tier = 0;      // of the result
};

struct MergePolicy {
  std::int64_t warm_window_ms = 2LL * 3600 * 1000;
  std::int64_t cold_window_ms = 24LL * 3600 * 1000;
  // A passed window is merged so long after its last seal although no newer data came.
  std::int64_t quiet_ms = 10LL * 60 * 1000;
  // So many runs of tier 0 in one window are merged before it is complete.
  std::size_t max_small_runs = 16;
  // Inputs of one merge; each takes a tile of memory.
  std::size_t max_inputs = 64;

  // The next merge, if one is due at `now_ms`. Runs in `left_out` (ascending) are not touched.
  std::optional<MergeJob> next(std::span<const RunInfo> runs, std::span<const RunId> left_out,
                               std::int64_t now_ms) const;
  // The next merge on the way to one run of the cold tier per window, complete or not.
  std::optional<MergeJob> next_compaction(std::span<const RunInfo> runs,
                                          std::span<const RunId> left_out) const;
};

}  // namespace tocsin::tsdb
