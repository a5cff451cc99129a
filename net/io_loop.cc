// SPDX-License-Identifier: Apache-2.0
//
// All timers share one Asio timer that is armed for the earliest deadline: scheduling and
// cancelling cost a map operation and rarely touch Asio.
#include "net/io_loop.h"

#include <signal.h>

#include <map>
#include <optional>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/check.h"
#include "base/mutex.h"

namespace tocsin::net {
namespace asio = boost::asio;
using boost::system::error_code;

struct IoLoop::Impl {
  explicit Impl(const base::Clock& c) : clock(c) {}

  void arm();
  void fire();
  void wait_for_signal();

  const base::Clock& clock;
  asio::io_context context{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_guard{context.get_executor()};

  // Confined to the io thread.
  asio::steady_timer timer{context};
  std::optional<base::SteadyTime> armed_for;
  std::optional<asio::signal_set> signals;
  std::function<void(int)> on_signal;

  base::Mutex mutex;
  bool stopping ABSL_GUARDED_BY(mutex) = false;
  bool has_signals ABSL_GUARDED_BY(mutex) = false;
  Id next_id ABSL_GUARDED_BY(mutex) = 1;
  std::map<std::pair<base::SteadyTime, Id>, std::function<void()>> calls ABSL_GUARDED_BY(mutex);
  std::unordered_map<Id, base::SteadyTime> deadlines ABSL_GUARDED_BY(mutex);

  // Last: its thread runs the context and ends first.
  base::ThreadPool thread{{.name = "io", .threads = 1, .max_queued = 1}};
};

// Sets the Asio timer for the earliest deadline when it is set for a later one.
void IoLoop::Impl::arm() {
  base::SteadyTime deadline;
  {
    base::MutexLock lock(mutex);
    if (calls.empty()) return;
    deadline = calls.begin()->first.first;
  }
  if (armed_for && *armed_for <= deadline) return;
  armed_for = deadline;
  timer.expires_after(deadline - clock.steady_now());
  timer.async_wait([this](const error_code& error) {
    if (!error) fire();
  });
}

void IoLoop::Impl::fire() {
  armed_for.reset();
  const base::SteadyTime now = clock.steady_now();
  for (;;) {
    std::function<void()> callback;
    {
      base::MutexLock lock(mutex);
      if (stopping || calls.empty() || calls.begin()->first.first > now) break;
      deadlines.erase(calls.begin()->first.second);
      callback = std::move(calls.begin()->second);
      calls.erase(calls.begin());
    }
    callback();
  }
  arm();
}

void IoLoop::Impl::wait_for_signal() {
  signals->async_wait([this](const error_code& error, int number) {
    if (error) return;
    on_signal(number);
    wait_for_signal();
  });
}

IoLoop::IoLoop(const base::Clock& clock) : impl_(std::make_unique<Impl>(clock)) {
  CHECK(impl_->thread.post([impl = impl_.get()] {
    // TLS libraries write with write(2): a peer that is gone is an error there, not the end of us.
    sigset_t pipe;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
    impl->context.run();
  }));
}

IoLoop::~IoLoop() { stop(); }

bool IoLoop::post(Work work) {
  base::MutexLock lock(impl_->mutex);
  if (impl_->stopping) return false;
  asio::post(impl_->context, std::move(work));
  return true;
}

base::Timers::Id IoLoop::schedule(base::SteadyTime deadline, std::function<void()> callback) {
  bool is_earliest = false;
  Id id = 0;
  {
    base::MutexLock lock(impl_->mutex);
    id = impl_->next_id++;
    if (impl_->stopping) return id;
    const auto call = impl_->calls.emplace(std::pair(deadline, id), std::move(callback)).first;
    impl_->deadlines.emplace(id, deadline);
    is_earliest = call == impl_->calls.begin();
  }
  if (is_earliest && on_io_thread()) {
    impl_->arm();
  } else if (is_earliest) {
    // Refused only when the loop stops, and then no timer fires.
    static_cast<void>(post([impl = impl_.get()] { impl->arm(); }));
  }
  return id;
}

bool IoLoop::cancel(Id id) {
  std::function<void()> callback;  // destroyed without the lock
  base::MutexLock lock(impl_->mutex);
  const auto deadline = impl_->deadlines.find(id);
  if (deadline == impl_->deadlines.end()) return false;
  const auto call = impl_->calls.find({deadline->second, id});
  callback = std::move(call->second);
  impl_->calls.erase(call);
  impl_->deadlines.erase(deadline);
  return true;
}

void IoLoop::on_signals(std::vector<int> signals, std::function<void(int)> handler) {
  {
    base::MutexLock lock(impl_->mutex);
    CHECK(!impl_->has_signals);
    impl_->has_signals = true;
  }
  // The signals are caught when this returns; nothing on the io thread uses them before the post.
  impl_->on_signal = std::move(handler);
  impl_->signals.emplace(impl_->context);
  for (const int number : signals) {
    error_code error;
    impl_->signals->add(number, error);
    CHECK(!error);
  }
  static_cast<void>(post([impl = impl_.get()] { impl->wait_for_signal(); }));
}

void IoLoop::stop() {
  CHECK(!on_io_thread());
  {
    base::MutexLock lock(impl_->mutex);
    if (!impl_->stopping) {
      impl_->stopping = true;
      // Behind everything that was posted.
      asio::post(impl_->context, [impl = impl_.get()] { impl->context.stop(); });
    }
  }
  impl_->thread.stop();
  std::map<std::pair<base::SteadyTime, Id>, std::function<void()>> dropped;
  base::MutexLock lock(impl_->mutex);
  dropped.swap(impl_->calls);
  impl_->deadlines.clear();
}

bool IoLoop::on_io_thread() const { return impl_->context.get_executor().running_in_this_thread(); }

const base::Clock& IoLoop::clock() const { return impl_->clock; }

boost::asio::io_context& IoLoop::context() { return impl_->context; }

}  // namespace tocsin::net
