// SPDX-License-Identifier: Apache-2.0
#include "net/io_loop.h"

#include <signal.h>

#include <atomic>

#include <gtest/gtest.h>

#include "net/testing/raw_socket.h"

namespace tocsin::net {
namespace {

using std::chrono::milliseconds;
using testing::Waiter;

class IoLoopTest : public ::testing::Test {
 protected:
  base::SteadyTime after(int ms) { return clock_.steady_now() + milliseconds(ms); }

  base::SystemClock clock_;
  IoLoop loop_{clock_};
};

TEST_F(IoLoopTest, RunsPostedWorkInOrderOnItsThread) {
  Waiter<std::string> done;
  std::string log;  // of the io thread
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(loop_.post([&, i] {
      if (loop_.on_io_thread()) log.push_back(static_cast<char>('0' + i % 10));
      if (i == 99) done.set(log);
    }));
  }
  const std::string log_at_end = done.wait().value_or("");
  EXPECT_EQ(log_at_end.size(), 100u);
  EXPECT_TRUE(log_at_end.starts_with("0123456789"));
  EXPECT_FALSE(loop_.on_io_thread());
  EXPECT_EQ(&loop_.clock(), &clock_);
}

TEST_F(IoLoopTest, TimersFireInOrderOfTheirDeadlines) {
  Waiter<std::string> done;
  std::string log;
  loop_.schedule(after(15), [&] {
    log += "c";
    done.set(log);
  });
  loop_.schedule(after(10), [&] { log += "b"; });
  loop_.schedule(after(-1000), [&] { log += "a"; });
  EXPECT_EQ(done.wait(), "abc");
}

TEST_F(IoLoopTest, TimerDoesNotFireEarly) {
  Waiter<base::SteadyTime> fired;
  const base::SteadyTime deadline = after(5);
  loop_.schedule(deadline, [&] { fired.set(clock_.steady_now()); });
  EXPECT_GE(fired.wait().value_or(base::SteadyTime()), deadline);
}

TEST_F(IoLoopTest, CallbacksScheduleMore) {
  Waiter<int> done;
  int left = 5;
  std::function<void()> again = [&] {
    if (--left == 0) return done.set(left);
    loop_.schedule(after(0), again);
  };
  loop_.schedule(after(0), again);
  EXPECT_EQ(done.wait(), 0);
}

TEST_F(IoLoopTest, CancelledTimerNeverRuns) {
  std::atomic<bool> ran = false;
  const auto far = loop_.schedule(after(3'600'000), [&] { ran = true; });
  const auto near = loop_.schedule(after(20), [&] { ran = true; });
  EXPECT_TRUE(loop_.cancel(near));
  EXPECT_FALSE(loop_.cancel(near));
  EXPECT_TRUE(loop_.cancel(far));
  EXPECT_FALSE(loop_.cancel(12345));
  Waiter<bool> done;
  loop_.schedule(after(25), [&] { done.set(true); });
  EXPECT_TRUE(done.wait().has_value());
  EXPECT_FALSE(ran);
}

TEST_F(IoLoopTest, CancelFromTheCallbackItselfIsTooLate) {
  Waiter<bool> cancelled;
  base::Timers::Id id = 0;
  ASSERT_TRUE(
      loop_.post([&] { id = loop_.schedule(after(0), [&] { cancelled.set(loop_.cancel(id)); }); }));
  EXPECT_EQ(cancelled.wait(), false);
}

TEST_F(IoLoopTest, StopRunsPostedWorkDropsTimersAndRefusesMore) {
  std::atomic<bool> ran = false;
  const auto kept_by_timer = std::make_shared<int>(0);
  loop_.schedule(after(3'600'000), [kept_by_timer] {});
  ASSERT_TRUE(loop_.post([&] { ran = true; }));
  loop_.stop();
  EXPECT_TRUE(ran);
  EXPECT_EQ(kept_by_timer.use_count(), 1);
  EXPECT_FALSE(loop_.post([] {}));
  loop_.schedule(after(0), [kept_by_timer] {});
  EXPECT_EQ(kept_by_timer.use_count(), 1);
  loop_.stop();
}

TEST_F(IoLoopTest, SignalsReachTheHandlerEachTime) {
  Waiter<std::pair<int, bool>> seen;
  loop_.on_signals({SIGUSR1, SIGUSR2},
                   [&](int number) { seen.set({number, loop_.on_io_thread()}); });
  for (const int number : {SIGUSR1, SIGUSR2, SIGUSR1}) {
    ASSERT_EQ(::raise(number), 0);
    EXPECT_EQ(seen.wait(), std::pair(number, true));
  }
}

TEST_F(IoLoopTest, ManyThreadsScheduleAndCancel) {
  constexpr int kThreads = 4;
  constexpr int kTimers = 500;
  std::atomic<int> fired = 0;
  std::atomic<int> cancelled = 0;
  Waiter<bool> done;
  const auto count = [&](std::atomic<int>& counter) {
    ++counter;
    if (fired + cancelled == kThreads * kTimers) done.set(true);
  };
  base::ThreadPool pool({.name = "schedulers", .threads = kThreads});
  for (int t = 0; t < kThreads; ++t) {
    ASSERT_TRUE(pool.post([&] {
      for (int i = 0; i < kTimers; ++i) {
        const auto id = loop_.schedule(after(i % 3), [&] { count(fired); });
        if (i % 2 == 0 && loop_.cancel(id)) count(cancelled);
      }
    }));
  }
  EXPECT_TRUE(done.wait().has_value());
  EXPECT_EQ(fired + cancelled, kThreads * kTimers);
}

}  // namespace
}  // namespace tocsin::net
