// SPDX-License-Identifier: Apache-2.0
//
// Silence: a time-bound mute of the alerts that match. A value.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "model/matcher.h"
#include "model/timestamp.h"

namespace tocsin::notifier {

enum class SilenceState { kPending, kActive, kExpired };

struct Silence {
  std::string id;            // UUIDv4
  model::Matchers matchers;  // all must match; Alertmanager's expressions (dot stops at a newline)
  model::Timestamp starts_at;
  model::Timestamp ends_at;
  model::Timestamp updated_at;
  std::string created_by;
  std::string comment;
  std::vector<std::pair<std::string, std::string>> annotations;

  // Active in [starts_at, ends_at], as upstream: expired when now > ends_at.
  SilenceState state_at(model::Timestamp now) const;
};

}  // namespace tocsin::notifier
