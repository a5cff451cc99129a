// SPDX-License-Identifier: Apache-2.0
#include "notifier/dispatch/lane.h"

#include <utility>

namespace tocsin::notifier {
namespace {

constexpr base::Duration kRefusedWait{1'000};

}  // namespace

std::shared_ptr<Lane> Lane::make(base::Executor& workers, base::Timers& timers,
                                 const base::Clock& clock) {
  return std::shared_ptr<Lane>(new Lane(workers, timers, clock));
}

bool Lane::post(Work work) {
  const base::Gate::Pass posting = gate_.enter();
  if (!posting) return false;
  return strand_.post([self = shared_from_this(), work = std::move(work)] {
    if (const base::Gate::Pass running = self->gate_.enter()) work();
  });
}

void Lane::post_surely(Work work) {
  if (!post(work)) after(kRefusedWait, std::move(work));
}

base::Timers::Id Lane::after(base::Duration wait, Work work) {
  const base::Gate::Pass scheduling = gate_.enter();
  if (!scheduling) return 0;
  return timers_.schedule(clock_.steady_now() + wait,
                          [weak = weak_from_this(), work = std::move(work)]() {
                            const std::shared_ptr<Lane> self = weak.lock();
                            if (self) self->post_surely(work);
                          });
}

void Lane::cancel(base::Timers::Id id) {
  const base::Gate::Pass pass = gate_.enter();
  if (pass && id != 0) static_cast<void>(timers_.cancel(id));
}

void Lane::close() { gate_.close(); }

}  // namespace tocsin::notifier
