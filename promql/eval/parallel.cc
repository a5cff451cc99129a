// SPDX-License-Identifier: Apache-2.0
#include "promql/eval/parallel.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <utility>
#include <vector>

#include "base/mutex.h"

namespace tocsin::promql::eval {

namespace {

constexpr std::size_t kMaxHelpers = 32;

// Outlives the call when a queued helper starts late; it then finds nothing to take and does not
// touch `f`.
struct Shared {
  Shared(std::size_t pieces, const std::function<Status(std::size_t)>& function)
      : count(pieces), f(&function) {}

  void work() {
    for (;;) {
      std::size_t i = 0;
      {
        base::MutexLock lock(mutex);
        if (next >= count) return;
        i = next++;
        ++running;
      }
      Status status = (*f)(i);
      base::MutexLock lock(mutex);
      if (!status.ok()) {
        if (failed_index > i) {
          failed_index = i;
          failure = std::move(status);
        }
        next = count;
      }
      if (--running == 0) idle.notify_all();
    }
  }

  // Ends when no call runs; takes the failure along, so that a late helper shares nothing with the caller.
  Status wait() {
    base::MutexLock lock(mutex);
    while (running != 0) idle.wait(mutex);
    return std::exchange(failure, ok());
  }

  const std::size_t count;
  const std::function<Status(std::size_t)>* const f;
  base::Mutex mutex;
  base::CondVar idle;
  std::size_t next ABSL_GUARDED_BY(mutex) = 0;
  std::size_t running ABSL_GUARDED_BY(mutex) = 0;
  std::size_t failed_index ABSL_GUARDED_BY(mutex) = SIZE_MAX;
  Status failure ABSL_GUARDED_BY(mutex);
};

}  // namespace

Status for_each_index(std::size_t count, base::Executor* workers,
                      const std::function<Status(std::size_t)>& f) {
  if (workers == nullptr || count < 2) {
    for (std::size_t i = 0; i < count; ++i) RETURN_IF_ERROR(f(i));
    return ok();
  }
  auto shared = std::make_shared<Shared>(count, f);
  for (std::size_t i = 1; i < std::min(count, kMaxHelpers); ++i) {
    if (!workers->post([shared] { shared->work(); })) break;
  }
  shared->work();
  return shared->wait();
}

namespace {

// What is made and not yet taken.
struct Order {
  explicit Order(std::size_t count) : made(count) {}

  // Takes what can be, unless somebody else is at it.
  Status take_ready(std::size_t just_made, const std::function<Status(std::size_t)>& take) {
    {
      base::MutexLock lock(mutex);
      made[just_made] = true;
    }
    for (;;) {
      std::size_t i = 0;
      {
        base::MutexLock lock(mutex);
        if (taking || next == made.size() || !made[next]) return ok();
        taking = true;
        i = next++;
      }
      Status status = take(i);
      base::MutexLock lock(mutex);
      taking = !status.ok();  // after a failure nothing is taken
      if (taking) return status;
    }
  }

  base::Mutex mutex;
  std::vector<bool> made ABSL_GUARDED_BY(mutex);
  std::size_t next ABSL_GUARDED_BY(mutex) = 0;
  bool taking ABSL_GUARDED_BY(mutex) = false;
};

}  // namespace

Status for_each_in_order(std::size_t count, base::Executor* workers,
                         const std::function<Status(std::size_t)>& make,
                         const std::function<Status(std::size_t)>& take) {
  Order order(count);
  return for_each_index(count, workers, [&](std::size_t i) -> Status {
    RETURN_IF_ERROR(make(i));
    return order.take_ready(i, take);
  });
}

}  // namespace tocsin::promql::eval
