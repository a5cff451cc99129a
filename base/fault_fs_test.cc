// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "base/testing/mem_fs.h"

namespace tocsin::base::testing {
namespace {

using Fault = FaultFs::Fault;
using OpenMode = FileSystem::OpenMode;

class FaultFsTest : public ::testing::Test {
 protected:
  std::unique_ptr<WritableFile> open(const std::string& path) {
    auto file = files_.open_writable(path, OpenMode::kAppend);
    EXPECT_TRUE(file.ok());
    return *std::move(file);
  }
  std::string content(const std::string& path) { return *memory_->read_file(path, 1000); }

  const std::unique_ptr<FileSystem> memory_ = make_mem_fs();
  FaultFs files_{*memory_};
};

TEST_F(FaultFsTest, FailsTheChosenOperationOnce) {
  const auto file = open("f");
  files_.fail_at(2, Fault::kError, false);
  EXPECT_TRUE(file->append("a").ok());
  EXPECT_EQ(file->append("b").code(), StatusCode::kUnavailable);
  EXPECT_TRUE(file->append("c").ok());
  EXPECT_EQ(content("f"), "ac");
  EXPECT_EQ(files_.operations(), 4U);
}

TEST_F(FaultFsTest, StickyFaultsLastUntilCleared) {
  files_.fail_at(1, Fault::kDiskFull, true);
  EXPECT_EQ(files_.create_directories("d").code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(files_.rename("a", "b").code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(files_.remove("a").code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(files_.sync_directory(".").code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(files_.remove_recursively("a").code(), StatusCode::kResourceExhausted);
  EXPECT_FALSE(files_.open_writable("f", OpenMode::kAppend).ok());
  files_.clear();
  EXPECT_TRUE(files_.create_directories("d").ok());
}

TEST_F(FaultFsTest, ATornWriteLeavesHalf) {
  const auto file = open("f");
  files_.fail_at(1, Fault::kTornWrite, false);
  const std::array<std::string_view, 2> parts = {"abc", "def"};
  EXPECT_FALSE(file->append_parts(parts).ok());
  EXPECT_EQ(content("f"), "abc");
}

TEST_F(FaultFsTest, APowerCutDropsWhatWasNotSynced) {
  const auto file = open("f");
  EXPECT_TRUE(file->append("kept").ok());
  EXPECT_TRUE(file->sync().ok());
  EXPECT_TRUE(file->append("lost").ok());
  const auto never = open("never");
  EXPECT_TRUE(never->append("x").ok());
  files_.power_cut();
  EXPECT_EQ(content("f"), "kept");
  EXPECT_EQ(content("never"), "");
}

TEST_F(FaultFsTest, APowerCutFollowsRenamesAndTruncation) {
  const auto file = open("d/a");
  EXPECT_TRUE(file->append("0123456789").ok());
  EXPECT_TRUE(file->sync().ok());
  EXPECT_TRUE(file->truncate(4).ok());
  EXPECT_TRUE(file->append("lost").ok());
  EXPECT_TRUE(files_.rename("d", "e").ok());
  files_.power_cut();
  EXPECT_EQ(content("e/a"), "0123");
}

TEST_F(FaultFsTest, WhatWasThereBeforeCountsAsSynced) {
  EXPECT_TRUE((*memory_->open_writable("f", OpenMode::kAppend))->append("old").ok());
  EXPECT_TRUE(open("f")->append("new").ok());
  files_.power_cut();
  EXPECT_EQ(content("f"), "old");
}

TEST_F(FaultFsTest, AFailedSyncKeepsNothing) {
  const auto file = open("f");
  EXPECT_TRUE(file->append("x").ok());
  files_.fail_at(1, Fault::kError, false);
  EXPECT_FALSE(file->sync().ok());
  files_.power_cut();
  EXPECT_EQ(content("f"), "");
}

TEST_F(FaultFsTest, WriteFileAtomicallyKeepsOldOrNewAtEveryFault) {
  for (std::uint64_t n = 1; n < 20; ++n) {
    ASSERT_TRUE(write_file_atomically(files_, "f", "old").ok());
    files_.fail_at(n, Fault::kTornWrite, false);
    const Status status = write_file_atomically(files_, "f", "new");
    files_.clear();
    files_.power_cut();
    const std::string now = content("f");
    EXPECT_TRUE(status.ok() ? now == "new" : now == "old" || now == "new") << n << " " << now;
  }
}

}  // namespace
}  // namespace tocsin::base::testing
