// SPDX-License-Identifier: Apache-2.0
#include "base/time.h"

#include <gtest/gtest.h>

#include "base/testing/fake_clock.h"

namespace tocsin::base {
namespace {

using testing::FakeClock;

TEST(Time, ConvertsMillisecondsAndSeconds) {
  EXPECT_EQ(to_ms(from_ms(-1)), -1);
  EXPECT_EQ(to_seconds(from_ms(1'500)), 1.5);
  EXPECT_EQ(to_seconds(Duration(250)), 0.25);
}

TEST(SystemClock, SteadyTimeNeverGoesBack) {
  const SystemClock clock;
  const SteadyTime first = clock.steady_now();
  EXPECT_GE(clock.steady_now(), first);
  EXPECT_GT(to_ms(clock.now()), 1'600'000'000'000);
}

TEST(FakeClock, RunsDueCallsInOrderOfTheirDeadlines) {
  FakeClock clock(from_ms(0));
  const SteadyTime start = clock.steady_now();
  std::vector<std::string> ran;
  const auto at = [&](int ms, std::string name) {
    clock.schedule(start + Duration(ms), [&, ms, name] {
      ran.push_back(name);
      EXPECT_EQ(to_ms(clock.now()), std::max(ms, 0)) << name;
    });
  };
  at(30, "c");
  at(10, "a");
  at(20, "b1");
  at(20, "b2");
  at(31, "later");
  at(-5, "past");
  clock.advance(Duration(30));
  EXPECT_EQ(ran, (std::vector<std::string>{"past", "a", "b1", "b2", "c"}));
  EXPECT_EQ(clock.pending(), 1U);
  EXPECT_EQ(to_ms(clock.now()), 30);
  EXPECT_EQ(clock.steady_now() - start, Duration(30));
}

TEST(FakeClock, CallbacksMayScheduleWithinTheSameAdvance) {
  FakeClock clock(from_ms(0));
  int ticks = 0;
  std::function<void()> tick = [&] {
    ++ticks;
    clock.schedule(clock.steady_now() + Duration(10), tick);
  };
  clock.schedule(clock.steady_now(), tick);
  clock.advance_to(from_ms(95));
  EXPECT_EQ(ticks, 10);
}

TEST(FakeClock, CancelledCallsNeverRun) {
  FakeClock clock;
  bool ran = false;
  const Timers::Id id = clock.schedule(clock.steady_now() + Duration(5), [&] { ran = true; });
  EXPECT_NE(id, 0U);
  EXPECT_TRUE(clock.cancel(id));
  EXPECT_FALSE(clock.cancel(id));
  clock.advance(Duration(10));
  EXPECT_FALSE(ran);
}

TEST(FakeClock, ADeadlineBetweenMillisecondsIsNotEarly) {
  FakeClock clock;
  bool ran = false;
  clock.schedule(clock.steady_now() + std::chrono::microseconds(1500), [&] { ran = true; });
  clock.advance(Duration(1));
  EXPECT_FALSE(ran);
  clock.advance(Duration(1));
  EXPECT_TRUE(ran);
}

}  // namespace
}  // namespace tocsin::base
