// SPDX-License-Identifier: Apache-2.0
//
// IoLoop: the one io thread of a program: sockets and timers of everything (Asio inside).
//
// It is the process's Timers and an Executor for pieces under 1 ms.
// Owns: its thread.
// Threads: shared.
// Hides: Asio, except for net/beast and net/curl which take context().
// stop() refuses new work, runs what is posted, drops timers that have not fired, and joins; the
// destructor stops. Callbacks are destroyed on any thread.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "base/executor.h"
#include "base/time.h"

namespace boost::asio {
class io_context;
}

namespace tocsin::net {

class IoLoop final : public base::Executor, public base::Timers {
 public:
  // Borrows: clock (steady time of the deadlines).
  explicit IoLoop(const base::Clock& clock);
  ~IoLoop() override;
  IoLoop(const IoLoop&) = delete;
  IoLoop& operator=(const IoLoop&) = delete;

  [[nodiscard]] bool post(Work work) override;
  Id schedule(base::SteadyTime deadline, std::function<void()> callback) override;
  bool cancel(Id id) override;
  // Calls `handler` on the io thread for each of the given signals; once per loop.
  void on_signals(std::vector<int> signals, std::function<void(int)> handler);
  void stop();
  bool on_io_thread() const;
  const base::Clock& clock() const;

  boost::asio::io_context& context();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tocsin::net
