// SPDX-License-Identifier: Apache-2.0
//
// Turn: one thread at a time does something long, such as I/O; the others wait without a lock being
// held over it.
//
//   const Turn::Holder holder(turn_);
// Threads: shared.
// Errors: none.
#pragma once

#include "base/mutex.h"

namespace tocsin::tsdb {

class Turn {
 public:
  class Holder {
   public:
    explicit Holder(Turn& turn) : turn_(turn) {
      base::MutexLock lock(turn_.mutex_);
      while (turn_.taken_) turn_.free_.wait(turn_.mutex_);
      turn_.taken_ = true;
    }
    ~Holder() {
      base::MutexLock lock(turn_.mutex_);
      turn_.taken_ = false;
      turn_.free_.notify_one();
    }
    Holder(const Holder&) = delete;
    Holder& operator=(const Holder&) = delete;

   private:
    Turn& turn_;
  };

 private:
  base::Mutex mutex_;
  base::CondVar free_;
  bool taken_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace tocsin::tsdb
