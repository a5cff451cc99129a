// SPDX-License-Identifier: Apache-2.0
//
// The path of a push, as Pushgateway has it: job/<job>{/<label>/<value>}; a name that ends with
// "@base64" has its value in URL-safe base64, so that it may be empty or hold a "/".
//
// A pure function. Errors: kInvalidArgument.
#pragma once

#include <span>
#include <string>

#include "base/status.h"
#include "exporters/common/families.h"

namespace tocsin::exporters::app {

// The grouping key of the decoded segments: labels sorted by name, `job` among them; no value is
// empty.
StatusOr<LabelPairs> read_push_path(std::span<const std::string> segments);

}  // namespace tocsin::exporters::app
