// SPDX-License-Identifier: Apache-2.0
//
// AuthConfig: the file of --config.file: which servers /probe may ask, and with which user.
//
//   probe_targets: ['10.0.0.0/8', 'db-*.example.com:5432', '/run/postgresql']    # ours
//   auth_modules:
//     reader: {type: userpass, userpass: {username: u, password: p}, options: {sslmode: require}}
//
// A value.
// Errors: kInvalidArgument with file:line:column; no password is in a message.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/file_system.h"
#include "base/status.h"
#include "exporters/postgres/conninfo.h"

namespace tocsin::exporters::postgres {

struct AuthModule {
  std::string username, password;
  std::vector<std::pair<std::string, std::string>> options;  // as in a data source
};

struct AuthConfig {
  // A network "10.0.0.0/8", or a host with * for any characters, alone or with ":port".
  std::vector<std::string> probe_targets;
  std::map<std::string, AuthModule, std::less<>> modules;

  // `files` holds the password_file of a module.
  static StatusOr<AuthConfig> parse(std::string_view text, std::string_view file,
                                    base::FileSystem& files);

  // Whether every host of `info` may be probed.
  bool allows(const Conninfo& info) const;
};

// The data source of a request to /probe: `target` as upstream reads it, with what the module says.
// Only a place, a database and sslmode can come from outside. The user's own password file and
// PGPASSWORD are not for servers that somebody else names: without a module a server that asks for a
// password refuses.
StatusOr<Conninfo> probe_conninfo(std::string_view target, const AuthModule* module);

}  // namespace tocsin::exporters::postgres
