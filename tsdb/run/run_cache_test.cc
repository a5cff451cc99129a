// SPDX-License-Identifier: Apache-2.0
#include "tsdb/run/run_cache.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "tsdb/run/run_snapshot.h"

namespace tocsin::tsdb {
namespace {

TimesCache::Ptr column_of(std::size_t rows) {
  auto column = std::make_shared<storage::TimestampColumn>();
  column->ms.resize(rows);
  return column;
}

TEST(TimesCache, KeepsWhatIsUsedWithinItsBound) {
  const auto column = [](std::int64_t first) {
    auto times = std::make_shared<storage::TimestampColumn>();
    times->ms.reserve(100);
    for (std::int64_t i = 0; i < 100; ++i) times->ms.push_back(first + i);
    return std::shared_ptr<const storage::TimestampColumn>(std::move(times));
  };
  TimesCache cache(10'000);  // ten columns with what they cost beside their rows
  const auto used = column(0);
  cache.put(RunId(1), 0, used);
  std::vector<std::weak_ptr<const storage::TimestampColumn>> others;
  for (std::uint32_t i = 1; i < 40; ++i) {
    const auto other = column(i);
    cache.put(RunId(1), i, other);
    others.emplace_back(other);
    ASSERT_EQ(cache.find(RunId(1), 0), used) << i;
    ASSERT_EQ(cache.find(RunId(1), i), other);
  }
  EXPECT_EQ(cache.find(RunId(2), 0), nullptr);
  EXPECT_EQ(cache.find(RunId(1), 1), nullptr);
  const auto kept = std::ranges::count_if(others, [](const auto& one) { return !one.expired(); });
  EXPECT_GE(kept, 4);
  EXPECT_LE(kept, 9);
}

TEST(TimesCache, ShortColumnsCountForWhatTheyTake) {
  constexpr std::size_t kMax = 64 << 10;
  TimesCache cache(kMax);
  for (std::uint32_t i = 0; i < 10'000; ++i) cache.put(RunId(1), i, column_of(1));
  EXPECT_LE(cache.memory_bytes(), kMax);
  std::size_t kept = 0;
  for (std::uint32_t i = 0; i < 10'000; ++i) kept += cache.find(RunId(1), i) != nullptr ? 1 : 0;
  EXPECT_GT(kept, 100U);
  EXPECT_LT(kept, 1000U);
}

TEST(TimesCache, ForgetsARun) {
  TimesCache cache(64 << 10);
  for (std::uint32_t i = 0; i < 100; ++i) {
    for (std::uint64_t run = 1; run < 4; ++run) cache.put(RunId(run), i, column_of(8));
  }
  ASSERT_GT(cache.memory_bytes(), 32U << 10) << "some are old";
  ASSERT_NE(cache.find(RunId(2), 99), nullptr);
  cache.forget(RunId(2));
  EXPECT_EQ(cache.find(RunId(2), 99), nullptr);
  EXPECT_NE(cache.find(RunId(3), 99), nullptr);
  EXPECT_GT(cache.memory_bytes(), 0U);
  cache.forget(RunId(1));
  cache.forget(RunId(3));
  EXPECT_EQ(cache.memory_bytes(), 0U);
}

TEST(SecondTouch, KnowsWhatWasTouchedLately) {
  SecondTouch touched;
  EXPECT_FALSE(touched.touch(RunId(1), 0));
  EXPECT_TRUE(touched.touch(RunId(1), 0));
  EXPECT_FALSE(touched.touch(RunId(2), 0));
  EXPECT_FALSE(touched.touch(RunId(1), 1));
  EXPECT_TRUE(touched.touch(RunId(1), 1));
}

TEST(SecondTouch, ALongScanIsMostlyForgottenWhenItComesAgain) {
  SecondTouch touched;
  std::size_t again = 0;
  for (int scan = 0; scan < 2; ++scan) {
    for (std::uint32_t i = 0; i < 50'000; ++i) again += touched.touch(RunId(1), i) ? 1 : 0;
  }
  EXPECT_LT(again, 2000U);
}

TEST(TimesCache, AColumnAboveHalfOfItIsNotKept) {
  TimesCache cache(64 << 10);
  cache.put(RunId(1), 0, column_of(5000));
  EXPECT_EQ(cache.find(RunId(1), 0), nullptr);
  EXPECT_EQ(cache.memory_bytes(), 0U);
}

}  // namespace
}  // namespace tocsin::tsdb
