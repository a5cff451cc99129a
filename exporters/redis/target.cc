// SPDX-License-Identifier: Apache-2.0
#include "exporters/redis/target.h"

#include <algorithm>

#include "base/json.h"
#include "net/http.h"

namespace tocsin::exporters {
namespace {

constexpr std::size_t kJsonDepth = 4;

}  // namespace

StatusOr<RedisTarget> RedisTarget::parse(std::string_view text) {
  const bool has_scheme = text.find("://") != std::string_view::npos;
  const std::string whole = has_scheme ? std::string(text) : fmt::format("redis://{}", text);
  RedisTarget target;
  if (whole.starts_with("unix://")) {
    target.unix_path = whole.substr(7);
    if (!target.unix_path.starts_with('/')) return invalid_argument("unix:// needs a path");
    return target;
  }
  StatusOr<net::Url> url = net::Url::parse(whole);
  // The reason could quote a part of the password.
  if (!url.ok()) return invalid_argument("invalid address of a server");
  target.tls = url->scheme == "rediss" || url->scheme == "valkeys";
  if (!target.tls && url->scheme != "redis" && url->scheme != "valkey" && url->scheme != "tcp") {
    return invalid_argument("unknown scheme {:?} in the address of a server", url->scheme);
  }
  target.host = url->host.empty() ? "localhost" : url->host;
  if (url->port != 0) target.port = url->port;
  const std::size_t colon = std::min(url->user.find(':'), url->user.size());
  target.user = url->user.substr(0, colon);
  if (colon < url->user.size()) target.password = url->user.substr(colon + 1);
  const std::string path = url->path.substr(std::min<std::size_t>(url->path.size(), 1));
  if (path.find_first_not_of("0123456789") != std::string::npos || path.size() > 9) {
    return invalid_argument("invalid database {:?} in the address of a server", path);
  }
  target.database = path;
  return target;
}

std::string RedisTarget::address() const {
  if (!unix_path.empty()) return unix_path;
  const bool is_ip6 = host.find(':') != std::string::npos;
  return is_ip6 ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
}

std::string RedisTarget::key() const {
  if (!unix_path.empty()) return "unix://" + unix_path;
  return fmt::format("{}://{}{}{}", tls ? "rediss" : "redis", user, user.empty() ? "" : "@",
                     address());
}

StatusOr<Passwords> Passwords::parse(std::string_view json) {
  ASSIGN_OR_RETURN(const base::JsonValue document, base::parse_json(json, kJsonDepth));
  if (!document.is(base::JsonValue::Kind::kObject)) {
    return invalid_argument("expected an object of addresses and passwords");
  }
  Passwords passwords;
  for (const auto& [address, password] : document.entries()) {
    if (!password.is(base::JsonValue::Kind::kString)) {
      return invalid_argument("the password of {:?} is no text", address);
    }
    ASSIGN_OR_RETURN(const RedisTarget target, RedisTarget::parse(address));
    passwords.by_key_[target.key()] = password.string();
  }
  return passwords;
}

std::string_view Passwords::find(const RedisTarget& target) const {
  const auto it = by_key_.find(target.key());
  return it == by_key_.end() ? std::string_view() : std::string_view(it->second);
}

bool Passwords::has(const RedisTarget& target) const {
  return by_key_.find(target.key()) != by_key_.end();
}

}  // namespace tocsin::exporters
