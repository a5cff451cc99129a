// SPDX-License-Identifier: Apache-2.0
//
// ProbeConfig: the modules of the probes, and which targets /probe may ask.
//
// A value; shared, read-only.
// Errors: kInvalidArgument with file:line:column, kUnimplemented.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_system.h"
#include "base/status.h"
#include "base/yaml.h"
#include "exporters/app/probe/module.h"

namespace tocsin::exporters::app {

struct ProbeConfig {
  std::map<std::string, ProbeModule, std::less<>> modules;
  // Patterns of exporters/common/host_patterns.h; nothing: /probe may ask every target, as
  // blackbox_exporter does.
  std::optional<std::vector<std::string>> allowed = std::vector<std::string>();

  const ProbeModule* find(std::string_view name) const;
  bool allows(const std::string& host, std::uint16_t port) const;
  // All that the module `name` says; "" when there is none.
  std::string identity(std::string_view name) const;
};

// Takes the keys `modules` and `probe_targets_allow` of `file`, whose whole is `root`. A file that has
// nothing but modules is one of blackbox_exporter and allows every target.
StatusOr<std::shared_ptr<const ProbeConfig>> read_probe_config(const base::YamlNode& root,
                                                               base::YamlMapping& file,
                                                               std::string_view directory,
                                                               base::FileSystem& files);

}  // namespace tocsin::exporters::app
