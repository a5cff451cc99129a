// SPDX-License-Identifier: Apache-2.0
//
// StopSignal: what the main function of an exporter waits for.
//
// Threads: shared. Does not fail.
#pragma once

#include "base/mutex.h"

namespace tocsin::exporters {

class StopSignal {
 public:
  void set() {
    base::MutexLock lock(mutex_);
    is_set_ = true;
    changed_.notify_all();
  }
  void wait() {
    base::MutexLock lock(mutex_);
    while (!is_set_) changed_.wait(mutex_);
  }

 private:
  base::Mutex mutex_;
  base::CondVar changed_;
  bool is_set_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace tocsin::exporters
