// SPDX-License-Identifier: Apache-2.0
//
// ElasticPool: an executor of few threads that gets more when they are stuck.
//
// Collectors take microseconds, so two threads do for all of them, and the machine's number of
// running processes stays true. When nothing has been taken from the queue for `patience` although
// something waits, the threads are in collectors that block, and one more is started, up to `most`.
// Threads that were started stay.
//
// Owns: its threads. Borrows: clock and timers (must outlive it).
// Threads: shared. stop() refuses new work, runs what is queued and joins: it must not be called
// while work is stuck.
// Errors: post() returns false after stop().
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "base/executor.h"
#include "base/mutex.h"
#include "base/time.h"

namespace tocsin::exporters {

class ElasticPool final : public base::Executor {
 public:
  struct Options {
    std::string name;
    std::size_t usual = 2;
    std::size_t most = 2;
    base::Duration patience{50};
  };

  ElasticPool(Options options, const base::Clock& clock, base::Timers& timers);
  ~ElasticPool() override;
  ElasticPool(const ElasticPool&) = delete;
  ElasticPool& operator=(const ElasticPool&) = delete;

  [[nodiscard]] bool post(Work work) override;
  void stop();

  std::size_t threads() const;

 private:
  struct State;
  static void drain(const std::shared_ptr<State>& state, std::size_t lane);
  static void watch(const std::shared_ptr<State>& state);
  static void check(const std::shared_ptr<State>& state);

  const std::shared_ptr<State> state_;  // shared with timers that fire late
};

}  // namespace tocsin::exporters
