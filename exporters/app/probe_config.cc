// SPDX-License-Identifier: Apache-2.0
#include "exporters/app/probe_config.h"

#include <algorithm>

#include "exporters/common/host_patterns.h"

namespace tocsin::exporters::app {

const ProbeModule* ProbeConfig::find(std::string_view name) const {
  const auto found = modules.find(name);
  return found == modules.end() ? nullptr : &found->second;
}

bool ProbeConfig::allows(const std::string& host, std::uint16_t port) const {
  return !allowed || matches_host_pattern(*allowed, host, fmt::format("{}", port));
}

std::string ProbeConfig::identity(std::string_view name) const {
  const ProbeModule* module = find(name);
  return module == nullptr ? "" : fingerprint(module->node);
}

StatusOr<std::shared_ptr<const ProbeConfig>> read_probe_config(const base::YamlNode& root,
                                                               base::YamlMapping& file,
                                                               std::string_view directory,
                                                               base::FileSystem& files) {
  auto config = std::make_shared<ProbeConfig>();
  TlsClients clients(files);
  file.with("modules", [&](const base::YamlNode& node) -> Status {
    if (!node.is_mapping() && !node.is_null()) {
      return node.error("expected a mapping of names to modules");
    }
    for (const auto& [name, module] : node.entries()) {
      ASSIGN_OR_RETURN(config->modules[name], parse_probe_module(module, directory, clients));
    }
    return ok();
  });
  file.with("probe_targets_allow", [&](const base::YamlNode& node) -> Status {
    ASSIGN_OR_RETURN(config->allowed, node.as_string_list());
    for (const std::string& pattern : *config->allowed) {
      if (!is_host_pattern(pattern)) {
        return node.error(fmt::format("not a host or a network: {:?}", pattern));
      }
    }
    return ok();
  });
  const bool is_blackbox =
      std::all_of(root.entries().begin(), root.entries().end(),
                  [](const auto& entry) { return entry.first == "modules"; }) &&
      !root.entries().empty();
  if (is_blackbox) config->allowed = std::nullopt;
  return config;
}

}  // namespace tocsin::exporters::app
