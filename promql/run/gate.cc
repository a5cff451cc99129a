// SPDX-License-Identifier: Apache-2.0
#include "promql/run/gate.h"

#include <algorithm>

namespace tocsin::promql::run {

namespace {

// How often a waiting query looks whether it is still wanted.
constexpr std::chrono::milliseconds kPoll{50};

}  // namespace

Status Gate::enter(Line line, const std::function<Status()>& check) {
  Waiter own;
  {
    base::MutexLock lock(mutex_);
    (line == Line::kRules ? rules_ : others_).push_back(&own);
    admit();
    if (own.admitted) return ok();
  }
  for (;;) {
    Status status = check();
    base::MutexLock lock(mutex_);
    if (own.admitted) return ok();
    if (!status.ok()) {
      (line == Line::kRules ? rules_ : others_).remove(&own);
      return status;
    }
    changed_.wait_until(mutex_, clock_.steady_now() + kPoll);
    if (own.admitted) return ok();
  }
}

void Gate::leave() {
  base::MutexLock lock(mutex_);
  --taken_;
  admit();
}

std::size_t Gate::waiting() const {
  base::MutexLock lock(mutex_);
  return rules_.size() + others_.size();
}

void Gate::admit() {
  while (taken_ < places_ && !(rules_.empty() && others_.empty())) {
    std::list<Waiter*>& queue = rules_.empty() ? others_ : rules_;
    queue.front()->admitted = true;
    queue.pop_front();
    ++taken_;
    changed_.notify_all();
  }
}

}  // namespace tocsin::promql::run
