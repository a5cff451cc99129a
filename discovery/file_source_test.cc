// SPDX-License-Identifier: Apache-2.0
#include "discovery/file_source.h"

#include <gtest/gtest.h>

#include "base/testing/fake_clock.h"
#include "base/testing/manual_executor.h"
#include "base/testing/mem_fs.h"

namespace tocsin::discovery {
namespace {

class FileSourceTest : public ::testing::Test {
 protected:
  void write(const std::string& path, std::string_view text) {
    ASSERT_TRUE(base::write_file_atomically(*files_, path, text).ok());
  }

  void start(std::vector<std::string> patterns) {
    source_ =
        std::make_unique<FileSource>(FileOptions{std::move(patterns), std::chrono::minutes(5)},
                                     SourceServices{clock_, clock_, executor_, *files_, registry_});
    source_->start([this](std::vector<TargetGroup> groups) {
      for (TargetGroup& group : groups) groups_[group.source] = std::move(group);
    });
    executor_.run_until_idle();
  }

  void poll() {
    clock_.advance(FileSource::kPollInterval);
    executor_.run_until_idle();
  }

  // Number of targets of a group; -1 when it was never sent.
  int targets(const std::string& source) {
    auto it = groups_.find(source);
    return it == groups_.end() ? -1 : static_cast<int>(it->second.targets.size());
  }

  base::testing::FakeClock clock_;
  base::testing::ManualExecutor executor_;
  std::unique_ptr<base::FileSystem> files_ =
      base::testing::make_mem_fs([this] { return clock_.now(); });
  base::Registry registry_;
  std::map<std::string, TargetGroup> groups_;
  std::unique_ptr<FileSource> source_;
};

TEST_F(FileSourceTest, SendsGroupsOfEveryMatchingFileAtStart) {
  ASSERT_TRUE(files_->create_directories("/sd").ok());
  write("/sd/a.yml", "- targets: [a:1, a:2]\n");
  write("/sd/b.json", R"([{"targets": ["b:1"]}])");
  write("/sd/b.txt", "not ours");
  start({"/sd/*.yml", "/sd/b.json"});
  EXPECT_EQ(targets("/sd/a.yml:0"), 2);
  EXPECT_EQ(targets("/sd/b.json:0"), 1);
  EXPECT_EQ(groups_.size(), 2U);
  EXPECT_EQ(groups_["/sd/a.yml:0"].labels.get("__meta_filepath"), "/sd/a.yml");
}

TEST_F(FileSourceTest, PicksUpChangesNewFilesAndRemovals) {
  ASSERT_TRUE(files_->create_directories("/sd").ok());
  write("/sd/a.yml", "- targets: [a:1]\n- targets: [a:2]\n");
  start({"/sd/*.yml"});
  clock_.advance(base::Duration(1));
  write("/sd/a.yml", "- targets: [a:1, a:2, a:3]\n");
  write("/sd/c.yml", "- targets: [c:1]\n");
  poll();
  EXPECT_EQ(targets("/sd/a.yml:0"), 3);
  EXPECT_EQ(targets("/sd/a.yml:1"), 0) << "a group that is gone is sent empty";
  EXPECT_EQ(targets("/sd/c.yml:0"), 1);
  ASSERT_TRUE(files_->remove("/sd/c.yml").ok());
  poll();
  EXPECT_EQ(targets("/sd/c.yml:0"), 0);
}

TEST_F(FileSourceTest, KeepsTheLastGoodTargetsOfABrokenFile) {
  ASSERT_TRUE(files_->create_directories("/sd").ok());
  write("/sd/a.yml", "- targets: [a:1]\n");
  start({"/sd/a.yml"});
  clock_.advance(base::Duration(1));
  write("/sd/a.yml", "- targets: [a:1\n");
  poll();
  EXPECT_EQ(targets("/sd/a.yml:0"), 1);
  clock_.advance(base::Duration(1));
  write("/sd/a.yml", "- targets: [a:1, a:2]\n");
  poll();
  EXPECT_EQ(targets("/sd/a.yml:0"), 2);
}

TEST_F(FileSourceTest, SendsNothingAfterStop) {
  ASSERT_TRUE(files_->create_directories("/sd").ok());
  write("/sd/a.yml", "- targets: [a:1]\n");
  start({"/sd/a.yml"});
  source_->stop();
  groups_.clear();
  clock_.advance(base::Duration(1));
  write("/sd/a.yml", "- targets: [a:1, a:2]\n");
  poll();
  EXPECT_TRUE(groups_.empty());
}

}  // namespace
}  // namespace tocsin::discovery
