// SPDX-License-Identifier: Apache-2.0
//
// FakeClock: a Clock and Timers that move only when a test says so.
//
// advance() runs due callbacks on the calling thread, in the order of their deadlines, with the
// time set to each deadline; callbacks may schedule more. Wall and steady time move together.
// Threads: shared (a mutex inside); callbacks run without it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <utility>

#include "base/mutex.h"
#include "base/time.h"

namespace tocsin::base::testing {

class FakeClock final : public Clock, public Timers {
 public:
  explicit FakeClock(Timestamp start = from_ms(1'700'000'000'000)) : start_(start), now_(start) {}

  Timestamp now() const override;
  SteadyTime steady_now() const override;
  Id schedule(SteadyTime deadline, std::function<void()> callback) override;
  bool cancel(Id id) override;

  void advance(Duration by);
  void advance_to(Timestamp when);
  std::size_t pending() const;

 private:
  const Timestamp start_;
  mutable Mutex mutex_;
  Timestamp now_ ABSL_GUARDED_BY(mutex_);
  Id next_id_ ABSL_GUARDED_BY(mutex_) = 1;
  std::map<std::pair<SteadyTime, Id>, std::function<void()>> calls_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tocsin::base::testing
