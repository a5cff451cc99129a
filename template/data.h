// SPDX-License-Identifier: Apache-2.0
//
// What notification templates see: alerts, label sets and the group's data, with Alertmanager's
// names and methods. Pure functions that make values.
#pragma once

#include <string>
#include <vector>

#include "model/labels.h"
#include "template/value.h"

namespace tocsin::tmpl {

// A label set: a map with SortedPairs, Remove, Names, Values; absent keys are "" under
// MissingKey::kZero.
Value label_set(const model::Labels& labels);

struct NotificationAlert {
  bool firing = true;
  model::Labels labels;
  model::Labels annotations;
  model::Timestamp starts_at;
  model::Timestamp ends_at;  // model::kNoTime while firing without an end
  std::string generator_url;
  std::string fingerprint;
};

struct NotificationData {
  std::string receiver;  // regex-quoted, as upstream has it
  bool firing = true;
  std::vector<NotificationAlert> alerts;
  std::string notification_reason;
  model::Labels group_labels;
  model::Labels common_labels;
  model::Labels common_annotations;
  model::Labels route_labels;
  std::string external_url;
};
// A struct whose JSON is the webhook's, without version, groupKey and truncatedAlerts.
Value notification_data(const NotificationData& data);

}  // namespace tocsin::tmpl
