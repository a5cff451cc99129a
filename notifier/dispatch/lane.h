// SPDX-License-Identifier: Apache-2.0
//
// Lane: the one strand that dispatch runs on, its timers, and the end of both.
//
// Work that was accepted but has not started when close() is called never runs, so that nothing
// touches the notifier's services after its stop().
// Owns: its strand.
// Borrows: the executor, timers and clock, until close() returns.
// Threads: shared; work runs one piece at a time, in order.
// Errors: post() is false after close()
// or when the executor refuses. close() waits for the piece that is running: not from within work.
#pragma once

#include <functional>
#include <memory>

#include "base/executor.h"
#include "base/gate.h"
#include "base/time.h"

namespace tocsin::notifier {

class Lane : public std::enable_shared_from_this<Lane> {
 public:
  using Work = std::function<void()>;

  // Always in a shared_ptr: work and timers that are still waiting keep it.
  static std::shared_ptr<Lane> make(base::Executor& workers, base::Timers& timers,
                                    const base::Clock& clock);

  [[nodiscard]] bool post(Work work);
  // Posts `work`, tries again a second later when the executor refuses it; only close() drops it.
  void post_surely(Work work);
  // Posts `work` after `wait`; tries again a second later when the executor refuses it.
  base::Timers::Id after(base::Duration wait, Work work);
  void cancel(base::Timers::Id id);
  void close();

  base::Timestamp now() const { return clock_.now(); }
  base::SteadyTime steady_now() const { return clock_.steady_now(); }

 private:
  Lane(base::Executor& workers, base::Timers& timers, const base::Clock& clock)
      : strand_(workers), timers_(timers), clock_(clock) {}

  base::Strand strand_;
  base::Timers& timers_;
  const base::Clock& clock_;
  base::Gate gate_;
};

}  // namespace tocsin::notifier
