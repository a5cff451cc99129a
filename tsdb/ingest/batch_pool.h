// SPDX-License-Identifier: Apache-2.0
//
// BatchPool keeps the memory of batches that were committed, for the next ones.
//
// At most 8 batches of at most 256 KiB each are kept.
// Threads: shared. Errors: none.
#pragma once

#include <utility>
#include <vector>

#include "base/mutex.h"
#include "tsdb/head/batch.h"

namespace tocsin::tsdb {

class BatchPool {
 public:
  // An empty batch, perhaps with memory.
  Batch take() {
    auto kept = kept_.lock();
    if (kept->empty()) return {};
    Batch batch = std::move(kept->back());
    kept->pop_back();
    return batch;
  }
  void give_back(Batch batch) {
    constexpr std::size_t kMaxBatches = 8;
    constexpr std::size_t kMaxBytes = 256U << 10;
    batch.clear();
    if (batch.memory_bytes() > kMaxBytes) return;
    auto kept = kept_.lock();
    if (kept->size() < kMaxBatches) kept->push_back(std::move(batch));
  }

 private:
  base::Guarded<std::vector<Batch>> kept_;
};

}  // namespace tocsin::tsdb
