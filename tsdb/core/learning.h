// SPDX-License-Identifier: Apache-2.0
//
// Learning: keeps what was read from runs before a clean-up from being told to the head after it.
//
// The head is told the newest samples of series that runs hold, by value. A clean-up takes deleted
// samples out of the runs and forgets their tombstones, except of those that the head knows: one
// that it learned afterwards, from a snapshot of before, would be visible for ever.
//   const Learning::Round round = learning.begin();   // before the tombstones and the snapshot
//   ... read ...
//   if (!learning.tell(round, [&] { head.learn_newest(id, newest); })) ... read again ...
// Threads: shared; lock order in docs/threads.md.
// Errors: none.
#pragma once

#include <cstdint>

#include "base/mutex.h"
#include "base/strong_int.h"

namespace tocsin::tsdb {

class Learning {
 public:
  using Round = base::StrongInt<struct RoundTag, std::uint64_t>;

  Round begin() const {
    base::ReaderLock lock(mutex_);
    return round_;
  }
  // Calls `tell` and returns true, unless a round ended since `round` began.
  template <typename Tell>
  bool tell(Round round, Tell tell) const {
    base::ReaderLock lock(mutex_);
    if (round_ != round) return false;
    tell();
    return true;
  }
  // What was told before is in the head when it returns; what was read before is not told after.
  // Call it when the runs are cleaned, before tombstones are forgotten.
  void end_round() {
    base::WriterLock lock(mutex_);
    round_ = Round(round_.value() + 1);
  }

 private:
  mutable base::SharedMutex mutex_;
  Round round_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tocsin::tsdb
