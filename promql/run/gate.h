// SPDX-License-Identifier: Apache-2.0
//
// Gate lets a number of queries run at a time. The others wait in the order they came, those of
// rules in front: a rule that is late is missed, a dashboard that is late is slow.
//
// Threads: shared.
// Errors: of the `check` given to enter().
#pragma once

#include <cstddef>
#include <functional>
#include <list>

#include "base/mutex.h"
#include "base/status.h"
#include "base/time.h"

namespace tocsin::promql::run {

class Gate {
 public:
  enum class Line { kRules, kOthers };

  // Borrows: clock.
  Gate(std::size_t places, const base::Clock& clock) : places_(places), clock_(clock) {}

  // Waits for a place; `check` is asked now and then and its error ends the wait. After OK the
  // caller has to leave().
  Status enter(Line line, const std::function<Status()>& check);
  void leave();
  std::size_t waiting() const;
  // Makes those who wait ask their check at once.
  void wake() { changed_.notify_all(); }

 private:
  struct Waiter {
    bool admitted = false;
  };
  void admit() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::size_t places_;
  const base::Clock& clock_;
  mutable base::Mutex mutex_;
  base::CondVar changed_;
  std::size_t taken_ ABSL_GUARDED_BY(mutex_) = 0;
  std::list<Waiter*> rules_ ABSL_GUARDED_BY(mutex_);
  std::list<Waiter*> others_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tocsin::promql::run
