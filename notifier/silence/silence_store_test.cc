// SPDX-License-Identifier: Apache-2.0
#include "notifier/silence/silence_store.h"

#include <gtest/gtest.h>

#include "base/testing/mem_fs.h"
#include "notifier/matchers.h"

namespace tocsin::notifier {
namespace {

using base::testing::FaultFs;

constexpr base::Timestamp at(double seconds) {
  return base::from_ms(1'000'000'000 + static_cast<std::int64_t>(seconds * 1000));
}

Silence silence(std::string_view matchers, double start, double end) {
  Silence s;
  s.matchers = *parse_matchers(matchers);
  s.starts_at = at(start);
  s.ends_at = at(end);
  s.created_by = "me";
  s.comment = "a \"quoted\"\ncomment 🙂";
  s.annotations = {{"ticket", "7"}};
  return s;
}

SilenceStore::Options options() {
  return {.path = "silences", .retention = base::Duration(100'000)};
}

std::unique_ptr<SilenceStore> open(base::FileSystem& files, SilenceStore::Options o = options()) {
  auto store = SilenceStore::open(files, std::move(o));
  EXPECT_TRUE(store.ok()) << message(store.status());
  return *std::move(store);
}

class SilenceStoreTest : public testing::Test {
 protected:
  std::string create(Silence s, double now) {
    auto id = store_->set(std::move(s), at(now));
    EXPECT_TRUE(id.ok()) << message(id.status());
    return id.ok() ? *id : "";
  }
  std::unique_ptr<base::FileSystem> files_ = base::testing::make_mem_fs();
  std::unique_ptr<SilenceStore> store_ = open(*files_);
};

TEST_F(SilenceStoreTest, RefusesWhatIsNotASilence) {
  const auto check = [&](const Silence& s, std::string_view error) {
    auto id = store_->set(s, at(0));
    ASSERT_FALSE(id.ok()) << error;
    EXPECT_EQ(message(id.status()), error);
    EXPECT_TRUE(store_->all(at(0)).empty());
  };
  check(silence("", 0, 10), "invalid silence: at least one matcher required");
  check(silence("a=~\".*\",b=\"\"", 0, 10),
        "invalid silence: at least one matcher must not match the empty string");
  check(silence("a=b", 10, 5), "invalid silence: end time must not be before start time");
  Silence endless = silence("a=b", 0, 10);
  endless.ends_at = base::Timestamp::min();
  check(endless, "invalid silence: invalid zero end timestamp");
  Silence unknown = silence("a=b", 0, 10);
  unknown.id = "5e2c0e2c-4a92-4ea5-9e28-000000000000";
  check(unknown, "silence not found");
  EXPECT_EQ(store_->expire(unknown.id, at(0)).code(), StatusCode::kNotFound);
  EXPECT_EQ(store_->find(unknown.id).status().code(), StatusCode::kNotFound);
}

TEST_F(SilenceStoreTest, MutesWhileActiveThroughAnyKindOfMatcher) {
  const std::string by_name = create(silence("a=b,c=~\"d.*\"", 5, 10), 0);
  const std::string by_regex = create(silence("a!~\"x\",c!=\"\"", 0, 6), 0);
  const auto muting = [&](const model::Labels& labels, double now) {
    return store_->muting(labels, at(now));
  };
  const model::Labels labels = model::Labels::of({{"a", "b"}, {"c", "de"}});
  EXPECT_EQ(muting(labels, 4), std::vector{by_regex});
  std::vector<std::string> both{by_name, by_regex};
  std::sort(both.begin(), both.end());
  EXPECT_EQ(muting(labels, 5), both);
  EXPECT_EQ(muting(labels, 10), std::vector{by_name});
  EXPECT_TRUE(muting(labels, 10.001).empty());
  EXPECT_TRUE(muting(model::Labels::of({{"a", "b"}, {"c", "x\nde"}}), 8).empty());
  EXPECT_TRUE(muting(model::Labels(), 5).empty());
}

TEST_F(SilenceStoreTest, ChangesInPlaceOnlyWhatDoesNotRewriteHistory) {
  struct Case {
    const char* name;
    Silence old;
    double created, changed;
    Silence added;
    bool in_place;
  };
  const Case cases[] = {
      {"active: later end", silence("a=b", 0, 10), 0, 5, silence("a=b", 0, 20), true},
      {"active: end now", silence("a=b", 0, 10), 0, 5, silence("a=b", 0, 5), true},
      {"active: end in the past", silence("a=b", 0, 10), 0, 5, silence("a=b", 0, 4), false},
      {"active: start in the same second", silence("a=b", 0, 10), 0, 5, silence("a=b", 0.9, 10),
       true},
      {"active: another start", silence("a=b", 0, 10), 0, 5, silence("a=b", 1, 10), false},
      {"active: other matchers", silence("a=b", 0, 10), 0, 5, silence("a=c", 0, 10), false},
      {"pending: start in the future", silence("a=b", 6, 10), 0, 5, silence("a=b", 8, 10), true},
      {"pending: start in the past", silence("a=b", 6, 10), 0, 5, silence("a=b", 4, 10), false},
      {"expired", silence("a=b", 0, 4), 0, 5, silence("a=b", 0, 10), false},
  };
  for (const Case& c : cases) {
    const std::string id = create(c.old, c.created);
    Silence changed = c.added;
    changed.id = id;
    changed.comment = "changed";
    const std::string new_id = create(changed, c.changed);
    EXPECT_EQ(new_id == id, c.in_place) << c.name;
    auto now = store_->find(new_id);
    ASSERT_TRUE(now.ok()) << c.name;
    EXPECT_EQ(now->comment, "changed") << c.name;
    EXPECT_EQ(now->updated_at, at(c.changed)) << c.name;
    if (c.in_place) continue;
    EXPECT_GE(now->starts_at, at(c.changed)) << c.name << ": the start is raised to now";
    EXPECT_EQ(store_->find(id)->state_at(at(c.changed)), SilenceState::kExpired) << c.name;
    EXPECT_NE(store_->find(id)->comment, "changed") << c.name;
  }
}

TEST_F(SilenceStoreTest, ExpiringEndsItAtOnceAndIsIdempotent) {
  const std::string active = create(silence("a=b", 0, 100), 0);
  const std::string pending = create(silence("a=b", 50, 100), 0);
  ASSERT_TRUE(store_->expire(active, at(10)).ok());
  ASSERT_TRUE(store_->expire(pending, at(10)).ok());
  EXPECT_TRUE(store_->muting(model::Labels::of({{"a", "b"}}), at(10)).empty());
  const Silence first = *store_->find(active);
  EXPECT_EQ(first.state_at(at(10)), SilenceState::kExpired);
  ASSERT_TRUE(store_->expire(active, at(20)).ok());
  EXPECT_EQ(store_->find(active)->ends_at, first.ends_at);
  EXPECT_EQ(store_->counts(at(10)), (std::array<std::uint64_t, 3>{0, 0, 2}));
}

TEST_F(SilenceStoreTest, ListsActiveByEndPendingByStartExpiredNewestFirst) {
  const std::string a2 = create(silence("a=b", 0, 90), 0);
  const std::string a1 = create(silence("a=b", 0, 80), 0);
  const std::string p2 = create(silence("a=b", 60, 90), 0);
  const std::string p1 = create(silence("a=b", 50, 90), 0);
  const std::string e2 = create(silence("a=b", 0, 5), 0);
  const std::string e1 = create(silence("a=b", 0, 6), 0);
  std::vector<std::string> ids;
  for (const Silence& s : store_->all(at(10))) ids.push_back(s.id);
  EXPECT_EQ(ids, (std::vector{a1, a2, p1, p2, e1, e2}));
}

TEST_F(SilenceStoreTest, HoldsToItsLimits) {
  SilenceStore::Options limited = options();
  limited.path = "limited";
  limited.max_silences = 1;
  limited.max_silence_bytes = 400;
  store_ = open(*files_, limited);
  const std::string id = create(silence("a=b", 0, 10), 0);
  EXPECT_EQ(message(store_->set(silence("a=c", 0, 10), at(0)).status()),
            "exceeded maximum number of silences: 1 (limit: 1)");
  Silence longer = *store_->find(id);
  longer.comment.assign(500, 'x');
  EXPECT_EQ(store_->set(longer, at(0)).status().code(), StatusCode::kResourceExhausted);
  longer.comment = "short";
  EXPECT_TRUE(store_->set(longer, at(0)).ok()) << "an update needs no room";
}

TEST_F(SilenceStoreTest, KeepsEverythingAcrossARestartUntilTheRetentionEnds) {
  const std::string id = create(silence("a=b,c!~\"x|y\"", 0, 10), 0);
  const Silence before = *store_->find(id);
  store_ = open(*files_);
  auto after = store_->find(id);
  ASSERT_TRUE(after.ok());
  EXPECT_EQ(after->matchers, before.matchers);
  EXPECT_EQ(after->comment, before.comment);
  EXPECT_EQ(after->created_by, before.created_by);
  EXPECT_EQ(after->annotations, before.annotations);
  EXPECT_EQ(after->ends_at, before.ends_at);
  EXPECT_EQ(store_->muting(model::Labels::of({{"a", "b"}}), at(5)), std::vector{id});
  ASSERT_TRUE(store_->maintain(at(110)).ok());
  EXPECT_TRUE(store_->find(id).ok());
  ASSERT_TRUE(store_->maintain(at(110.001)).ok());
  EXPECT_FALSE(store_->find(id).ok());
  store_ = open(*files_);
  EXPECT_TRUE(store_->all(at(0)).empty());
}

TEST_F(SilenceStoreTest, MaintenanceShrinksTheLog) {
  Silence changing = silence("a=b", 0, 1000);
  for (int i = 0; i < 50; ++i) changing.id = create(changing, 0);
  const std::uint64_t grown = store_->log_bytes();
  ASSERT_TRUE(store_->maintain(at(1)).ok());
  EXPECT_LT(store_->log_bytes(), grown / 20);
  store_ = open(*files_);
  EXPECT_EQ(store_->all(at(1)).size(), 1U);
}

// One run of changes; returns what was acknowledged (id -> comment of the last OK) and what failed.
struct History {
  std::map<std::string, std::string> acknowledged;
  bool failed = false;
};

History change_silences(base::FileSystem& files) {
  History run;
  auto store = SilenceStore::open(files, options());
  if (!store.ok()) return {.acknowledged = {}, .failed = true};
  std::string id;
  for (int i = 0; i < 6; ++i) {
    Silence s = silence(i == 3 ? "a=c" : "a=b", 0, 100);
    s.id = id;
    s.comment = fmt::format("change {}", i);
    auto set = (*store)->set(s, at(0));
    if (set.ok()) {
      id = *set;
      run.acknowledged[id] = s.comment;
    }
    run.failed = run.failed || !set.ok();
    if (i == 4) run.failed = !(*store)->maintain(at(1)).ok() || run.failed;
  }
  return run;
}

// After a fault at any operation, and a crash at the end, every acknowledged change is there.
TEST(SilenceStoreCrash, EveryAcknowledgedChangeSurvivesAFaultAnywhere) {
  for (FaultFs::Fault fault :
       {FaultFs::Fault::kError, FaultFs::Fault::kTornWrite, FaultFs::Fault::kDiskFull}) {
    bool failed = true;
    for (std::uint64_t n = 1; n < 200; ++n) {
      auto inner = base::testing::make_mem_fs();
      FaultFs files(*inner);
      files.fail_at(n, fault, false);
      const History run = change_silences(files);
      failed = run.failed;
      files.clear();
      auto reopened = SilenceStore::open(files, options());
      ASSERT_TRUE(reopened.ok()) << "n=" << n << ": " << message(reopened.status());
      for (const auto& [id, comment] : run.acknowledged) {
        auto s = (*reopened)->find(id);
        ASSERT_TRUE(s.ok()) << "n=" << n;
        EXPECT_EQ(s->comment, comment) << "n=" << n;
      }
      EXPECT_EQ((*reopened)->all(at(0)).size(), run.acknowledged.size()) << "n=" << n;
      if (files.operations() < n) break;
    }
    EXPECT_FALSE(failed) << "the loop must reach a run without a fault";
  }
}

TEST(SilenceStoreCrash, ASyncedChangeSurvivesAPowerCut) {
  auto inner = base::testing::make_mem_fs();
  FaultFs files(*inner);
  const History run = change_silences(files);
  files.power_cut();
  auto store = open(files);
  EXPECT_EQ(store->all(at(0)).size(), run.acknowledged.size());
}

}  // namespace
}  // namespace tocsin::notifier
