// SPDX-License-Identifier: Apache-2.0
//
// ManualExecutor: work waits until a test runs it, on the test's thread. InlineExecutor runs work
// inside post().
// Threads: shared.
#pragma once

#include <cstddef>
#include <deque>

#include "base/executor.h"
#include "base/mutex.h"

namespace tocsin::base::testing {

class ManualExecutor final : public Executor {
 public:
  [[nodiscard]] bool post(Work work) override {
    MutexLock lock(mutex_);
    queue_.push_back(std::move(work));
    return true;
  }
  // Runs work, also what it posts, until none is left; returns how many pieces ran.
  std::size_t run_until_idle() {
    std::size_t ran = 0;
    for (;; ++ran) {
      Work work;
      {
        MutexLock lock(mutex_);
        if (queue_.empty()) return ran;
        work = std::move(queue_.front());
        queue_.pop_front();
      }
      work();
    }
  }

 private:
  Mutex mutex_;
  std::deque<Work> queue_ ABSL_GUARDED_BY(mutex_);
};

class InlineExecutor final : public Executor {
 public:
  [[nodiscard]] bool post(Work work) override {
    work();
    return true;
  }
};

}  // namespace tocsin::base::testing
