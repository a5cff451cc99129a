// SPDX-License-Identifier: Apache-2.0
#include "exporters/postgres/auth_config.h"

#include <algorithm>
#include <array>

#include "base/yaml.h"
#include "exporters/common/host_patterns.h"

namespace tocsin::exporters::postgres {
namespace {

constexpr std::uint64_t kMaxPasswordFile = 64 << 10;

std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t comma = text.find(',');
    parts.push_back(text.substr(0, comma));
    if (comma == std::string_view::npos) return parts;
    text.remove_prefix(comma + 1);
  }
}

Status read_module(const base::YamlNode& node, base::FileSystem& files, AuthModule* module) {
  base::YamlMapping mapping(node);
  std::string type;
  mapping.string("type", &type);
  mapping.with("userpass", [&](const base::YamlNode& user) -> Status {
    base::YamlMapping fields(user);
    std::string file;
    fields.string("username", &module->username);
    fields.string("password", &module->password);
    fields.string("password_file", &file);
    RETURN_IF_ERROR(fields.finish());
    if (file.empty()) return ok();
    StatusOr<std::string> text = files.read_file(file, kMaxPasswordFile);
    if (!text.ok()) return user.error(message(text.status()));
    while (!text->empty() && (text->back() == '\n' || text->back() == '\r')) text->pop_back();
    module->password = *std::move(text);
    return ok();
  });
  mapping.string_pairs("options", &module->options);
  RETURN_IF_ERROR(mapping.finish());
  if (type != "userpass") return node.error("type must be userpass");
  return ok();
}

}  // namespace

StatusOr<AuthConfig> AuthConfig::parse(std::string_view text, std::string_view file,
                                       base::FileSystem& files) {
  ASSIGN_OR_RETURN(const base::YamlNode root, base::parse_yaml(text, file));
  AuthConfig config;
  base::YamlMapping mapping(root);
  mapping.with("probe_targets", [&](const base::YamlNode& node) -> Status {
    ASSIGN_OR_RETURN(config.probe_targets, node.as_string_list());
    for (const std::string& pattern : config.probe_targets) {
      if (!is_host_pattern(pattern)) {
        return node.error(fmt::format("not a host or a network: {:?}", pattern));
      }
    }
    return ok();
  });
  mapping.with("auth_modules", [&](const base::YamlNode& node) -> Status {
    if (!node.is_mapping()) return node.error("expected a mapping of names to modules");
    for (const auto& [name, module] : node.entries()) {
      RETURN_IF_ERROR(read_module(module, files, &config.modules[name]));
    }
    return ok();
  });
  RETURN_IF_ERROR(mapping.finish());
  return config;
}

bool AuthConfig::allows(const Conninfo& info) const {
  const std::vector<std::string_view> hosts = split(conninfo_value(info, "host"));
  const std::vector<std::string_view> ports = split(conninfo_value(info, "port"));
  for (std::size_t i = 0; i < hosts.size(); ++i) {
    std::string_view port = ports[std::min(i, ports.size() - 1)];
    if (port.empty()) port = "5432";
    if (hosts[i].empty() || !matches_host_pattern(probe_targets, std::string(hosts[i]), port))
      return false;
  }
  return true;
}

StatusOr<Conninfo> probe_conninfo(std::string_view target, const AuthModule* module) {
  constexpr std::array<std::string_view, 6> kFromOutside = {"host", "port",     "dbname",
                                                            "user", "password", "sslmode"};
  ASSIGN_OR_RETURN(Conninfo info, parse_conninfo(target));
  for (const auto& [key, value] : info) {
    if (std::find(kFromOutside.begin(), kFromOutside.end(), key) == kFromOutside.end()) {
      return invalid_argument("{} cannot be in a target", key);
    }
  }
  if (conninfo_value(info, "host").empty()) return invalid_argument("the target names no host");
  if (module != nullptr) {
    set_conninfo(&info, "user", module->username);
    set_conninfo(&info, "password", module->password);
    for (const auto& [key, value] : module->options) set_conninfo(&info, key, value);
  } else if (conninfo_value(info, "password").empty()) {
    // libpq would look for one in the environment and in a file; this is none.
    set_conninfo(&info, "password", "none");
  }
  add_conninfo_defaults(&info);
  return info;
}

}  // namespace tocsin::exporters::postgres
