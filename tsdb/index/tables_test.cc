// SPDX-License-Identifier: Apache-2.0
//
// The tables of the index against the standard containers.
#include <array>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tsdb/index/id_table.h"
#include "tsdb/index/label_pairs.h"
#include "tsdb/index/label_sets.h"
#include "tsdb/index/series_rows.h"
#include "tsdb/index/value_cache.h"

namespace tocsin::tsdb {
namespace {

TEST(IdTable, FindsInsertsAndErasesAsASetDoes) {
  // Few distinct hashes, so that probe chains are long and cross each other when they are closed.
  for (const std::uint64_t hashes : {1ULL, 7ULL, 100'000ULL}) {
    std::mt19937_64 random(hashes);
    IdTable table;
    std::set<std::uint32_t> expected;
    for (int step = 0; step < 4000; ++step) {
      const auto id = static_cast<std::uint32_t>(random() % 300);
      const auto equal = [id](std::uint32_t other) { return other == id; };
      ASSERT_EQ(table.find(id % hashes, equal) == id, expected.contains(id)) << "step " << step;
      if (random() % 2 == 0) {
        ASSERT_EQ(table.erase(id % hashes, equal), expected.erase(id) == 1) << "step " << step;
      } else if (expected.insert(id).second) {
        table.insert(id % hashes, id);
      }
      ASSERT_EQ(table.size(), expected.size());
    }
  }
}

TEST(IdTable, TagsAreWhatTheStoreHolds) {
  IdTable table;
  table.insert(7, 1);
  table.insert_tag(IdTable::tag_of(8), 2);
  const auto any = [](std::uint32_t) { return true; };
  EXPECT_EQ(table.find_tag(IdTable::tag_of(7), any), 1U);
  EXPECT_EQ(table.find(8, any), 2U);
  EXPECT_EQ(series_tag(model::Labels::of({{"__name__", "up"}, {"job", "node"}}).encoded()),
            0x714223b4U);
}

TEST(TextArena, ViewsStayWhileAPinIsHeldAndMemoryIsGivenBack) {
  TextArena arena;
  std::map<std::uint32_t, std::string> expected;
  std::map<std::uint32_t, std::string_view> places;
  for (std::uint32_t i = 0; i < 20'000; ++i) {
    const std::string text = i == 7 ? std::string(100'000, 'x') : "value-" + std::to_string(i);
    expected[i] = text;
    places[i] = {arena.put(text, i), text.size()};
  }
  const std::size_t full = arena.memory_bytes();
  const std::map<std::uint32_t, std::string_view> before = places;
  std::shared_ptr<const void> pin = arena.pin();
  for (std::uint32_t i = 0; i < 20'000; ++i) {
    if (i % 100 == 3) continue;
    arena.release(places[i].data(), places[i].size());
    places.erase(i);
  }
  arena.sweep([&](std::uint32_t i) { return places.contains(i) ? places[i] : std::string_view(); },
              [&](std::uint32_t i, const char* place) { places[i] = {place, places[i].size()}; });
  EXPECT_LT(arena.memory_bytes(), full / 4);
  for (const auto& [i, text] : before) ASSERT_EQ(text, expected[i]) << "a pin keeps old places";
  for (const auto& [i, text] : places) ASSERT_EQ(text, expected[i]);
  pin = nullptr;  // AddressSanitizer sees who still reads
  for (const auto& [i, text] : places) ASSERT_EQ(text, expected[i]);
}

PackedLabel packed(const std::string& bytes) {
  std::vector<PackedLabel> labels;
  unpack(bytes, &labels);
  return labels.at(0);
}

TEST(LabelPairs, OneNumberPerPairAndNoneWithoutSeries) {
  LabelPairs pairs;
  const std::string a = pack("job", "a");
  const std::string large = pack("job", std::string(100'000, 'x'));
  const PairId first = pairs.intern(packed(a));
  pairs.add(first, 1);
  const PairId second = pairs.intern(packed(large));
  pairs.add(second, 2);
  EXPECT_EQ(pairs.intern(packed(a)), first);
  EXPECT_EQ(pairs.find("job", "a"), first);
  EXPECT_EQ(pairs.find("job", "b"), kNone);
  EXPECT_EQ(pairs.value(first), "a");
  EXPECT_EQ(pairs.bytes(second), large);
  EXPECT_EQ(pairs.name(pairs.find_name("job")).series.count(), 2U);
  const std::uint64_t epoch = pairs.name(pairs.find_name("job")).epoch;
  const std::array<std::uint32_t, 2> series = {1, 2};
  const std::span<const std::uint32_t> all(series);
  pairs.remove_from_pair(first, all.first(1));
  pairs.remove_from_name(pairs.find_name("job"), all.first(1));
  pairs.sweep();
  EXPECT_EQ(pairs.find("job", "a"), kNone);
  EXPECT_EQ(pairs.name(pairs.find_name("job")).values, std::vector<PairId>{second});
  EXPECT_NE(pairs.name(pairs.find_name("job")).epoch, epoch);
  pairs.remove_from_pair(second, all.last(1));
  pairs.remove_from_name(pairs.find_name("job"), all.last(1));
  pairs.sweep();
  EXPECT_EQ(pairs.find_name("job"), kNone);
  EXPECT_EQ(pairs.count(), 0U);
  const PairId again = pairs.intern(packed(a));
  EXPECT_LT(again, 2U) << "numbers are used again";
}

TEST(LabelSets, EqualListsAreOneUntilTheLastUseEnds) {
  std::mt19937_64 random(3);
  LabelSets sets;
  std::map<std::vector<PairId>, std::pair<SetId, int>> expected;
  for (int step = 0; step < 20'000; ++step) {
    std::vector<PairId> pairs;
    for (std::size_t n = random() % 6; n > 0; --n)
      pairs.push_back(static_cast<PairId>(random() % 5));
    auto& [set, uses] = expected[pairs];
    if (uses > 0 && random() % 2 == 0) {
      sets.release(set);
      --uses;
    } else {
      const SetId got = sets.acquire(pairs);
      ASSERT_TRUE(uses == 0 || got == set);
      set = got;
      ++uses;
    }
    std::size_t live = 0;
    for (const auto& [list, use] : expected) {
      if (use.second == 0) continue;
      ++live;
      if (step % 500 != 0) continue;
      const std::span<const PairId> stored = sets.pairs(use.first);
      ASSERT_EQ(std::vector<PairId>(stored.begin(), stored.end()), list);
    }
    ASSERT_EQ(sets.count(), live);
  }
  EXPECT_LT(sets.memory_bytes(), 400'000U) << "places are used again";
}

TEST(SeriesTable, KeepsRowsPerIdAndFreesEmptyPages) {
  SeriesTable table;
  for (std::uint32_t id = 1; id < 50'000; id += 3) table.put(id, {id, id + 1});
  const std::size_t full = table.memory_bytes();
  for (std::uint32_t id = 0; id < 60'000; ++id) {
    const bool has = id < 50'000 && id % 3 == 1;
    ASSERT_EQ(table.has(id), has);
    ASSERT_EQ(table.find(id).metric, has ? id + 1 : kNone);
  }
  for (std::uint32_t id = 1; id < 50'000; id += 3) table.erase(id);
  EXPECT_FALSE(table.has(4));
  EXPECT_LT(table.memory_bytes(), full / 30);
}

TEST(ValueCache, StaysWithinItsBoundAndKeepsWhatIsUsed) {
  ValueCache cache;
  const auto matches = std::make_shared<ValueMatches>();
  matches->bits.resize(10'000);
  cache.put("used", matches);
  for (int i = 0; i < 1000; ++i) {
    cache.put(ValueCache::key("name", std::to_string(i)), matches);
    ASSERT_NE(cache.find("used"), nullptr);
    ASSERT_LE(cache.stats().bytes, ValueCache::kMaxBytes);
  }
  EXPECT_EQ(cache.find(ValueCache::key("name", "1")), nullptr);
  EXPECT_NE(cache.find(ValueCache::key("name", "999")), nullptr);
  EXPECT_NE(ValueCache::key("ab", "c"), ValueCache::key("a", "bc"));
}

}  // namespace
}  // namespace tocsin::tsdb
