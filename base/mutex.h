// SPDX-License-Identifier: Apache-2.0
//
// Mutex, MutexLock, CondVar and Guarded<T>: std::mutex with thread-safety annotations.
// SharedMutex, ReaderLock and WriterLock: the same for std::shared_mutex, for read-mostly tables.
//
// Prefer Guarded<T>, which keeps the data inside the lock:
//   Guarded<std::vector<Job>> jobs_;
//   jobs_.lock()->push_back(job);          // locked until the end of the full expression
// absl::Mutex is not used: ThreadSanitizer reports false races with Debian's build of it.
// Threads: shared. Lock order is in docs/threads.md; no lock is held over I/O or a callback.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <shared_mutex>
#include <utility>

#include <absl/base/thread_annotations.h>

namespace tocsin::base {

class ABSL_LOCKABLE Mutex {
 public:
  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  void lock() ABSL_EXCLUSIVE_LOCK_FUNCTION() { mutex_.lock(); }
  void unlock() ABSL_UNLOCK_FUNCTION() { mutex_.unlock(); }
  bool try_lock() ABSL_EXCLUSIVE_TRYLOCK_FUNCTION(true) { return mutex_.try_lock(); }

 private:
  friend class CondVar;
  std::mutex mutex_;
};

class ABSL_SCOPED_LOCKABLE MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) ABSL_EXCLUSIVE_LOCK_FUNCTION(mutex) : mutex_(mutex) {
    mutex_.lock();
  }
  ~MutexLock() ABSL_UNLOCK_FUNCTION() { mutex_.unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

// Readers share it, a writer is alone. Readers come first, so keep their sections short.
class ABSL_LOCKABLE SharedMutex {
 public:
  SharedMutex() = default;
  SharedMutex(const SharedMutex&) = delete;
  SharedMutex& operator=(const SharedMutex&) = delete;

  void lock() ABSL_EXCLUSIVE_LOCK_FUNCTION() { mutex_.lock(); }
  void unlock() ABSL_UNLOCK_FUNCTION() { mutex_.unlock(); }
  void lock_shared() ABSL_SHARED_LOCK_FUNCTION() { mutex_.lock_shared(); }
  void unlock_shared() ABSL_UNLOCK_FUNCTION() { mutex_.unlock_shared(); }

 private:
  std::shared_mutex mutex_;
};

class ABSL_SCOPED_LOCKABLE ReaderLock {
 public:
  explicit ReaderLock(SharedMutex& mutex) ABSL_SHARED_LOCK_FUNCTION(mutex) : mutex_(mutex) {
    mutex_.lock_shared();
  }
  ~ReaderLock() ABSL_UNLOCK_FUNCTION() { mutex_.unlock_shared(); }
  ReaderLock(const ReaderLock&) = delete;
  ReaderLock& operator=(const ReaderLock&) = delete;

 private:
  SharedMutex& mutex_;
};

class ABSL_SCOPED_LOCKABLE WriterLock {
 public:
  explicit WriterLock(SharedMutex& mutex) ABSL_EXCLUSIVE_LOCK_FUNCTION(mutex) : mutex_(mutex) {
    mutex_.lock();
  }
  ~WriterLock() ABSL_UNLOCK_FUNCTION() { mutex_.unlock(); }
  WriterLock(const WriterLock&) = delete;
  WriterLock& operator=(const WriterLock&) = delete;

 private:
  SharedMutex& mutex_;
};

// Waits release the mutex and take it again; spurious wake-ups happen, so wait in a loop.
//
// Not std::condition_variable_any, which needs no access to the mutex but has another one inside: who
// is woken runs into it while the waker still holds it, and goes back to sleep.
class CondVar {
 public:
  void wait(Mutex& mutex) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    Borrowed lock(mutex);
    condition_.wait(lock.held);
  }
  // Returns false when `deadline` passed first.
  bool wait_until(Mutex& mutex, std::chrono::steady_clock::time_point deadline)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    Borrowed lock(mutex);
    return condition_.wait_until(lock.held, deadline) == std::cv_status::no_timeout;
  }
  void notify_one() { condition_.notify_one(); }
  void notify_all() { condition_.notify_all(); }

 private:
  // The caller's lock as the standard library wants it; the caller keeps it.
  struct Borrowed {
    explicit Borrowed(Mutex& mutex) : held(mutex.mutex_, std::adopt_lock) {}
    ~Borrowed() { static_cast<void>(held.release()); }
    Borrowed(const Borrowed&) = delete;
    Borrowed& operator=(const Borrowed&) = delete;
    std::unique_lock<std::mutex> held;
  };

  std::condition_variable condition_;
};

template <typename T>
class Guarded {
 public:
  // Access to the data for as long as the handle lives.
  class Handle {
   public:
    Handle(std::mutex& mutex, T& value) : lock_(mutex), value_(value) {}
    T& operator*() const { return value_; }
    T* operator->() const { return &value_; }

   private:
    std::unique_lock<std::mutex> lock_;
    T& value_;
  };

  template <typename... Args>
  explicit Guarded(Args&&... args) : value_(std::forward<Args>(args)...) {}

  Handle lock() const { return Handle(mutex_, value_); }

 private:
  mutable std::mutex mutex_;
  mutable T value_;
};

}  // namespace tocsin::base
