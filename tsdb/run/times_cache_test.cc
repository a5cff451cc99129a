// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "tsdb/run/run_snapshot.h"

namespace tocsin::tsdb {
namespace {

TimesCache::TimesPtr column_of(std::size_t rows) {
  auto column = std::make_shared<storage::TimestampColumn>();
  column->ms.resize(rows);
  return column;
}

TEST(TimesCache, KeepsWhatIsUsed) {
  TimesCache cache(64 << 10);
  cache.put(RunId(1), 0, column_of(100));
  for (std::uint32_t i = 1; i < 1000; ++i) {
    cache.put(RunId(1), i, column_of(100));
    ASSERT_NE(cache.find(RunId(1), 0), nullptr) << "after " << i;
  }
  EXPECT_EQ(cache.find(RunId(1), 1), nullptr);
  EXPECT_EQ(cache.find(RunId(2), 0), nullptr);
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

TEST(TimesCache, AColumnAboveHalfOfItIsNotKept) {
  TimesCache cache(64 << 10);
  cache.put(RunId(1), 0, column_of(5000));
  EXPECT_EQ(cache.find(RunId(1), 0), nullptr);
  EXPECT_EQ(cache.memory_bytes(), 0U);
}

}  // namespace
}  // namespace tocsin::tsdb
