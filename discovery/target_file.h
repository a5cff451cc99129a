// SPDX-License-Identifier: Apache-2.0
//
// Reads the JSON or YAML list of target groups that file and HTTP discovery share.
//
// Pure functions.
// Errors: kInvalidArgument with file:line.
#pragma once

#include <string_view>
#include <vector>

#include "base/status.h"
#include "base/yaml.h"
#include "discovery/source.h"

namespace tocsin::discovery {

// One group: {targets: [...], labels: {...}}; also the form of static_configs. Its source is left
// empty.
StatusOr<TargetGroup> parse_target_group(const base::YamlNode& node);

// `name` ends in .json, .yml or .yaml and is used in errors; each group gets the source
// "NAME:INDEX".
StatusOr<std::vector<TargetGroup>> parse_target_file(std::string_view text, std::string_view name);

}  // namespace tocsin::discovery
