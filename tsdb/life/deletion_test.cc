// SPDX-License-Identifier: Apache-2.0
//
// Deleting through the database: tables of what is left, and random deletions, clean-ups, seals and
// restarts against a map.
#include "tsdb/life/deletion.h"

#include <map>
#include <random>

#include <gtest/gtest.h>

#include "tsdb/core/learning.h"
#include "tsdb/testing/db_fixture.h"

namespace tocsin::tsdb {
namespace {

using base::from_ms;
using model::Labels;

class DeletionTest : public testing::DbTest {
 protected:
  static model::Matchers named(std::string_view name) {
    return {*model::Matcher::make(model::Matcher::Type::kEqual, "__name__", name)};
  }
  Status remove(std::string_view name, std::int64_t mint, std::int64_t maxt) {
    return db_->delete_series({named(name)}, from_ms(mint), from_ms(maxt));
  }
  void fill(std::string_view name, int samples) {
    for (int i = 1; i <= samples; ++i) {
      ASSERT_TRUE(append(labels(name), 1000 * i, i).ok());
    }
  }
  std::string names(std::int64_t mint = INT64_MIN / 8, std::int64_t maxt = INT64_MAX / 8) {
    std::string out;
    const storage::LabelHints hints{from_ms(mint), from_ms(maxt), 0};
    const auto found = db_->label_values("__name__", {}, hints, {});
    EXPECT_TRUE(found.ok()) << found.status();
    if (!found.ok()) return "";
    for (const std::string& value : found->values) out += value + " ";
    return out;
  }
  // Of the largest file of the store.
  std::uint64_t run_bytes() const {
    std::uint64_t bytes = 0;
    for (const auto& file : std::filesystem::directory_iterator(directory_ + "/store")) {
      if (file.path().extension() == ".sst") bytes = std::max(bytes, file.file_size());
    }
    return bytes;
  }
  std::size_t tombstones() const {
    for (const base::MetricFamily& family : metrics_.gather()) {
      if (family.name == "tocsin_tsdb_tombstones")
        return static_cast<std::size_t>(family.samples.front().value);
    }
    return 999;
  }
  std::string last(std::string_view name, std::int64_t at, std::int64_t lookback) {
    storage::SelectHints hints;
    const auto selection = *db_->select(named(name), hints, {});
    std::vector<storage::LastValue> found;
    EXPECT_TRUE(selection->last(0, from_ms(at), base::Duration(lookback), &found).ok());
    if (found.size() != 1 || !found[0].found) return "none";
    return fmt::format("{}:{}", found[0].time_ms, found[0].value);
  }
};

TEST_F(DeletionTest, WhatIsDeletedIsGoneFromEveryAnswerWhereverItIsStored) {
  enum class Place { kHead, kRun, kRunAfterRestart, kRunAndHead };
  for (const Place place :
       {Place::kHead, Place::kRun, Place::kRunAfterRestart, Place::kRunAndHead}) {
    SCOPED_TRACE(static_cast<int>(place));
    std::filesystem::remove_all(directory_);
    memory_ = base::testing::make_mem_fs();
    files_ = memory_.get();
    open();
    fill("a", 3);
    if (place == Place::kRunAndHead) {
      ASSERT_TRUE(db_->seal_all().ok());
    }
    ASSERT_TRUE(append(labels("a"), 4000, 4).ok());
    fill("b", 2);
    if (place == Place::kRun || place == Place::kRunAfterRestart) {
      ASSERT_TRUE(db_->seal_all().ok());
    }
    if (place == Place::kRunAfterRestart) open();
    ASSERT_TRUE(remove("a", 2000, 3500).ok());
    const std::string left = "a{instance=\"a\"} 1000:1 4000:4\nb{instance=\"a\"} 1000:1 2000:2\n";
    EXPECT_EQ(query(), left);
    EXPECT_EQ(names(2500, 3500).find("a"), std::string::npos) << "nothing is left of it there";
    ASSERT_TRUE(remove("a", 4000, 4000).ok());
    EXPECT_EQ(last("a", 5000, 3000), "none");
    EXPECT_EQ(last("a", 5000, 4500), "1000:1");
    ASSERT_TRUE(remove("b", INT64_MIN / 8, INT64_MAX / 8).ok());
    EXPECT_EQ(query(), "a{instance=\"a\"} 1000:1\n");
    EXPECT_EQ(names(), "a ");
    EXPECT_EQ(db_->series({named("b")}, {from_ms(0), from_ms(9000), 0}, {})->size(), 0U);
    open();
    EXPECT_EQ(query(), "a{instance=\"a\"} 1000:1\n") << "after a restart";
    EXPECT_EQ(names(), "a ");
    ASSERT_TRUE(append(labels("b"), 2001, 9).ok());
    EXPECT_EQ(names(), "a b ");
    db_.reset();
  }
}

TEST_F(DeletionTest, LaterSamplesLiveAlsoInsideOfTheGivenInterval) {
  open();
  fill("a", 2);
  ASSERT_TRUE(remove("a", 0, 1'000'000).ok());
  EXPECT_EQ(query(), "");
  ASSERT_TRUE(append(labels("a"), 3000, 3).ok());
  EXPECT_EQ(query(), "a{instance=\"a\"} 3000:3\n");
  EXPECT_EQ(append(labels("a"), 1500, 3).code(), StatusCode::kOutOfRange)
      << "deleting does not reopen the past";
  open();
  EXPECT_EQ(query(), "a{instance=\"a\"} 3000:3\n");
}

TEST_F(DeletionTest, OnlyMatchingSeriesAreTouchedAndNoMatchIsFine) {
  open();
  fill("a", 2);
  fill("b", 2);
  ASSERT_TRUE(remove("nothing", 0, 9000).ok());
  ASSERT_TRUE(remove("a", 5000, 9000).ok());
  ASSERT_TRUE(remove("a", 900, 100).ok());
  EXPECT_FALSE(memory_->info(base::join_path(directory_, "tombstones")).ok())
      << "nothing was deleted";
  ASSERT_TRUE(db_->delete_series({named("a"), named("b")}, from_ms(0), from_ms(1000)).ok());
  EXPECT_EQ(query(), "a{instance=\"a\"} 2000:2\nb{instance=\"a\"} 2000:2\n");
}

TEST_F(DeletionTest, ADeletionThatCannotBeWrittenChangesNothing) {
  RecordProperty("expects_error_lines", 1);
  base::testing::FaultFs faulty(*memory_);
  files_ = &faulty;
  open();
  fill("a", 2);
  const std::string before = query();
  for (std::uint64_t n = 1; n <= 4; ++n) {
    faulty.fail_at(n, base::testing::FaultFs::Fault::kDiskFull, true);
    EXPECT_EQ(remove("a", 0, 9000).code(), StatusCode::kResourceExhausted) << n;
    faulty.clear();
    EXPECT_EQ(query(), before);
  }
  ASSERT_TRUE(remove("a", 0, 9000).ok());
  EXPECT_EQ(query(), "");
  faulty.power_cut();
  db_.reset();
  open();
  EXPECT_EQ(query(), "") << "a deletion that was confirmed survives a power cut";
  db_.reset();
}

TEST_F(DeletionTest, TombstonesGoWithTheirSeries) {
  open();
  fill("a", 2);
  ASSERT_TRUE(remove("a", 0, 9000).ok());
  ASSERT_TRUE(db_->seal_all().ok());
  options_.retention = base::Duration(1000);
  db_->reconfigure(options_);
  clock_.advance_to(from_ms(100'000));
  ASSERT_TRUE(db_->maintain().ok());
  open();
  ASSERT_TRUE(append(labels("other"), 500, 1).ok());
  EXPECT_EQ(query(), "other{instance=\"a\"} 500:1\n") << "it may have got the id of the old series";
  db_.reset();
}

TEST_F(DeletionTest, CleaningTakesDeletedSamplesFromTheDiskAndForgetsTheTombstones) {
  open();
  const auto appender = db_->appender();
  for (int i = 0; i < 2000; ++i) {
    ASSERT_TRUE(appender->append({}, labels("big"), from_ms(1000 + i), 1.0 / (i + 3), {}).ok());
  }
  ASSERT_TRUE(commit_and_wait(*appender).ok());
  fill("small", 4);
  fill("gone", 2);
  ASSERT_TRUE(db_->seal_all().ok());
  const std::uint64_t before = run_bytes();
  ASSERT_TRUE(remove("big", 1000, 2900).ok());
  ASSERT_TRUE(remove("gone", 0, 9000).ok());
  ASSERT_TRUE(remove("small", 2000, 2000).ok());
  const std::string left = query();
  ASSERT_TRUE(db_->clean_tombstones().ok());
  EXPECT_EQ(query(), left);
  EXPECT_EQ(db_->stats().active_series, 2U);
  EXPECT_EQ(tombstones(), 0U);
  EXPECT_LT(run_bytes(), before / 3);
  open();
  EXPECT_EQ(query(), left);
  EXPECT_EQ(db_->stats().active_series, 2U);
  ASSERT_TRUE(append(labels("gone"), 10'000, 1).ok());
  EXPECT_EQ(query(), left + "gone{instance=\"a\"} 10000:1\n");
}

TEST_F(DeletionTest, TheNewestSampleStaysDeletedAfterCleaning) {
  open();
  fill("a", 3);
  ASSERT_TRUE(remove("a", 3000, 3000).ok());
  ASSERT_TRUE(db_->clean_tombstones().ok());
  EXPECT_EQ(last("a", 4000, 1500), "none");
  EXPECT_EQ(last("a", 4000, 2500), "2000:2");
  EXPECT_EQ(append(labels("a"), 2500, 1).code(), StatusCode::kOutOfRange);
  ASSERT_TRUE(append(labels("a"), 4000, 4).ok());
  ASSERT_TRUE(db_->clean_tombstones().ok());
  EXPECT_EQ(tombstones(), 0U);
  EXPECT_EQ(query(), "a{instance=\"a\"} 1000:1 2000:2 4000:4\n");
}

// A member of a scraped page stays known without samples, and what is left is all younger.
TEST_F(DeletionTest, TheNewestSampleStaysDeletedWhenNothingAsOldIsLeft) {
  open();
  const auto appender = db_->appender();
  const storage::SeriesRef member = appender->append({}, labels("a"), from_ms(1000), 1, {})->ref;
  ASSERT_TRUE(appender->define_group({}, std::vector{member}).ok());
  ASSERT_TRUE(commit_and_wait(*appender).ok());
  ASSERT_TRUE(append(labels("b"), 5000, 5).ok());
  ASSERT_TRUE(remove("a", 0, 9000).ok());
  ASSERT_TRUE(db_->clean_tombstones().ok());
  EXPECT_EQ(last("a", 2000, 1500), "none");
  EXPECT_EQ(query(), "b{instance=\"a\"} 5000:5\n");
}

// What was read before a clean-up is not told to the head after it.
TEST(LearningTest, WhatWasReadInARoundIsToldWithinItOnly) {
  Learning learning;
  std::string told;
  const Learning::Round first = learning.begin();
  EXPECT_TRUE(learning.tell(first, [&] { told += "within "; }));
  EXPECT_EQ(learning.begin(), first);
  learning.end_round();
  EXPECT_FALSE(learning.tell(first, [&] { told += "after "; }));
  EXPECT_TRUE(learning.tell(learning.begin(), [&] { told += "again "; }));
  EXPECT_EQ(told, "within again ");
}

TEST_F(DeletionTest, SelectionsDoNotNameSeriesThatAreForgotten) {
  options_.head_keep = base::Duration(5000);
  open();
  fill("gone", 2);
  fill("idle", 1);
  ASSERT_TRUE(db_->seal_all().ok());
  ASSERT_TRUE(remove("gone", 0, 9000).ok());
  ASSERT_TRUE(db_->clean_tombstones().ok());
  ASSERT_TRUE(append(labels("other"), 2'000'000, 1).ok());
  ASSERT_TRUE(db_->seal_all().ok());
  EXPECT_EQ(db_->stats().active_series, 1U) << "idle has left memory: now days are asked, too";
  const auto found = [&](std::string_view name) {
    return (*db_->select(named(name), {}, {}))->series().size();
  };
  EXPECT_EQ(found("idle"), 1U);
  EXPECT_EQ(found("gone"), 0U);
  ASSERT_TRUE(append(labels("gone"), 2'001'000, 3).ok());
  EXPECT_EQ(found("gone"), 1U) << "under another id";
  EXPECT_EQ(last("gone", 2'002'000, 5000), "2001000:3");
}

TEST_F(DeletionTest, ACleanUpThatFailsAnywhereShowsNothingDeletedAndCanBeDoneAgain) {
  RecordProperty("expects_error_lines", 1);
  base::testing::FaultFs faulty(*memory_);
  files_ = &faulty;
  bool failed = true;
  for (std::uint64_t n = 1; failed; ++n) {
    SCOPED_TRACE(n);
    ASSERT_LT(n, 30U);
    db_.reset();
    std::filesystem::remove_all(directory_);
    ASSERT_TRUE(memory_->remove_recursively(directory_).ok());
    open();
    fill("a", 5);
    ASSERT_TRUE(db_->seal_all().ok());
    fill("b", 5);
    ASSERT_TRUE(remove("a", 2000, 4000).ok());
    ASSERT_TRUE(remove("b", 0, 9000).ok());
    const std::string left = query();
    faulty.fail_at(n, base::testing::FaultFs::Fault::kDiskFull, true);
    failed = !db_->clean_tombstones().ok();
    EXPECT_EQ(query(), left);
    faulty.clear();
    open();
    EXPECT_EQ(query(), left);
    const Status again = db_->clean_tombstones();
    ASSERT_TRUE(again.ok()) << again;
    EXPECT_EQ(query(), left);
    EXPECT_EQ(names(), "a ");
  }
  db_.reset();
}

// Deletions, appends, seals, restarts and clean-ups against a map of samples.
class DeletionRandomTest : public DeletionTest {
 protected:
  using Samples = std::map<std::int64_t, double>;
  std::uint64_t below(std::uint64_t n) { return random_() % n; }
  static std::string name(std::uint64_t series) { return fmt::format("m{}", series); }

  void add() {
    const auto appender = db_->appender();
    for (std::uint64_t series = 0; series < kSeries; ++series) {
      if (below(3) == 0) continue;
      const auto value = static_cast<double>(below(1000));
      ASSERT_TRUE(appender->append({}, labels(name(series)), from_ms(now_), value, {}).ok());
      model_[series][now_] = value;
    }
    ASSERT_TRUE(commit_and_wait(*appender).ok());
  }
  void erase() {
    const std::int64_t mint = below(5) == 0 ? 0 : now_ - static_cast<std::int64_t>(below(60'000));
    const std::int64_t maxt = mint + static_cast<std::int64_t>(below(40'000));
    std::vector<model::Matchers> sets;
    for (std::uint64_t i = below(3) + 1; i > 0; --i) {
      const std::uint64_t series = below(kSeries);
      sets.push_back(named(name(series)));
      Samples& samples = model_[series];
      samples.erase(samples.lower_bound(mint), samples.upper_bound(maxt));
    }
    ASSERT_TRUE(db_->delete_series(sets, from_ms(mint), from_ms(maxt)).ok());
  }
  std::string expected(std::int64_t mint, std::int64_t maxt, std::string* alive) const {
    std::string out;
    for (const auto& [series, samples] : model_) {
      std::string line;
      for (auto at = samples.lower_bound(mint); at != samples.end() && at->first <= maxt; ++at)
        line += fmt::format(" {}:{}", at->first, value_text(at->second));
      if (line.empty()) continue;
      out += labels(name(series)).to_series_string() + line + "\n";
      *alive += name(series) + " ";
    }
    return out;
  }
  void check() {
    const std::int64_t mint = below(2) == 0 ? 0 : now_ - static_cast<std::int64_t>(below(90'000));
    const std::int64_t maxt = mint + static_cast<std::int64_t>(below(120'000));
    std::string alive;
    const std::string samples = expected(mint, maxt, &alive);
    ASSERT_EQ(by_name(query(mint, maxt)), samples) << mint << " to " << maxt;
    // Label queries may answer for whole runs, but not for series that a deletion emptied.
    const std::string found = names(mint, maxt);
    for (std::uint64_t series = 0; series < kSeries; ++series) {
      const std::string one = name(series) + " ";
      if (alive.find(one) != std::string::npos) {
        ASSERT_NE(found.find(one), std::string::npos) << one << " in " << found;
      } else if (model_[series].empty()) {
        ASSERT_EQ(found.find(one), std::string::npos) << one << " in " << found;
      }
    }
    for (std::uint64_t series = 0; series < kSeries; ++series) {
      const Samples& of_series = model_[series];
      const bool any = !of_series.empty() && of_series.rbegin()->first > now_ - 30'000;
      const std::string text =
          any ? fmt::format("{}:{}", of_series.rbegin()->first, of_series.rbegin()->second)
              : "none";
      ASSERT_EQ(last(name(series), now_, 30'000), text) << series;
    }
  }
  static std::string by_name(const std::string& text) {
    std::map<std::string, std::string> lines;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = text.find('\n', at);
      const std::string line = text.substr(at, end + 1 - at);
      lines[line.substr(0, line.find('{'))] = line;
      at = end + 1;
    }
    std::string out;
    for (const auto& [key, line] : lines) out += line;
    return out;
  }
  void round() {
    now_ += 1 + static_cast<std::int64_t>(below(5000));
    switch (below(16)) {
      case 0:
        ASSERT_TRUE(db_->seal_all().ok());
        break;
      case 1:
        open();
        break;
      case 2: {
        const Status cleaned = db_->clean_tombstones();
        ASSERT_TRUE(cleaned.ok()) << cleaned;
        break;
      }
      case 3:
      case 4:
        erase();
        break;
      default:
        add();
    }
  }

  static constexpr std::uint64_t kSeries = 8;
  std::mt19937_64 random_;
  std::map<std::uint64_t, Samples> model_;
  std::int64_t now_ = 100'000;
};

TEST_F(DeletionRandomTest, EveryAnswerIsThatOfAMap) {
  const char* fixed = std::getenv("TOCSIN_TEST_SEED");
  const std::uint64_t seed =
      fixed != nullptr ? std::strtoull(fixed, nullptr, 10) : std::random_device{}();
  SCOPED_TRACE(fmt::format("TOCSIN_TEST_SEED={}", seed));
  random_.seed(seed);
  options_.seal_rows = 5;
  options_.journal_segment_bytes = 700;
  options_.head_keep = base::Duration(40'000);  // series leave memory
  open();
  for (int i = 0; i < 400 && !HasFatalFailure(); ++i) {
    SCOPED_TRACE(fmt::format("round {}", i));
    round();
    if (!HasFatalFailure() && below(3) == 0) check();
  }
}

}  // namespace
}  // namespace tocsin::tsdb
