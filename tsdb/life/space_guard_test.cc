// SPDX-License-Identifier: Apache-2.0
#include "tsdb/life/space_guard.h"

#include <unistd.h>

#include <fstream>

#include <gtest/gtest.h>
#include <sys/mount.h>

#include "tsdb/testing/db_fixture.h"

namespace tocsin::tsdb {
namespace {

TEST(SpaceGuardTest, StopsBelowTheReserveAndResumesWithAnEighthMore) {
  RecordProperty("expects_error_lines", 1);
  const auto memory = base::testing::make_mem_fs();
  base::testing::FaultFs disk(*memory);
  base::Registry metrics;
  SpaceGuard guard(disk, "data", metrics);
  const auto at = [&](std::uint64_t free) {
    disk.set_free_bytes(free);
    guard.check(800);
    return guard.admit().ok();
  };
  EXPECT_TRUE(at(10'000));
  EXPECT_TRUE(at(800));
  EXPECT_FALSE(at(799));
  EXPECT_FALSE(at(0));
  EXPECT_FALSE(at(899)) << "not yet: it would flap";
  EXPECT_TRUE(at(900));
  EXPECT_TRUE(at(801));
  EXPECT_FALSE(at(1));
  const Status refused = guard.admit();
  EXPECT_EQ(refused.code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(message(refused),
            "no space left on the disk of data: samples are refused until there is");
}

class FullDiskTest : public testing::DbTest {
 protected:
  ~FullDiskTest() override { db_.reset(); }
  double metric(std::string_view name) const {
    for (const base::MetricFamily& family : metrics_.gather()) {
      if (family.name == name) return family.samples.front().value;
    }
    return -1;
  }
};

TEST_F(FullDiskTest, SamplesAreRefusedQueriesGoOnAndItEndsByItself) {
  RecordProperty("expects_error_lines", 1);
  base::testing::FaultFs disk(*memory_);
  files_ = &disk;
  open();
  ASSERT_TRUE(append(labels("m"), 1000, 1).ok());
  disk.set_free_bytes(options_.reserve_bytes - 1);
  ASSERT_TRUE(db_->maintain().ok());
  EXPECT_EQ(append(labels("m"), 2000, 2).code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(append(labels("new"), 2000, 2).code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(metric("tocsin_tsdb_ingestion_stopped"), 1);
  EXPECT_EQ(metric("tocsin_tsdb_batches_refused_total"), 2);
  EXPECT_EQ(query(), "m{instance=\"a\"} 1000:1\n");
  ASSERT_TRUE(db_->delete_series({{}}, base::from_ms(0), base::from_ms(10)).ok());
  disk.set_free_bytes(options_.reserve_bytes * 2);
  ASSERT_TRUE(db_->maintain().ok());
  EXPECT_EQ(metric("tocsin_tsdb_ingestion_stopped"), 0);
  EXPECT_TRUE(append(labels("m"), 3000, 3).ok());
  open();
  EXPECT_EQ(query(), "m{instance=\"a\"} 1000:1 3000:3\n");
  db_.reset();
}

// A file system of its own, as root.
class SmallDiskTest : public FullDiskTest {
 protected:
  SmallDiskTest() : disk_(directory_ + "/disk") {
    std::filesystem::create_directories(disk_);
    is_mounted_ =
        ::geteuid() == 0 && ::mount("tmpfs", disk_.c_str(), "tmpfs", 0, "size=64m,mode=700") == 0;
    files_ = &base::real_file_system();
    options_.reserve_bytes = 8U << 20;
    options_.retention = base::Duration(0);
  }
  ~SmallDiskTest() override {
    db_.reset();
    if (is_mounted_) ::umount2(disk_.c_str(), MNT_DETACH);
  }
  void open_here() {
    db_.reset();
    StatusOr<std::unique_ptr<Db>> db =
        Db::open(disk_ + "/data", options_, {clock_, *files_, metrics_});
    ASSERT_TRUE(db.ok()) << db.status();
    db_ = *std::move(db);
  }
  // Leaves `bytes` free with a file of somebody else.
  void leave(std::uint64_t bytes) {
    std::ofstream ballast(disk_ + "/ballast", std::ios::binary | std::ios::app);
    const std::string block(4096, 'x');
    while (ballast.good() && *files_->free_bytes(disk_) >= bytes + block.size())
      ballast << block << std::flush;
  }
  void make_space() { std::filesystem::remove(disk_ + "/ballast"); }
  // Appends up to `count` rows of long numbers; returns the code of the last.
  StatusCode pour(int count) {
    for (int i = 0; i < count; ++i) {
      const auto appender = db_->appender();
      const std::int64_t t = next_ms_ + 1000;
      for (int s = 0; s < 50; ++s) {
        const auto added = appender->append({}, labels("m", fmt::format("i{}", s)),
                                            base::from_ms(t), 1.0 / (7 + s + i), {});
        EXPECT_TRUE(added.ok()) << added.status();
      }
      const Status committed = commit_and_wait(*appender);
      if (!committed.ok()) return committed.code();
      next_ms_ = t;
      ++acknowledged_;
    }
    return StatusCode::kOk;
  }
  void check_all() {
    storage::SelectHints hints;
    hints.mint = model::kMinTime;
    hints.maxt = model::kMaxTime;
    const auto selection = *db_->select({}, hints, {});
    storage::ColumnBatch batch;
    ASSERT_TRUE(selection->read(0, &batch).ok());
    ASSERT_EQ(selection->warnings(), std::vector<std::string>());
    ASSERT_EQ(batch.series.size(), 50U);
    for (const storage::SeriesColumn& column : batch.series)
      ASSERT_EQ(column.rows, acknowledged_) << column.series;
  }

  const std::string disk_;
  bool is_mounted_ = false;
  std::int64_t next_ms_ = 0;
  std::uint32_t acknowledged_ = 0;
};

TEST_F(SmallDiskTest, NothingAcknowledgedIsLostOnAFullDisk) {
  RecordProperty("expects_error_lines", 1);
  if (!is_mounted_) GTEST_SKIP() << "mounting a small file system needs root";
  open_here();
  ASSERT_EQ(pour(500), StatusCode::kOk);
  leave(options_.reserve_bytes - 65536);
  static_cast<void>(db_->maintain());
  EXPECT_EQ(pour(1), StatusCode::kResourceExhausted);
  check_all();
  make_space();
  ASSERT_TRUE(db_->maintain().ok());
  ASSERT_EQ(pour(200), StatusCode::kOk) << "by itself";
  check_all();
  // Somebody fills the disk faster than the guard looks.
  leave(0);
  EXPECT_EQ(pour(10'000), StatusCode::kResourceExhausted);
  check_all();
  EXPECT_FALSE(db_->seal_all().ok());
  check_all();
  EXPECT_EQ(pour(1), StatusCode::kResourceExhausted);
  make_space();
  ASSERT_TRUE(db_->maintain().ok());
  check_all();
  ASSERT_EQ(pour(300), StatusCode::kOk);
  check_all();
  ASSERT_TRUE(db_->seal_all().ok());
  check_all();
  open_here();
  check_all();
}

}  // namespace
}  // namespace tocsin::tsdb
