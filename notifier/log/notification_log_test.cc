// SPDX-License-Identifier: Apache-2.0
#include "notifier/log/notification_log.h"

#include <gtest/gtest.h>

#include "base/testing/mem_fs.h"

namespace tocsin::notifier {
namespace {

using base::testing::FaultFs;

constexpr base::Timestamp at(int seconds) { return base::from_ms(1'000'000'000 + seconds * 1000); }

NotificationKey key(std::uint32_t index) {
  return {"{}/{a=\"b\"}:{c=\"\xF0\x9F\x99\x82\"}", "team/x", "slack", index};
}

NotificationEntry entry(std::uint32_t index, int time, int expires,
                        std::vector<std::uint64_t> firing) {
  return {key(index), at(time), at(expires), std::move(firing), {0xFFFF'FFFF'FFFF'FFFFULL}};
}

std::unique_ptr<NotificationLog> open(base::FileSystem& files) {
  auto log = NotificationLog::open(files, "nflog");
  EXPECT_TRUE(log.ok()) << message(log.status());
  return *std::move(log);
}

TEST(NotificationLog, KeepsTheLastEntryOfEachIntegrationAcrossARestart) {
  auto files = base::testing::make_mem_fs();
  auto log = open(*files);
  ASSERT_TRUE(log->record(entry(0, 1, 100, {1})).ok());
  ASSERT_TRUE(log->record(entry(0, 2, 100, {1, 0x8000'0000'0000'0000ULL})).ok());
  ASSERT_TRUE(log->record(entry(1, 3, 50, {})).ok());
  for (int round = 0; round < 2; ++round) {
    const NotificationEntry* found = log->find(key(0));
    ASSERT_NE(found, nullptr);
    EXPECT_EQ(found->time, at(2));
    EXPECT_EQ(found->firing, (std::vector<std::uint64_t>{1, 0x8000'0000'0000'0000ULL}));
    EXPECT_EQ(found->resolved, (std::vector<std::uint64_t>{0xFFFF'FFFF'FFFF'FFFFULL}));
    EXPECT_NE(log->find(key(1)), nullptr);
    EXPECT_EQ(log->find(key(2)), nullptr);
    log = open(*files);
  }
}

TEST(NotificationLog, MaintenanceDropsExpiredEntriesAndShrinksTheFile) {
  auto files = base::testing::make_mem_fs();
  auto log = open(*files);
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(log->record(entry(0, i, 100, {1})).ok());
  ASSERT_TRUE(log->record(entry(1, 1, 60, {1})).ok());
  const std::uint64_t grown = log->log_bytes();
  ASSERT_TRUE(log->maintain(at(60)).ok());
  EXPECT_EQ(log->size(), 1U);
  EXPECT_LT(log->log_bytes(), grown / 20);
  EXPECT_EQ(open(*files)->size(), 1U);
}

TEST(NotificationLog, AnAcknowledgedEntrySurvivesAFaultAnywhere) {
  for (FaultFs::Fault fault : {FaultFs::Fault::kError, FaultFs::Fault::kTornWrite}) {
    bool failed = true;
    for (std::uint64_t n = 1; failed; ++n) {
      ASSERT_LT(n, 100U);
      auto inner = base::testing::make_mem_fs();
      FaultFs files(*inner);
      files.fail_at(n, fault, false);
      failed = false;
      int acknowledged = -1;
      if (auto log = NotificationLog::open(files, "nflog"); log.ok()) {
        for (int i = 0; i < 5; ++i) {
          const bool written = (*log)->record(entry(0, i, 100, {})).ok();
          if (written) acknowledged = i;
          if (i == 3) failed = !(*log)->maintain(at(1)).ok() || failed;
          failed = failed || !written;
          EXPECT_EQ((*log)->find(key(0))->time, at(i)) << "memory is right in any case";
        }
      } else {
        failed = true;
      }
      failed = failed || files.operations() >= n;  // a repaired fault is one, too
      files.clear();
      auto reopened = open(files);
      const NotificationEntry* found = reopened->find(key(0));
      ASSERT_EQ(found != nullptr, acknowledged >= 0) << "n=" << n;
      if (found != nullptr) {
        EXPECT_GE(found->time, at(acknowledged)) << "n=" << n;
      }
    }
  }
}

}  // namespace
}  // namespace tocsin::notifier
