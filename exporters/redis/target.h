// SPDX-License-Identifier: Apache-2.0
//
// RedisTarget: which server to ask, from an address as upstream takes it: redis://, rediss:// (TLS),
// valkey://, valkeys://, unix:// or host:port; and Passwords, the file of passwords by address.
//
// Values. Errors: kInvalidArgument without the password in its text.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/status.h"

namespace tocsin::exporters {

struct RedisTarget {
  bool tls = false;
  std::string unix_path;  // "" for TCP
  std::string host;
  std::uint16_t port = 6379;
  std::string user, password;  // of the address
  std::string database;        // number in the path of the address; "" for none

  static StatusOr<RedisTarget> parse(std::string_view text);

  // host:port, brackets for IPv6; or the path of the socket.
  std::string address() const;
  // The same for every way to write one address and user: "redis://user@host:6379".
  std::string key() const;
};

// The passwords of a JSON file: {"redis://user@host:port": "password", ...}.
class Passwords {
 public:
  static StatusOr<Passwords> parse(std::string_view json);

  // "" when there is none for this address and user.
  std::string_view find(const RedisTarget& target) const;
  bool has(const RedisTarget& target) const;
  std::size_t size() const { return by_key_.size(); }

 private:
  std::map<std::string, std::string> by_key_;
};

}  // namespace tocsin::exporters
