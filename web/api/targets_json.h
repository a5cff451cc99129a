// SPDX-License-Identifier: Apache-2.0
//
// JSON of /api/v1/targets. Pure functions.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"
#include "collector/collector.h"

namespace tocsin::web {

// `state`: active, dropped, "" or any; another shows none. `pool` "" means all. Local host names in URLs become the host of
// `external_url`.
void write_targets(const collector::TargetsSnapshot& targets, std::string_view state,
                   std::string_view pool, const std::string& external_url, base::JsonWriter& json);
std::string_view health_text(collector::Health health);  // up, down, unknown

}  // namespace tocsin::web
