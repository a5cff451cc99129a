// SPDX-License-Identifier: Apache-2.0
//
// NotificationLog: what each integration was last told about each group, so that it is not told
// twice, also after a restart.
//
// Owns: its log file.
// Borrows: FileSystem.
// Threads: confined to the dispatch lane, or to its owner while the lane does not run.
// Errors: open() fails on a log that it cannot read. A record that cannot be written is kept in
// memory and written at the next maintenance; record() reports it.
// Read next:
// docs/formats/notifier.md, notification_log_test.cc.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/file_system.h"
#include "base/record_log.h"

namespace tocsin::notifier {

// Names one integration of one receiver for one group.
struct NotificationKey {
  std::string group_key;
  std::string receiver;
  std::string integration;  // "slack"
  std::uint32_t index = 0;  // among the receiver's integrations of that kind
  std::string to_string() const;
};

struct NotificationEntry {
  NotificationKey key;
  base::Timestamp time;  // of the flush
  base::Timestamp expires_at;
  std::vector<std::uint64_t> firing;    // hashes of alerts, sorted
  std::vector<std::uint64_t> resolved;  // as well
};

class NotificationLog {
 public:
  static StatusOr<std::unique_ptr<NotificationLog>> open(base::FileSystem& files, std::string path);

  // Null when nothing is known. An entry counts until maintenance drops it, as upstream has it:
  // with a repeat interval far below the group interval it would otherwise expire between two
  // ticks. Valid until the next change.
  const NotificationEntry* find(const NotificationKey& key) const;
  Status record(NotificationEntry entry);

  // Drops expired entries and compacts the log.
  Status maintain(base::Timestamp now);
  Status sync();
  std::size_t size() const { return entries_.size(); }
  std::uint64_t log_bytes() const { return log_->size_bytes(); }

 private:
  NotificationLog() = default;
  Status rewrite();

  std::unique_ptr<base::RecordLog> log_;
  bool must_rewrite_ = false;  // an entry is in memory only
  std::unordered_map<std::string, NotificationEntry> entries_;
};

}  // namespace tocsin::notifier
