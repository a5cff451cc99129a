// SPDX-License-Identifier: Apache-2.0
#include "tsdb/db.h"

#include <gtest/gtest.h>

#include "tsdb/testing/db_fixture.h"

namespace tocsin::tsdb {
namespace {

using base::from_ms;
using model::Labels;
using storage::SeriesRef;
using testing::DbTest;

TEST_F(DbTest, AnswersFromHeadThenJournalThenRuns) {
  open();
  ASSERT_TRUE(append(labels("up"), 1000, 1).ok());
  ASSERT_TRUE(append(labels("up"), 2000, 0.5).ok());
  const std::string expected = "up{instance=\"a\"} 1000:1 2000:0.5\n";
  EXPECT_EQ(query(), expected);
  open();
  EXPECT_EQ(query(), expected) << "replayed";
  ASSERT_TRUE(db_->seal_all().ok());
  EXPECT_EQ(query(), expected) << "from a run";
  open();
  EXPECT_EQ(query(), expected) << "from a run after a restart";
  ASSERT_TRUE(append(labels("up"), 3000, 2).ok());
  EXPECT_EQ(query(), "up{instance=\"a\"} 1000:1 2000:0.5 3000:2\n") << "run and head";
  EXPECT_EQ(query(2000, 2500), "up{instance=\"a\"} 2000:0.5\n");
}

TEST_F(DbTest, OrderErrorsConcernOneSampleAndSayWhatPrometheusSays) {
  open();
  ASSERT_TRUE(append(labels("m"), 1000, 1).ok());
  const auto appender = db_->appender();
  const auto check = [&](std::int64_t t, double v, StatusCode code, std::string_view text) {
    const auto result = appender->append({}, labels("m"), from_ms(t), v, {});
    EXPECT_EQ(result.status().code(), code) << t;
    EXPECT_EQ(message(result.status()), text) << t;
  };
  check(1000, 1, StatusCode::kOk, "");
  check(1000, 2, StatusCode::kAlreadyExists,
        "duplicate sample for timestamp 1000; overrides not allowed: existing 1, new value 2");
  check(999, 1, StatusCode::kOutOfRange, "out of order sample");
  check(2000, 5, StatusCode::kOk, "");
  check(2000, 5, StatusCode::kOk, "");
  check(2000, 6, StatusCode::kAlreadyExists,
        "duplicate sample for timestamp 2000; overrides not allowed: existing 5, new value 6");
  check(1500, 6, StatusCode::kOutOfRange, "out of order sample");
  ASSERT_TRUE(commit_and_wait(*appender).ok());
  EXPECT_EQ(query(), "m{instance=\"a\"} 1000:1 2000:5\n");
}

TEST_F(DbTest, OrderIsKeptAgainstSamplesThatAreOnlyInRunsAfterARestart) {
  open();
  ASSERT_TRUE(append(labels("m"), 1000, 1).ok());
  ASSERT_TRUE(db_->seal_all().ok());
  open();
  EXPECT_EQ(append(labels("m"), 500, 1).code(), StatusCode::kOutOfRange);
  EXPECT_EQ(append(labels("m"), 1000, 2).code(), StatusCode::kAlreadyExists);
  EXPECT_TRUE(append(labels("m"), 1000, 1).ok());
  EXPECT_TRUE(append(labels("m"), 1001, 2).ok());
  EXPECT_EQ(query(), "m{instance=\"a\"} 1000:1 1001:2\n");
}

TEST_F(DbTest, LabelsAreChecked) {
  open();
  EXPECT_EQ(append(Labels(), 1, 1).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(append(Labels::of({{"a", "\xff"}}), 1, 1).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(append(Labels::of({{"a", std::string(200'000, 'x')}}), 1, 1).code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(db_->appender()->append(SeriesRef(77), {}, from_ms(1), 1, {}).status().code(),
            StatusCode::kNotFound);
  EXPECT_TRUE(db_->appender()->append(SeriesRef(77), labels("m"), from_ms(1), 1, {}).ok())
      << "an outdated reference with labels";
}

TEST_F(DbTest, NothingOfABatchIsVisibleBeforeCommitNorAfterRollback) {
  open();
  auto appender = db_->appender();
  ASSERT_TRUE(appender->append({}, labels("m"), from_ms(1), 1, {}).ok());
  EXPECT_EQ(query(), "");
  appender->rollback();
  EXPECT_EQ(query(), "");
  appender = db_->appender();
  ASSERT_TRUE(appender->append({}, labels("m"), from_ms(1), 2, {}).ok());
  bool called = false;
  appender->commit([&](const Status& status) {
    EXPECT_TRUE(status.ok());
    EXPECT_EQ(query(), "m{instance=\"a\"} 1:2\n") << "a committer reads its own writes";
    called = true;
  });
  EXPECT_TRUE(called);
}

// A scrape: first by labels with a group, then by position.
TEST_F(DbTest, MembersOfAGroupShareOneTimestampColumn) {
  open();
  std::vector<SeriesRef> refs;
  auto appender = db_->appender();
  for (int i = 0; i < 5; ++i) {
    refs.push_back(
        appender->append({}, labels("m", fmt::format("{}", i)), from_ms(1000), i, {})->ref);
  }
  const storage::GroupId group = *appender->define_group({}, refs);
  ASSERT_TRUE(commit_and_wait(*appender).ok());
  for (std::int64_t t = 2000; t <= 4000; t += 1000) {
    appender = db_->appender();
    ASSERT_TRUE(appender->step(group, from_ms(t)).ok());
    for (std::uint32_t i = 0; i < 5; ++i) {
      if (i != 3 || t != 3000) {
        ASSERT_TRUE(appender->set(i, static_cast<double>(t)).ok());
      }
    }
    ASSERT_TRUE(commit_and_wait(*appender).ok());
  }
  EXPECT_EQ(db_->appender()->step(group, from_ms(4000)).code(), StatusCode::kOutOfRange);
  for (const bool sealed : {false, true}) {
    if (sealed) {
      ASSERT_TRUE(db_->seal_all().ok());
    }
    storage::SelectHints hints;
    hints.mint = from_ms(0);
    hints.maxt = from_ms(10000);
    const auto selection = *db_->select({}, hints, {});
    storage::ColumnBatch batch;
    ASSERT_TRUE(selection->read(0, &batch).ok());
    ASSERT_EQ(batch.series.size(), 5U);
    for (const storage::SeriesColumn& column : batch.series) {
      EXPECT_EQ(column.times.get(), batch.series[0].times.get());
      EXPECT_EQ(column.has(2), column.series != 3);
    }
  }
}

// Ids go by target, tiles by metric: a query over many metrics wants the latter.
TEST_F(DbTest, SeriesOfManyMetricsAreReadMetricByMetric) {
  constexpr int kTargets = 400;
  open();
  const auto appender = db_->appender();
  for (int target = 0; target < kTargets; ++target) {
    for (const char* metric : {"c", "a", "b"}) {
      const Labels series = labels(metric, fmt::format("{}", target));
      for (std::int64_t t = 1; t <= 2; ++t) {
        ASSERT_TRUE(appender->append({}, series, from_ms(t * 1000), target, {}).ok());
      }
    }
  }
  ASSERT_TRUE(commit_and_wait(*appender).ok());
  storage::SelectHints hints;
  hints.mint = from_ms(0);
  hints.maxt = from_ms(5000);
  const auto check = [&] {
    const auto all = db_->select({}, hints, {});
    ASSERT_TRUE(all.ok());
    std::size_t series = 0;
    for (std::size_t batch = 0; batch < (*all)->batch_count(); ++batch) {
      storage::ColumnBatch columns;
      ASSERT_TRUE((*all)->read(batch, &columns).ok());
      std::vector<storage::LastValue> last;
      ASSERT_TRUE((*all)->last(batch, from_ms(3000), model::Duration(5000), &last).ok());
      for (std::size_t i = 0; i < columns.series.size(); ++i, ++series) {
        ASSERT_EQ(columns.series[i].series, series);
        const std::string target = fmt::format("{}", series % kTargets);
        EXPECT_EQ((*all)->labels(series), labels(std::string(1, "abc"[series / kTargets]), target));
        EXPECT_EQ(columns.series[i].floats,
                  std::vector<double>(2, static_cast<double>(series % kTargets)));
        EXPECT_EQ(last[i].value, static_cast<double>(series % kTargets));
      }
    }
    EXPECT_EQ(series, 3U * kTargets);
  };
  check();
  ASSERT_TRUE(db_->seal_all().ok());
  check();
}

TEST_F(DbTest, TheFirstInstantQueryAfterAStartTeachesTheHead) {
  open();
  ASSERT_TRUE(append(labels("a"), 1000, 1).ok());
  ASSERT_TRUE(append(labels("b"), 1500, 5).ok());
  ASSERT_TRUE(append(labels("a"), 2000, 2).ok());
  ASSERT_TRUE(db_->seal_all().ok());
  open();
  struct Answer {
    std::string values;
    bool has_read = false;  // samples of runs: they are charged
  };
  const auto ask = [&](std::int64_t at, std::int64_t lookback = 5000) {
    storage::MemoryAccount memory(0);
    storage::QueryContext context;
    context.memory = &memory;
    const auto all = *db_->select({}, {}, context);
    std::vector<storage::LastValue> last;
    Answer answer;
    EXPECT_EQ(all->last(0, from_ms(at), model::Duration(lookback), &last), ok());
    for (const storage::LastValue& one : last) {
      answer.values += one.found ? fmt::format("{}:{} ", one.time_ms, one.value) : "none ";
    }
    answer.has_read = memory.peak() != 0;
    return answer;
  };
  EXPECT_EQ(ask(1500).values, "1000:1 1500:5 ") << "before the newest";
  EXPECT_TRUE(ask(1500).has_read) << "teaches nothing";
  EXPECT_EQ(ask(2400, 500).values, "2000:2 none ");
  const Answer first = ask(2400);
  EXPECT_EQ(first.values, "2000:2 1500:5 ");
  EXPECT_TRUE(first.has_read);
  const Answer second = ask(2400);
  EXPECT_EQ(second.values, "2000:2 1500:5 ");
  EXPECT_FALSE(second.has_read);
  EXPECT_EQ(ask(1500).values, "1000:1 1500:5 ") << "runs have the rest";
  EXPECT_EQ(append(labels("a"), 1500, 1).code(), StatusCode::kOutOfRange);
  EXPECT_EQ(append(labels("b"), 1500, 6).code(), StatusCode::kAlreadyExists);
  ASSERT_TRUE(append(labels("b"), 2500, 6).ok());
  EXPECT_EQ(ask(2500).values, "2000:2 2500:6 ");
  EXPECT_EQ(query(), "a{instance=\"a\"} 1000:1 2000:2\nb{instance=\"a\"} 1500:5 2500:6\n");
}

TEST_F(DbTest, ASingleSampleAheadOfItsGroupDoesNotStopTheGroup) {
  open();
  auto appender = db_->appender();
  const SeriesRef a = appender->append({}, labels("a"), from_ms(1000), 1, {})->ref;
  const SeriesRef b = appender->append({}, labels("b"), from_ms(1000), 1, {})->ref;
  const storage::GroupId group = *appender->define_group({}, std::vector{a, b});
  ASSERT_TRUE(commit_and_wait(*appender).ok());
  appender = db_->appender();
  ASSERT_TRUE(appender->append(a, {}, from_ms(9000), 2, {}).ok());
  ASSERT_TRUE(commit_and_wait(*appender).ok());
  appender = db_->appender();
  ASSERT_TRUE(appender->step(group, from_ms(2000)).ok());
  EXPECT_EQ(appender->set(0, 3).code(), StatusCode::kOutOfRange);
  EXPECT_TRUE(appender->set(1, 3).ok());
  ASSERT_TRUE(commit_and_wait(*appender).ok());
  appender = db_->appender();
  ASSERT_TRUE(appender->step(group, from_ms(10000)).ok());
  ASSERT_TRUE(appender->append({}, labels("c"), from_ms(10000), 4, {}).ok())
      << "the row stays open";
  EXPECT_TRUE(appender->set(0, 4).ok());
  EXPECT_TRUE(appender->set(1, 4).ok());
  ASSERT_TRUE(commit_and_wait(*appender).ok());
  const std::string expected =
      "a{instance=\"a\"} 1000:1 9000:2 10000:4\nb{instance=\"a\"} 1000:1 2000:3 10000:4\n"
      "c{instance=\"a\"} 10000:4\n";
  EXPECT_EQ(query(), expected);
  open();
  EXPECT_EQ(query(), expected);
}

TEST_F(DbTest, StaleAllMarksEachMemberOnce) {
  open();
  auto appender = db_->appender();
  const SeriesRef a = appender->append({}, labels("a"), from_ms(1000), 1, {})->ref;
  const SeriesRef b = appender->append({}, labels("b"), from_ms(1000), model::stale_nan(), {})->ref;
  const storage::GroupId group = *appender->define_group({}, std::vector{a, b});
  ASSERT_TRUE(commit_and_wait(*appender).ok());
  for (const std::int64_t t : {2000, 3000}) {
    appender = db_->appender();
    ASSERT_TRUE(appender->stale_all(group, from_ms(t)).ok());
    ASSERT_TRUE(commit_and_wait(*appender).ok());
  }
  EXPECT_EQ(query(), "a{instance=\"a\"} 1000:1 2000:stale\nb{instance=\"a\"} 1000:stale\n");
}

TEST_F(DbTest, CompactLeavesOneRunPerDayAndTheSameAnswers) {
  options_.retention = model::Duration(0);
  open();
  const std::int64_t day = 24 * 3600 * 1000;
  for (int i = 0; i < 12; ++i) {
    for (const char* name : {"a", "b", "c"}) {
      ASSERT_TRUE(append(labels(name), i * day / 5 + 1000, i * 1.5).ok());
    }
    if (i % 3 == 2) {
      ASSERT_TRUE(db_->seal_all().ok());
    }
  }
  ASSERT_TRUE(append(labels("late"), 12 * day / 5, 1).ok());
  const std::string before = query();
  ASSERT_TRUE(db_->compact().ok());
  EXPECT_EQ(db_->stats().runs, 3U) << "the days 0, 1 and 2";
  EXPECT_EQ(query(), before);
  ASSERT_TRUE(db_->compact().ok());
  EXPECT_EQ(db_->stats().runs, 3U);
  open();
  EXPECT_EQ(query(), before);
}

TEST_F(DbTest, MaintainSealsAtItsAgeAndRecyclesTheJournal) {
  open();
  for (int i = 0; i < 1000; ++i)
    ASSERT_TRUE(append(labels("m"), base::to_ms(clock_.now()) + i, i).ok());
  const std::string before = query();
  ASSERT_TRUE(db_->maintain().ok());
  EXPECT_EQ(db_->stats().runs, 0U);
  clock_.advance(options_.seal_age);
  const std::uint64_t journal_bytes = db_->stats().journal_bytes;
  ASSERT_TRUE(db_->maintain().ok());
  EXPECT_EQ(db_->stats().runs, 1U);
  EXPECT_LT(db_->stats().journal_bytes, journal_bytes / 10);
  EXPECT_EQ(query(), before);
  ASSERT_TRUE(db_->maintain().ok());
  EXPECT_EQ(db_->stats().runs, 1U) << "nothing is due";
}

TEST_F(DbTest, RetentionDropsRunsAndForgetsTheirSeries) {
  open();
  const std::int64_t old = base::to_ms(clock_.now());
  ASSERT_TRUE(append(labels("gone"), old, 1).ok());
  ASSERT_TRUE(append(labels("stays"), old, 1).ok());
  ASSERT_TRUE(db_->seal_all().ok());
  clock_.advance(options_.retention + base::Duration(1));
  const std::int64_t now = base::to_ms(clock_.now());
  ASSERT_TRUE(append(labels("stays"), now, 2).ok());
  const auto appender = db_->appender();  // open over the removal
  ASSERT_TRUE(appender->append({}, labels("gone"), from_ms(now), 2, {}).ok());
  ASSERT_TRUE(db_->maintain().ok());
  EXPECT_EQ(query(), fmt::format("stays{{instance=\"a\"}} {}:2\n", now));
  EXPECT_EQ(commit_and_wait(*appender).code(), StatusCode::kUnavailable);
  EXPECT_EQ(db_->stats().active_series, 1U);
  ASSERT_TRUE(append(labels("gone"), now, 3).ok());
  const std::string expected =
      fmt::format("stays{{instance=\"a\"}} {0}:2\ngone{{instance=\"a\"}} {0}:3\n", now);
  EXPECT_EQ(query(), expected);
  open();
  EXPECT_EQ(query(), expected);
}

TEST_F(DbTest, LabelsAreThoseOfSeriesWithSamplesInTheRange) {
  open();
  ASSERT_TRUE(append(labels("a", "x"), 1000, 1).ok());
  ASSERT_TRUE(db_->seal_all().ok());
  ASSERT_TRUE(append(labels("b", "y"), 900'000'000, 1).ok());
  const auto values = [&](std::int64_t mint, std::int64_t maxt, std::size_t limit = 0) {
    return db_->label_values("instance", {}, {from_ms(mint), from_ms(maxt), limit}, {})->values;
  };
  using Values = std::vector<std::string>;
  EXPECT_EQ(values(0, 1'000'000'000), (Values{"x", "y"}));
  EXPECT_EQ(values(0, 1'000'000'000, 1), (Values{"x"}));
  EXPECT_EQ(values(800'000'000, 1'000'000'000), (Values{"y"}));
  EXPECT_EQ(db_->label_names({}, {from_ms(0), from_ms(2000), 0}, {})->values,
            (Values{"__name__", "instance"}));
  const auto series = *db_->series({{}, {}}, {from_ms(0), from_ms(1'000'000'000), 0}, {});
  ASSERT_EQ(series.size(), 2U);
  EXPECT_EQ(series[0], labels("a", "x"));
}

TEST_F(DbTest, OneProcessAtATime) {
  open();
  EXPECT_EQ(Db::open(directory_, options_, {clock_, *files_, metrics_}).status().code(),
            StatusCode::kFailedPrecondition);
}

TEST_F(DbTest, AfterStopNothingIsTaken) {
  open();
  ASSERT_TRUE(append(labels("m"), 1, 1).ok());
  db_->stop();
  EXPECT_EQ(append(labels("m"), 2, 1).code(), StatusCode::kUnavailable);
  db_->stop();
}

TEST_F(DbTest, TheSeriesLimitIsAnError) {
  options_.max_active_series = 2;
  open();
  ASSERT_TRUE(append(labels("a"), 1, 1).ok());
  ASSERT_TRUE(append(labels("b"), 1, 1).ok());
  EXPECT_EQ(append(labels("c"), 1, 1).code(), StatusCode::kResourceExhausted);
  EXPECT_TRUE(append(labels("a"), 2, 1).ok());
}

TEST_F(DbTest, MetricsHaveUpstreamsNames) {
  open();
  ASSERT_TRUE(append(labels("m"), 5000, 1).ok());
  EXPECT_FALSE(append(labels("m"), 4000, 1).ok());
  std::map<std::string, double> found;
  for (const base::MetricFamily& family : metrics_.gather()) {
    for (const base::MetricSample& sample : family.samples)
      found[family.name + sample.suffix] = sample.value;
  }
  EXPECT_EQ(found["prometheus_tsdb_head_series"], 1);
  EXPECT_EQ(found["prometheus_tsdb_head_series_created_total"], 1);
  EXPECT_EQ(found["prometheus_tsdb_head_samples_appended_total"], 1);
  EXPECT_EQ(found["prometheus_tsdb_head_max_time_seconds"], 5);
  EXPECT_EQ(found["prometheus_tsdb_out_of_order_samples_total"], 1);
  EXPECT_GT(found["prometheus_tsdb_wal_storage_size_bytes"], 0);
  EXPECT_TRUE(found.contains("prometheus_tsdb_wal_corruptions_total"));
  db_.reset();
  EXPECT_NO_FATAL_FAILURE(metrics_.gather()) << "the registry outlives the database";
}

}  // namespace
}  // namespace tocsin::tsdb
