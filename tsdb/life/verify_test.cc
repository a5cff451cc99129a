// SPDX-License-Identifier: Apache-2.0
#include "tsdb/life/verify.h"

#include <fstream>

#include <gtest/gtest.h>

#include "base/read_only_fs.h"
#include "tsdb/testing/db_fixture.h"

namespace tocsin::tsdb {
namespace {

// On the system's files.
class VerifyTest : public testing::DbTest {
 protected:
  VerifyTest() {
    files_ = &base::real_file_system();
    options_.retention = base::Duration(0);
  }
  ~VerifyTest() override { db_.reset(); }

  void fill() {
    open();
    for (int run = 0; run < 3; ++run) {
      for (int i = 0; i < 20; ++i) {
        const auto appender = db_->appender();
        for (int s = 0; s < 100; ++s) {
          ASSERT_TRUE(appender
                          ->append({}, labels("m", fmt::format("i{}", s)),
                                   base::from_ms(100'000 * run + 1000 * i), 1.0 / (s + i + 1), {})
                          .ok());
        }
        ASSERT_TRUE(commit_and_wait(*appender).ok());
      }
      if (run < 2) {
        ASSERT_TRUE(db_->seal_all().ok());
      }
    }
  }
  std::vector<std::filesystem::path> run_files() const {
    std::vector<std::filesystem::path> paths;
    for (const auto& file : std::filesystem::directory_iterator(directory_ + "/store")) {
      if (file.path().extension() == ".sst" && file.file_size() > 5000)
        paths.push_back(file.path());
    }
    return paths;
  }
  // Names, sizes, times and bytes of everything below the folder.
  std::string state() const {
    std::string out;
    std::vector<std::filesystem::path> paths;
    for (const auto& file : std::filesystem::recursive_directory_iterator(directory_))
      paths.push_back(file.path());
    std::sort(paths.begin(), paths.end());
    for (const auto& path : paths) {
      out += path.string();
      out += fmt::format(" {}", std::filesystem::last_write_time(path).time_since_epoch().count());
      if (std::filesystem::is_regular_file(path)) {
        std::ifstream in(path, std::ios::binary);
        out.append(std::istreambuf_iterator<char>(in), {});
      }
      out += "\n";
    }
    return out;
  }
  void open_read_only() {
    db_.reset();
    Options look = options_;
    look.read_only = true;
    StatusOr<std::unique_ptr<Db>> db = Db::open(directory_, look, {clock_, *read_only_, metrics_});
    ASSERT_TRUE(db.ok()) << db.status();
    db_ = *std::move(db);
  }

  const std::unique_ptr<base::FileSystem> read_only_ = base::make_read_only_fs();
};

TEST_F(VerifyTest, ReadsEverythingAndFindsNoDamageWhereThereIsNone) {
  fill();
  ASSERT_TRUE(db_->delete_series({{}}, base::from_ms(0), base::from_ms(500)).ok());
  std::uint64_t done = 0;
  std::uint64_t total = 1;
  const auto report = db_->verify([&](std::uint64_t d, std::uint64_t t) {
    EXPECT_GE(d, done);
    done = d;
    total = t;
  });
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->damage, std::vector<std::string>());
  EXPECT_EQ(report->runs, 2U);
  EXPECT_EQ(report->series, 200U);
  EXPECT_EQ(report->samples, 4000U);
  EXPECT_LE(done, total);
  EXPECT_GT(done, total / 2);
}

TEST_F(VerifyTest, DamageIsFoundAndNamedAndCostsOnlyItself) {
  fill();
  const std::string whole = query();
  const std::vector<std::filesystem::path> paths = run_files();
  ASSERT_EQ(paths.size(), 2U);
  db_.reset();
  const auto size = static_cast<std::int64_t>(std::filesystem::file_size(paths[0]));
  int found = 0;
  for (const std::int64_t at : {size / 5, size / 3, size / 2, size * 2 / 3}) {
    SCOPED_TRACE(at);
    std::fstream file(paths[0], std::ios::binary | std::ios::in | std::ios::out);
    file.seekg(at);
    const char old = static_cast<char>(file.get());
    file.seekp(at);
    file.put(static_cast<char>(old ^ 0x55));
    file.flush();
    open_read_only();
    const auto report = db_->verify({});
    ASSERT_TRUE(report.ok()) << report.status();
    found += report->damaged != 0 ? 1 : 0;
    EXPECT_LT(query().size(), whole.size() + 1);
    EXPECT_NE(query(200'000, 300'000), "") << "the rest is there";
    file.seekp(at);
    file.put(old);
  }
  EXPECT_GE(found, 3);
  open_read_only();
  EXPECT_EQ(db_->verify({})->damaged, 0U);
}

TEST_F(VerifyTest, LookingChangesNothingAndSeesEverything) {
  fill();
  const std::string content = query();
  db_.reset();
  // As a crash leaves it: the journal ends in half a record.
  const std::string segment =
      directory_ + "/journal/" + base::real_file_system().list(directory_ + "/journal")->back();
  std::ofstream(segment, std::ios::binary | std::ios::app) << "half";
  const std::string before = state();
  open_read_only();
  EXPECT_EQ(query(), content);
  ASSERT_TRUE(db_->verify({}).ok());
  EXPECT_EQ(db_->runs().size(), 2U);
  EXPECT_FALSE(append(labels("new"), 1, 1).ok());
  EXPECT_EQ(db_->seal_all().code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(db_->snapshot(false).status().code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(db_->clean_tombstones().code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(db_->delete_series({{}}, model::kMinTime, model::kMaxTime).code(),
            StatusCode::kFailedPrecondition);
  db_.reset();
  EXPECT_EQ(state(), before);
  open();
  EXPECT_EQ(query(), content);
}

TEST_F(VerifyTest, AnOpenDatabaseIsNotLookedAt) {
  fill();
  Options look = options_;
  look.read_only = true;
  base::Registry metrics;
  const auto second = Db::open(directory_, look, {clock_, *read_only_, metrics});
  EXPECT_EQ(second.status().code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(message(second.status()),
            fmt::format("lock {}/lock: held by another process (pid {})", directory_, ::getpid()));
  db_.reset();
  const auto first = Db::open(directory_, look, {clock_, *read_only_, metrics});
  ASSERT_TRUE(first.ok());
  open();  // while somebody looks
  const auto nothing = Db::open(directory_ + "/nothing", look, {clock_, *read_only_, metrics});
  EXPECT_FALSE(nothing.ok());
  EXPECT_FALSE(std::filesystem::exists(directory_ + "/nothing"));
}

}  // namespace
}  // namespace tocsin::tsdb
