// SPDX-License-Identifier: Apache-2.0
//
// NewSeriesLimit: how many series may come into memory in one minute of the clock.
//
// Threads: shared.
// Errors: none: take() says no.
#pragma once

#include <atomic>
#include <cstdint>

namespace tocsin::tsdb {

class NewSeriesLimit {
 public:
  // Takes one of this minute's `limit` (below 2^32); false when none is left.
  bool take(std::uint64_t limit, std::int64_t now_ms) {
    const std::uint64_t minute = (static_cast<std::uint64_t>(now_ms) / 60'000) << 32U;
    std::uint64_t before = state_.load(std::memory_order_relaxed);
    for (;;) {
      const std::uint64_t used = (before & kMinute) == minute ? before & ~kMinute : 0;
      if (used >= limit) {
        refused_.fetch_add(1, std::memory_order_relaxed);
        return false;
      }
      if (state_.compare_exchange_weak(before, minute | (used + 1), std::memory_order_relaxed)) {
        return true;
      }
    }
  }
  std::uint64_t refused() const { return refused_.load(std::memory_order_relaxed); }

 private:
  static constexpr std::uint64_t kMinute = ~0xffffffffULL;
  std::atomic<std::uint64_t> state_{0};  // the minute in the upper half, taken in the lower
  std::atomic<std::uint64_t> refused_{0};
};

}  // namespace tocsin::tsdb
