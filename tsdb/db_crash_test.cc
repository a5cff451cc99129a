// SPDX-License-Identifier: Apache-2.0
//
// What failed writes, power cuts and kill -9 leave: all that was acknowledged and nothing that was
// refused.
#include <signal.h>
#include <unistd.h>

#include <random>
#include <set>
#include <sstream>

#include <gtest/gtest.h>
#include <sys/wait.h>

#include "tsdb/testing/db_fixture.h"

namespace tocsin::tsdb {
namespace {

using base::from_ms;
using base::testing::FaultFs;
using model::Labels;
using storage::SeriesRef;

class DbCrashTest : public testing::DbTest {};

// Appends batches of two series in a group; returns the times of those that were acknowledged.
std::set<std::int64_t> write_batches(Db& db, int count) {
  std::set<std::int64_t> acknowledged;
  storage::GroupId group;
  for (int i = 1; i <= count; ++i) {
    const std::int64_t t = i * 1000;
    const auto appender = db.appender();
    storage::GroupId defined = group;
    if (!group) {
      const auto a =
          appender->append({}, Labels::of({{"s", "a"}}), from_ms(t), static_cast<double>(t), {});
      const auto b =
          appender->append({}, Labels::of({{"s", "b"}}), from_ms(t), static_cast<double>(t), {});
      defined = *appender->define_group({}, std::vector{a->ref, b->ref});
    } else {
      EXPECT_TRUE(appender->step(group, from_ms(t)).ok());
      EXPECT_TRUE(appender->set(0, static_cast<double>(t)).ok());
      EXPECT_TRUE(appender->set(1, static_cast<double>(t)).ok());
    }
    if (commit_and_wait(*appender).ok()) {
      acknowledged.insert(t);
      group = defined;
    }
    if (i == count / 2) static_cast<void>(db.seal_all());
  }
  return acknowledged;
}

std::string expected_text(const std::set<std::int64_t>& times) {
  std::string row;
  for (const std::int64_t t : times) row += fmt::format(" {}:{}", t, t);
  return times.empty() ? "" : fmt::format("{{s=\"a\"}}{0}\n{{s=\"b\"}}{0}\n", row);
}

TEST_F(DbCrashTest, AnyFailedOperationLosesNothingAcknowledgedAndShowsNothingRefused) {
  RecordProperty("expects_error_lines", 1);
  for (const auto fault : {FaultFs::Fault::kDiskFull, FaultFs::Fault::kTornWrite}) {
    for (std::uint64_t n = 1; n < 26; ++n) {
      SCOPED_TRACE(n);
      std::filesystem::remove_all(directory_);
      std::filesystem::create_directories(directory_);
      memory_ = base::testing::make_mem_fs();
      FaultFs faulty(*memory_);
      files_ = &faulty;
      options_.journal_segment_bytes = 150;
      open();
      faulty.fail_at(n, fault, false);
      const std::set<std::int64_t> acknowledged = write_batches(*db_, 10);
      faulty.clear();
      ASSERT_GE(acknowledged.size(), 9U);
      const std::string before = query();
      EXPECT_EQ(before, expected_text(acknowledged));
      open();
      EXPECT_EQ(query(), before);
      db_.reset();
    }
  }
}

TEST_F(DbCrashTest, DiskFullIsSaidAndGoesAway) {
  FaultFs faulty(*memory_);
  files_ = &faulty;
  open();
  ASSERT_TRUE(append(labels("m"), 1000, 1).ok());
  faulty.fail_at(1, FaultFs::Fault::kDiskFull, true);
  EXPECT_EQ(append(labels("m"), 2000, 2).code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(append(labels("new"), 2000, 2).code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(query(), "m{instance=\"a\"} 1000:1\n");
  faulty.clear();
  EXPECT_TRUE(append(labels("m"), 3000, 3).ok());
  EXPECT_TRUE(append(labels("new"), 3000, 3).ok());
  const std::string expected = "m{instance=\"a\"} 1000:1 3000:3\nnew{instance=\"a\"} 3000:3\n";
  EXPECT_EQ(query(), expected);
  open();
  EXPECT_EQ(query(), expected);
  db_.reset();
}

TEST_F(DbCrashTest, APowerCutLosesAtMostWhatWasNotSynced) {
  RecordProperty("expects_error_lines", 1);
  FaultFs faulty(*memory_);
  files_ = &faulty;
  open();
  ASSERT_TRUE(append(labels("m"), 1000, 1).ok());
  open();  // stopping syncs
  ASSERT_TRUE(append(labels("m"), 2000, 2).ok());
  faulty.fail_at(1, FaultFs::Fault::kError, true);
  db_.reset();
  faulty.clear();
  faulty.power_cut();
  open();
  EXPECT_EQ(query(), "m{instance=\"a\"} 1000:1\n");
  ASSERT_TRUE(append(labels("m"), 3000, 3).ok());
  open();
  EXPECT_EQ(query(), "m{instance=\"a\"} 1000:1 3000:3\n");
  db_.reset();
}

TEST_F(DbCrashTest, WhatAKilledProcessLeftUnsyncedIsSyncedAtTheNextStart) {
  RecordProperty("expects_error_lines", 1);
  FaultFs faulty(*memory_);
  files_ = &faulty;
  const auto die = [&] {
    faulty.fail_at(1, FaultFs::Fault::kError, true);
    db_.reset();
    faulty.clear();
  };
  open();
  ASSERT_TRUE(append(labels("m"), 1000, 1).ok());
  die();
  open();
  die();
  faulty.power_cut();
  open();
  EXPECT_EQ(query(), "m{instance=\"a\"} 1000:1\n");
  db_.reset();
}

TEST_F(DbCrashTest, DamageInTheMiddleLosesThatPartAndInventsNothing) {
  RecordProperty("expects_error_lines", 1);
  options_.journal_segment_bytes = 150;
  open();
  const std::set<std::int64_t> acknowledged = write_batches(*db_, 40);
  const std::string all = query();
  db_.reset();
  const std::string journal = directory_ + "/journal";
  const std::vector<std::string> segments = *memory_->list(journal);
  ASSERT_GT(segments.size(), 4U);
  const std::string path = journal + "/" + segments[1];
  std::string bytes = *memory_->read_file(path, 10000);
  bytes[bytes.size() - 2] = static_cast<char>(bytes[bytes.size() - 2] ^ 1);
  ASSERT_TRUE(
      (*memory_->open_writable(path, base::FileSystem::OpenMode::kTruncate))->append(bytes).ok());
  open();
  const std::string left = query();
  EXPECT_LT(left.size(), all.size());
  for (std::size_t at = left.find(' '); at != std::string::npos; at = left.find(' ', at + 1)) {
    const std::string sample = left.substr(at, left.find_first_of(" \n", at + 1) - at);
    EXPECT_NE(all.find(sample), std::string::npos) << "a value that nobody wrote:" << sample;
  }
  EXPECT_NE(left.find(" 40000:40000"), std::string::npos) << "later segments are read";
}

// kill -9 ---------------------------------------------------------------------------------------

constexpr const char* kWriterVariable = "TOCSIN_DB_WRITER";

// Not a test of its own: what the killed process runs. Reports each acknowledged timestamp.
TEST(DbKillTest, DISABLED_WritesUntilKilled) {
  const char* arguments =
      std::getenv(kWriterVariable);  // NOLINT(concurrency-mt-unsafe): one thread
  ASSERT_NE(arguments, nullptr);
  std::istringstream in(arguments);
  std::string path;
  std::int64_t t = 0;
  int report = -1;
  in >> path >> t >> report;
  base::testing::FakeClock clock;
  base::Registry metrics;
  Options options;
  options.background = false;
  options.journal_segment_bytes = 4000;
  const auto db = Db::open(path, options, {clock, base::real_file_system(), metrics});
  ASSERT_TRUE(db.ok()) << db.status();
  std::vector<SeriesRef> refs;
  storage::GroupId group;
  for (;; ++t) {
    const auto appender = (*db)->appender();
    if (!group) {
      for (int i = 0; i < 20; ++i) {
        refs.push_back(
            appender->append({}, Labels::of({{"i", fmt::format("{:02}", i)}}), from_ms(t), 0, {})
                ->ref);
      }
      group = *appender->define_group({}, refs);
    } else {
      ASSERT_TRUE(appender->step(group, from_ms(t)).ok());
      for (std::uint32_t i = 0; i < 20; ++i)
        ASSERT_TRUE(appender->set(i, static_cast<double>(t) / (i + 1)).ok());
    }
    ASSERT_TRUE(commit_and_wait(*appender).ok());
    ASSERT_EQ(write(report, &t, sizeof(t)), static_cast<ssize_t>(sizeof(t)));
    if (t % 97 == 0) {
      ASSERT_TRUE((*db)->seal_all().ok());
    }
  }
}

// A new program image: RocksDB's threads do not survive a fork.
pid_t start_writer(const std::string& path, std::int64_t t, int report) {
  const std::string variable = fmt::format("{}={} {} {}", kWriterVariable, path, t, report);
  const char* const arguments[] = {"writer", "--gtest_also_run_disabled_tests",
                                   "--gtest_filter=DbKillTest.DISABLED_WritesUntilKilled", nullptr};
  const char* const environment[] = {variable.c_str(), nullptr};
  const pid_t child = fork();
  if (child == 0) {
    execve("/proc/self/exe", const_cast<char* const*>(arguments),
           const_cast<char* const*>(environment));
    _exit(1);
  }
  return child;
}

// Checks that each series has, for every acknowledged time, exactly what was written.
void check_survivors(Db& db, const std::set<std::int64_t>& acknowledged) {
  storage::SelectHints hints;
  hints.maxt = from_ms(INT64_MAX / 8);
  const auto selection = *db.select({}, hints, {});
  storage::ColumnBatch batch;
  ASSERT_TRUE(selection->read(0, &batch).ok());
  ASSERT_EQ(batch.series.size(), 20U);
  for (const storage::SeriesColumn& column : batch.series) {
    std::set<std::int64_t> found;
    const std::string i(selection->labels(column.series).get("i"));
    for (std::uint32_t row = 0; row < column.rows; ++row) {
      if (!column.has(row)) continue;
      const std::int64_t t = column.times->ms[column.first + row];
      found.insert(t);
      const double expected = static_cast<double>(t) / (std::stoi(i) + 1);
      if (column.floats[row] != 0) {
        ASSERT_EQ(column.floats[row], expected) << i << " at " << t;
      }
    }
    for (const std::int64_t t : acknowledged) ASSERT_TRUE(found.contains(t)) << i << " at " << t;
    ASSERT_LE(found.size(), acknowledged.size() + 20)
        << "at most one batch per kill was not reported";
  }
}

TEST_F(DbCrashTest, KillNineLosesNothingAcknowledged) {
  const std::uint64_t seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  std::set<std::int64_t> acknowledged;
  std::int64_t next = 1;
  for (int round = 0; round < 5; ++round) {
    int report[2];
    ASSERT_EQ(pipe(report), 0);
    const pid_t child = start_writer(directory_, next, report[1]);
    ASSERT_GE(child, 0);
    close(report[1]);
    std::int64_t t = 0;
    const auto take = [&] {
      return read(report[0], &t, sizeof(t)) == static_cast<ssize_t>(sizeof(t));
    };
    for (std::uint64_t reports = 20 + random() % 150; reports > 0; --reports) {
      ASSERT_TRUE(take());
      acknowledged.insert(t);
    }
    kill(child, SIGKILL);
    while (take()) acknowledged.insert(t);
    int status = 0;
    waitpid(child, &status, 0);
    close(report[0]);
    ASSERT_TRUE(WIFSIGNALED(status)) << "child ended with " << status;
    next = *acknowledged.rbegin() + 2;
    files_ = &base::real_file_system();
    open();
    check_survivors(*db_, acknowledged);
    db_.reset();
  }
}

}  // namespace
}  // namespace tocsin::tsdb
