// SPDX-License-Identifier: Apache-2.0
//
// Executor: where work runs. ThreadPool runs it on named threads, Strand one piece at a time and in
// order on top of another executor, testing::ManualExecutor when a test says so.
//
// A piece of work must not wait for another piece of the same executor.
// Threads: shared; post() may be called from any thread and from within work.
// Errors: post() returns false after stop() or, for a bounded pool, when the queue is full; the
// work is then destroyed without running. Work does not throw.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/mutex.h"

namespace tocsin::base {

class Executor {
 public:
  using Work = std::function<void()>;

  virtual ~Executor() = default;
  [[nodiscard]] virtual bool post(Work work) = 0;
};

// Fixed threads over one first-in-first-out queue.
// Owns: its threads. stop() refuses new work, runs what is queued, and joins; the destructor stops.
class ThreadPool final : public Executor {
 public:
  struct Options {
    std::string name;  // at most 15 bytes; shown by the system for each thread
    std::size_t threads = 1;
    std::size_t max_queued = 100'000;  // post() fails above it
    int nice = 0;                      // added to the threads' niceness (0 = as the process)
    bool idle_io = false;              // reads and writes only when nobody else wants the disk
    // How many pieces may wait for each thread at work before another is woken. More than 0 is for
    // short pieces that never block for long: a thread with warm caches does them faster than two
    // that have to wake up.
    std::size_t backlog = 0;
  };

  explicit ThreadPool(Options options);
  ~ThreadPool() override;
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  [[nodiscard]] bool post(Work work) override;
  void stop();

  // Pieces waiting now, and refused since the start: for self-metrics.
  std::size_t queued() const;
  std::uint64_t refused() const;

 private:
  void run();
  // Whether a thread must wake up for what was just queued; counts it as woken.
  bool take_sleeper() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Options options_;
  mutable Mutex mutex_;
  CondVar wake_;
  std::deque<Work> queue_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::uint64_t refused_ ABSL_GUARDED_BY(mutex_) = 0;
  std::size_t sleeping_ ABSL_GUARDED_BY(mutex_) = 0;
  std::size_t woken_ ABSL_GUARDED_BY(mutex_) = 0;  // of those sleeping; not running yet
  std::vector<std::jthread> threads_;
};

// Serialises work on `executor` (borrowed, must outlive every piece of posted work).
// Work posted by one thread runs in its order of posting. Destroying a Strand does not cancel work.
class Strand final : public Executor {
 public:
  explicit Strand(Executor& executor);
  [[nodiscard]] bool post(Work work) override;

 private:
  struct State;
  static void drain(const std::shared_ptr<State>& state);
  std::shared_ptr<State> state_;
};

}  // namespace tocsin::base
