// SPDX-License-Identifier: Apache-2.0
//
// Gate: counts operations in flight so that stop() can refuse new ones and wait for the rest.
//
//   Gate::Pass pass = gate_.enter();
//   if (!pass) return unavailable("stopping");
//
// Threads: shared. close() blocks until every Pass is gone; calling it again returns at once.
// Errors: none; after close() a Pass is false.
#pragma once

#include <cstddef>
#include <utility>

#include "base/mutex.h"

namespace tocsin::base {

class Gate {
 public:
  class Pass {
   public:
    Pass() = default;
    explicit Pass(Gate* gate) : gate_(gate) {}
    Pass(Pass&& other) noexcept : gate_(std::exchange(other.gate_, nullptr)) {}
    Pass& operator=(Pass&& other) noexcept {
      if (this != &other) {
        leave();
        gate_ = std::exchange(other.gate_, nullptr);
      }
      return *this;
    }
    ~Pass() { leave(); }
    explicit operator bool() const { return gate_ != nullptr; }

   private:
    void leave() {
      if (gate_ != nullptr) std::exchange(gate_, nullptr)->leave();
    }
    Gate* gate_ = nullptr;
  };

  // Returns a false Pass after close().
  Pass enter() {
    MutexLock lock(mutex_);
    if (closed_) return Pass();
    ++inside_;
    return Pass(this);
  }

  void close() {
    MutexLock lock(mutex_);
    closed_ = true;
    while (inside_ != 0) empty_.wait(mutex_);
  }

 private:
  void leave() {
    MutexLock lock(mutex_);
    if (--inside_ == 0) empty_.notify_all();
  }

  Mutex mutex_;
  CondVar empty_;
  std::size_t inside_ ABSL_GUARDED_BY(mutex_) = 0;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace tocsin::base
