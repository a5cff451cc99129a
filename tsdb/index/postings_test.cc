// SPDX-License-Identifier: Apache-2.0
#include "tsdb/index/postings.h"

#include <algorithm>
#include <iterator>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace tocsin::tsdb {
namespace {

using Ids = std::vector<std::uint32_t>;
using Set = std::set<std::uint32_t>;

Ids listed(const Set& set) { return {set.begin(), set.end()}; }

// Empty sets, single ids, sparse ids, runs, and dense ids over several 16-bit containers.
Set random_set(std::mt19937_64& random) {
  Set set;
  switch (random() % 7) {
    case 0:
      break;
    case 1:
      set.insert(static_cast<std::uint32_t>(random() % 50));
      break;
    case 2:
    case 3:
      for (std::uint64_t i = 1 + random() % 6; i > 0; --i) {
        set.insert(static_cast<std::uint32_t>(random() % 9));
      }
      break;
    case 4:
      for (int i = 0; i < 20; ++i) set.insert(static_cast<std::uint32_t>(random() % 200'000));
      break;
    case 5: {
      const auto begin = static_cast<std::uint32_t>(random() % 100'000);
      for (std::uint32_t i = 0; i < 3000; ++i) set.insert(begin + i);
      break;
    }
    default:
      for (int i = 0; i < 9000; ++i) set.insert(static_cast<std::uint32_t>(random() % 20'000));
  }
  return set;
}

Postings postings_of(const Set& set) {
  Postings result;
  for (const std::uint32_t id : set) result.add(id);
  return result;
}

TEST(Postings, SetAlgebraAgreesWithStdSet) {
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937_64 random(seed);
    const Set a = random_set(random);
    const Set b = random_set(random);
    const Postings pa = postings_of(a);
    const Postings pb = Postings::of(listed(b));
    Ids both;
    std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(both));
    Ids only_a;
    std::set_difference(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(only_a));
    Ids either;
    std::set_union(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(either));

    ASSERT_EQ(pa.ids(), listed(a));
    ASSERT_EQ(pb.ids(), listed(b));
    ASSERT_EQ(pa.intersects(pb), !both.empty());
    ASSERT_EQ(Postings::intersection_of(pa, pb).ids(), both);
    const Postings* sets[] = {&pa, &pb, &pa};
    const Postings all = Postings::union_of(sets);
    ASSERT_EQ(all.ids(), either);
    ASSERT_EQ(all.count(), either.size());
    Postings difference = pa.clone();
    difference.subtract(pb);
    ASSERT_EQ(difference.ids(), only_a);
    ASSERT_EQ(difference.count(), only_a.size());
    Postings united = pa.clone();
    united.unite(pb);
    ASSERT_EQ(united.ids(), either);
    ASSERT_EQ(united.count(), either.size());
    Postings added = pa.clone();
    added.add_many(listed(b));
    ASSERT_EQ(added.ids(), either);
    added.remove_many(listed(b));
    ASSERT_EQ(added.ids(), only_a);
    ASSERT_EQ(added.count(), only_a.size());
    ASSERT_EQ(pa.ids(), listed(a)) << "changed by a read";
  }
}

TEST(Postings, AddAndRemoveSayWhetherSomethingChanged) {
  Postings set;
  EXPECT_TRUE(set.add(5));
  EXPECT_FALSE(set.add(5));
  EXPECT_FALSE(set.remove(4));
  EXPECT_TRUE(set.remove(5));
  EXPECT_TRUE(set.empty());
  EXPECT_TRUE(set.add(0xfffffffeU));
  EXPECT_TRUE(set.add(0));
  EXPECT_EQ(set.ids(), (Ids{0, 0xfffffffeU}));
  EXPECT_TRUE(set.remove(0));
  EXPECT_TRUE(set.remove(0xfffffffeU));
  EXPECT_TRUE(set.empty());
  EXPECT_TRUE(set.add(3));
  EXPECT_EQ(set.count(), 1U);
}

// Sets grow and shrink across the size at which they are held in another way.
TEST(Postings, FewIdsNeedNoMemory) {
  std::mt19937_64 random(3);
  Postings set;
  Set model;
  for (int step = 0; step < 5000; ++step) {
    const auto id = static_cast<std::uint32_t>(random() % 8);
    if (random() % 2 == 0) {
      ASSERT_EQ(set.add(id), model.insert(id).second) << "step " << step;
    } else {
      ASSERT_EQ(set.remove(id), model.erase(id) == 1) << "step " << step;
    }
    ASSERT_EQ(set.ids(), listed(model)) << "step " << step;
    ASSERT_EQ(set.contains(id), model.contains(id)) << "step " << step;
    ASSERT_EQ(set.memory_bytes() == 0, model.size() <= 3) << "step " << step;
  }
}

TEST(Postings, LimitCutsTheList) {
  Postings set;
  for (std::uint32_t id = 10; id < 5000; ++id) set.add(id);
  EXPECT_EQ(set.ids(3), (Ids{10, 11, 12}));
  EXPECT_EQ(set.ids(100'000).size(), 4990U);
  EXPECT_EQ(Postings().ids(3), Ids());
}

TEST(Postings, MovingLeavesAnEmptySet) {
  Postings a = Postings::of(Ids{1, 2, 3});
  Postings b = std::move(a);
  EXPECT_EQ(b.count(), 3U);
  a = Postings::of(Ids{9});
  EXPECT_EQ(a.ids(), Ids{9});
  b = std::move(a);
  EXPECT_EQ(b.ids(), Ids{9});
}

TEST(Postings, WhatIsEncodedIsReadAgain) {
  std::mt19937_64 random(5);
  for (int round = 0; round < 60; ++round) {
    SCOPED_TRACE(round);
    Postings set;
    // Ranges, scattered ids and dense ones, in one place or several, and some taken out again.
    for (std::uint64_t part = random() % 6; part > 0; --part) {
      const auto first = static_cast<std::uint32_t>(random() % 8 * 60'000);
      if (random() % 2 == 0)
        set.add_range(first, first + static_cast<std::uint32_t>(random() % 70'000));
      for (std::uint64_t i = random() % (random() % 3 == 0 ? 20'000 : 100); i > 0; --i) {
        set.add(first + static_cast<std::uint32_t>(random() % 65'536));
      }
      Postings gone;
      gone.add_range(first + 5, first + 5 + static_cast<std::uint32_t>(random() % 50'000));
      if (random() % 3 == 0) set.subtract(gone);
    }
    const StatusOr<Postings> again = Postings::decode(set.encode());
    ASSERT_TRUE(again.ok()) << again.status();
    ASSERT_EQ(again->ids(), set.ids());
  }
}

TEST(Postings, BytesThatAreNoSetAreRefused) {
  const std::string good = Postings::of(Ids{1, 2, 9}).encode();
  ASSERT_TRUE(Postings::decode(good).ok());
  const auto check = [&](std::string_view what, std::string bytes) {
    EXPECT_EQ(Postings::decode(bytes).status().code(), StatusCode::kDataLoss) << what;
  };
  std::string unsorted = good;
  std::swap(unsorted[unsorted.size() - 2], unsorted[unsorted.size() - 4]);
  check("not ascending: the library takes it and then says 9, 2 is in order", unsorted);
  check("cut", good.substr(0, good.size() - 1));
  check("more behind it", good + "x");
  Postings dense;
  for (std::uint32_t id = 0; id < 60'000; id += 2) dense.add(id);
  std::string bits = dense.encode();
  ASSERT_GT(bits.size(), 8192U);
  bits.back() = '\x7f';
  check("more bits than ids", bits);
  Postings range;
  range.add_range(10, 5000);
  std::string runs = range.encode();
  ASSERT_LT(runs.size(), 100U);
  runs.back() = '\x7f';
  check("longer runs than ids", runs);
}

TEST(Postings, ContiguousIdsTakeBytesNotKilobytes) {
  Postings set;
  for (std::uint32_t id = 1; id <= 65536; ++id) set.add(id);
  EXPECT_LT(set.memory_bytes(), 200U);
}

}  // namespace
}  // namespace tocsin::tsdb
