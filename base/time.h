// SPDX-License-Identifier: Apache-2.0
//
// Time: the typed wall and steady time of the tree, and the Clock and Timers seams that tests
// control.
//
// Timestamp is wall time (Unix epoch, UTC, milliseconds); SteadyTime is for deadlines and waiting.
// They never mix. Only base/time.cc reads the system's clocks; `now` is read once per tick and
// passed down.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>

namespace tocsin::base {

using Duration = std::chrono::milliseconds;
using Timestamp = std::chrono::sys_time<Duration>;
using SteadyTime = std::chrono::steady_clock::time_point;

// Milliseconds since the Unix epoch, for formats and encoders.
constexpr std::int64_t to_ms(Timestamp t) { return t.time_since_epoch().count(); }
constexpr Timestamp from_ms(std::int64_t ms) { return Timestamp(Duration(ms)); }
// Seconds with a fraction, for values of metrics and the HTTP API.
constexpr double to_seconds(Duration d) { return static_cast<double>(d.count()) / 1000.0; }
constexpr double to_seconds(Timestamp t) { return to_seconds(t.time_since_epoch()); }

// Threads: shared. Does not fail.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Timestamp now() const = 0;
  virtual SteadyTime steady_now() const = 0;
};

// Calls functions at deadlines.
//
// Threads: shared. A callback runs on the timer's own thread, must take less than 1 ms and not
// block: it posts longer work to an Executor. A deadline in the past fires as soon as possible.
class Timers {
 public:
  // Identifies a scheduled call; 0 is never used.
  using Id = std::uint64_t;

  virtual ~Timers() = default;
  virtual Id schedule(SteadyTime deadline, std::function<void()> callback) = 0;
  // Returns true when the callback will now never run; false when it has run, is running or `id` is
  // unknown. Does not wait.
  virtual bool cancel(Id id) = 0;
};

// The system's clocks. Shared; stateless.
class SystemClock final : public Clock {
 public:
  Timestamp now() const override;
  SteadyTime steady_now() const override;
};

}  // namespace tocsin::base
