// SPDX-License-Identifier: Apache-2.0
//
// Merging as a database does it: whatever runs overlap, and whatever is merged first, queries see
// the same samples before, during and after.
#include <algorithm>
#include <array>
#include <atomic>
#include <random>

#include <gtest/gtest.h>

#include "base/executor.h"
#include "tsdb/testing/db_fixture.h"
#include "tsdb/testing/naive_store.h"
#include "tsdb/testing/random_load.h"

namespace tocsin::tsdb {
namespace {

using base::from_ms;

constexpr std::int64_t kMinute = 60'000;
constexpr std::int64_t kHour = 60 * kMinute;
constexpr std::int64_t kDay = 24 * kHour;

class DbMergeTest : public testing::DbTest {
 protected:
  DbMergeTest() {
    options_.retention = model::Duration(0);
    clock_.advance_to(from_ms(start()));
    all_.mint = from_ms(INT64_MIN / 8);
    all_.maxt = from_ms(INT64_MAX / 8);
  }
  static std::int64_t start() { return 20'000 * kDay; }
  // How many runs each tier has.
  std::array<int, 3> tiers() const {
    std::array<int, 3> tiers{};
    for (const RunReport& run : db_->runs()) ++tiers[run.tier];
    return tiers;
  }

  storage::SelectHints all_;
};

// A run belongs to the window of its newest sample. So one whose clock is ahead can put a run before
// its neighbours, and a merge can put samples around those of another run.
TEST_F(DbMergeTest, SamplesBetweenThoseOfAMergedRunAreFound) {
  open();
  const auto add = [&](const char* name, std::int64_t minute) {
    ASSERT_TRUE(append(labels(name), start() + minute * kMinute, static_cast<double>(minute)).ok());
  };
  add("a", 100);
  add("a", 110);
  add("ahead", 121);
  ASSERT_TRUE(db_->seal_all().ok());
  add("a", 111);
  add("a", 119);
  ASSERT_TRUE(db_->seal_all().ok());
  add("a", 122);
  add("a", 130);
  ASSERT_TRUE(db_->seal_all().ok());
  add("later", 250);
  ASSERT_TRUE(db_->seal_all().ok());
  const std::string before = query();
  ASSERT_TRUE(db_->merge_due().ok());
  ASSERT_EQ(tiers(), (std::array<int, 3>{2, 1, 0})) << "the first and the third are one";
  EXPECT_EQ(query(), before);
  EXPECT_EQ(query(start() + 115 * kMinute, start() + 125 * kMinute),
            fmt::format("a{{instance=\"a\"}} {}:119 {}:122\nahead{{instance=\"a\"}} {}:121\n",
                        start() + 119 * kMinute, start() + 122 * kMinute, start() + 121 * kMinute));
  ASSERT_TRUE(db_->compact().ok());
  EXPECT_EQ(query(), before);
}

// What a selection holds, bit for bit; the order is that of ids.
std::string content(const storage::Selection& selection) {
  std::string out;
  for (std::size_t b = 0; b < selection.batch_count(); ++b) {
    storage::ColumnBatch batch;
    const Status status = selection.read(b, &batch);
    EXPECT_TRUE(status.ok()) << status;
    for (const storage::SeriesColumn& column : batch.series) {
      out += fmt::format("\n{}", column.series);
      for (std::uint32_t row = 0; row < column.rows; ++row) {
        if (!column.has(row)) continue;
        out += fmt::format(" {}:{:x}", column.times->ms[column.first + row],
                           std::bit_cast<std::uint64_t>(column.floats[row]));
      }
    }
  }
  return out;
}

TEST_F(DbMergeTest, HalfHoursBecomeTwoHoursBecomeDays) {
  open();
  testing::NaiveStore model;
  for (const char* name : {"a", "b", "c"}) model.add(labels(name));
  const auto compare = [&] { return model.compare(*db_, {}, INT64_MIN / 8, INT64_MAX / 8); };
  for (std::int64_t minute = 0; minute < 52 * 60; minute += 5) {
    const std::int64_t t = start() + minute * kMinute;
    clock_.advance_to(from_ms(t));
    for (std::size_t series = 0; series < model.size(); ++series) {
      const auto v = static_cast<double>((minute / 7) * static_cast<std::int64_t>(series + 1));
      ASSERT_TRUE(append(model.series(series).labels, t, v).ok());
      ASSERT_EQ(model.put(series, t, std::bit_cast<std::uint64_t>(v), INT64_MAX), StatusCode::kOk);
    }
    ASSERT_TRUE(db_->maintain().ok());
    // One is asked for and read before the merge, one read after it.
    const auto early = *db_->select({}, all_, {});
    const auto late = *db_->select({}, all_, {});
    const std::string before = content(*early);
    ASSERT_TRUE(db_->merge_due().ok());
    ASSERT_EQ(content(*late), before) << "after minute " << minute;
    if (minute % 60 == 0) {
      ASSERT_EQ(compare(), "") << "after minute " << minute;
    }
  }
  // Of 52 hours: two days, one or two pairs of hours, and what is not merged yet.
  const std::array<int, 3> found = tiers();
  EXPECT_EQ(found[2], 2);
  EXPECT_GE(found[1], 1);
  EXPECT_LE(found[1], 2);
  EXPECT_LE(found[0], 5);
  open();
  EXPECT_EQ(compare(), "");
}

TEST_F(DbMergeTest, ReadersSeeTheSameWhileEverythingIsMerged) {
  open();
  for (std::int64_t hour = 0; hour < 30; hour += 2) {
    const auto appender = db_->appender();
    for (std::int64_t minute = 0; minute < 120; minute += 10) {
      const std::int64_t t = start() + hour * kHour + minute * kMinute;
      for (int i = 0; i < 100; ++i) {
        const model::Labels name = labels(fmt::format("m{}", i % 9), fmt::format("i{}", i));
        ASSERT_TRUE(
            appender->append({}, name, from_ms(t), static_cast<double>(t % (i + 7)), {}).ok());
      }
    }
    ASSERT_TRUE(commit_and_wait(*appender).ok());
    ASSERT_TRUE(db_->seal_all().ok());
  }
  const std::string expected = content(**db_->select({}, all_, {}));
  std::atomic<bool> done = false;
  std::atomic<int> reads = 0;
  std::atomic<int> wrong = 0;
  base::ThreadPool readers({.name = "reader", .threads = 2});
  const auto read = [&] {
    do {
      if (content(**db_->select({}, all_, {})) != expected) ++wrong;
      ++reads;
    } while (!done);
  };
  ASSERT_TRUE(readers.post(read));
  ASSERT_TRUE(readers.post(read));
  ASSERT_TRUE(db_->merge_due().ok());
  ASSERT_TRUE(db_->compact().ok());
  done = true;
  readers.stop();
  EXPECT_EQ(tiers(), (std::array<int, 3>{0, 0, 2}));
  EXPECT_GE(reads, 2);
  EXPECT_EQ(wrong, 0);
}

TEST_F(DbMergeTest, TheBackgroundThreadCompactsForAllWhoAsk) {
  const base::SystemClock clock;
  options_.background = true;
  StatusOr<std::unique_ptr<Db>> opened = Db::open(directory_, options_, {clock, *files_, metrics_});
  ASSERT_TRUE(opened.ok()) << opened.status();
  db_ = *std::move(opened);
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(append(labels("m"), start() + i * 1000, i).ok());
    ASSERT_TRUE(db_->seal_all().ok());
  }
  base::ThreadPool askers({.name = "asker", .threads = 3});
  std::atomic<int> answered = 0;
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(askers.post([&] {
      if (db_->compact().ok()) ++answered;
    }));
  }
  askers.stop();
  EXPECT_EQ(answered, 3);
  EXPECT_EQ(tiers(), (std::array<int, 3>{0, 0, 1}));
  db_->stop();
  EXPECT_EQ(db_->compact().code(), StatusCode::kCancelled);
  db_.reset();
}

// Clocks that are hours ahead, late samples, duplicates, seals, merges and restarts, at random.
class DbMergeRandomTest : public DbMergeTest, public ::testing::WithParamInterface<std::int64_t> {
 protected:
  static constexpr std::size_t kSeries = 24;

  std::uint64_t below(std::uint64_t n) { return random_() % n; }
  // A duplicate has the value of the sample that it repeats.
  static std::uint64_t bits_at(std::size_t series, std::int64_t t) {
    const auto mixed = static_cast<std::uint64_t>(t / 1000) * (series + 3);
    if (mixed % 23 == 0) return model::kStaleNanBits;
    if (mixed % 29 == 0) return std::bit_cast<std::uint64_t>(-0.0);
    return std::bit_cast<std::uint64_t>(static_cast<double>(mixed % 1000) / 8);
  }
  void append_some();
  void change();
  std::string compare() { return model_.compare(*db_, {}, INT64_MIN / 8, INT64_MAX / 8); }

  std::mt19937_64 random_;
  testing::NaiveStore model_;
  std::int64_t now_ = start();
};

void DbMergeRandomTest::append_some() {
  const auto appender = db_->appender();
  // Half the window: it ends at the newest sample of all, which is up to 100 minutes ahead.
  const std::int64_t oldest = GetParam() == 0 ? INT64_MAX : now_ - GetParam() / 2;
  for (std::size_t series = 0; series < kSeries; ++series) {
    if (below(3) == 0) continue;
    const std::int64_t ahead =
        series % 5 == 0 ? static_cast<std::int64_t>(series) * 5 * kMinute : 0;
    std::int64_t t = now_ + ahead + static_cast<std::int64_t>(below(60)) * 1000;
    if (GetParam() != 0 && below(3) == 0) {
      t = oldest + static_cast<std::int64_t>(below(static_cast<std::uint64_t>(GetParam() / 2)));
    }
    const std::uint64_t bits = bits_at(series, t);
    const StatusCode verdict = model_.put(series, t, bits, oldest);
    const auto result = appender->append({}, model_.series(series).labels, from_ms(t),
                                         std::bit_cast<double>(bits), {});
    ASSERT_EQ(result.status().code(), verdict) << result.status() << " " << series << " at " << t;
  }
  ASSERT_TRUE(commit_and_wait(*appender).ok());
}

void DbMergeRandomTest::change() {
  switch (below(12)) {
    case 0:
      open();
      break;
    case 1:
      ASSERT_TRUE(db_->compact().ok());
      break;
    case 2:
    case 3:
      ASSERT_TRUE(db_->merge_due().ok());
      break;
    default:
      ASSERT_TRUE(db_->seal_all().ok());
  }
}

TEST_P(DbMergeRandomTest, EveryAnswerIsThatOfANaiveStore) {
  const std::uint64_t seed = testing::make_seed();
  SCOPED_TRACE(fmt::format("TOCSIN_TEST_SEED={}", seed));
  random_.seed(seed);
  options_.out_of_order_window = model::Duration(GetParam());
  for (std::size_t i = 0; i < kSeries; ++i) {
    model_.add(labels(fmt::format("m{}", i % 5), fmt::format("i{}", i)));
  }
  open();
  for (int round = 0; round < 250 && !HasFatalFailure(); ++round) {
    SCOPED_TRACE(fmt::format("round {}", round));
    now_ += static_cast<std::int64_t>(below(25)) * kMinute;
    clock_.advance_to(from_ms(now_));
    append_some();
    if (below(3) == 0) change();
    if (below(3) != 0) continue;
    ASSERT_EQ(compare(), "");
    const std::int64_t mint = now_ - static_cast<std::int64_t>(below(8 * kHour));
    const std::int64_t maxt = mint + static_cast<std::int64_t>(below(4 * kHour));
    ASSERT_EQ(model_.compare(*db_, {}, mint, maxt), "");
    ASSERT_EQ(model_.compare_last(*db_, mint, kHour), "");
  }
  ASSERT_TRUE(db_->compact().ok());
  EXPECT_EQ(compare(), "");
}

INSTANTIATE_TEST_SUITE_P(Windows, DbMergeRandomTest, ::testing::Values(0, 6 * kHour));

}  // namespace
}  // namespace tocsin::tsdb
