// SPDX-License-Identifier: Apache-2.0
#include "notifier/silence.h"

namespace tocsin::notifier {

SilenceState Silence::state_at(model::Timestamp now) const {
  if (now < starts_at) return SilenceState::kPending;
  return now > ends_at ? SilenceState::kExpired : SilenceState::kActive;
}

}  // namespace tocsin::notifier
