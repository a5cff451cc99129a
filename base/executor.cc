// SPDX-License-Identifier: Apache-2.0
#include "base/executor.h"

#include <pthread.h>
#include <unistd.h>

#include <utility>

#include <sys/resource.h>
#include <sys/syscall.h>

#include "base/check.h"

namespace tocsin::base {
namespace {

// Pieces a strand runs before it lets others use the thread.
constexpr int kStrandBatch = 64;

// Pieces that may wait in one strand, as in a pool by default.
constexpr std::size_t kMaxStrandQueue = 100'000;

// ioprio_set(2): who the number names, and the class and level of the priority. Some kernels' linux/ioprio.h is
// no C++ (an argument called class), and glibc has none.
constexpr int kWhoProcess = 1;
constexpr int kClassShift = 13, kClassIdle = 3;

void set_up_thread(const ThreadPool::Options& options) {
  constexpr std::size_t kMaxThreadName = 15;
  pthread_setname_np(pthread_self(), options.name.substr(0, kMaxThreadName).c_str());
  if (options.idle_io) {
    // Where that is not possible nothing changes. What waits for long is served all the same.
    static_cast<void>(syscall(SYS_ioprio_set, kWhoProcess, 0, kClassIdle << kClassShift));
  }
  if (options.nice == 0) return;
  // Linux keeps niceness per thread. Without the permission the thread runs as the process does.
  const auto thread = static_cast<id_t>(gettid());
  setpriority(PRIO_PROCESS, thread, getpriority(PRIO_PROCESS, 0) + options.nice);
}

}  // namespace

ThreadPool::ThreadPool(Options options) : options_(std::move(options)) {
  CHECK(options_.threads > 0);
  threads_.reserve(options_.threads);
  for (std::size_t i = 0; i < options_.threads; ++i) {
    threads_.emplace_back([this] {
      set_up_thread(options_);
      run();
    });
  }
}

ThreadPool::~ThreadPool() { stop(); }

bool ThreadPool::post(Work work) {
  bool wake = false;
  {
    MutexLock lock(mutex_);
    if (stopping_ || queue_.size() >= options_.max_queued) {
      ++refused_;
      return false;
    }
    queue_.push_back(std::move(work));
    wake = take_sleeper();
  }
  if (wake) wake_.notify_one();
  return true;
}

bool ThreadPool::take_sleeper() {
  if (sleeping_ == woken_) return false;
  const std::size_t working = options_.threads - sleeping_ + woken_;
  // Those at work take what is queued before they sleep.
  if (queue_.size() <= options_.backlog * working) return false;
  ++woken_;
  return true;
}

void ThreadPool::stop() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (std::jthread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

std::size_t ThreadPool::queued() const {
  MutexLock lock(mutex_);
  return queue_.size();
}

std::uint64_t ThreadPool::refused() const {
  MutexLock lock(mutex_);
  return refused_;
}

void ThreadPool::run() {
  for (;;) {
    Work work;
    {
      MutexLock lock(mutex_);
      while (queue_.empty() && !stopping_) {
        ++sleeping_;
        wake_.wait(mutex_);
        --sleeping_;
        if (woken_ != 0) --woken_;
      }
      if (queue_.empty()) return;
      work = std::move(queue_.front());
      queue_.pop_front();
    }
    work();
  }
}

// kHandingOver: one thread is inside executor.post() and does not know yet whether it is refused.
// Others wait for the answer, so that post() never accepts a piece that then has nowhere to run.
struct Strand::State {
  enum class Phase { kIdle, kHandingOver, kScheduled };

  explicit State(Executor& e) : executor(e) {}

  Executor& executor;
  Mutex mutex;
  CondVar handed_over;
  Phase phase ABSL_GUARDED_BY(mutex) = Phase::kIdle;
  std::uint64_t round ABSL_GUARDED_BY(mutex) = 0;  // counts hand-overs, to know one's own
  std::deque<Work> queue ABSL_GUARDED_BY(mutex);
};

Strand::Strand(Executor& executor) : state_(std::make_shared<State>(executor)) {}

bool Strand::post(Work work) {
  const std::shared_ptr<State> state = state_;
  std::uint64_t round = 0;
  {
    MutexLock lock(state->mutex);
    while (state->phase == State::Phase::kHandingOver) state->handed_over.wait(state->mutex);
    if (state->queue.size() >= kMaxStrandQueue) return false;
    state->queue.push_back(std::move(work));
    if (state->phase == State::Phase::kScheduled) return true;
    state->phase = State::Phase::kHandingOver;
    round = ++state->round;
  }
  const bool accepted = state->executor.post([state] { drain(state); });
  Work refused;  // destroyed after the lock is released
  {
    MutexLock lock(state->mutex);
    // When the work has started (or ended) already, drain() has moved the phase on.
    if (state->round != round || state->phase != State::Phase::kHandingOver) return accepted;
    if (accepted) {
      state->phase = State::Phase::kScheduled;
    } else {
      state->phase = State::Phase::kIdle;
      refused = std::move(state->queue.back());
      state->queue.pop_back();
    }
  }
  state->handed_over.notify_all();
  return accepted;
}

void Strand::drain(const std::shared_ptr<State>& state) {
  for (int ran = 0;; ++ran) {
    Work work;
    bool yield = false;
    {
      MutexLock lock(state->mutex);
      if (state->phase == State::Phase::kHandingOver) {
        state->phase = State::Phase::kScheduled;
        state->handed_over.notify_all();
      }
      if (state->queue.empty()) {
        state->phase = State::Phase::kIdle;
        return;
      }
      yield = ran >= kStrandBatch;
      if (!yield) {
        work = std::move(state->queue.front());
        state->queue.pop_front();
      }
    }
    if (!yield) {
      work();
    } else if (state->executor.post([state] { drain(state); })) {
      return;
    } else {
      ran = -1;  // the executor is full or stopping: what was accepted still runs, here
    }
  }
}

}  // namespace tocsin::base
