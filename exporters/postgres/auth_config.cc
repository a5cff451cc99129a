// SPDX-License-Identifier: Apache-2.0
#include "exporters/postgres/auth_config.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <optional>

#include <arpa/inet.h>

#include "base/yaml.h"

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

// '*' stands for any characters.
bool matches(std::string_view pattern, std::string_view text) {
  std::size_t p = 0, t = 0, star = std::string_view::npos, after = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      after = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++after;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

// An address as bytes, 4 or 16 of them; "" for anything else.
std::string address_bytes(const std::string& text) {
  std::array<char, 16> bytes{};
  if (::inet_pton(AF_INET, text.c_str(), bytes.data()) == 1) return {bytes.data(), 4};
  if (::inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1) return {bytes.data(), 16};
  return "";
}

struct Network {
  std::string bytes;
  std::size_t bits = 0;
};

std::optional<Network> parse_network(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos || slash == 0) return std::nullopt;
  Network network{.bytes = address_bytes(std::string(text.substr(0, slash)))};
  const std::string_view bits = text.substr(slash + 1);
  const auto [stop, error] = std::from_chars(bits.data(), bits.data() + bits.size(), network.bits);
  if (error != std::errc() || stop != bits.data() + bits.size() || network.bytes.empty() ||
      network.bits > network.bytes.size() * 8) {
    return std::nullopt;
  }
  return network;
}

bool contains(const Network& network, const std::string& address) {
  const std::string bytes = address_bytes(address);
  if (bytes.size() != network.bytes.size()) return false;
  for (std::size_t bit = 0; bit < network.bits; ++bit) {
    const int mask = 0x80 >> (bit % 8);
    if (((bytes[bit / 8] ^ network.bytes[bit / 8]) & mask) != 0) return false;
  }
  return true;
}

bool allows_host(const std::vector<std::string>& patterns, const std::string& host,
                 std::string_view port) {
  const bool is_socket = host.starts_with('/') || host.starts_with('@');
  return std::any_of(patterns.begin(), patterns.end(), [&](const std::string& pattern) {
    if (const std::optional<Network> network = parse_network(pattern)) {
      return contains(*network, host);
    }
    // "*" is for hosts; the sockets of this machine are named.
    if (is_socket) return pattern == host;
    return matches(pattern, host) || matches(pattern, fmt::format("{}:{}", host, port)) ||
           matches(pattern, fmt::format("[{}]:{}", host, port));
  });
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
      const bool has_slash = pattern.find('/') != std::string::npos && !pattern.starts_with('/');
      if (pattern.empty() || (has_slash && !parse_network(pattern))) {
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
    if (hosts[i].empty() || !allows_host(probe_targets, std::string(hosts[i]), port)) return false;
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
