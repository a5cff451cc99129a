// SPDX-License-Identifier: Apache-2.0
#include "tsdb/index/series_index.h"

#include <atomic>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/executor.h"

namespace tocsin::tsdb {
namespace {

using model::Labels;
using model::Matcher;
using model::Matchers;
using storage::SeriesId;
using Type = Matcher::Type;

// The index's answers computed by looking at every series.
class NaiveIndex {
 public:
  std::map<std::uint64_t, Labels> series;

  std::vector<std::uint64_t> select(const Matchers& matchers) const {
    std::vector<std::uint64_t> result;
    for (const auto& [id, labels] : series) {
      bool matches = true;
      for (const Matcher& matcher : matchers) {
        matches = matches && matcher.matches(labels.get(matcher.name()));
      }
      if (matches) result.push_back(id);
    }
    return result;
  }

  using Alive = SeriesIndex::Alive;
  std::vector<std::string> names(const Matchers& matchers, const Alive& alive) const {
    std::set<std::string> result;
    for (const std::uint64_t id : select(matchers)) {
      if (alive && !alive(SeriesId(id))) continue;
      for (const auto& label : series.at(id)) result.emplace(label.name);
    }
    return {result.begin(), result.end()};
  }
  std::vector<std::string> values(std::string_view name, const Matchers& matchers,
                                  const Alive& alive) const {
    std::set<std::string> result;
    for (const std::uint64_t id : select(matchers)) {
      if (alive && !alive(SeriesId(id))) continue;
      if (series.at(id).has(name)) result.emplace(series.at(id).get(name));
    }
    return {result.begin(), result.end()};
  }
};

std::vector<std::uint64_t> numbers(const std::vector<SeriesId>& ids) {
  std::vector<std::uint64_t> result;
  for (const SeriesId id : ids) result.push_back(id.value());
  return result;
}

std::string pick(std::mt19937_64& random, const std::vector<std::string>& from) {
  return from[random() % from.size()];
}

const std::vector<std::string> kNames = {"__name__", "job", "pod", "mode", "Zone", "\u00fcber"};

Labels random_labels(std::mt19937_64& random) {
  std::vector<std::pair<std::string, std::string>> labels;
  labels.emplace_back("__name__", pick(random, {"up", "node_cpu", "node_load1", "go_info", "x"}));
  if (random() % 4 != 0) labels.emplace_back("job", pick(random, {"node", "api", "db", "api\n2"}));
  if (random() % 2 == 0) labels.emplace_back("pod", "pod-" + std::to_string(random() % 400));
  if (random() % 3 == 0) labels.emplace_back("mode", pick(random, {"idle", "user", "USER", "io"}));
  if (random() % 5 == 0) labels.emplace_back("Zone", pick(random, {"a", "b", "ab", "a.b"}));
  if (random() % 9 == 0) labels.emplace_back("\u00fcber", "\u00e4" + std::to_string(random() % 3));
  return Labels::from(std::move(labels));
}

Matcher random_matcher(std::mt19937_64& random) {
  const std::string name = random() % 12 == 0 ? "missing" : pick(random, kNames);
  const Type type =
      std::vector<Type>{Type::kEqual, Type::kNotEqual, Type::kRegex, Type::kNotRegex}[random() % 4];
  std::string value;
  if (type == Type::kEqual || type == Type::kNotEqual) {
    value = pick(random, {"", "up", "node", "api", "pod-7", "pod-12", "idle", "a", "nothing"});
  } else {
    value = pick(random, {"",
                          ".*",
                          ".+",
                          "node.*",
                          "node_.+",
                          "up|x",
                          "up|x|",
                          "a|b|ab",
                          "pod-1.*",
                          "pod-.*",
                          "pod-[0-3]?",
                          ".*-1",
                          ".*e.*",
                          "api|db",
                          "api(\n2)?",
                          "(?i)user",
                          "(?i:pod)-1.",
                          "us.*|id.*",
                          "|idle",
                          "x*",
                          "[^a]*",
                          "pod-(1|2|3)",
                          "a.b",
                          "a\\.b",
                          "zzz.*",
                          ".",
                          "pod-1|pod-2|pod-999",
                          "(pod-1|pod-2).*",
                          "\u00e4[12]",
                          "[^\u00e4]+"});
  }
  auto matcher = Matcher::make(type, name, value);
  EXPECT_TRUE(matcher.ok()) << value;
  return *matcher;
}

Matchers random_matchers(std::mt19937_64& random) {
  Matchers matchers;
  for (std::size_t count = random() % 4; count > 0; --count) {
    matchers.push_back(random_matcher(random));
  }
  return matchers;
}

std::string text_of(const Matchers& matchers) {
  std::string text;
  for (const Matcher& matcher : matchers) text += matcher.to_string() + ",";
  return "{" + text + "}";
}

void check_queries(std::mt19937_64& random, const SeriesIndex& index, const NaiveIndex& naive) {
  for (int i = 0; i < 150; ++i) {
    const Matchers matchers = random_matchers(random);
    SCOPED_TRACE(text_of(matchers));
    ASSERT_EQ(numbers(index.select(matchers)), naive.select(matchers));
    SeriesIndex::Alive alive;
    if (random() % 2 == 0) alive = [](SeriesId id) { return id.value() % 7 == 0; };
    ASSERT_EQ(index.label_names(matchers, alive), naive.names(matchers, alive));
    const std::string name = pick(random, kNames);
    ASSERT_EQ(index.label_values(name, matchers, alive), naive.values(name, matchers, alive))
        << name;
  }
}

TEST(SeriesIndex, AnswersAsAScanOverAllSeriesDoes) {
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937_64 random(seed);
    SeriesIndex index(1'000'000);
    NaiveIndex naive;
    for (int round = 0; round < 4; ++round) {
      for (std::size_t i = 0; i < 60 * seed; ++i) {
        const Labels labels = random_labels(random);
        const auto resolved = index.resolve(labels);
        ASSERT_TRUE(resolved.ok());
        ASSERT_EQ(resolved->created, !naive.series.contains(resolved->id.value()));
        naive.series.emplace(resolved->id.value(), labels);
      }
      check_queries(random, index, naive);
      std::vector<SeriesId> gone;
      for (auto it = naive.series.begin(); it != naive.series.end();) {
        const bool goes = random() % 3 == 0;
        if (goes) gone.emplace_back(it->first);
        it = goes ? naive.series.erase(it) : std::next(it);
      }
      index.remove(gone);
      ASSERT_EQ(index.size(), naive.series.size());
      check_queries(random, index, naive);
    }
  }
}

TEST(SeriesIndex, HandsOutDenseIdsAndFindsThemAgain) {
  SeriesIndex index(10);
  const Labels a = Labels::of({{"__name__", "a"}});
  const Labels b = Labels::of({{"__name__", "a"}, {"x", "1"}});
  EXPECT_EQ(index.find(a), SeriesId(0));
  EXPECT_EQ(index.resolve(a)->id, SeriesId(1));
  EXPECT_EQ(index.resolve(b)->id, SeriesId(2));
  EXPECT_FALSE(index.resolve(a)->created);
  EXPECT_EQ(index.find(b), SeriesId(2));
  EXPECT_EQ(index.labels(SeriesId(2)), b);
  EXPECT_EQ(index.labels(SeriesId(3)), Labels());
  EXPECT_EQ(index.labels(SeriesId(1ULL << 40U)), Labels());
  EXPECT_EQ(index.next_id(), SeriesId(3));
  EXPECT_GT(index.memory_bytes(), 0U);
}

TEST(SeriesIndex, MetricNamesAreViewsOfOneCopy) {
  SeriesIndex index(10);
  const auto pin = index.pin();
  ASSERT_TRUE(index.resolve(Labels::of({{"__name__", "a"}, {"x", "1"}})).ok());
  ASSERT_TRUE(index.resolve(Labels::of({{"x", "1"}})).ok());
  ASSERT_TRUE(index.resolve(Labels::of({{"__name__", "a"}, {"x", "2"}})).ok());
  const std::vector<SeriesId> ids = {SeriesId(3), SeriesId(1), SeriesId(2), SeriesId(9)};
  const std::vector<std::string_view> names = index.metric_names(ids);
  EXPECT_EQ(names, (std::vector<std::string_view>{"a", "a", "", ""}));
  EXPECT_EQ(names[0].data(), names[1].data());
  EXPECT_EQ(index.metric_name(SeriesId(3)).data(), names[0].data());
}

TEST(SeriesIndex, NeverReusesTheIdOfARemovedSeries) {
  SeriesIndex index(10);
  const Labels a = Labels::of({{"__name__", "a"}});
  ASSERT_EQ(index.resolve(a)->id, SeriesId(1));
  const SeriesId gone[] = {SeriesId(1), SeriesId(99), SeriesId(0)};
  index.remove(gone);
  EXPECT_EQ(index.size(), 0U);
  EXPECT_EQ(index.label_pairs(), 0U);
  EXPECT_EQ(index.labels(SeriesId(1)), Labels());
  EXPECT_TRUE(index.label_names({}, nullptr).empty());
  EXPECT_EQ(index.resolve(a)->id, SeriesId(2));
}

TEST(SeriesIndex, RefusesMoreSeriesThanAllowed) {
  SeriesIndex index(1);
  ASSERT_TRUE(index.resolve(Labels::of({{"__name__", "a"}})).ok());
  const auto refused = index.resolve(Labels::of({{"__name__", "b"}}));
  EXPECT_EQ(refused.status().code(), StatusCode::kResourceExhausted);
  EXPECT_TRUE(index.resolve(Labels::of({{"__name__", "a"}})).ok());
  EXPECT_EQ(index.stats().refused, 1U);
}

TEST(SeriesIndex, RestoresOldIdsInAnyOrder) {
  SeriesIndex index(10);
  const Labels a = Labels::of({{"__name__", "a"}});
  const Labels b = Labels::of({{"__name__", "b"}});
  ASSERT_TRUE(index.restore(SeriesId(70'000), a).ok());
  ASSERT_TRUE(index.restore(SeriesId(3), b).ok());
  ASSERT_TRUE(index.restore(SeriesId(3), b).ok()) << "twice the same is fine";
  EXPECT_EQ(index.resolve(a)->id, SeriesId(70'000));
  EXPECT_EQ(index.resolve(Labels::of({{"__name__", "c"}}))->id, SeriesId(70'001));
  EXPECT_EQ(numbers(index.select({})), (std::vector<std::uint64_t>{3, 70'000, 70'001}));

  EXPECT_EQ(index.restore(SeriesId(3), a).code(), StatusCode::kDataLoss);
  EXPECT_EQ(index.restore(SeriesId(4), a).code(), StatusCode::kDataLoss);
  EXPECT_EQ(index.restore(SeriesId(0), a).code(), StatusCode::kDataLoss);
  EXPECT_EQ(index.restore(SeriesId(1ULL << 32U), a).code(), StatusCode::kDataLoss);
  EXPECT_EQ(index.labels(SeriesId(3)), b);
}

TEST(SeriesIndex, LastPossibleIdIsUsedAndThenNoMore) {
  SeriesIndex index(10);
  ASSERT_TRUE(index.restore(SeriesId(0xfffffffdU), Labels::of({{"__name__", "a"}})).ok());
  EXPECT_EQ(index.resolve(Labels::of({{"__name__", "b"}}))->id, SeriesId(0xfffffffeU));
  const auto refused = index.resolve(Labels::of({{"__name__", "c"}}));
  EXPECT_EQ(refused.status().code(), StatusCode::kResourceExhausted);
}

TEST(SeriesIndex, SelectStopsAtTheLimit) {
  SeriesIndex index(100);
  for (int i = 0; i < 20; ++i) {
    const std::string value = std::to_string(i);
    ASSERT_TRUE(index.resolve(Labels::of({{"__name__", "a"}, {"i", value}})).ok());
  }
  EXPECT_EQ(numbers(index.select({Matcher::equal("__name__", "a")}, 3)),
            (std::vector<std::uint64_t>{1, 2, 3}));
}

TEST(SeriesIndex, ValuesThatCameBackAreListedOnce) {
  SeriesIndex index(100);
  const auto add = [&](std::string_view value) {
    return index.resolve(Labels::of({{"a", value}}))->id;
  };
  const SeriesId first = add("x");
  add("y");
  EXPECT_EQ(index.label_values("a", {}, nullptr), (std::vector<std::string>{"x", "y"}));
  index.remove({&first, 1});
  EXPECT_EQ(index.label_values("a", {}, nullptr), (std::vector<std::string>{"y"}));
  add("x");
  add("b");
  EXPECT_EQ(index.label_values("a", {}, nullptr), (std::vector<std::string>{"b", "x", "y"}));
  index.remove(index.select({}));
  EXPECT_TRUE(index.label_values("a", {}, nullptr).empty());
  add("z");
  EXPECT_EQ(index.label_values("a", {}, nullptr), (std::vector<std::string>{"z"}));
}

TEST(SeriesIndex, RowsLoadIntoAnotherIndexAsTheyWere) {
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937_64 random(seed);
    SeriesIndex index(1'000'000);
    NaiveIndex naive;
    for (std::size_t i = 0; i < 700 * seed; ++i) {
      const Labels labels = random_labels(random);
      naive.series.emplace(index.resolve(labels)->id.value(), labels);
    }
    SeriesIndex loaded(1'000'000);
    Postings wanted;
    std::vector<SeriesId> block;
    for (auto it = naive.series.begin(); it != naive.series.end();) {
      block.emplace_back(it->first);
      const bool wants = seed == 1 || random() % 3 != 0;
      if (wants) wanted.add(static_cast<std::uint32_t>(it->first));
      it = wants ? std::next(it) : naive.series.erase(it);
      if (block.size() < 200 && it != naive.series.end()) continue;
      ASSERT_TRUE(loaded.load(index.rows(block), seed == 1 ? nullptr : &wanted).ok());
      block.clear();
    }
    ASSERT_EQ(loaded.size(), naive.series.size());
    check_queries(random, loaded, naive);
    for (const auto& [id, labels] : naive.series) {
      ASSERT_EQ(loaded.labels(SeriesId(id)), labels);
      ASSERT_EQ(loaded.find(labels), SeriesId(id));
    }
    ASSERT_GT(loaded.resolve(Labels::of({{"new", "1"}}))->id.value(), naive.series.rbegin()->first);
    loaded.remove(loaded.select({}));
    EXPECT_EQ(loaded.label_pairs(), 0U);
    EXPECT_EQ(loaded.stats().label_sets, 0U);
  }
}

TEST(SeriesIndex, ARowOfASeriesThatIsThereIsDamage) {
  SeriesIndex index(10);
  const SeriesId id = index.resolve(Labels::of({{"a", "1"}}))->id;
  EXPECT_EQ(index.load(index.rows({&id, 1})).code(), StatusCode::kDataLoss);
  EXPECT_EQ(index.labels(id), Labels::of({{"a", "1"}}));
}

TEST(SeriesIndex, ASeriesThatComesBackGetsItsOldId) {
  SeriesIndex index(10);
  std::map<Labels, SeriesId> left;
  index.set_history([&](std::uint32_t tag, const Labels& labels) -> StatusOr<SeriesId> {
    EXPECT_EQ(tag, series_tag(labels.encoded()));
    if (labels.has("broken")) return unavailable("no disk");
    const auto it = left.find(labels);
    return it == left.end() ? SeriesId() : it->second;
  });
  const Labels a = Labels::of({{"a", "1"}});
  const SeriesId id = index.resolve(a)->id;
  ASSERT_EQ(index.resolve(Labels::of({{"a", "2"}}))->id, SeriesId(2));
  left[a] = id;
  index.remove({&id, 1});
  EXPECT_FALSE(index.has(id));
  const auto back = index.resolve(a);
  EXPECT_TRUE(back->created);
  EXPECT_EQ(back->id, id);
  EXPECT_TRUE(index.has(id));
  EXPECT_EQ(index.resolve(Labels::of({{"a", "3"}}))->id, SeriesId(3));
  EXPECT_EQ(index.resolve(Labels::of({{"broken", "1"}})).status().code(), StatusCode::kUnavailable);
}

TEST(SeriesIndex, MemoryFollowsWhatIsThere) {
  SeriesIndex index(10'000'000);
  const auto add = [&](int round) {
    for (int i = 0; i < 20'000; ++i) {
      const std::string pod = fmt::format("pod-{}-{}", round, i / 10);
      ASSERT_TRUE(index
                      .resolve(Labels::of({{"__name__", "m" + std::to_string(i % 10)},
                                           {"job", "kubernetes"},
                                           {"pod", pod}}))
                      .ok());
    }
  };
  add(0);
  const std::uint64_t once = index.memory_bytes();
  for (int round = 1; round < 20; ++round) {
    add(round);
    index.remove(index.select({}, 20'000));
    ASSERT_EQ(index.size(), 20'000U);
  }
  EXPECT_LT(index.memory_bytes(), once * 3);
}

TEST(SeriesIndex, WhatAnExpressionMatchedIsKnownTheNextTime) {
  SeriesIndex index(100'000);
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(index.resolve(Labels::of({{"pod", "p-" + std::to_string(i)}})).ok());
  }
  const Matchers matchers = {*Matcher::make(Type::kRegex, "pod", ".*-[0-9]*7")};
  EXPECT_EQ(index.select(matchers).size(), 100U);
  EXPECT_EQ(index.stats().regex_hits, 0U);
  EXPECT_EQ(index.select(matchers).size(), 100U);
  EXPECT_EQ(index.stats().regex_hits, 1U);
  ASSERT_TRUE(index.resolve(Labels::of({{"pod", "p-1007"}})).ok());
  EXPECT_EQ(index.select(matchers).size(), 101U) << "new values are looked at";
  index.remove(index.select({}, 500));
  EXPECT_EQ(index.select(matchers).size(), 51U) << "positions of values have changed";
  EXPECT_EQ(index.stats().regex_misses, 1U);
}

std::string text_of(const std::vector<storage::CardinalityEntry>& entries) {
  std::string text;
  for (const auto& entry : entries) text += entry.name + ":" + std::to_string(entry.value) + " ";
  return text;
}

// Series put back in parts, out of order and some twice, against one index that made them one by one.
TEST(SeriesIndex, RestoringManyIsAsRestoringEach) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  const auto text = [](std::string_view prefix, std::size_t i) {
    return std::string(prefix) + std::to_string(i);
  };
  SeriesIndex one_by_one(1'000'000);
  std::vector<NamedSeries> all;
  for (std::size_t host = 0; host < 40; ++host) {
    for (std::size_t i = 0; i < 60; ++i) {
      std::vector<std::pair<std::string, std::string>> labels = {
          {"__name__", text("m", i % 20)}, {"instance", text("h", host)}, {"job", "node"}};
      if (i >= 20) labels.emplace_back("cpu", text("", i / 20));
      if (random() % 8 == 0) labels.emplace_back("extra", text("e", random() % 50));
      const Labels made = Labels::from(labels);
      const StatusOr<SeriesIndex::Resolved> resolved = one_by_one.resolve(made);
      ASSERT_TRUE(resolved.ok());
      if (resolved->created) all.push_back({resolved->id, made});
    }
  }
  std::shuffle(all.begin() + 500, all.end(), random);
  for (int i = 0; i < 50; ++i) all.push_back(all[random() % all.size()]);
  SeriesIndex index(1'000'000);
  for (std::size_t begin = 0, end = 0; begin < all.size(); begin = end) {
    end = std::min<std::size_t>(all.size(), begin + random() % 300);
    ASSERT_TRUE(index.restore(std::span(all).subspan(begin, end - begin)).ok());
  }
  EXPECT_EQ(index.size(), one_by_one.size());
  EXPECT_EQ(index.next_id(), one_by_one.next_id());
  for (const NamedSeries& series : all) {
    ASSERT_EQ(index.labels(series.id), series.labels);
    ASSERT_EQ(index.find(series.labels), series.id);
  }
  const std::vector<Matchers> selectors = {
      {},
      {Matcher::equal("job", "node")},
      {Matcher::equal("instance", "h7")},
      {Matcher::equal("__name__", "m3"), Matcher::equal("cpu", "2")},
      {*Matcher::make(Type::kRegex, "extra", "e.*")},
      {*Matcher::make(Type::kNotEqual, "cpu", "1")}};
  for (const Matchers& matchers : selectors) {
    EXPECT_EQ(index.select(matchers), one_by_one.select(matchers));
    EXPECT_EQ(index.label_names(matchers, nullptr), one_by_one.label_names(matchers, nullptr));
  }
  EXPECT_EQ(text_of(index.series_by_pair(1000)), text_of(one_by_one.series_by_pair(1000)));
  std::vector<SeriesId> gone;
  for (const NamedSeries& series : all) gone.push_back(series.id);
  index.remove(gone);
  EXPECT_EQ(index.stats().pairs, 0U) << "every posting had its series once";
  EXPECT_EQ(index.stats().label_sets, 0U);
}

// Readers must see each series wholly or not at all while a writer adds and removes.
TEST(SeriesIndex, ReadersRunBesideAWriter) {
  SeriesIndex index(1'000'000);
  const Matchers matchers = {Matcher::equal("__name__", "m"),
                             *Matcher::make(Type::kRegex, "pod", "p-[0-9]*[02468]")};
  base::ThreadPool::Options options;
  options.name = "index test";
  options.threads = 2;
  base::ThreadPool pool(options);
  std::atomic<bool> done = false;
  std::atomic<int> wrong = 0;
  const auto read = [&] {
    do {
      for (const SeriesId id : index.select(matchers)) {
        const Labels labels = index.labels(id);
        if (!labels.empty() && !model::matches_all(matchers, labels)) ++wrong;
      }
      for (const std::string& value : index.label_values("pod", matchers, nullptr)) {
        if (!matchers[1].matches(value)) ++wrong;
      }
    } while (!done);
  };
  ASSERT_TRUE(pool.post(read));
  ASSERT_TRUE(pool.post(read));
  for (int round = 0; round < 40; ++round) {
    for (int i = 0; i < 50; ++i) {
      const std::string pod = "p-" + std::to_string(round * 50 + i);
      ASSERT_TRUE(index.resolve(Labels::of({{"__name__", "m"}, {"pod", pod}})).ok());
    }
    if (round % 2 == 0) index.remove(index.select({}, 30));
  }
  done = true;
  pool.stop();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(index.size(), 40U * 50U - 20U * 30U);
}

TEST(SeriesIndex, CardinalityListsTheLargestFirst) {
  SeriesIndex index(100);
  for (int i = 0; i < 5; ++i) {
    const std::string value = std::to_string(i);
    ASSERT_TRUE(index.resolve(Labels::of({{"__name__", "cpu"}, {"i", value}, {"job", "n"}})).ok());
  }
  ASSERT_TRUE(index.resolve(Labels::of({{"__name__", "up"}, {"job", "n"}})).ok());
  EXPECT_EQ(text_of(index.series_by_metric(10)), "cpu:5 up:1 ");
  EXPECT_EQ(text_of(index.series_by_metric(1)), "cpu:5 ");
  EXPECT_EQ(text_of(index.values_by_label(10)), "i:5 __name__:2 job:1 ");
  EXPECT_EQ(text_of(index.series_by_pair(3)), "job=n:6 __name__=cpu:5 __name__=up:1 ");
  EXPECT_EQ(text_of(index.bytes_by_label(10)), "__name__:17 job:6 i:5 ");
  EXPECT_EQ(text_of(index.bytes_by_label(1)), "__name__:17 ");
  EXPECT_EQ(index.label_pairs(), 8U);
}

}  // namespace
}  // namespace tocsin::tsdb
