// SPDX-License-Identifier: Apache-2.0
//
// Series that come and go: memory follows those that are active, and all of them still answer.
#include <atomic>
#include <fstream>

#include <gtest/gtest.h>

#include "base/executor.h"
#include "tsdb/testing/db_fixture.h"

namespace tocsin::tsdb {
namespace {

using base::from_ms;
using model::Labels;
using model::Matcher;
using model::Matchers;

constexpr std::int64_t kHourMs = 3'600'000;
constexpr std::int64_t kStartMs = 19'700LL * 24 * kHourMs;  // after the clock's

class DbChurnTest : public testing::DbTest {
 protected:
  static Labels pod(int generation, int number) {
    return Labels::of({{"__name__", "requests"},
                       {"job", "web"},
                       {"pod", fmt::format("web-{}-{}", generation, number)}});
  }
  static std::int64_t time_of(int generation) { return kStartMs + generation * 3 * kHourMs; }

  // One sample of each series of the generation, then a seal.
  void run_generation(int generation, int series) {
    const std::int64_t t = time_of(generation);
    clock_.advance_to(from_ms(t));
    const auto appender = db_->appender();
    for (int i = 0; i < series; ++i) {
      ASSERT_TRUE(appender->append({}, pod(generation, i), from_ms(t), generation).ok());
    }
    ASSERT_TRUE(appender->append({}, labels("up"), from_ms(t), 1).ok());
    ASSERT_TRUE(commit_and_wait(*appender).ok());
    ASSERT_TRUE(db_->seal_all().ok());
  }
  // Samples of the series that match, "" without any.
  std::string find(const Matchers& matchers, std::int64_t mint, std::int64_t maxt) {
    storage::SelectHints hints;
    hints.mint = from_ms(mint);
    hints.maxt = from_ms(maxt);
    const auto selection = *db_->select(matchers, hints, {});
    std::string out;
    for (std::size_t b = 0; b < selection->batch_count(); ++b) {
      storage::ColumnBatch batch;
      EXPECT_TRUE(selection->read(b, &batch).ok());
      for (const storage::SeriesColumn& column : batch.series) {
        out += selection->labels(column.series).to_series_string();
        for (std::uint32_t i = 0; i < column.rows; ++i) {
          if (!column.has(i)) continue;
          out += fmt::format(" {}:{}", (column.times->ms[column.first + i] - kStartMs) / kHourMs,
                             value_text(column.floats[i]));
        }
        out += "\n";
      }
    }
    return out;
  }
  std::vector<std::string> pods(std::int64_t mint, std::int64_t maxt, std::size_t limit = 0) {
    storage::LabelHints hints{from_ms(mint), from_ms(maxt), limit};
    return db_->label_values("pod", {Matcher::equal("job", "web")}, hints, {})->values;
  }
  static Matchers named(const Labels& labels) { return {Matcher::equal("pod", labels.get("pod"))}; }
};

// A seal reads the day's postings of each of its labels to add to them.
TEST_F(DbChurnTest, ASealKeepsNothingOfWhatItRead) {
  open();
  const auto cached_bytes = [&] {
    double bytes = 0;
    for (const base::MetricFamily& family : metrics_.gather()) {
      if (family.name != "tocsin_tsdb_catalog_cache_bytes") continue;
      for (const base::MetricSample& sample : family.samples) bytes += sample.value;
    }
    return bytes;
  };
  run_generation(0, 20'000);
  const double after_first = cached_bytes();
  EXPECT_GT(after_first, 0);
  // Others with the same pods on the same day: the postings of each are read and written again.
  const std::int64_t t = time_of(0) + 60'000;
  clock_.advance_to(from_ms(t));
  const auto appender = db_->appender();
  for (int i = 0; i < 20'000; ++i) {
    const Labels restarts =
        Labels::of({{"__name__", "restarts"}, {"pod", fmt::format("web-0-{}", i)}});
    ASSERT_TRUE(appender->append({}, restarts, from_ms(t), 1).ok());
  }
  ASSERT_TRUE(commit_and_wait(*appender).ok());
  ASSERT_TRUE(db_->seal_all().ok());
  EXPECT_LT(cached_bytes(), after_first + (128 << 10));
}

TEST_F(DbChurnTest, MemoryFollowsActiveSeriesAndAllStillAnswer) {
  constexpr int kGenerations = 20;
  constexpr int kSeries = 10'000;
  open();
  std::uint64_t memory = 0;
  const auto index_bytes = [&] {
    for (const base::MetricFamily& family : metrics_.gather()) {
      if (family.name == "prometheus_tsdb_symbol_table_size_bytes")
        return static_cast<std::uint64_t>(family.samples[0].value);
    }
    return std::uint64_t{0};
  };
  for (int generation = 0; generation < kGenerations; ++generation) {
    run_generation(generation, kSeries);
    EXPECT_LE(db_->stats().active_series, 2U * kSeries + 1) << generation;
    if (generation == 2) memory = index_bytes();
  }
  EXPECT_LT(index_bytes(), memory * 2);
  const auto check = [&] {
    for (const int generation : {0, 7, kGenerations - 1}) {
      const Labels one = pod(generation, 1234);
      const std::int64_t t = time_of(generation);
      EXPECT_EQ(find(named(one), t, t),
                one.to_series_string() + fmt::format(" {}:{}\n", generation * 3, generation));
      EXPECT_EQ(find(named(one), t + 30 * kHourMs, t + 31 * kHourMs), "");
    }
    const std::vector<std::string> of_third = pods(time_of(3), time_of(3));
    EXPECT_GE(of_third.size(), std::size_t{kSeries});
    EXPECT_TRUE(std::ranges::binary_search(of_third, "web-3-77"));
    EXPECT_EQ(pods(time_of(3), time_of(3), 5).size(), 5U);
    const auto series = db_->series({{*Matcher::make(Matcher::Type::kRegex, "pod", "web-5-1.?")}},
                                    {from_ms(time_of(5)), from_ms(time_of(6))}, {});
    EXPECT_EQ(series->size(), 11U);
  };
  check();
  open();
  EXPECT_LE(db_->stats().active_series, 2U * kSeries + 1);
  check();
}

TEST_F(DbChurnTest, WhereMostSeriesAreGoneTheyLeaveSooner) {
  constexpr std::int64_t kMinuteMs = 60'000;
  open();
  // A tenth of the series is replaced every minute; nothing is ever two hours old.
  for (int minute = 0; minute < 60; ++minute) {
    const std::int64_t t = kStartMs + minute * kMinuteMs;
    clock_.advance_to(from_ms(t));
    const auto appender = db_->appender();
    for (int i = 0; i < 100; ++i) {
      const int generation = (minute + i % 10) / 10;
      ASSERT_TRUE(appender->append({}, pod(generation, i), from_ms(t), minute).ok());
    }
    ASSERT_TRUE(commit_and_wait(*appender).ok());
    ASSERT_TRUE(db_->seal_all().ok());
  }
  EXPECT_LT(db_->stats().active_series, 250U) << "of 690";
  EXPECT_EQ(pods(kStartMs, kStartMs + 60 * kMinuteMs).size(), 690U);
  // A few that pause do not crowd: they stay for two hours.
  for (int minute = 60; minute < 100; ++minute) {
    const std::int64_t t = kStartMs + minute * kMinuteMs;
    clock_.advance_to(from_ms(t));
    const auto appender = db_->appender();
    for (int i = 0; i < (minute < 70 ? 100 : 90); ++i) {
      ASSERT_TRUE(appender->append({}, pod(7, i), from_ms(t), minute).ok());
    }
    ASSERT_TRUE(commit_and_wait(*appender).ok());
    ASSERT_TRUE(db_->seal_all().ok());
  }
  EXPECT_EQ(db_->stats().active_series, 100U);
}

TEST_F(DbChurnTest, ASeriesThatComesBackIsTheOldOne) {
  open();
  const Labels returns = pod(0, 5);
  for (int generation = 0; generation < 5; ++generation) run_generation(generation, 10);
  ASSERT_LT(db_->stats().active_series, 40U);
  EXPECT_EQ(append(returns, time_of(0), 7).code(), StatusCode::kAlreadyExists);
  EXPECT_EQ(append(returns, time_of(0) - 1, 7).code(), StatusCode::kOutOfRange);
  ASSERT_TRUE(append(returns, time_of(5), 5).ok());
  const std::string both = returns.to_series_string() + " 0:0 15:5\n";
  EXPECT_EQ(find(named(returns), 0, time_of(9)), both);
  open();  // its new sample is in the journal only
  EXPECT_EQ(find(named(returns), 0, time_of(9)), both);
  ASSERT_TRUE(db_->seal_all().ok());
  open();
  EXPECT_EQ(find(named(returns), 0, time_of(9)), both);
  EXPECT_EQ(find({*Matcher::make(Matcher::Type::kNotRegex, "pod", "web-[1-4].*"),
                  Matcher::equal("job", "web")},
                 0, time_of(0)),
            [] {
              std::string all;
              for (int i = 0; i < 10; ++i) all += pod(0, i).to_series_string() + " 0:0\n";
              return all;
            }());
}

TEST_F(DbChurnTest, DeletingAndRetentionReachSeriesThatLeft) {
  open();
  for (int generation = 0; generation < 30; ++generation) run_generation(generation, 10);
  const Labels deleted = pod(20, 5);
  ASSERT_TRUE(db_->delete_series({named(deleted)}, from_ms(0), from_ms(time_of(30))).ok());
  EXPECT_EQ(find(named(deleted), 0, time_of(30)), "");
  EXPECT_NE(find(named(pod(20, 6)), 0, time_of(30)), "");
  options_.retention = base::Duration(2 * 24 * kHourMs);
  db_->reconfigure(options_);
  ASSERT_TRUE(db_->maintain().ok());
  EXPECT_EQ(find(named(pod(1, 5)), 0, time_of(30)), "");
  EXPECT_FALSE(std::ranges::binary_search(pods(0, time_of(30)), "web-1-5"));
  EXPECT_TRUE(std::ranges::binary_search(pods(0, time_of(30)), "web-20-6"));
  open();
  EXPECT_EQ(find(named(deleted), 0, time_of(30)), "");
  EXPECT_NE(find(named(pod(20, 6)), 0, time_of(30)), "");
  EXPECT_EQ(find(named(pod(1, 5)), 0, time_of(30)), "");
}

TEST_F(DbChurnTest, SeriesThatNoCommitKeepsLeave) {
  open();
  const auto grow = [&](int generation) {
    run_generation(generation, 10);
    ASSERT_TRUE(db_->maintain().ok());
  };
  grow(0);
  for (int round = 1; round < 6; ++round) {
    auto rolled_back = db_->appender();
    for (int i = 0; i < 100; ++i) {
      ASSERT_TRUE(rolled_back->append({}, pod(50 + round, i), from_ms(time_of(round)), 1).ok());
    }
    rolled_back->rollback();
    // Those of generation 0 have left; a sample that is refused brings one back.
    if (round > 2) {
      EXPECT_EQ(append(pod(0, round), time_of(0), 7).code(), StatusCode::kAlreadyExists);
    }
    grow(round);
  }
  // `up`, the last two generations, and the last round, which another batch may have found.
  EXPECT_LE(db_->stats().active_series, 1U + 2 * 10 + 101);
  grow(6);
  grow(7);
  EXPECT_LE(db_->stats().active_series, 1U + 2 * 10);
  EXPECT_EQ(pods(0, time_of(9)).size(), 80U);

  // A batch that is open for long keeps its own; what another created leaves with that one.
  auto first = db_->appender();
  ASSERT_TRUE(first->append({}, pod(60, 0), from_ms(time_of(12)), 1).ok());
  auto other = db_->appender();
  ASSERT_TRUE(other->append({}, pod(61, 0), from_ms(time_of(12)), 1).ok());
  auto late = db_->appender();
  ASSERT_TRUE(late->append({}, pod(61, 0), from_ms(time_of(12)), 1).ok());
  other->rollback();
  for (int generation = 8; generation < 12; ++generation) grow(generation);
  EXPECT_TRUE(commit_and_wait(*first).ok());
  EXPECT_EQ(commit_and_wait(*late).code(), StatusCode::kUnavailable);
  EXPECT_TRUE(append(pod(61, 0), time_of(12), 1).ok());
}

TEST_F(DbChurnTest, AMemberThatLeftIsMarkedStaleOnce) {
  options_.head_keep = base::Duration(1000);
  open();
  const std::int64_t t = kStartMs;
  clock_.advance_to(from_ms(t));
  auto appender = db_->appender();
  std::vector<storage::SeriesRef> members;
  for (const auto& [name, value] :
       {std::pair("a", 1.0), std::pair("b", model::stale_nan()), std::pair("c", 1.0)}) {
    members.push_back(appender->append({}, labels(name), from_ms(t), value)->ref);
  }
  const storage::GroupId group = *appender->define_group({}, members);
  ASSERT_TRUE(commit_and_wait(*appender).ok());
  // Another group takes two of them and gives them up, so that they can leave.
  appender = db_->appender();
  const storage::GroupId thief = *appender->define_group({}, std::span(members).first(2));
  ASSERT_TRUE(commit_and_wait(*appender).ok());
  db_->drop_group(thief);
  ASSERT_TRUE(db_->seal_all().ok());
  for (int minute = 1; minute < 4; ++minute) {
    clock_.advance_to(from_ms(t + minute * 60'000));
    ASSERT_TRUE(append(labels("c"), t + minute * 60'000, 1).ok());
    ASSERT_TRUE(db_->seal_all().ok());
  }
  ASSERT_EQ(db_->stats().active_series, 1U);
  for (const std::int64_t minute : {5, 6}) {
    appender = db_->appender();
    ASSERT_TRUE(appender->stale_all(group, from_ms(t + minute * 60'000)).ok());
    ASSERT_TRUE(commit_and_wait(*appender).ok());
  }
  const auto at = [](int minute, std::string_view v) {
    return fmt::format(" {}:{}", t + minute * 60'000, v);
  };
  const std::string expected = "a{instance=\"a\"}" + at(0, "1") + at(5, "stale") +
                               "\nb{instance=\"a\"}" + at(0, "stale") + "\nc{instance=\"a\"}" +
                               at(0, "1") + at(1, "1") + at(2, "1") + at(3, "1") + at(5, "stale") +
                               "\n";
  EXPECT_EQ(query(), expected);
  open();
  EXPECT_EQ(query(), expected);
}

// While series leave and come back, a reader sees each of their samples at all times.
TEST_F(DbChurnTest, ReadersSeeEverySampleWhileSeriesComeAndGo) {
  options_.head_keep = base::Duration(1000);
  open();
  run_generation(0, 50);
  base::ThreadPool pool({"churn test", 2, 100, 0});
  std::atomic<bool> done = false;
  std::atomic<int> reads = 0;
  std::atomic<int> wrong = 0;
  const auto read = [&] {
    for (int i = 0; !done; ++i) {
      const Labels one = pod(0, i % 50);
      // The first sample, whether the series is in memory, leaving, left or coming back.
      if (find(named(one), time_of(0), time_of(0)) != one.to_series_string() + " 0:0\n") ++wrong;
      if (pods(time_of(0), time_of(0)).size() < 50) ++wrong;
      ++reads;
    }
  };
  ASSERT_TRUE(pool.post(read));
  ASSERT_TRUE(pool.post(read));
  for (int generation = 1; generation < 30 || reads < 50; ++generation) {
    run_generation(generation, 20);
    ASSERT_TRUE(append(pod(0, generation % 50), time_of(generation) + 1, 1).ok());
  }
  done = true;
  pool.stop();
  EXPECT_EQ(wrong, 0);
  EXPECT_LT(db_->stats().active_series, 150U);
}

// A seal writes the postings of its series before its run. Ids of series that a power cut takes with
// the journal are given out again, so the journal must be on the disk before them.
TEST_F(DbChurnTest, ASealThatFailedBeforeAPowerCutNamesNoSeriesOfOthers) {
  RecordProperty("expects_error_lines", 1);
  base::testing::FaultFs faulty(*memory_);
  files_ = &faulty;
  open();
  run_generation(0, 3);
  run_generation(1, 1);
  run_generation(2, 1);  // those of generation 0 have left, so queries look into the catalog
  open();                // stopping syncs
  const std::int64_t t = time_of(2) + 60'000;
  ASSERT_TRUE(append(labels("first"), t, 7).ok());
  std::filesystem::path ingest;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory_)) {
    if (entry.is_directory() && entry.path().filename() == "ingest") ingest = entry.path();
  }
  ASSERT_TRUE(std::filesystem::remove_all(ingest) > 0);
  std::ofstream(ingest) << "in the way of a run";
  EXPECT_FALSE(db_->seal_all().ok());
  faulty.fail_at(1, base::testing::FaultFs::Fault::kError, true);
  db_.reset();
  faulty.clear();
  faulty.power_cut();
  open();
  ASSERT_TRUE(append(labels("second"), t, 8).ok());
  ASSERT_TRUE(db_->seal_all().ok());
  EXPECT_EQ(find({Matcher::equal("__name__", "first")}, kStartMs, t),
            "first{instance=\"a\"} 6:7\n");
  EXPECT_EQ(find({Matcher::equal("__name__", "second")}, kStartMs, t),
            "second{instance=\"a\"} 6:8\n");
  db_.reset();
}

}  // namespace
}  // namespace tocsin::tsdb
