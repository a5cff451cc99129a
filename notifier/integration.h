// SPDX-License-Identifier: Apache-2.0
//
// Integration: a way to reach people (plug-in point): Slack, email, webhook.
//
// Threads: shared; notify() must not block and may be called again before an earlier call completed
// (for another group). The callback runs exactly once, on any thread, and must not block.
// Errors:
// in the NotifyResult; texts never hold secrets or secret URLs.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "base/time.h"
#include "model/alert.h"
#include "model/labels.h"

namespace tocsin::notifier {

// What one notification is about.
struct Notification {
  std::string group_key;  // byte-equal to upstream's
  std::string receiver;
  model::Labels group_labels;
  std::vector<model::Alert> alerts;  // firing ones have ends_at == kNoTime
  std::string reason;                // why it is sent: "first notification", ...
  base::Timestamp now;
  base::SteadyTime deadline;
  bool firing() const;  // any alert fires
};

// Why an attempt failed, as upstream's `reason` label.
enum class FailureReason {
  kNone,
  kOther,
  kClientError,
  kServerError,
  kAuthError,
  kRateLimited,
  kContextCanceled,
  kContextDeadlineExceeded
};
std::string_view reason_text(FailureReason reason);  // "clientError" ...

struct NotifyResult {
  Status status;       // OK: delivered
  bool retry = false;  // worth another attempt before the deadline
  FailureReason reason = FailureReason::kNone;
};

class Integration {
 public:
  using Callback = std::function<void(NotifyResult)>;
  virtual ~Integration() = default;
  virtual std::string_view kind() const = 0;  // "slack", "email", "webhook"
  virtual bool send_resolved() const = 0;
  virtual void notify(const Notification& notification, Callback callback) = 0;
};

}  // namespace tocsin::notifier
