// SPDX-License-Identifier: Apache-2.0
#include "exporters/app/logs/tail/file_tail.h"

#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/testing/mem_fs.h"
#include "exporters/app/testing/temp_folder.h"

namespace tocsin::exporters::app {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class FileTailTest : public ::testing::Test {
 protected:
  void open(FileTail::Options options = {}) {
    if (options.globs.empty()) options.globs = {folder_.file("*.log*")};
    tail_.emplace(std::move(options), *disk_);
  }
  // The lines that one poll hands out.
  std::vector<std::string> poll() {
    std::vector<std::string> out;
    has_more_ = tail_->poll(now_, [&](std::span<const std::string_view> lines) {
      out.insert(out.end(), lines.begin(), lines.end());
    });
    return out;
  }

  testing::TempFolder folder_;
  std::unique_ptr<base::FileSystem> disk_ = base::testing::make_mem_fs();
  std::optional<FileTail> tail_;
  base::SteadyTime now_{std::chrono::hours(1)};
  bool has_more_ = false;
};

TEST_F(FileTailTest, BeginsAtTheEndOfWhatIsThereAndAtTheBeginningOfWhatComes) {
  folder_.append("a.log", "old 1\nold 2\n");
  open();
  EXPECT_THAT(poll(), IsEmpty());
  folder_.append("a.log", "new 1\r\nnew 2\n");
  folder_.append("b.log", "first\n");
  EXPECT_THAT(poll(), ElementsAre("new 1", "new 2", "first"));
  EXPECT_THAT(poll(), IsEmpty());
  EXPECT_EQ(tail_->stats().files, 2U);
  EXPECT_EQ(tail_->stats().lines, 3U);
}

TEST_F(FileTailTest, HalfALineWaitsForTheRest) {
  open();
  EXPECT_THAT(poll(), IsEmpty());
  folder_.append("a.log", "one\nhal");
  EXPECT_THAT(poll(), ElementsAre("one"));
  folder_.append("a.log", "f");
  EXPECT_THAT(poll(), IsEmpty());
  folder_.append("a.log", " done\n");
  EXPECT_THAT(poll(), ElementsAre("half done"));
}

TEST_F(FileTailTest, ALineThatHadBegunBeforeTheStartIsLeftOut) {
  folder_.append("a.log", "old\nbegun ");
  open();
  EXPECT_THAT(poll(), IsEmpty());
  folder_.append("a.log", "ended\nnew\n");
  EXPECT_THAT(poll(), ElementsAre("new"));
}

TEST_F(FileTailTest, ARenamedFileIsReadToItsEndBesideItsSuccessor) {
  folder_.append("a.log", "");
  open({.globs = {folder_.file("a.log")}});
  EXPECT_THAT(poll(), IsEmpty());
  folder_.append("a.log", "1\n");
  folder_.rename("a.log", "a.log.1");
  folder_.append("a.log.1", "2\n");
  EXPECT_THAT(poll(), ElementsAre("1", "2"));
  // The program has not reopened yet: it still writes to the old one.
  folder_.append("a.log", "4\n");
  folder_.append("a.log.1", "3\n");
  EXPECT_THAT(poll(), ::testing::UnorderedElementsAre("3", "4"));
  EXPECT_EQ(tail_->stats().files, 2U);
  // Its time counts from the first poll in which it has no name.
  now_ += std::chrono::seconds(11);
  EXPECT_THAT(poll(), IsEmpty());
  EXPECT_EQ(tail_->stats().files, 1U);
  folder_.append("a.log", "5\n");
  EXPECT_THAT(poll(), ElementsAre("5"));
}

TEST_F(FileTailTest, ARenamedFileThatThePatternStillNamesIsNotReadTwice) {
  open();
  EXPECT_THAT(poll(), IsEmpty());
  folder_.append("a.log", "1\n");
  EXPECT_THAT(poll(), ElementsAre("1"));
  folder_.rename("a.log", "a.log.1");
  folder_.append("a.log", "2\n");
  EXPECT_THAT(poll(), ElementsAre("2"));
  now_ += std::chrono::hours(1);
  EXPECT_THAT(poll(), IsEmpty());
  EXPECT_EQ(tail_->stats().files, 2U);
}

TEST_F(FileTailTest, WhatLogrotateHasPackedIsNoLog) {
  open();
  EXPECT_THAT(poll(), IsEmpty());
  folder_.append("a.log.1.gz", "1\n");
  EXPECT_THAT(poll(), IsEmpty());
  EXPECT_EQ(tail_->stats().files, 0U);
}

TEST_F(FileTailTest, ATruncatedFileIsReadFromItsBeginning) {
  folder_.append("a.log", "a long line that was there before\n");
  open();
  EXPECT_THAT(poll(), IsEmpty());
  folder_.truncate("a.log");
  folder_.append("a.log", "new\n");
  EXPECT_THAT(poll(), ElementsAre("new"));
  EXPECT_EQ(tail_->stats().truncations, 1U);
  // Longer than before, when somebody looks again.
  folder_.truncate("a.log");
  folder_.append("a.log", "other\nand more of it than there was\n");
  EXPECT_THAT(poll(), ElementsAre("other", "and more of it than there was"));
  EXPECT_EQ(tail_->stats().truncations, 2U);
}

TEST_F(FileTailTest, AFolderMayVanishAndComeBack) {
  std::filesystem::create_directory(folder_.file("logs"));
  folder_.append("logs/a.log", "old\n");
  open({.globs = {folder_.file("logs/*.log")}});
  EXPECT_THAT(poll(), IsEmpty());
  folder_.append("logs/a.log", "last\nwithout end");
  folder_.remove("logs");
  EXPECT_THAT(poll(), ElementsAre("last"));
  now_ += std::chrono::seconds(11);
  // Nobody will end this line.
  EXPECT_THAT(poll(), ElementsAre("without end"));
  EXPECT_EQ(tail_->stats().files, 0U);
  std::filesystem::create_directory(folder_.file("logs"));
  folder_.append("logs/a.log", "again\n");
  EXPECT_THAT(poll(), ElementsAre("again"));
}

TEST_F(FileTailTest, ALongLineIsCutAndTheNextOneIsWhole) {
  open({.globs = {folder_.file("a.log")}, .max_line = 100});
  EXPECT_THAT(poll(), IsEmpty());
  folder_.append("a.log", std::string(300, 'x') + "\nshort\n");
  EXPECT_THAT(poll(), ElementsAre(std::string(100, 'x'), "short"));
  // Longer than the buffer, in pieces.
  folder_.append("a.log", std::string(200'000, 'y'));
  EXPECT_THAT(poll(), ElementsAre(std::string(100, 'y')));
  folder_.append("a.log", std::string(50, 'y'));
  EXPECT_THAT(poll(), IsEmpty());
  folder_.append("a.log", "y\nnext\n");
  EXPECT_THAT(poll(), ElementsAre("next"));
  EXPECT_EQ(tail_->stats().lines_cut, 2U);
}

TEST_F(FileTailTest, APollReadsNoMoreThanItShouldAndStarvesNoFile) {
  open({.globs = {folder_.file("*.log")}, .bytes_per_poll = 1});
  EXPECT_THAT(poll(), IsEmpty());
  std::string much;
  for (int i = 0; i < 40'000; ++i) much += "busy line\n";
  folder_.append("a.log", much);
  folder_.append("b.log", "calm\n");
  std::vector<std::string> lines = poll();
  EXPECT_TRUE(has_more_);
  EXPECT_LT(lines.size(), 40'000U);
  while (has_more_) {
    const std::vector<std::string> more = poll();
    lines.insert(lines.end(), more.begin(), more.end());
  }
  EXPECT_EQ(lines.size(), 40'001U);
  const auto calm = std::find(lines.begin(), lines.end(), "calm");
  EXPECT_LT(calm - lines.begin(), 30'000);
}

TEST_F(FileTailTest, WhatCannotBeFollowedIsCounted) {
  ASSERT_EQ(::mkfifo(folder_.file("pipe.log").c_str(), 0600), 0);
  std::filesystem::create_directory(folder_.file("folder.log"));
  open({.globs = {folder_.file("*.log")}, .max_files = 1});
  EXPECT_THAT(poll(), IsEmpty());
  EXPECT_EQ(tail_->stats().unreadable, 1U);
  folder_.append("a.log", "a\n");
  folder_.append("b.log", "b\n");
  EXPECT_THAT(poll(), ElementsAre("a"));
  EXPECT_EQ(tail_->stats().unreadable, 2U);
}

TEST_F(FileTailTest, GoesOnWhereItWasAfterARestart) {
  const FileTail::Options options{.globs = {folder_.file("*.log")}, .positions_file = "/positions"};
  folder_.append("a.log", "old\n");
  open(options);
  EXPECT_THAT(poll(), IsEmpty());
  folder_.append("a.log", "1\nhalf");
  folder_.append("b.log", "2\n");
  EXPECT_THAT(poll(), ElementsAre("1", "2"));
  ASSERT_TRUE(tail_->save().ok());
  tail_.reset();
  folder_.append("a.log", " line\n");
  folder_.rename("b.log", "c.log");
  folder_.append("b.log", "new b\n");
  folder_.append("c.log", "3\n");
  folder_.append("unknown.log", "from before\n");
  open(options);
  EXPECT_THAT(poll(), ::testing::UnorderedElementsAre("half line", "new b", "3"));
}

TEST_F(FileTailTest, PositionsOfAnotherFileUnderTheSameInodeAreNotUsed) {
  const FileTail::Options options{.globs = {folder_.file("*.log")}, .positions_file = "/positions"};
  open(options);
  EXPECT_THAT(poll(), IsEmpty());
  folder_.append("a.log", "first\n");
  EXPECT_THAT(poll(), ElementsAre("first"));
  ASSERT_TRUE(tail_->save().ok());
  tail_.reset();
  folder_.truncate("a.log");
  folder_.append("a.log", "other\nand more\n");
  open(options);
  EXPECT_THAT(poll(), ElementsAre("other", "and more"));
}

TEST_F(FileTailTest, BrokenPositionsAreNoPositions) {
  ASSERT_TRUE(base::write_file_atomically(*disk_, "/positions", "nonsense").ok());
  folder_.append("a.log", "old\n");
  open({.globs = {folder_.file("*.log")}, .positions_file = "/positions"});
  EXPECT_THAT(poll(), IsEmpty());
  folder_.append("a.log", "new\n");
  EXPECT_THAT(poll(), ElementsAre("new"));
}

TEST(Positions, ReadBackWhatWasWritten) {
  const Positions positions = {
      {{1, 2}, {"/var/log/with space.log", 1ULL << 40, FileHead::of("abc")}},
      {{3, UINT64_MAX}, {"/b", 0, {}}}};
  EXPECT_EQ(*parse_positions(print_positions(positions)), positions);
  std::string text = print_positions(positions);
  for (std::size_t size = 0; size < text.size(); ++size) {
    const StatusOr<Positions> read = parse_positions(text.substr(0, size));
    EXPECT_TRUE(!read.ok() || read->size() < 2) << size;
  }
  EXPECT_FALSE(parse_positions("tocsin log positions 1\n1 2 3 999 4 /x\n").ok());
  EXPECT_FALSE(parse_positions("tocsin log positions 1\n1 2 -3 4 4 /x\n").ok());
}

// Whatever happens between polls, each line is handed out once, in the order of its file.
TEST_F(FileTailTest, NoLineIsLostOrTwice) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE(fmt::format("seed {}", seed));
  std::mt19937 random(seed);
  open({.globs = {folder_.file("*.log")}, .bytes_per_poll = 500});
  EXPECT_THAT(poll(), IsEmpty());
  std::vector<std::string> expected, got;
  int number = 0;
  bool open_line = false, is_known = false;
  for (int i = 0; i < 600; ++i) {
    switch (random() % 8) {
      case 0: {
        if (open_line) break;
        // Read before: what rotates by copying is lost by nature.
        do {
          const auto lines = poll();
          got.insert(got.end(), lines.begin(), lines.end());
        } while (has_more_);
        if (std::filesystem::exists(folder_.file("a.log"))) folder_.truncate("a.log");
        break;
      }
      case 1:
        // A file that came and went between two polls is lost by nature, too.
        if (!open_line && is_known) {
          folder_.rename("a.log", fmt::format("a.old{}", i));
          now_ += std::chrono::seconds(random() % 20);
        }
        [[fallthrough]];
      case 2: {
        const auto lines = poll();
        got.insert(got.end(), lines.begin(), lines.end());
        is_known = std::filesystem::exists(folder_.file("a.log"));
        break;
      }
      case 3:
        if (!open_line) expected.push_back(fmt::format("line {} half", number++));
        folder_.append("a.log", open_line ? " half\n" : fmt::format("line {}", number - 1));
        open_line = !open_line;
        break;
      default:
        if (open_line) break;
        expected.push_back(fmt::format("line {}", number++));
        folder_.append("a.log", expected.back() + "\n");
    }
  }
  if (open_line) folder_.append("a.log", " half\n");
  do {
    const auto lines = poll();
    got.insert(got.end(), lines.begin(), lines.end());
  } while (has_more_);
  std::sort(expected.begin(), expected.end());
  std::sort(got.begin(), got.end());
  EXPECT_EQ(got, expected);
}

}  // namespace
}  // namespace tocsin::exporters::app
