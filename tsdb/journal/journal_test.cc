// SPDX-License-Identifier: Apache-2.0
#include "tsdb/journal/journal.h"

#include <set>

#include <gtest/gtest.h>

#include "base/record_log.h"
#include "base/testing/fake_clock.h"
#include "base/testing/mem_fs.h"
#include "tsdb/journal/segment.h"

namespace tocsin::tsdb {
namespace {

using base::testing::FaultFs;

class JournalTest : public ::testing::Test {
 protected:
  StatusOr<std::unique_ptr<Journal>> open() {
    JournalReplay replay;
    RETURN_IF_ERROR(replay_journal(files_, "/j", {}, [](auto, auto) { return ok(); }, &replay));
    return Journal::open(files_, clock_, {"/j", segment_bytes_, replay.next_segment, replay.bytes});
  }
  std::vector<std::string> read(JournalPosition from = {}) {
    std::vector<std::string> records;
    replay_ = {};
    const Status status = replay_journal(
        files_, "/j", from,
        [&](std::uint8_t type, std::string_view payload) {
          records.push_back(fmt::format("{}:{}", type, payload));
          return ok();
        },
        &replay_);
    EXPECT_TRUE(status.ok()) << status;
    return records;
  }
  static Status append(Journal& journal, std::vector<std::string> payloads) {
    ASSIGN_OR_RETURN([[maybe_unused]] const std::uint64_t segment, journal.segment_for_append());
    return journal.append(1, payloads);
  }

  std::unique_ptr<base::FileSystem> memory_ = base::testing::make_mem_fs();
  FaultFs files_{*memory_};
  base::testing::FakeClock clock_;
  std::uint64_t segment_bytes_ = 1000;
  JournalReplay replay_;
};

using Lines = std::vector<std::string>;

TEST_F(JournalTest, RecordsComeBackInOrderOverSegmentsAndStarts) {
  Lines expected;
  for (int start = 0; start < 3; ++start) {
    auto journal = *open();
    for (int i = 0; i < 40; ++i) {
      const std::string payload =
          fmt::format("{}-{}-{}", start, i, std::string(static_cast<std::size_t>(i), 'x'));
      ASSERT_TRUE(append(*journal, {payload, ""}).ok());
      expected.push_back("1:" + payload);
      expected.emplace_back("1:");
    }
  }
  EXPECT_EQ(read(), expected);
  EXPECT_EQ(replay_.torn_segments, 0U);
  EXPECT_GT(replay_.next_segment, 6U);
}

TEST_F(JournalTest, RemovedSegmentsAreGoneAndNumbersNeverReused) {
  auto journal = *open();
  ASSERT_TRUE(append(*journal, {"old"}).ok());
  ASSERT_TRUE(journal->roll().ok());
  const std::uint64_t kept = journal->segment();
  ASSERT_TRUE(append(*journal, {"new"}).ok());
  ASSERT_TRUE(journal->remove_before(kept).ok());
  ASSERT_TRUE(journal->sync().ok());
  EXPECT_EQ(read(), (Lines{"1:new"}));
  EXPECT_EQ(journal->size_bytes(), replay_.bytes);
  EXPECT_EQ(read({kept + 1, 0}), Lines());
  EXPECT_GT(replay_.next_segment, kept + 1);
}

TEST_F(JournalTest, ATornTailIsCutCountedAndReportedOnce) {
  {
    auto journal = *open();
    ASSERT_TRUE(append(*journal, {"whole", "torn"}).ok());
  }
  const std::string path = "/j/" + segment_name(1);
  const std::string bytes = *files_.read_file(path, 10000);
  for (std::size_t cut = 1; cut <= kFrameBytes + 4; ++cut) {
    auto file = *files_.open_writable(path, base::FileSystem::OpenMode::kTruncate);
    ASSERT_TRUE(file->append(std::string_view(bytes).substr(0, bytes.size() - cut)).ok());
    EXPECT_EQ(read(), (Lines{"1:whole"})) << cut;
    EXPECT_EQ(replay_.torn_segments, cut == kFrameBytes + 4 ? 0U : 1U) << cut;
    EXPECT_EQ(read(), (Lines{"1:whole"}));
    EXPECT_EQ(replay_.torn_segments, 0U);
  }
}

TEST_F(JournalTest, AnyFlippedBitEndsTheSegmentThere) {
  {
    auto journal = *open();
    ASSERT_TRUE(append(*journal, {"first", "second"}).ok());
  }
  const std::string path = "/j/" + segment_name(1);
  const std::string bytes = *files_.read_file(path, 10000);
  for (std::size_t i = kSegmentHeaderBytes + kFrameBytes + 5; i < bytes.size(); ++i) {
    std::string bad = bytes;
    bad[i] = static_cast<char>(bad[i] ^ 0x10);
    auto file = *files_.open_writable(path, base::FileSystem::OpenMode::kTruncate);
    ASSERT_TRUE(file->append(bad).ok());
    EXPECT_EQ(read(), (Lines{"1:first"})) << i;
  }
}

TEST_F(JournalTest, ANewerFormatIsRefused) {
  std::string header = segment_header(1, 0).substr(0, kSegmentHeaderBytes - 4);
  header[8] = 9;
  const std::uint32_t crc = base::crc32c(header);
  header.append(reinterpret_cast<const char*>(&crc), sizeof(crc));
  EXPECT_EQ(parse_segment_header(header).status().code(), StatusCode::kFailedPrecondition);
  header[9] = 1;
  EXPECT_EQ(parse_segment_header(header).status().code(), StatusCode::kDataLoss)
      << "checksum first";
  EXPECT_EQ(parse_segment_header("short").status().code(), StatusCode::kDataLoss);
}

// For every n: the n-th operation fails; what append() reported OK is read again, and nothing else.
TEST_F(JournalTest, AcknowledgedRecordsSurviveAnyFailedOperation) {
  for (const auto fault :
       {FaultFs::Fault::kError, FaultFs::Fault::kDiskFull, FaultFs::Fault::kTornWrite}) {
    for (std::uint64_t n = 1; n < 60; ++n) {
      memory_ = base::testing::make_mem_fs();
      FaultFs files(*memory_);
      segment_bytes_ = 120;
      auto opened = Journal::open(files, clock_, {"/j", segment_bytes_, 1, 0});
      ASSERT_TRUE(opened.ok());
      Journal& journal = **opened;
      files.fail_at(n, fault, false);
      std::set<std::string> acknowledged;
      for (int i = 0; i < 12; ++i) {
        const std::string payload = fmt::format("record {}", i);
        if (append(journal, {payload}).ok()) acknowledged.insert("1:" + payload);
        if (i % 3 == 2 && !journal.sync().ok()) static_cast<void>(journal.abandon());
      }
      files.clear();
      ASSERT_GE(acknowledged.size(), 11U);
      std::set<std::string> found;
      JournalReplay replay;
      ASSERT_TRUE(replay_journal(
                      files, "/j", {},
                      [&](auto type, std::string_view payload) {
                        found.insert(fmt::format("{}:{}", type, payload));
                        return ok();
                      },
                      &replay)
                      .ok());
      EXPECT_EQ(found, acknowledged) << n;
    }
  }
}

TEST_F(JournalTest, APowerCutLosesOnlyWhatWasNotSynced) {
  auto journal = *open();
  ASSERT_TRUE(append(*journal, {"a"}).ok());
  ASSERT_TRUE(journal->sync().ok());
  ASSERT_TRUE(append(*journal, {"b"}).ok());
  journal.reset();
  files_.power_cut();
  EXPECT_EQ(read(), (Lines{"1:a"}));
}

TEST_F(JournalTest, AfterAFailedSyncTheDataIsWrittenAgain) {
  auto journal = *open();
  ASSERT_TRUE(append(*journal, {"a"}).ok());
  ASSERT_TRUE(journal->sync().ok());
  ASSERT_TRUE(append(*journal, {"b"}).ok());
  files_.fail_at(1, FaultFs::Fault::kError, false);
  EXPECT_FALSE(journal->sync().ok());
  ASSERT_TRUE(journal->abandon().ok());
  ASSERT_TRUE(append(*journal, {"c"}).ok());
  ASSERT_TRUE(journal->sync().ok());
  journal.reset();
  files_.power_cut();
  const Lines found = read();
  EXPECT_EQ(Lines(found.end() - 2, found.end()), (Lines{"1:b", "1:c"}));
}

TEST_F(JournalTest, WithoutSpaceNothingIsAcknowledgedAndLaterItWorksAgain) {
  auto journal = *open();
  ASSERT_TRUE(append(*journal, {"a"}).ok());
  files_.fail_at(1, FaultFs::Fault::kDiskFull, true);
  EXPECT_EQ(append(*journal, {"b"}).code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(append(*journal, {"c"}).code(), StatusCode::kResourceExhausted);
  files_.clear();
  ASSERT_TRUE(append(*journal, {"d"}).ok());
  EXPECT_EQ(read(), (Lines{"1:a", "1:d"}));
}

}  // namespace
}  // namespace tocsin::tsdb
