// SPDX-License-Identifier: Apache-2.0
//
// Patterns of hosts that others may name in a request: a network "10.0.0.0/8", or a host with * for
// any characters, alone or with ":port". A network holds addresses only, never a name that leads to
// one: names lead where their owners like.
//
// Pure functions.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace tocsin::exporters {

bool is_host_pattern(std::string_view pattern);

// Whether one of the patterns is for `host` (without brackets) at `port`. The path of a unix socket
// is only matched by itself.
bool matches_host_pattern(std::span<const std::string> patterns, const std::string& host,
                          std::string_view port);

}  // namespace tocsin::exporters
