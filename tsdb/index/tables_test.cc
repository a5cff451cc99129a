// SPDX-License-Identifier: Apache-2.0
//
// IdTable, Symbols and LabelStore against the standard containers.
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tsdb/index/id_table.h"
#include "tsdb/index/label_store.h"
#include "tsdb/index/symbols.h"

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

TEST(Symbols, OneNumberPerTextAndViewsThatStay) {
  Symbols symbols;
  std::vector<std::string_view> views;
  for (int i = 0; i < 20'000; ++i) {
    const std::string text = "value-" + std::to_string(i);
    ASSERT_EQ(symbols.intern(text), static_cast<Symbol>(i));
    views.push_back(symbols.text(static_cast<Symbol>(i)));
  }
  const std::string large(1U << 20, 'x');
  const Symbol large_symbol = symbols.intern(large);
  EXPECT_EQ(symbols.text(large_symbol), large);
  EXPECT_EQ(symbols.intern("value-7"), 7U);
  EXPECT_EQ(symbols.find("value-20000"), kNoSymbol);
  EXPECT_EQ(symbols.text(symbols.intern("")), "");
  for (int i = 0; i < 20'000; ++i) {
    ASSERT_EQ(views[static_cast<std::size_t>(i)], "value-" + std::to_string(i));
  }
  EXPECT_GT(symbols.memory_bytes(), large.size());
}

TEST(LabelStore, KeepsPairsPerIdAndFreesEmptyPages) {
  LabelStore store;
  std::map<std::uint32_t, Symbol> expected;
  for (std::uint32_t id = 1; id < 5000; id += 3) {
    const Symbol value = id * 70'001U;
    store.put(id, std::vector<SymbolPair>{{1, value}, {0xfffffffeU, id}});
    expected[id] = value;
  }
  const std::size_t full = store.memory_bytes();
  for (std::uint32_t id = 0; id < 6000; ++id) {
    ASSERT_EQ(store.has(id), expected.contains(id));
    ASSERT_EQ(store.value(id, 1), expected.contains(id) ? expected[id] : kNoSymbol);
    ASSERT_EQ(store.get(id).size(), expected.contains(id) ? 2U : 0U);
  }
  EXPECT_EQ(store.value(1, 0xfffffffeU), 1U);
  EXPECT_EQ(store.value(1, 2), kNoSymbol);
  for (const auto& [id, value] : expected) store.erase(id);
  EXPECT_FALSE(store.has(4));
  EXPECT_LT(store.memory_bytes(), full / 100);
}

}  // namespace
}  // namespace tocsin::tsdb
