// SPDX-License-Identifier: Apache-2.0
#include "notifier/integration.h"

#include <algorithm>

namespace tocsin::notifier {

bool Notification::firing() const {
  return std::any_of(alerts.begin(), alerts.end(),
                     [this](const model::Alert& alert) { return !alert.resolved_at(now); });
}

std::string_view reason_text(FailureReason reason) {
  switch (reason) {
    case FailureReason::kClientError:
      return "clientError";
    case FailureReason::kServerError:
      return "serverError";
    case FailureReason::kAuthError:
      return "authError";
    case FailureReason::kRateLimited:
      return "rateLimited";
    case FailureReason::kContextCanceled:
      return "contextCanceled";
    case FailureReason::kContextDeadlineExceeded:
      return "contextDeadlineExceeded";
    case FailureReason::kNone:
    case FailureReason::kOther:
      return "other";
  }
  return "other";
}

}  // namespace tocsin::notifier
