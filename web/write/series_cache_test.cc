// SPDX-License-Identifier: Apache-2.0
#include "web/write/series_cache.h"

#include <random>

#include <gtest/gtest.h>

#include "base/executor.h"

namespace tocsin::web {
namespace {

using std::chrono::minutes;
using storage::SeriesRef;

constexpr base::SteadyTime kStart{std::chrono::hours(1000)};

bool all_active(SeriesRef) { return true; }

base::Hash128 key_of(std::uint64_t n) { return base::hash128(std::to_string(n), {7, 9}); }

void put(SeriesCache& cache, std::uint64_t from, std::uint64_t to, base::SteadyTime now) {
  std::vector<SeriesCache::Entry> entries;
  for (std::uint64_t n = from; n < to; ++n) entries.push_back({key_of(n), SeriesRef(n + 1)});
  cache.put(entries, now);
}

std::size_t count_found(const SeriesCache& cache, std::uint64_t from, std::uint64_t to) {
  SeriesCache::View view(cache);
  std::size_t found = 0;
  for (std::uint64_t n = from; n < to; ++n) {
    const SeriesRef ref = view.find(key_of(n));
    if (!ref) continue;
    EXPECT_EQ(ref.value(), n + 1);
    ++found;
  }
  return found;
}

TEST(SeriesCache, FindsWhatWasPutThroughAllGrowth) {
  SeriesCache cache({}, all_active);
  for (std::uint64_t n = 0; n < 20'000; n += 100) {
    put(cache, n, n + 100, kStart);
    ASSERT_EQ(count_found(cache, n, n + 100), 100U);
  }
  EXPECT_EQ(count_found(cache, 0, 20'000), 20'000U);
  EXPECT_EQ(count_found(cache, 20'000, 40'000), 0U);
  EXPECT_EQ(cache.size(), 20'000U);
  EXPECT_LT(cache.memory_bytes(), 20'000U * 32);
}

TEST(SeriesCache, ReplacesReferences) {
  SeriesCache cache({}, all_active);
  put(cache, 0, 10, kStart);
  cache.put(std::vector<SeriesCache::Entry>{{key_of(3), SeriesRef(99)}}, kStart);
  SeriesCache::View view(cache);
  EXPECT_EQ(view.find(key_of(3)), SeriesRef(99));
  EXPECT_EQ(cache.size(), 10U);
}

TEST(SeriesCache, LeavesOutReferencesThatDoNotFit) {
  SeriesCache cache({}, all_active);
  cache.put(std::vector<SeriesCache::Entry>{{key_of(1), SeriesRef(1ULL << 32U)},
                                            {key_of(2), SeriesRef(0)}},
            kStart);
  EXPECT_EQ(cache.size(), 0U);
}

TEST(SeriesCache, AViewStaysValidWhileTheTablesGrow) {
  SeriesCache cache({}, all_active);
  put(cache, 0, 100, kStart);
  SeriesCache::View view(cache);
  for (std::uint64_t n = 0; n < 100; ++n) EXPECT_TRUE(view.find(key_of(n)));
  put(cache, 100, 10'000, kStart);
  for (std::uint64_t n = 0; n < 100; ++n) EXPECT_EQ(view.find(key_of(n)), SeriesRef(n + 1));
}

TEST(SeriesCache, DropsWhatWasNotUsedWhenItHasToGrow) {
  SeriesCache cache({.max_series = 1'000'000, .idle = minutes(30)}, all_active);
  put(cache, 0, 1000, kStart);
  EXPECT_EQ(count_found(cache, 0, 1000), 1000U);
  // The first growth after the idle time begins to watch, the next one drops.
  put(cache, 10'000, 20'000, kStart + minutes(31));
  EXPECT_EQ(count_found(cache, 0, 500), 500U);
  put(cache, 20'000, 40'000, kStart + minutes(62));
  EXPECT_EQ(count_found(cache, 0, 500), 500U);
  EXPECT_LT(count_found(cache, 500, 1000), 10U);
}

TEST(SeriesCache, DropsSeriesThatLeftTheStoreWhenItHasToGrow) {
  // The store holds the newest thousand.
  std::uint64_t newest = 0;
  SeriesCache cache({}, [&](SeriesRef ref) { return ref.value() + 1000 > newest; });
  for (std::uint64_t n = 0; n < 50'000; n += 100) {
    newest = n + 100;
    put(cache, n, n + 100, kStart);
    ASSERT_EQ(count_found(cache, n < 900 ? 0 : n - 900, n + 100),
              std::min<std::size_t>(n + 100, 1000U));
  }
  EXPECT_LT(cache.size(), 3000U);
  EXPECT_LT(cache.memory_bytes(), 3000U * 32);
}

TEST(SeriesCache, StopsAtItsLimitAndFreesIdlePlaces) {
  SeriesCache cache({.max_series = 1600, .idle = minutes(30)}, all_active);
  put(cache, 0, 5000, kStart);
  EXPECT_LE(cache.size(), 1600U);
  EXPECT_GT(cache.size(), 1500U);
  const std::size_t kept = count_found(cache, 0, 5000);
  EXPECT_EQ(kept, cache.size());
  put(cache, 5000, 6000, kStart + minutes(31));  // all were used: none leaves
  EXPECT_EQ(count_found(cache, 5000, 6000), 0U);
  put(cache, 6000, 12'000, kStart + minutes(90));  // only those looked up since then stay
  EXPECT_LE(cache.size(), 1600U);
  EXPECT_GT(count_found(cache, 6000, 12'000), 0U);
}

TEST(SeriesCache, ReadersAndWritersRunTogether) {
  SeriesCache cache({.max_series = 1'000'000, .idle = minutes(0)}, all_active);
  {
    base::ThreadPool pool({.name = "cache", .threads = 4});
    for (std::uint64_t thread = 0; thread < 4; ++thread) {
      ASSERT_TRUE(pool.post([&cache, thread] {
        for (std::uint64_t n = 0; n < 5000; n += 50) {
          put(cache, thread * 2500 + n, thread * 2500 + n + 50, kStart);
          count_found(cache, 0, n);
        }
      }));
    }
  }
  EXPECT_LE(cache.size(), 12'500U);
}

}  // namespace
}  // namespace tocsin::web
