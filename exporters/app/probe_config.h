// SPDX-License-Identifier: Apache-2.0
//
// ProbeConfig: the modules of the probes, and which targets /probe may ask.
//
// A value; shared, read-only.
// Errors: kInvalidArgument with file:line:column, kUnimplemented.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/file_system.h"
#include "base/status.h"
#include "base/yaml.h"

namespace tocsin::exporters::app {

struct ProbeConfig {
  // All that the module `name` says; "" when there is none.
  std::string identity(std::string_view /*name*/) const { return ""; }
};

// Takes the keys `modules` and `probe_targets_allow` of the file.
StatusOr<std::shared_ptr<const ProbeConfig>> read_probe_config(base::YamlMapping& file,
                                                               std::string_view directory,
                                                               base::FileSystem& files);

}  // namespace tocsin::exporters::app
