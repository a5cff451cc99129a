// SPDX-License-Identifier: Apache-2.0
//
// The notification log: any record in a sound log file is read or refused.
#include "notifier/log/notification_log.h"

#include "base/check.h"
#include "base/testing/fuzz.h"
#include "base/testing/mem_fs.h"

namespace tocsin::notifier {
namespace {

void fuzz(std::string_view bytes) {
  const std::unique_ptr<base::FileSystem> files = base::testing::make_mem_fs();
  {
    const auto none = [](std::uint8_t, std::string_view) { return ok(); };
    const auto log = base::RecordLog::open(*files, "/log", none);
    CHECK(log.ok());
    const std::uint8_t type = bytes.empty() || bytes.front() != '!' ? 1 : 2;
    CHECK((*log)->append(type, bytes).ok());
  }
  const auto log = NotificationLog::open(*files, "/log");
  if (!log.ok()) return;
  const std::size_t entries = (*log)->size();
  CHECK((*log)->maintain(base::Timestamp::min()).ok());
  CHECK((*log)->size() == entries);
}

}  // namespace

TOCSIN_FUZZ_TARGET(notification_log, fuzz)

}  // namespace tocsin::notifier
