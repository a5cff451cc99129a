// SPDX-License-Identifier: Apache-2.0
#include "formats/line_table.h"

#include <map>
#include <random>
#include <string>

#include <gtest/gtest.h>

#include "base/executor.h"

namespace tocsin::formats {
namespace {

TEST(LineTable, KeepsALineForAsLongAsItIsHeld) {
  LineTable table({});
  const auto first = table.acquire("up", 0);
  const auto again = table.acquire("up", 0);
  const auto other_tag = table.acquire("up", 1);
  ASSERT_TRUE(first && again && other_tag);
  EXPECT_TRUE(first->created);
  EXPECT_FALSE(again->created);
  EXPECT_EQ(first->id, again->id);
  EXPECT_NE(first->id, other_tag->id);
  EXPECT_EQ(table.line(first->id).view(), "up");
  EXPECT_EQ(table.stats().lines, 2U);
  table.release(std::vector{first->id});
  EXPECT_EQ(table.line(first->id).view(), "up");
  table.retain(std::vector{first->id});
  table.release(std::vector{first->id, first->id, other_tag->id});
  EXPECT_EQ(table.stats().lines, 0U);
  EXPECT_EQ(table.stats().bytes, 0U);
  EXPECT_TRUE(table.acquire("up", 0)->created);
}

TEST(LineTable, RefusesAboveItsBound) {
  LineTable table({.max_bytes = 1000});
  std::vector<LineTable::Id> held;
  for (int i = 0; i < 100; ++i) {
    if (const auto line = table.acquire(std::to_string(i), 0)) held.push_back(line->id);
  }
  EXPECT_GT(held.size(), 5U);
  EXPECT_LT(held.size(), 50U);
  EXPECT_LE(table.stats().bytes, 1000U);
  EXPECT_EQ(table.stats().refused, 100 - held.size());
  EXPECT_TRUE(table.acquire("0", 0)) << "one that is there costs nothing";
  table.release(held);
  EXPECT_TRUE(table.acquire("new", 0));
}

TEST(LineTable, EqualsAMapUnderRandomUse) {
  constexpr std::uint64_t kSeed = 11;
  std::mt19937_64 random(kSeed);
  LineTable table({});
  std::map<std::string, std::pair<LineTable::Id, int>> model;
  for (int i = 0; i < 200'000; ++i) {
    const std::string text = "series" + std::to_string(random() % 5000);
    if (random() % 2 == 0) {
      const auto line = table.acquire(text, 0);
      ASSERT_TRUE(line);
      auto& [id, count] = model[text];
      ASSERT_EQ(line->created, count == 0) << "seed " << kSeed << " step " << i;
      ASSERT_TRUE(count == 0 || line->id == id) << "seed " << kSeed << " step " << i;
      id = line->id;
      ++count;
    } else if (const auto known = model.find(text); known != model.end()) {
      ASSERT_EQ(table.line(known->second.first).view(), text) << "seed " << kSeed << " step " << i;
      table.release(std::vector{known->second.first});
      if (--known->second.second == 0) model.erase(known);
    }
    ASSERT_EQ(table.stats().lines, model.size()) << "seed " << kSeed << " step " << i;
  }
}

TEST(LineTable, HoldersReadWithoutALockWhileOthersComeAndGo) {
  LineTable table({});
  {
    base::ThreadPool pool({.name = "lines", .threads = 4});
    for (std::uint64_t seed = 1; seed <= 4; ++seed) {
      ASSERT_TRUE(pool.post([&table, seed] {
        std::mt19937_64 random(seed);
        std::map<LineTable::Id, std::string> held;
        for (int i = 0; i < 20'000; ++i) {
          const std::string text = "series" + std::to_string(random() % 300);
          const auto line = table.acquire(text, 0);
          if (!line || !held.emplace(line->id, text).second) table.release(std::vector{line->id});
          const auto one = held.begin();
          EXPECT_EQ(table.line(one->first).view(), one->second) << "seed " << seed;
          if (held.size() > 20) {
            table.release(std::vector{one->first});
            held.erase(one);
          }
        }
        for (const auto& [id, text] : held) table.release(std::vector{id});
      }));
    }
  }
  EXPECT_EQ(table.stats().lines, 0U);
}

}  // namespace
}  // namespace tocsin::formats
