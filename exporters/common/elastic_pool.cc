// SPDX-License-Identifier: Apache-2.0
//
// A lane is a pool of one thread. It takes piece after piece until the queue is empty, and is then
// idle until post() wakes it, with the piece in its hands: it has no need of the lock that post()
// still holds.
#include "exporters/common/elastic_pool.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace tocsin::exporters {

struct ElasticPool::State {
  State(Options o, const base::Clock& c, base::Timers& t)
      : options(std::move(o)), clock(c), timers(t) {}

  struct Lane {
    std::unique_ptr<base::ThreadPool> thread;
    bool busy = false;
  };

  // Gives the oldest piece, and all after it, to an idle lane or to a new one. `self` is this.
  // REQUIRES: the queue is not empty, and not stopped.
  void start_lane(const std::shared_ptr<State>& self) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    auto idle =
        std::find_if(lanes.begin(), lanes.end(), [](const Lane& lane) { return !lane.busy; });
    if (idle == lanes.end()) {
      lanes.push_back({.thread = std::make_unique<base::ThreadPool>(
                           base::ThreadPool::Options{.name = options.name, .threads = 1})});
      idle = lanes.end() - 1;
    }
    const auto number = static_cast<std::size_t>(idle - lanes.begin());
    idle->busy = true;
    CHECK(idle->thread->post([self, number, first = take()]() mutable {
      std::exchange(first, nullptr)();
      drain(self, number);
    }));
  }

  // REQUIRES: the queue is not empty.
  Work take() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    Work work = std::move(queue.front());
    queue.pop_front();
    ++taken;
    return work;
  }

  const Options options;
  const base::Clock& clock;
  base::Timers& timers;
  mutable base::Mutex mutex;
  std::deque<Work> queue ABSL_GUARDED_BY(mutex);
  std::vector<Lane> lanes ABSL_GUARDED_BY(mutex);
  std::uint64_t taken ABSL_GUARDED_BY(mutex) = 0;           // pieces, ever
  std::uint64_t taken_at_watch ABSL_GUARDED_BY(mutex) = 0;  // when the timer was set
  bool watching ABSL_GUARDED_BY(mutex) = false;
  bool stopped ABSL_GUARDED_BY(mutex) = false;
};

ElasticPool::ElasticPool(Options options, const base::Clock& clock, base::Timers& timers)
    : state_(std::make_shared<State>(std::move(options), clock, timers)) {}

ElasticPool::~ElasticPool() { stop(); }

std::size_t ElasticPool::threads() const {
  base::MutexLock lock(state_->mutex);
  return state_->lanes.size();
}

void ElasticPool::drain(const std::shared_ptr<State>& state, std::size_t lane) {
  for (;;) {
    Work work;
    {
      base::MutexLock lock(state->mutex);
      if (state->queue.empty()) {
        state->lanes[lane].busy = false;
        return;
      }
      work = state->take();
    }
    work();
  }
}

bool ElasticPool::post(Work work) {
  bool must_watch = false;
  {
    base::MutexLock lock(state_->mutex);
    if (state_->stopped) return false;
    state_->queue.push_back(std::move(work));
    const auto busy =
        static_cast<std::size_t>(std::count_if(state_->lanes.begin(), state_->lanes.end(),
                                               [](const State::Lane& lane) { return lane.busy; }));
    if (busy < state_->lanes.size() || busy < state_->options.usual) {
      state_->start_lane(state_);
    } else if (state_->lanes.size() < state_->options.most) {
      must_watch = !std::exchange(state_->watching, true);
      if (must_watch) state_->taken_at_watch = state_->taken;
    }
  }
  if (must_watch) watch(state_);
  return true;
}

void ElasticPool::watch(const std::shared_ptr<State>& state) {
  state->timers.schedule(state->clock.steady_now() + state->options.patience,
                         [weak = std::weak_ptr<State>(state)] {
                           if (const auto alive = weak.lock()) check(alive);
                         });
}

void ElasticPool::check(const std::shared_ptr<State>& state) {
  {
    base::MutexLock lock(state->mutex);
    const bool waits = !state->queue.empty() && !state->stopped;
    const bool is_stuck = waits && state->taken == state->taken_at_watch;
    if (is_stuck) state->start_lane(state);
    state->watching = waits && state->lanes.size() < state->options.most;
    if (!state->watching) return;
    state->taken_at_watch = state->taken;
  }
  watch(state);
}

void ElasticPool::stop() {
  std::vector<base::ThreadPool*> threads;
  {
    base::MutexLock lock(state_->mutex);
    state_->stopped = true;
    for (State::Lane& lane : state_->lanes) threads.push_back(lane.thread.get());
  }
  for (base::ThreadPool* thread : threads) thread->stop();
}

}  // namespace tocsin::exporters
