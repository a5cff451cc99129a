// SPDX-License-Identifier: Apache-2.0
//
// BoundedEventLog: the newest events, in memory.
//
// Threads: shared.
// Errors: none; when full the oldest event goes and dropped() counts it.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "base/mutex.h"
#include "storage/event_log.h"

namespace tocsin::storage {

class BoundedEventLog final : public EventLog {
 public:
  explicit BoundedEventLog(std::size_t max_events = 10'000) : max_events_(max_events) {}

  void record(Event event) override {
    base::MutexLock lock(mutex_);
    events_.push_back(std::move(event));
    if (events_.size() <= max_events_) return;
    events_.pop_front();
    ++dropped_;
  }

  StatusOr<std::vector<Event>> recent(model::Timestamp mint, model::Timestamp maxt,
                                      std::size_t limit) const override {
    std::vector<Event> found;
    base::MutexLock lock(mutex_);
    for (auto it = events_.rbegin(); it != events_.rend() && found.size() < limit; ++it) {
      if (it->time >= mint && it->time <= maxt) found.push_back(*it);
    }
    return found;
  }

  std::uint64_t dropped() const {
    base::MutexLock lock(mutex_);
    return dropped_;
  }

 private:
  const std::size_t max_events_;
  mutable base::Mutex mutex_;
  std::deque<Event> events_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t dropped_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace tocsin::storage
