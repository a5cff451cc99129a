// SPDX-License-Identifier: Apache-2.0
//
// Conninfo: how to reach one database: libpq's keys and values, from a URI, from "key=value ..." or
// from "host:port/database?key=value".
//
// Values.
// Errors: kInvalidArgument; a message never has a password in it.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"

namespace tocsin::exporters::postgres {

using Conninfo = std::vector<std::pair<std::string, std::string>>;

// A data source as DATA_SOURCE_NAME gives it. An empty text is all defaults.
StatusOr<Conninfo> parse_conninfo(std::string_view text);

// "" when it is not there.
std::string_view conninfo_value(const Conninfo& info, std::string_view key);
void set_conninfo(Conninfo* info, std::string_view key, std::string_view value);

// What the exporter sets where nothing else is asked for: its name, UTF-8, no Kerberos encryption
// (looking for it costs memory), and keepalives that notice a host that is gone.
void add_conninfo_defaults(Conninfo* info);

// The text for people: without passwords.
std::string loggable(const Conninfo& info);

// Writes a value so that SQL reads it as a string.
std::string quote_literal(std::string_view text);

// %XX for every byte that a URI cannot hold as it is.
std::string percent_encode(std::string_view text);

}  // namespace tocsin::exporters::postgres
