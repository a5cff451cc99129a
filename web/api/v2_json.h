// SPDX-License-Identifier: Apache-2.0
//
// JSON of /api/v2: alerts, groups, silences out; alerts and silences in.
//
// Pure functions. Errors of readers: Violation, as the framework of upstream reports them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "notifier/notifier.h"

namespace tocsin::web {

// What is wrong with a body: HTTP 400 for JSON that does not parse, 422 for a missing or ill-formed
// field.
struct Violation {
  int http = 0;  // 0: none
  int code = 0;  // 400, or 601 and above
  std::string text;
};

void write_alert_view(const notifier::AlertView& view, base::JsonWriter& json);
void write_group_view(const notifier::GroupView& view, base::JsonWriter& json);
void write_silence(const notifier::Silence& silence, base::Timestamp now, base::JsonWriter& json);

Violation read_alerts(std::string_view body, std::vector<model::Alert>* out);
Violation read_silence(std::string_view body, notifier::Silence* out);

}  // namespace tocsin::web
