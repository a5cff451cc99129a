// SPDX-License-Identifier: Apache-2.0
//
// What start times of samples ("since when this counts", 0 for unknown) say of counters. Pure
// functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace tocsin::promql::functions {

// Whether the counter began anew between samples i - 1 and i. `starts` is empty or as long as `ms`.
inline bool starts_anew(std::span<const std::int64_t> ms, std::span<const std::int64_t> starts,
                        std::size_t i) {
  if (starts.empty()) return false;
  const std::int64_t before_ms = ms[i - 1];
  const std::int64_t start = starts[i];
  // At its own time: nothing is known but that it counts.
  if (start == 0 || start >= ms[i] || start < before_ms) return false;
  if (start > before_ms) return true;
  // It begins where the one before was taken: each sample is a difference, or the beginning is
  // unknown, which the first sample of such a series says with a start at its own time, or none.
  const std::int64_t start_before = starts[i - 1];
  return start_before != 0 && start_before < before_ms;
}

// Whether samples i - 1 and i count the same events twice.
inline bool overlaps(std::span<const std::int64_t> ms, std::span<const std::int64_t> starts,
                     std::size_t i) {
  return starts[i] != 0 && starts[i] < ms[i - 1] && starts[i] != starts[i - 1];
}

// When sample `first` of a window began to count, if that is after the window's start; else 0.
inline std::int64_t start_inside(std::span<const std::int64_t> ms,
                                 std::span<const std::int64_t> starts, std::size_t first,
                                 std::int64_t window_start_ms) {
  if (starts.empty() || starts[first] == 0) return 0;
  return starts[first] > window_start_ms && starts[first] < ms[first] ? starts[first] : 0;
}

}  // namespace tocsin::promql::functions
