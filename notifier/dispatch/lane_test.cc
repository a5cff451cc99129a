// SPDX-License-Identifier: Apache-2.0
#include "notifier/dispatch/lane.h"

#include <gtest/gtest.h>

#include "base/testing/fake_clock.h"
#include "base/testing/manual_executor.h"

namespace tocsin::notifier {
namespace {

// Refuses work while told to.
class Refusing final : public base::Executor {
 public:
  [[nodiscard]] bool post(Work work) override {
    if (!refuse) work();
    return !refuse;
  }
  bool refuse = false;
};

TEST(Lane, RunsTimersOnTheExecutor) {
  base::testing::FakeClock clock;
  base::testing::ManualExecutor workers;
  const auto lane = Lane::make(workers, clock, clock);
  int ran = 0;
  lane->after(base::Duration(100), [&] { ++ran; });
  lane->cancel(lane->after(base::Duration(100), [&] { ran += 10; }));
  clock.advance(base::Duration(99));
  workers.run_until_idle();
  EXPECT_EQ(ran, 0);
  clock.advance(base::Duration(1));
  EXPECT_EQ(ran, 0) << "not on the timer's thread";
  workers.run_until_idle();
  EXPECT_EQ(ran, 1);
}

TEST(Lane, TriesAgainWhenTheExecutorRefuses) {
  base::testing::FakeClock clock;
  Refusing workers;
  const auto lane = Lane::make(workers, clock, clock);
  int ran = 0;
  workers.refuse = true;
  EXPECT_FALSE(lane->post([&] { ++ran; }));
  lane->post_surely([&] { ran += 10; });
  lane->after(base::Duration(500), [&] { ran += 100; });
  clock.advance(base::Duration(900));
  workers.refuse = false;
  clock.advance(base::Duration(100));
  EXPECT_EQ(ran, 10);
  clock.advance(base::Duration(500));
  EXPECT_EQ(ran, 110);
}

TEST(Lane, NothingRunsAfterClose) {
  base::testing::FakeClock clock;
  base::testing::ManualExecutor workers;
  const auto lane = Lane::make(workers, clock, clock);
  bool ran = false;
  ASSERT_TRUE(lane->post([&] { ran = true; }));
  lane->after(base::Duration(1), [&] { ran = true; });
  lane->close();
  workers.run_until_idle();
  clock.advance(base::Duration(10));
  workers.run_until_idle();
  EXPECT_FALSE(ran);
  EXPECT_FALSE(lane->post([] {}));
  EXPECT_EQ(lane->after(base::Duration(1), [] {}), 0U);
}

}  // namespace
}  // namespace tocsin::notifier
