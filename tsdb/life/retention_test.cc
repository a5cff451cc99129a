// SPDX-License-Identifier: Apache-2.0
#include "tsdb/life/retention.h"

#include <gtest/gtest.h>

#include "tsdb/testing/db_fixture.h"

namespace tocsin::tsdb {
namespace {

using base::from_ms;

class RetentionTest : public testing::DbTest {
 protected:
  // A run of each hour, equal in size; the first sample is at hour 1.
  void fill(int runs) {
    open();
    begin_ = base::to_ms(clock_.now());
    clock_.advance(base::Duration(kHour * (runs + 1)));
    for (int hour = 1; hour <= runs; ++hour) {
      const auto appender = db_->appender();
      for (int i = 0; i < 200; ++i) {
        const double value = 0.123456789 * (i + 1);
        ASSERT_TRUE(appender
                        ->append({}, labels("m", fmt::format("i{}", i)),
                                 from_ms(begin_ + kHour * hour), value, {})
                        .ok());
      }
      ASSERT_TRUE(commit_and_wait(*appender).ok());
      ASSERT_TRUE(db_->seal_all().ok());
    }
    for (const RunReport& run : db_->runs())
      run_bytes_ = std::max(run_bytes_, static_cast<double>(run.bytes));
  }
  // The hours that are left, of one series.
  std::string hours() {
    std::string out;
    const std::string text = query();
    const std::string line = text.substr(0, text.find('\n'));
    for (std::size_t at = line.find("} "); at != std::string::npos; at = line.find(' ', at + 1)) {
      const std::size_t begin = line.find_first_of("0123456789", at);
      out += fmt::format("{} ", (std::stoll(line.substr(begin)) - begin_) / kHour);
      if (at == line.find("} ")) ++at;
    }
    return out;
  }
  double metric(std::string_view name) const {
    for (const base::MetricFamily& family : metrics_.gather()) {
      if (family.name == name) return family.samples.front().value;
    }
    return -1;
  }
  std::string maintain() {
    db_->reconfigure(options_);
    const Status maintained = db_->maintain();
    EXPECT_TRUE(maintained.ok()) << maintained;
    return hours();
  }

  static constexpr std::int64_t kHour = 3'600'000;
  std::int64_t begin_ = 0;
  double run_bytes_ = 0;
};

TEST_F(RetentionTest, ByTimeAndBySizeTheOldestRunsGoFirst) {
  options_.retention = base::Duration(0);
  options_.seal_age = base::Duration(INT64_MAX / 4);
  fill(6);
  ASSERT_EQ(hours(), "1 2 3 4 5 6 ");
  EXPECT_EQ(maintain(), "1 2 3 4 5 6 ") << "without limits everything stays";
  options_.retention = base::Duration(kHour * 11 / 2);
  EXPECT_EQ(maintain(), "2 3 4 5 6 ");
  EXPECT_EQ(metric("prometheus_tsdb_time_retentions_total"), 1);
  EXPECT_EQ(metric("prometheus_tsdb_size_retentions_total"), 0);
  options_.retention_bytes = static_cast<std::uint64_t>(run_bytes_ * 3.5);
  EXPECT_EQ(maintain(), "4 5 6 ");
  EXPECT_EQ(metric("prometheus_tsdb_size_retentions_total"), 1);
  EXPECT_EQ(metric("prometheus_tsdb_retention_limit_bytes"),
            static_cast<double>(options_.retention_bytes));
  EXPECT_EQ(maintain(), "4 5 6 ") << "nothing more to do";
  open();
  EXPECT_EQ(hours(), "4 5 6 ");
}

TEST_F(RetentionTest, TheJournalCounts) {
  options_.retention = base::Duration(0);
  options_.seal_age = base::Duration(INT64_MAX / 4);
  fill(3);
  options_.retention_bytes = static_cast<std::uint64_t>(run_bytes_ * 3.5);
  EXPECT_EQ(maintain(), "1 2 3 ");
  for (std::int64_t t = 0; db_->stats().journal_bytes < static_cast<std::uint64_t>(run_bytes_);
       ++t) {
    ASSERT_TRUE(append(labels("n"), begin_ + kHour * 4 + t, 0.1 * static_cast<double>(t)).ok());
  }
  EXPECT_EQ(maintain(), "2 3 ");
}

TEST_F(RetentionTest, PercentageOfTheDiskIsInsteadOfTheSize) {
  options_.retention = base::Duration(0);
  options_.seal_age = base::Duration(INT64_MAX / 4);
  fill(4);
  const auto total = static_cast<double>(*files_->total_bytes(directory_));
  options_.retention_bytes = 1;
  options_.retention_percentage = run_bytes_ * 2.5 / total * 100;
  EXPECT_EQ(maintain(), "3 4 ");
}

TEST_F(RetentionTest, RunsGoWhenTheDiskHasLessThanTheWantedFreeSpace) {
  base::testing::FaultFs disk(*memory_);
  files_ = &disk;
  options_.retention = base::Duration(0);
  options_.seal_age = base::Duration(INT64_MAX / 4);
  fill(5);
  options_.retention_min_free = 1'000'000'000;
  disk.set_free_bytes(1'000'000'000);
  EXPECT_EQ(maintain(), "1 2 3 4 5 ");
  disk.set_free_bytes(1'000'000'000 - static_cast<std::uint64_t>(run_bytes_ * 1.5));
  EXPECT_EQ(maintain(), "3 4 5 ");
  disk.set_free_bytes(1'000'000'000);
  EXPECT_EQ(maintain(), "3 4 5 ");
  db_.reset();
}

}  // namespace
}  // namespace tocsin::tsdb
