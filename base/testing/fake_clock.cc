// SPDX-License-Identifier: Apache-2.0
#include "base/testing/fake_clock.h"

#include <utility>

namespace tocsin::base::testing {
namespace {

// Steady time starts at one hour, so that a test may also schedule in the past.
constexpr SteadyTime kSteadyStart{std::chrono::hours(1)};

}  // namespace

Timestamp FakeClock::now() const {
  MutexLock lock(mutex_);
  return now_;
}

SteadyTime FakeClock::steady_now() const {
  MutexLock lock(mutex_);
  return kSteadyStart + (now_ - start_);
}

Timers::Id FakeClock::schedule(SteadyTime deadline, std::function<void()> callback) {
  MutexLock lock(mutex_);
  const Id id = next_id_++;
  calls_.emplace(std::pair(deadline, id), std::move(callback));
  return id;
}

bool FakeClock::cancel(Id id) {
  std::function<void()> callback;  // destroyed after the lock is released
  MutexLock lock(mutex_);
  for (auto it = calls_.begin(); it != calls_.end(); ++it) {
    if (it->first.second != id) continue;
    callback = std::move(it->second);
    calls_.erase(it);
    return true;
  }
  return false;
}

void FakeClock::advance(Duration by) { advance_to(now() + by); }

void FakeClock::advance_to(Timestamp when) {
  const SteadyTime end = kSteadyStart + (when - start_);
  for (;;) {
    std::function<void()> callback;
    {
      MutexLock lock(mutex_);
      const auto first = calls_.begin();
      if (first == calls_.end() || first->first.first > end) {
        now_ = std::max(now_, when);
        return;
      }
      // A deadline between two milliseconds fires at the later one, never early.
      const auto due = start_ + std::chrono::ceil<Duration>(first->first.first - kSteadyStart);
      now_ = std::max(now_, due);
      callback = std::move(first->second);
      calls_.erase(first);
    }
    callback();
  }
}

std::size_t FakeClock::pending() const {
  MutexLock lock(mutex_);
  return calls_.size();
}

}  // namespace tocsin::base::testing
