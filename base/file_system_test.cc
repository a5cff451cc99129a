// SPDX-License-Identifier: Apache-2.0
#include "base/file_system.h"

#include <stdlib.h>
#include <unistd.h>

#include <filesystem>

#include <gtest/gtest.h>

#include "base/testing/mem_fs.h"

namespace tocsin::base {
namespace {

using Names = std::vector<std::string>;

// The same expectations hold for the operating system's files and those in memory.
class FileSystemTest : public ::testing::TestWithParam<bool> {
 protected:
  FileSystemTest() {
    if (GetParam()) {
      std::string name = ::testing::TempDir() + "files.XXXXXX";
      EXPECT_NE(::mkdtemp(name.data()), nullptr);
      directory_ = name;
      return;
    }
    memory_ = testing::make_mem_fs([] { return from_ms(1234); });
    directory_ = "/data";
    EXPECT_TRUE(memory_->create_directories(directory_).ok());
  }
  ~FileSystemTest() override { EXPECT_TRUE(files().remove_recursively(directory_).ok()); }

  FileSystem& files() { return memory_ != nullptr ? *memory_ : real_file_system(); }
  std::string path(std::string_view name) const { return join_path(directory_, name); }
  std::string content(std::string_view name) {
    StatusOr<std::string> text = files().read_file(path(name), 1 << 20);
    return text.ok() ? *text : std::string(message(text.status()));
  }
  std::unique_ptr<WritableFile> open(std::string_view name, FileSystem::OpenMode mode) {
    auto file = files().open_writable(path(name), mode);
    EXPECT_TRUE(file.ok()) << file.status();
    return file.ok() ? *std::move(file) : nullptr;
  }
  void write(std::string_view name, std::string_view text) {
    EXPECT_TRUE(open(name, FileSystem::OpenMode::kTruncate)->append(text).ok());
  }

  std::unique_ptr<FileSystem> memory_;
  std::string directory_;
};

INSTANTIATE_TEST_SUITE_P(Each, FileSystemTest, ::testing::Bool(),
                         [](const auto& test) { return test.param ? "Real" : "Memory"; });

TEST_P(FileSystemTest, AppendsPartsInOrder) {
  const auto file = open("f", FileSystem::OpenMode::kTruncate);
  const std::array<std::string_view, 4> parts = {"ab", "", "c", "def"};
  EXPECT_TRUE(file->append_parts(parts).ok());
  EXPECT_TRUE(file->append("!").ok());
  EXPECT_TRUE(file->sync().ok());
  EXPECT_EQ(file->size(), 7U);
  EXPECT_EQ(content("f"), "abcdef!");
}

TEST_P(FileSystemTest, WritesMorePartsThanOneSystemCallTakes) {
  const std::string text = "0123456789";
  const std::vector<std::string_view> parts(5000, text);
  const auto file = open("f", FileSystem::OpenMode::kTruncate);
  EXPECT_TRUE(file->append_parts(parts).ok());
  EXPECT_EQ(content("f").size(), 50'000U);
}

TEST_P(FileSystemTest, AppendModeContinuesAndTruncateModeEmpties) {
  write("f", "one");
  EXPECT_TRUE(open("f", FileSystem::OpenMode::kAppend)->append("two").ok());
  EXPECT_EQ(content("f"), "onetwo");
  write("f", "three");
  EXPECT_EQ(content("f"), "three");
}

TEST_P(FileSystemTest, TheNextAppendGoesWhereTruncateCut) {
  const auto file = open("f", FileSystem::OpenMode::kTruncate);
  EXPECT_TRUE(file->append("abcdef").ok());
  EXPECT_TRUE(file->truncate(2).ok());
  EXPECT_TRUE(file->append("XY").ok());
  EXPECT_EQ(file->size(), 4U);
  EXPECT_EQ(content("f"), "abXY");
}

TEST_P(FileSystemTest, ReadsAtOffsets) {
  write("f", "0123456789");
  const auto file = files().open_random(path("f"));
  ASSERT_TRUE(file.ok());
  EXPECT_EQ((*file)->size(), 10U);
  std::array<char, 8> scratch{};
  EXPECT_EQ(*(*file)->read(2, 3, scratch.data()), "234");
  EXPECT_EQ(*(*file)->read(8, 8, scratch.data()), "89");
  EXPECT_EQ(*(*file)->read(100, 8, scratch.data()), "");
}

TEST_P(FileSystemTest, ReadFileRefusesWhatIsTooLarge) {
  write("f", "0123456789");
  EXPECT_TRUE(files().read_file(path("f"), 10).ok());
  const auto large = files().read_file(path("f"), 9);
  EXPECT_EQ(large.status().code(), StatusCode::kResourceExhausted);
}

TEST_P(FileSystemTest, AbsentFilesAreNotFoundAndNamed) {
  const Status status = files().open_random(path("absent")).status();
  EXPECT_EQ(status.code(), StatusCode::kNotFound);
  EXPECT_NE(message(status).find(path("absent")), std::string_view::npos) << status;
  EXPECT_EQ(files().read_file(path("absent"), 1).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(files().info(path("absent")).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(files().list(path("absent")).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(files().rename(path("absent"), path("x")).code(), StatusCode::kNotFound);
  EXPECT_TRUE(files().remove(path("absent")).ok());
  EXPECT_TRUE(files().remove_recursively(path("absent")).ok());
}

TEST_P(FileSystemTest, ListsSortedNames) {
  write("b", "");
  write("a", "");
  EXPECT_TRUE(files().create_directories(path("c/d")).ok());
  EXPECT_TRUE(files().create_directories(path("c/d")).ok());
  write("c/d/deep", "");
  EXPECT_EQ(*files().list(directory_), (Names{"a", "b", "c"}));
  EXPECT_EQ(*files().list(path("c")), Names{"d"});
}

TEST_P(FileSystemTest, InfoTellsFilesFromDirectories) {
  write("f", "123");
  const auto file = files().info(path("f"));
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(file->size, 3U);
  EXPECT_FALSE(file->is_directory);
  EXPECT_GT(to_ms(file->modified), 0);
  EXPECT_TRUE(files().info(directory_)->is_directory);
}

TEST_P(FileSystemTest, RenameReplacesAndTakesDirectoriesAlong) {
  write("a", "new");
  write("b", "old");
  EXPECT_TRUE(files().rename(path("a"), path("b")).ok());
  EXPECT_EQ(content("b"), "new");
  EXPECT_EQ(*files().list(directory_), Names{"b"});
  EXPECT_TRUE(files().create_directories(path("d/inner")).ok());
  write("d/f", "x");
  EXPECT_TRUE(files().rename(path("d"), path("e")).ok());
  EXPECT_EQ(*files().list(directory_), (Names{"b", "e"}));
  EXPECT_EQ(*files().list(path("e")), (Names{"f", "inner"}));
}

TEST_P(FileSystemTest, AnOpenFileFollowsItsRename) {
  const auto file = open("a", FileSystem::OpenMode::kTruncate);
  EXPECT_TRUE(files().rename(path("a"), path("b")).ok());
  EXPECT_TRUE(file->append("later").ok());
  EXPECT_EQ(content("b"), "later");
}

TEST_P(FileSystemTest, RemoveKeepsDirectoriesThatAreNotEmpty) {
  EXPECT_TRUE(files().create_directories(path("d")).ok());
  write("d/f", "");
  EXPECT_FALSE(files().remove(path("d")).ok());
  EXPECT_TRUE(files().remove_recursively(path("d")).ok());
  EXPECT_EQ(*files().list(directory_), Names{});
}

TEST_P(FileSystemTest, AFileInTheWayOfADirectoryIsAnError) {
  write("f", "");
  EXPECT_FALSE(files().create_directories(path("f/sub")).ok());
}

TEST_P(FileSystemTest, ALockIsHeldOnce) {
  auto first = files().lock(path("lock"));
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(files().lock(path("lock")).status().code(), StatusCode::kFailedPrecondition);
  first->reset();
  EXPECT_TRUE(files().lock(path("lock")).ok());
}

TEST(RealFileSystemTest, WhoHoldsALockIsNamedAndAStaleFileIsNoLock) {
  std::string directory = (std::filesystem::temp_directory_path() / "tocsin_lock_XXXXXX").string();
  ASSERT_NE(::mkdtemp(directory.data()), nullptr);
  const std::string path = directory + "/lock";
  FileSystem& real = real_file_system();
  ASSERT_TRUE(write_file_atomically(real, path, "4711\n").ok());
  auto held = real.lock(path);
  ASSERT_TRUE(held.ok()) << "nobody holds what a dead process left";
  EXPECT_EQ(message(real.lock(path).status()),
            fmt::format("lock {}: held by another process (pid {})", path, ::getpid()));
  held->reset();
  EXPECT_TRUE(real.lock(path).ok());
  std::filesystem::remove_all(directory);
}

TEST_P(FileSystemTest, WriteFileAtomicallyLeavesNoTemporary) {
  EXPECT_TRUE(write_file_atomically(files(), path("f"), "one").ok());
  EXPECT_TRUE(write_file_atomically(files(), path("f"), "two").ok());
  EXPECT_EQ(content("f"), "two");
  EXPECT_EQ(*files().list(directory_), Names{"f"});
}

TEST_P(FileSystemTest, KnowsTheFreeSpaceAndSyncsDirectories) {
  EXPECT_GT(*files().free_bytes(directory_), 0U);
  EXPECT_GE(*files().total_bytes(directory_), *files().free_bytes(directory_));
  EXPECT_TRUE(files().sync_directory(directory_).ok());
}

TEST(RealFileSystem, RemoveRecursivelyDoesNotFollowLinks) {
  std::string root = ::testing::TempDir() + "links.XXXXXX";
  ASSERT_NE(::mkdtemp(root.data()), nullptr);
  FileSystem& files = real_file_system();
  ASSERT_TRUE(files.create_directories(root + "/keep").ok());
  ASSERT_TRUE(write_file_atomically(files, root + "/keep/f", "x").ok());
  ASSERT_TRUE(files.create_directories(root + "/gone").ok());
  ASSERT_EQ(::symlink((root + "/keep").c_str(), (root + "/gone/link").c_str()), 0);
  EXPECT_TRUE(files.remove_recursively(root + "/gone").ok());
  EXPECT_EQ(*files.list(root), Names{"keep"});
  EXPECT_EQ(*files.list(root + "/keep"), Names{"f"});
  EXPECT_TRUE(files.remove_recursively(root).ok());
}

TEST(RealFileSystem, AFullDiskIsResourceExhausted) {
  const auto file = real_file_system().open_writable("/dev/full", FileSystem::OpenMode::kAppend);
  if (!file.ok()) GTEST_SKIP() << "no /dev/full here";
  EXPECT_EQ((*file)->append("x").code(), StatusCode::kResourceExhausted);
}

TEST(Paths, Join) {
  const auto check = [](std::string_view directory, std::string_view name, std::string_view want) {
    EXPECT_EQ(join_path(directory, name), want);
  };
  check("a", "b", "a/b");
  check("a/", "b", "a/b");
  check("/", "b", "/b");
  check("a", "/b", "/b");
  check("", "b", "b");
  check("a", "", "a");
}

}  // namespace
}  // namespace tocsin::base
