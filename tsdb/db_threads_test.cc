// SPDX-License-Identifier: Apache-2.0
//
// Appenders, readers and sealing at the same time.
#include <atomic>

#include <gtest/gtest.h>

#include "base/executor.h"
#include "tsdb/testing/db_fixture.h"

namespace tocsin::tsdb {
namespace {

using base::from_ms;
using storage::SeriesRef;

class DbThreadsTest : public testing::DbTest {
 protected:
  static constexpr int kWriters = 4;
  static constexpr int kMembers = 10;
  static constexpr std::int64_t kRows = 150;

  void write_rows(int writer);
  // Each series must have 1, 2, ... without a hole or a double; returns the rows of all series.
  std::int64_t check_answer();
};

void DbThreadsTest::write_rows(int writer) {
  std::vector<SeriesRef> refs;
  storage::GroupId group;
  for (std::int64_t t = 1; t <= kRows; ++t) {
    const auto appender = db_->appender();
    if (!group) {
      for (int i = 0; i < kMembers; ++i) {
        const auto l = labels(fmt::format("w{}", writer), fmt::format("{}", i));
        refs.push_back(appender->append({}, l, from_ms(t), static_cast<double>(t), {})->ref);
      }
      group = *appender->define_group({}, refs);
    } else if (t % 10 == 0) {  // by reference, also out of the group's rhythm
      for (const SeriesRef ref : refs) {
        EXPECT_TRUE(appender->append(ref, {}, from_ms(t), static_cast<double>(t), {}).ok());
      }
    } else {
      EXPECT_TRUE(appender->step(group, from_ms(t)).ok());
      for (std::uint32_t i = 0; i < kMembers; ++i)
        EXPECT_TRUE(appender->set(i, static_cast<double>(t)).ok());
    }
    EXPECT_TRUE(commit_and_wait(*appender).ok());
  }
}

std::int64_t DbThreadsTest::check_answer() {
  storage::SelectHints hints;
  hints.maxt = from_ms(1'000'000);
  const auto selection = *db_->select({}, hints, {});
  std::int64_t rows = 0;
  for (std::size_t b = 0; b < selection->batch_count(); ++b) {
    storage::ColumnBatch batch;
    EXPECT_TRUE(selection->read(b, &batch).ok());
    for (const storage::SeriesColumn& column : batch.series) {
      std::int64_t expected = 1;
      for (std::uint32_t row = 0; row < column.rows; ++row) {
        if (!column.has(row)) continue;
        EXPECT_EQ(column.times->ms[column.first + row], expected);
        EXPECT_EQ(column.floats[row], static_cast<double>(expected));
        ++expected;
      }
      rows += expected - 1;
    }
    std::vector<storage::LastValue> last;
    EXPECT_TRUE(selection->last(b, from_ms(1'000'000), base::Duration(2'000'000), &last).ok());
    for (const storage::LastValue& value : last)
      EXPECT_EQ(value.value, static_cast<double>(value.time_ms));
  }
  return rows;
}

TEST_F(DbThreadsTest, ReadersSeeEverySampleOnceWhileWritersWriteAndRunsAreSealed) {
  options_.seal_rows = 20;
  options_.journal_segment_bytes = 3000;
  open();
  std::atomic<int> writing{kWriters};
  std::atomic<int> sealing{1};
  base::ThreadPool pool({"test", kWriters + 3, 100, 0});
  for (int writer = 0; writer < kWriters; ++writer) {
    ASSERT_TRUE(pool.post([&, writer] {
      write_rows(writer);
      --writing;
    }));
  }
  ASSERT_TRUE(pool.post([&] {
    while (writing > 0) EXPECT_TRUE(db_->seal_all().ok());
    sealing = 0;
  }));
  for (int reader = 0; reader < 2; ++reader) {
    ASSERT_TRUE(pool.post([&] {
      std::int64_t rows = 0;
      while (writing > 0 || sealing > 0) {
        const std::int64_t now = check_answer();
        EXPECT_GE(now, rows) << "what was visible stays visible";
        rows = now;
      }
    }));
  }
  pool.stop();
  EXPECT_EQ(check_answer(), kWriters * kMembers * kRows);
  open();
  EXPECT_EQ(check_answer(), kWriters * kMembers * kRows);
}

TEST_F(DbThreadsTest, BackgroundThreadsStartAndStop) {
  options_.background = true;
  options_.sync_interval = base::Duration(1);
  open();
  for (int i = 1; i < 50; ++i) ASSERT_TRUE(append(labels("m"), i, i).ok());
  db_->stop();
  options_.background = false;
  open();
  EXPECT_EQ(query(49, 49), "m{instance=\"a\"} 49:49\n");
}

}  // namespace
}  // namespace tocsin::tsdb
