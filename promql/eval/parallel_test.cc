// SPDX-License-Identifier: Apache-2.0
#include "promql/eval/parallel.h"

#include <atomic>
#include <vector>

#include <gtest/gtest.h>

#include "base/testing/manual_executor.h"

namespace tocsin::promql::eval {
namespace {

TEST(ForEachIndex, RunsEachOnceOnTheCallerWhenNoWorkerStarts) {
  base::testing::ManualExecutor queue;
  std::vector<int> runs(10, 0);
  ASSERT_TRUE(for_each_index(10, &queue, [&](std::size_t i) {
                ++runs[i];
                return ok();
              }).ok());
  EXPECT_EQ(runs, std::vector<int>(10, 1));
  queue.run_until_idle();  // late helpers find nothing left to do and touch nothing
  EXPECT_EQ(runs, std::vector<int>(10, 1));
}

TEST(ForEachIndex, ManyCallersShareOnePoolWithoutWaitingForEachOther) {
  base::ThreadPool pool({.name = "queries", .threads = 2});
  std::atomic<int> sum{0};
  // Each outer piece occupies a thread of the pool and asks the same pool for help.
  const Status status = for_each_index(8, &pool, [&](std::size_t) {
    return for_each_index(8, &pool, [&](std::size_t i) {
      sum += static_cast<int>(i);
      return ok();
    });
  });
  EXPECT_TRUE(status.ok());
  EXPECT_EQ(sum, 8 * 28);
}

TEST(ForEachIndex, ReportsTheFirstFailureAndStops) {
  std::vector<std::size_t> ran;
  const Status status = for_each_index(5, nullptr, [&](std::size_t i) {
    ran.push_back(i);
    return i < 2 ? ok() : internal("piece {}", i);
  });
  EXPECT_EQ(message(status), "piece 2");
  EXPECT_EQ(ran.size(), 3U);
  base::testing::ManualExecutor queue;
  EXPECT_EQ(
      message(for_each_index(5, &queue, [](std::size_t i) { return internal("piece {}", i); })),
      "piece 0");
  queue.run_until_idle();
}

TEST(ForEachInOrder, TakesOneAfterTheOtherAsSoonAsItCan) {
  std::string seen;
  const Status status = for_each_in_order(
      3, nullptr,
      [&](std::size_t i) {
        seen += fmt::format("made {} ", i);
        return ok();
      },
      [&](std::size_t i) {
        seen += fmt::format("took {} ", i);
        return ok();
      });
  EXPECT_TRUE(status.ok());
  EXPECT_EQ(seen, "made 0 took 0 made 1 took 1 made 2 took 2 ");
}

TEST(ForEachInOrder, TakesInOrderWhatIsMadeSideBySide) {
  base::ThreadPool pool({.name = "queries", .threads = 3});
  constexpr std::size_t kCount = 2000;
  std::vector<int> made(kCount, 0);
  std::vector<std::size_t> taken;  // unguarded: no two are taken at once
  const Status status = for_each_in_order(
      kCount, &pool,
      [&](std::size_t i) {
        made[i] = 1;
        return ok();
      },
      [&](std::size_t i) {
        EXPECT_EQ(made[i], 1);
        taken.push_back(i);
        return ok();
      });
  EXPECT_TRUE(status.ok());
  ASSERT_EQ(taken.size(), kCount);
  for (std::size_t i = 0; i < kCount; ++i) EXPECT_EQ(taken[i], i);
}

TEST(ForEachInOrder, TakesNothingAfterAFailure) {
  base::ThreadPool pool({.name = "queries", .threads = 3});
  for (const bool of_make : {true, false}) {
    std::vector<std::size_t> taken;
    const auto fail = [](std::size_t i) { return i == 10 ? internal("piece {}", i) : ok(); };
    const Status status = for_each_in_order(
        100, &pool, [&](std::size_t i) { return of_make ? fail(i) : ok(); },
        [&](std::size_t i) {
          taken.push_back(i);
          return of_make ? ok() : fail(i);
        });
    EXPECT_EQ(message(status), "piece 10");
    EXPECT_LE(taken.size(), 11U);
  }
}

}  // namespace
}  // namespace tocsin::promql::eval
