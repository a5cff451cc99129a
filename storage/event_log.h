// SPDX-License-Identifier: Apache-2.0
//
// EventLog: what happened to alerts and notifications, for people: transitions, attempts, acks,
// silences.
//
// Threads: shared. record() does not block on I/O and never fails: when its bounded queue is full
// the oldest event is dropped and counted.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "model/labels.h"
#include "model/timestamp.h"

namespace tocsin::storage {

enum class EventKind : std::uint8_t {
  kAlertPending = 1,
  kAlertFiring = 2,
  kAlertResolved = 3,
  kNotificationSent = 4,
  kNotificationFailed = 5,
  kSilenceCreated = 6,
  kSilenceExpired = 7,
  kAlertSuppressed = 8
};

struct Event {
  model::Timestamp time;
  EventKind kind;
  model::Labels labels;  // of the alert, group or silence
  std::string text;      // one line for people
  std::vector<std::pair<std::string, std::string>> details;
};

class EventLog {
 public:
  virtual ~EventLog() = default;
  virtual void record(Event event) = 0;
  // Newest first, events in [mint, maxt], at most `limit`.
  virtual StatusOr<std::vector<Event>> recent(model::Timestamp mint, model::Timestamp maxt,
                                              std::size_t limit) const = 0;
};

}  // namespace tocsin::storage
