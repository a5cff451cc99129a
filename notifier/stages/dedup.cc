// SPDX-License-Identifier: Apache-2.0
#include "notifier/stages/dedup.h"

#include <algorithm>
#include <string>

#include "base/hash.h"

namespace tocsin::notifier {
namespace {

bool is_subset(const std::vector<std::uint64_t>& part, const std::vector<std::uint64_t>& whole) {
  return std::includes(whole.begin(), whole.end(), part.begin(), part.end());
}

}  // namespace

std::uint64_t alert_hash(const model::Labels& labels) {
  std::string bytes;
  for (const model::LabelView& label : labels) {
    bytes.append(label.name).push_back('\xff');
    bytes.append(label.value).push_back('\xff');
  }
  return base::xxhash64(bytes);
}

std::string_view notification_reason(const DedupInput& input) {
  constexpr std::string_view kFirst = "first notification";
  if (input.last == nullptr) return input.firing.empty() ? "" : kFirst;
  const NotificationEntry& last = *input.last;
  if (!is_subset(input.firing, last.firing)) {
    return last.firing.empty() ? kFirst : "new alerts added";
  }
  // Also for those who do not send it: the log must say that nothing fires any more.
  if (input.firing.empty()) return last.firing.empty() ? "" : "all alerts resolved";
  if (input.send_resolved && !is_subset(input.resolved, last.resolved)) {
    return "some alerts resolved";
  }
  // The entry has the time of its flush, so the first tick a whole interval later repeats.
  return input.now - last.time >= input.repeat_interval ? "repeat interval elapsed" : "";
}

}  // namespace tocsin::notifier
