// SPDX-License-Identifier: Apache-2.0
#include "tsdb/life/snapshot.h"

#include <random>

#include <gtest/gtest.h>

#include "base/executor.h"
#include "tsdb/testing/db_fixture.h"

namespace tocsin::tsdb {
namespace {

using base::from_ms;

// On the system's files: a snapshot is one folder for journal and store.
class SnapshotTest : public testing::DbTest {
 protected:
  SnapshotTest() { files_ = &faulty_; }
  ~SnapshotTest() override { db_.reset(); }

  void fill(int from, int to) {
    for (int i = from; i < to; ++i) {
      ASSERT_TRUE(append(labels("m", i % 2 == 0 ? "a" : "b"), 1000 * (i + 1), i).ok());
    }
  }
  std::string path_of(const std::string& name) const { return directory_ + "/snapshots/" + name; }
  // The content of another folder, opened as a database.
  std::string content_of(const std::string& directory) {
    base::Registry metrics;
    StatusOr<std::unique_ptr<Db>> other =
        Db::open(directory, options_, {clock_, base::real_file_system(), metrics});
    if (!other.ok()) return std::string(message(other.status()));
    std::swap(db_, *other);
    std::string content = query();
    std::swap(db_, *other);
    return content;
  }
  std::vector<std::string> visible_snapshots() const {
    std::vector<std::string> names;
    const StatusOr<std::vector<std::string>> all =
        base::real_file_system().list(directory_ + "/snapshots");
    if (!all.ok()) return names;
    for (const std::string& name : *all) {
      if (!name.starts_with(".")) names.push_back(name);
    }
    return names;
  }

  base::testing::FaultFs faulty_{base::real_file_system()};
};

TEST_F(SnapshotTest, HoldsWhatWasVisibleWhenItWasTaken) {
  open();
  fill(0, 6);
  ASSERT_TRUE(db_->seal_all().ok());
  fill(6, 10);
  ASSERT_TRUE(db_->delete_series({{}}, from_ms(2000), from_ms(3000)).ok());
  const std::string moment = query();
  const StatusOr<std::string> name = db_->snapshot(false);
  ASSERT_TRUE(name.ok()) << name.status();
  ASSERT_EQ(name->size(), 33U) << *name;
  EXPECT_EQ((*name)[8], 'T');
  EXPECT_EQ(name->substr(15, 2), "Z-");
  EXPECT_EQ(visible_snapshots(), std::vector<std::string>{*name});
  fill(10, 14);
  ASSERT_TRUE(db_->seal_all().ok());
  ASSERT_TRUE(db_->clean_tombstones().ok());
  ASSERT_TRUE(db_->delete_series({{}}, from_ms(0), from_ms(6000)).ok());
  const std::string later = query();
  EXPECT_EQ(content_of(path_of(*name)), moment);
  EXPECT_EQ(content_of(path_of(*name)), moment) << "also when it was opened before";
  EXPECT_EQ(query(), later) << "the database does not notice";
  open();
  EXPECT_EQ(query(), later);
}

TEST_F(SnapshotTest, WithoutTheHeadItHoldsRunsOnly) {
  open();
  fill(0, 4);
  ASSERT_TRUE(db_->seal_all().ok());
  const std::string sealed = query();
  fill(4, 8);
  const StatusOr<std::string> name = db_->snapshot(true);
  ASSERT_TRUE(name.ok()) << name.status();
  EXPECT_EQ(content_of(path_of(*name)), sealed);
}

TEST_F(SnapshotTest, AppendsAndSealsBesideItAreWhollyInOrNotIn) {
  open();
  fill(0, 50);
  base::ThreadPool writer({"writer", 1, 10, 0});
  std::atomic<bool> stop{false};
  std::atomic<int> written{50};
  const auto write = [&] {
    for (int i = 50; !stop; ++i) {
      const auto appender = db_->appender();
      for (const char* instance : {"x", "y"}) {
        EXPECT_TRUE(
            appender->append({}, labels("pair", instance), from_ms(1000 * (i + 1)), i, {}).ok());
      }
      EXPECT_TRUE(commit_and_wait(*appender).ok());
      if (i % 200 == 0) {
        EXPECT_TRUE(db_->seal_all().ok());
      }
      written = i;
    }
  };
  ASSERT_TRUE(writer.post(write));
  for (int round = 0; round < 5; ++round) {
    const int before = written;
    const StatusOr<std::string> name = db_->snapshot(false);
    ASSERT_TRUE(name.ok()) << name.status();
    const int after = written + 1;
    base::Registry metrics;
    const auto opened =
        Db::open(path_of(*name), options_, {clock_, base::real_file_system(), metrics});
    ASSERT_TRUE(opened.ok()) << opened.status();
    storage::SelectHints hints;
    hints.mint = model::kMinTime;
    hints.maxt = model::kMaxTime;
    const auto selection = *(*opened)->select(
        {*model::Matcher::make(model::Matcher::Type::kEqual, "__name__", "pair")}, hints, {});
    storage::ColumnBatch batch;
    if (selection->batch_count() != 0) {
      ASSERT_TRUE(selection->read(0, &batch).ok());
    }
    std::vector<std::uint32_t> rows;
    for (const storage::SeriesColumn& column : batch.series) rows.push_back(column.rows);
    if (before > 50) {
      ASSERT_EQ(rows.size(), 2U);
      EXPECT_EQ(rows[0], rows[1]) << "a batch is in wholly or not at all";
      EXPECT_GE(static_cast<int>(rows[0]), before - 49);
      EXPECT_LE(static_cast<int>(rows[0]), after - 49);
    }
  }
  stop = true;
  writer.stop();
}

TEST_F(SnapshotTest, AnyFailureLeavesNothingThatLooksWhole) {
  RecordProperty("expects_error_lines", 1);
  open();
  fill(0, 4);
  ASSERT_TRUE(db_->seal_all().ok());
  fill(4, 8);
  ASSERT_TRUE(db_->delete_series({{}}, from_ms(2000), from_ms(2000)).ok());
  bool failed = true;
  for (int n = 1; failed; ++n) {
    SCOPED_TRACE(n);
    ASSERT_LT(n, 60);
    ASSERT_TRUE(db_->seal_all().ok());  // else each start adds a segment to copy
    fill(8 + n, 9 + n);
    const std::string content = query();
    faulty_.fail_at(static_cast<std::uint64_t>(n), base::testing::FaultFs::Fault::kDiskFull,
                    true);  // as if it ended here
    const StatusOr<std::string> name = db_->snapshot(false);
    faulty_.clear();
    failed = !name.ok();
    for (const std::string& whole : visible_snapshots()) {
      EXPECT_EQ(content_of(path_of(whole)), content);
      std::filesystem::remove_all(path_of(whole));  // of this round only
    }
    open();
    EXPECT_EQ(query(), content);
    const auto names = base::real_file_system().list(directory_ + "/snapshots");
    if (!names.ok()) continue;
    EXPECT_EQ(*names, visible_snapshots()) << "something is left over after a start";
  }
}

TEST_F(SnapshotTest, IsRestoredIntoAnEmptyFolderOnly) {
  open();
  fill(0, 4);
  ASSERT_TRUE(db_->seal_all().ok());
  fill(4, 8);
  const std::string content = query();
  const std::string from = path_of(*db_->snapshot(false));
  base::FileSystem& real = base::real_file_system();
  const std::string to = directory_ + "/restored";
  std::uint64_t copied = 0;
  const Status restored = restore_snapshot(real, from, to, [&](std::uint64_t b) { copied = b; });
  ASSERT_TRUE(restored.ok()) << restored;
  EXPECT_GT(copied, 1000U);
  EXPECT_EQ(content_of(to), content);
  const Status again = restore_snapshot(real, from, to, {});
  EXPECT_EQ(again.code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(message(again), to + " is not empty; restore into an empty folder");
  EXPECT_EQ(restore_snapshot(real, directory_ + "/snapshots", to + "2", {}).code(),
            StatusCode::kFailedPrecondition);
}

TEST_F(SnapshotTest, ARestoreThatDidNotEndDoesNotOpenAndIsDoneAgain) {
  open();
  fill(0, 4);
  const std::string content = query();
  const std::string from = path_of(*db_->snapshot(false));
  const std::string to = directory_ + "/restored";
  int attempts = 0;
  for (;; ++attempts) {
    ASSERT_LT(attempts, 300);
    faulty_.fail_at(static_cast<std::uint64_t>(attempts) + 1, base::testing::FaultFs::Fault::kError,
                    true);
    const Status restored = restore_snapshot(faulty_, from, to, {});
    faulty_.clear();
    if (restored.ok()) break;
    if (!std::filesystem::exists(to + "/store")) continue;
    const std::string opened = content_of(to);
    ASSERT_TRUE(opened == content || opened.find("did not end") != std::string::npos) << opened;
    if (opened == content) break;  // only the last sync failed
  }
  EXPECT_GT(attempts, 5);
  EXPECT_EQ(content_of(to), content);
}

}  // namespace
}  // namespace tocsin::tsdb
