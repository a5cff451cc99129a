// SPDX-License-Identifier: Apache-2.0
//
// StripedMutex: a shared mutex whose readers do not meet each other.
//
// Each thread reads under one of a few mutexes, each on its own cache line; a writer takes all of
// them. So readers on several cores pay for an uncontended lock, and a writer, which is rare, pays
// for eight.
// Threads: shared. A reader unlocks on the thread that locked.
// Errors: none.
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <thread>

#include "base/mutex.h"

namespace tocsin::tsdb {

class ABSL_LOCKABLE StripedMutex {
 public:
  StripedMutex() = default;
  StripedMutex(const StripedMutex&) = delete;
  StripedMutex& operator=(const StripedMutex&) = delete;

  void lock() ABSL_EXCLUSIVE_LOCK_FUNCTION() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    for (Stripe& stripe : stripes_) stripe.mutex.lock();
  }
  void unlock() ABSL_UNLOCK_FUNCTION() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    for (auto it = stripes_.rbegin(); it != stripes_.rend(); ++it) it->mutex.unlock();
  }
  void lock_shared() ABSL_SHARED_LOCK_FUNCTION() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    stripes_[own()].mutex.lock_shared();
  }
  void unlock_shared() ABSL_UNLOCK_FUNCTION() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    stripes_[own()].mutex.unlock_shared();
  }

 private:
  static constexpr std::size_t kStripes = 8;
  struct alignas(64) Stripe {
    base::SharedMutex mutex;
  };
  // Ids of threads are addresses of their stacks: the product brings the bits that differ to the
  // top.
  static std::size_t own() {
    const std::size_t id =
        std::hash<decltype(std::this_thread::get_id())>{}(std::this_thread::get_id());
    return (id * 0x9e3779b97f4a7c15ULL) >> 61U;
  }
  static_assert(sizeof(std::size_t) == 8 && kStripes == 8);

  std::array<Stripe, kStripes> stripes_;
};

class ABSL_SCOPED_LOCKABLE StripedReaderLock {
 public:
  explicit StripedReaderLock(StripedMutex& mutex) ABSL_SHARED_LOCK_FUNCTION(mutex) : mutex_(mutex) {
    mutex_.lock_shared();
  }
  ~StripedReaderLock() ABSL_UNLOCK_FUNCTION() { mutex_.unlock_shared(); }
  StripedReaderLock(const StripedReaderLock&) = delete;
  StripedReaderLock& operator=(const StripedReaderLock&) = delete;

 private:
  StripedMutex& mutex_;
};

class ABSL_SCOPED_LOCKABLE StripedWriterLock {
 public:
  explicit StripedWriterLock(StripedMutex& mutex) ABSL_EXCLUSIVE_LOCK_FUNCTION(mutex)
      : mutex_(mutex) {
    mutex_.lock();
  }
  ~StripedWriterLock() ABSL_UNLOCK_FUNCTION() { mutex_.unlock(); }
  StripedWriterLock(const StripedWriterLock&) = delete;
  StripedWriterLock& operator=(const StripedWriterLock&) = delete;

 private:
  StripedMutex& mutex_;
};

}  // namespace tocsin::tsdb
