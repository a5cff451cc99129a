// SPDX-License-Identifier: Apache-2.0
//
// Alert: what a rule (or a client of the API) hands to the notifier. A value.
#pragma once

#include <string>
#include <vector>

#include "model/labels.h"
#include "model/timestamp.h"

namespace tocsin::model {

// The empty time: "not given" (Go's zero time). Printed as 0001-01-01T00:00:00Z.
inline constexpr Timestamp kNoTime = Timestamp::min();

struct Alert {
  Labels labels;  // identity; alertname among them
  Labels annotations;
  Timestamp starts_at = kNoTime;
  Timestamp ends_at = kNoTime;  // kNoTime or in the future: firing
  Timestamp updated_at = kNoTime;
  std::string generator_url;
  bool timeout = false;  // ends_at was filled in from resolve_timeout

  bool resolved_at(Timestamp now) const { return ends_at != kNoTime && ends_at <= now; }
  std::uint64_t fingerprint() const { return labels.fingerprint(); }
};

}  // namespace tocsin::model
