// SPDX-License-Identifier: Apache-2.0
//
// The catalog and the index together against a map: series come, are sealed, leave, come back and
// are forgotten, with restarts and crashes between any two steps.
#include "tsdb/catalog/catalog.h"

#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tsdb/testing/run_test_data.h"

namespace tocsin::tsdb {
namespace {

using model::Labels;
using model::Matcher;
using model::Matchers;
using storage::SeriesId;
using Type = Matcher::Type;

constexpr std::int64_t kHourMs = 3'600'000;
constexpr std::int64_t kKeepMs = 2 * kHourMs;

storage::SeriesColumn column_at(std::int64_t from_ms, std::int64_t to_ms) {
  auto times = std::make_shared<storage::TimestampColumn>();
  for (std::int64_t t = from_ms; t <= to_ms; t += kHourMs / 4) times->ms.push_back(t);
  storage::SeriesColumn column;
  column.rows = static_cast<std::uint32_t>(times->ms.size());
  column.floats.resize(column.rows);
  column.times = std::move(times);
  return column;
}

// What Db does with the parts, without samples.
class World {
 public:
  void open() {
    catalog_ = nullptr;
    index_ = nullptr;
    kv_ = nullptr;
    ASSERT_TRUE(base::real_file_system().create_directories(directory_.path()).ok());
    kv_ = *KvStore::open(directory_.path());
    index_ = std::make_unique<SeriesIndex>(1'000'000);
    catalog_ = std::make_unique<Catalog>(*kv_, *index_, [this](std::string_view step) {
      if (crash_at_ != step || crash_after_-- > 0) return ok();
      crash_at_.clear();
      return unavailable("crash after {}", step);
    });
    const Status opened = catalog_->open(sealed_max_ms_, [](std::span<const std::uint32_t>) {});
    ASSERT_TRUE(opened.ok()) << opened;
    index_->set_history([this](std::uint32_t tag, const Labels& labels) {
      return catalog_->find_left(tag, labels);
    });
    // As the journal does: series whose samples no run has are put back.
    for (const auto& [labels, id] : unsealed_) ASSERT_TRUE(index_->restore(id, labels).ok());
  }

  SeriesId append(const Labels& labels) {
    const StatusOr<SeriesIndex::Resolved> resolved = index_->resolve(labels);
    EXPECT_TRUE(resolved.ok()) << resolved.status();
    unsealed_[labels] = resolved->id;
    return resolved->id;
  }

  // Seals what was appended, as samples of [from_ms, to_ms].
  Status seal(std::int64_t from_ms, std::int64_t to_ms) {
    std::map<SeriesId, Labels> by_id;
    for (const auto& [labels, id] : unsealed_) by_id[id] = labels;
    RunDays days;
    std::vector<SeriesId> ids;
    const storage::SeriesColumn column = column_at(from_ms, to_ms);
    for (const auto& [id, labels] : by_id) {
      days.add(id, column);
      ids.push_back(id);
    }
    ASSIGN_OR_RETURN(Catalog::Change change, catalog_->prepare(days, ids));
    RETURN_IF_ERROR(kv_->commit(change.batch));
    sealed_max_ms_ = std::max(sealed_max_ms_, to_ms);
    unsealed_.clear();
    catalog_->apply(std::move(change), to_ms);
    const std::vector<SeriesId> idle = catalog_->idle(kKeepMs);
    if (idle.empty()) return ok();
    RETURN_IF_ERROR(catalog_->let_go(idle));
    index_->remove(idle);
    catalog_->note_left(idle);
    return ok();
  }

  std::set<Labels> select(const Matchers& matchers, std::int64_t min_ms, std::int64_t max_ms) {
    std::set<Labels> found;
    for (const SeriesId id : index_->select(matchers)) found.insert(index_->labels(id));
    const DayRange range = catalog_->left_days(min_ms, max_ms);
    if (range.first > range.last) return found;
    const StatusOr<Postings> left = catalog_->history().select(matchers, range, nullptr);
    EXPECT_TRUE(left.ok()) << left.status();
    for (const std::uint32_t id : left->ids()) {
      const StatusOr<Labels> labels = catalog_->history().labels(id);
      EXPECT_TRUE(labels.ok()) << labels.status();
      if (!labels->empty()) found.insert(*labels);
    }
    return found;
  }

  const TestDirectory directory_;
  std::unique_ptr<KvStore> kv_;
  std::unique_ptr<SeriesIndex> index_;
  std::unique_ptr<Catalog> catalog_;
  std::map<Labels, SeriesId> unsealed_;
  std::int64_t sealed_max_ms_ = INT64_MIN;
  std::string crash_at_;
  int crash_after_ = 0;
};

Labels pod_labels(int pod, int metric) {
  return Labels::of({{"__name__", "metric_" + std::to_string(metric)},
                     {"job", pod % 3 == 0 ? "api" : "web"},
                     {"pod", "pod-" + std::to_string(pod)}});
}

Matchers random_matchers(std::mt19937_64& random) {
  const auto pick = [&](std::vector<std::string> from) { return from[random() % from.size()]; };
  Matchers matchers;
  for (std::uint64_t count = random() % 4; count > 0; --count) {
    const std::string name = pick({"__name__", "job", "pod", "missing"});
    const Type type =
        std::vector{Type::kEqual, Type::kNotEqual, Type::kRegex, Type::kNotRegex}[random() % 4];
    const std::string value = type == Type::kEqual || type == Type::kNotEqual
                                  ? pick({"", "metric_1", "api", "web", "pod-12"})
                                  : pick({".*", ".+", "", "metric_(0|2)", "api|", "pod-1.*",
                                          "pod-.*3", "a.*|web", "metric_1|metric_2", "[^p].*"});
    matchers.push_back(*Matcher::make(type, name, value));
  }
  return matchers;
}

TEST(Catalog, SeriesThatLeftMemoryAreFoundAndComeBackWithTheirIds) {
  World world;
  world.open();
  const Labels a = pod_labels(1, 1);
  const Labels b = pod_labels(2, 1);
  const SeriesId id = world.append(a);
  world.append(b);
  ASSERT_TRUE(world.seal(0, kHourMs).ok());
  for (int hour = 1; hour < 6; ++hour) {
    world.append(b);
    ASSERT_TRUE(world.seal(hour * kHourMs, (hour + 1) * kHourMs).ok());
  }
  EXPECT_EQ(world.index_->size(), 1U) << "the one without samples has left";
  EXPECT_EQ(world.select({Matcher::equal("pod", "pod-1")}, 0, kHourMs), std::set<Labels>{a});
  EXPECT_TRUE(world.select({Matcher::equal("pod", "pod-1")}, 5 * kHourMs, 9 * kHourMs).empty());
  EXPECT_EQ(world.select({}, 0, 9 * kHourMs), (std::set<Labels>{a, b}));
  EXPECT_EQ(world.append(a), id);
  EXPECT_EQ(world.catalog_->stats().found, 1U);
  world.open();
  EXPECT_EQ(world.index_->size(), 2U) << "the active one, and what the journal brings";
  EXPECT_EQ(world.append(pod_labels(9, 9)), SeriesId(3));
}

class Random {
 public:
  Random(std::uint64_t seed, bool crashes) : random_(seed), crashes_(crashes) {}

  void run() {
    world_.open();
    for (int round = 0; round < 60 && !testing::Test::HasFatalFailure(); ++round) {
      SCOPED_TRACE(testing::Message() << "round " << round);
      append();
      seal();
      if (random_() % 6 == 0) world_.open();
      if (random_() % 12 == 0) forget();
      check();
    }
  }

 private:
  void append() {
    const int generation = static_cast<int>(now_ms_ / (3 * kHourMs));
    for (int i = 0; i < 30; ++i) {
      // Most pods live for a few hours; some are from long ago.
      const int pod = random_() % 10 == 0 ? static_cast<int>(random_() % 40)
                                          : generation * 3 + static_cast<int>(random_() % 6);
      const Labels labels = pod_labels(pod, static_cast<int>(random_() % 3));
      const SeriesId id = world_.append(labels);
      ASSERT_EQ(id_of_.try_emplace(labels, id).first->second, id);
      ASSERT_EQ(labels_of_.try_emplace(id, labels).first->second, labels);
      pending_.insert(labels);
    }
  }

  void seal() {
    const std::int64_t from = now_ms_;
    now_ms_ += static_cast<std::int64_t>(1 + random_() % 3) * kHourMs / 2;
    if (crashes_ && random_() % 2 == 0) {
      world_.crash_at_ =
          std::vector<std::string>{"rows", "postings", "tags", "left"}[random_() % 4];
    }
    const bool sealed = world_.seal(from, now_ms_).ok();
    world_.crash_at_.clear();
    if (!sealed) world_.open();
    if (!world_.unsealed_.empty()) return;  // the crash was before the run
    const storage::SeriesColumn column = column_at(from, now_ms_);
    for (const Labels& labels : pending_) {
      times_[labels].insert(column.times->ms.begin(), column.times->ms.end());
    }
    pending_.clear();
  }

  // As retention does: days go, and series that had no others.
  void forget() {
    if (now_ms_ < 2 * kDayMs) return;
    const Day first = day_of(now_ms_) - 1;
    const Status status = world_.catalog_->forget_days_before(first);
    ASSERT_TRUE(status.ok()) << status;
    for (auto it = times_.begin(); it != times_.end();) {
      it->second.erase(it->second.begin(), it->second.lower_bound(first * kDayMs));
      if (it->second.empty() && world_.index_->find(it->first) == SeriesId()) {
        id_of_.erase(it->first);  // it may come back as another
        it = times_.erase(it);
      } else {
        ++it;
      }
    }
  }

  void check() {
    for (int i = 0; i < 12; ++i) {
      const Matchers matchers = random_matchers(random_);
      std::string text;
      for (const Matcher& matcher : matchers) text += matcher.to_string() + " ";
      SCOPED_TRACE(text);
      const std::int64_t min_ms =
          static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(now_ms_ + 1));
      const std::int64_t max_ms = min_ms + static_cast<std::int64_t>(random_() % 40) * kHourMs;
      const std::set<Labels> found = world_.select(matchers, min_ms, max_ms);
      for (const Labels& labels : found) ASSERT_TRUE(model::matches_all(matchers, labels));
      for (const auto& [labels, times] : times_) {
        const auto time = times.lower_bound(min_ms);
        const bool has = time != times.end() && *time <= max_ms;
        if (!has || !model::matches_all(matchers, labels)) continue;
        ASSERT_TRUE(found.contains(labels)) << labels.to_string();
      }
    }
  }

  std::mt19937_64 random_;
  const bool crashes_;
  World world_;
  std::int64_t now_ms_ = 0;
  std::map<Labels, SeriesId> id_of_;
  std::map<SeriesId, Labels> labels_of_;
  std::set<Labels> pending_;
  std::map<Labels, std::set<std::int64_t>> times_;
};

TEST(Catalog, NoSeriesIsLostAndNoIdStandsForTwo) {
  for (std::uint64_t seed = 1; seed <= 2; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random(seed, false).run();
    if (testing::Test::HasFatalFailure()) return;
  }
}

TEST(Catalog, ACrashBetweenAnyTwoStepsLosesNothing) {
  for (std::uint64_t seed = 11; seed <= 12; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random(seed, true).run();
    if (testing::Test::HasFatalFailure()) return;
  }
}

TEST(Catalog, NamesAndValuesOfSeriesThatLeft) {
  World world;
  world.open();
  for (int pod = 0; pod < 20; ++pod) world.append(pod_labels(pod, pod % 2));
  ASSERT_TRUE(world.seal(0, kHourMs).ok());
  for (int hour = 1; hour < 6; ++hour) {
    world.append(pod_labels(100, 7));
    ASSERT_TRUE(world.seal(hour * kHourMs, (hour + 1) * kHourMs).ok());
  }
  const History& history = world.catalog_->history();
  const DayRange range = world.catalog_->left_days(0, kHourMs);
  const Postings api = *history.select({Matcher::equal("job", "api")}, range, nullptr);
  std::set<std::string> names;
  ASSERT_TRUE(history.label_names(api, range, nullptr, &names).ok());
  EXPECT_EQ(names, (std::set<std::string>{"__name__", "job", "pod"}));
  std::set<std::string> values;
  ASSERT_TRUE(history.label_values("pod", api, range, nullptr, &values).ok());
  EXPECT_EQ(values, (std::set<std::string>{"pod-0", "pod-12", "pod-15", "pod-18", "pod-3", "pod-6",
                                           "pod-9"}));
  storage::CancelToken token;
  token.cancel();
  EXPECT_EQ(history.select({}, range, &token).status().code(), StatusCode::kCancelled);
}

TEST(Catalog, ForgottenSeriesAreGoneFromTheStore) {
  World world;
  world.open();
  for (int pod = 0; pod < 2000; ++pod) world.append(pod_labels(pod, 1));
  ASSERT_TRUE(world.seal(0, kHourMs).ok());
  for (int day = 1; day < 4; ++day) {
    world.append(pod_labels(5000, 1));
    ASSERT_TRUE(world.seal(day * kDayMs, day * kDayMs + kHourMs).ok());
  }
  EXPECT_EQ(world.select({}, 0, 4 * kDayMs).size(), 2001U);
  ASSERT_TRUE(world.catalog_->forget_days_before(3).ok());
  EXPECT_EQ(world.select({}, 0, 4 * kDayMs), std::set<Labels>{pod_labels(5000, 1)});
  std::size_t keys = 0;
  ASSERT_TRUE(world.kv_
                  ->scan(Family::kSeries, "",
                         [&](std::string_view, std::string_view) {
                           ++keys;
                           return ok();
                         })
                  .ok());
  // A block, a day with three pairs, and three values of the catalog's own.
  EXPECT_EQ(keys, 8U);
  EXPECT_EQ(world.append(pod_labels(7, 1)), SeriesId(2002)) << "ids are not used again";
}

TEST(Catalog, ADamagedBlockCostsItsSeriesOnly) {
  RecordProperty("expects_error_lines", 1);
  World world;
  world.open();
  for (int pod = 0; pod < 3000; ++pod) world.append(pod_labels(pod, 1));
  ASSERT_TRUE(world.seal(0, kHourMs).ok());
  KvBatch damage;
  damage.put(Family::kSeries, rows_key(1), "nonsense");
  ASSERT_TRUE(world.kv_->commit(damage).ok());
  world.open();
  EXPECT_EQ(world.index_->size(), 3000U - 1024U);
  EXPECT_EQ(world.append(pod_labels(7000, 1)), SeriesId(3001));
}

}  // namespace
}  // namespace tocsin::tsdb
