// SPDX-License-Identifier: Apache-2.0
//
// The decision whether an integration must be told, from what it was told last.
//
// Pure.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "model/labels.h"
#include "notifier/log/notification_log.h"

namespace tocsin::notifier {

// Stored in the notification log, so it never changes: xxHash64 of name 0xff value 0xff, sorted.
std::uint64_t alert_hash(const model::Labels& labels);

struct DedupInput {
  const NotificationEntry* last = nullptr;     // null: nothing known
  const std::vector<std::uint64_t>& firing;    // hashes, sorted
  const std::vector<std::uint64_t>& resolved;  // as well
  bool send_resolved = false;
  base::Duration repeat_interval{};
  base::Timestamp now;
};

// Why to notify: "first notification", "new alerts added", "all alerts resolved", "some alerts
// resolved", "repeat interval elapsed"; "" when there is no reason.
std::string_view notification_reason(const DedupInput& input);

}  // namespace tocsin::notifier
