// SPDX-License-Identifier: Apache-2.0
//
// PendingSamples: the newest sample of each series in a batch, as an open table: a batch has each
// series once as a rule, and then its ids often ascend, which is no look-up at all.
//
// A confined value.
#pragma once

#include <cstdint>
#include <vector>

#include "storage/types.h"

namespace tocsin::tsdb {

class PendingSamples {
 public:
  struct Sample {
    storage::SeriesId id;
    std::int64_t time_ms = 0;
    std::uint64_t bits = 0;
  };

  // Null when the batch has none; valid until the next put().
  const Sample* find(storage::SeriesId id) const {
    if (id > largest_) return nullptr;
    const Sample& found = slots_[slot_of(id)];
    return found.id == id ? &found : nullptr;
  }
  bool empty() const { return size_ == 0; }
  void put(const Sample& sample) {
    if (size_ * 2 >= slots_.size()) grow();
    Sample& slot = slots_[slot_of(sample.id)];
    size_ += slot.id ? 0 : 1;
    slot = sample;
    if (sample.id > largest_) largest_ = sample.id;
  }

 private:
  // REQUIRES: slots_ is not empty.
  std::size_t slot_of(storage::SeriesId id) const {
    const std::size_t mask = slots_.size() - 1;
    std::size_t slot = (id.value() * 0x9e3779b97f4a7c15ULL >> 32U) & mask;
    while (slots_[slot].id && slots_[slot].id != id) slot = (slot + 1) & mask;
    return slot;
  }
  void grow() {
    std::vector<Sample> old(slots_.empty() ? 64 : slots_.size() * 4);
    old.swap(slots_);
    for (const Sample& sample : old) {
      if (sample.id) slots_[slot_of(sample.id)] = sample;
    }
  }

  std::vector<Sample> slots_;  // a power of two
  std::size_t size_ = 0;
  storage::SeriesId largest_;
};

}  // namespace tocsin::tsdb
