// SPDX-License-Identifier: Apache-2.0
//
// The collector systemd: units by state, timers, sockets and services, asked over D-Bus.
//
// Functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "exporters/node/node.h"

namespace tocsin::exporters {

struct SystemdUnit {
  std::string name, load_state, active_state, path;
};

// The answer to ListUnits: an array of (ssssssouso). kDataLoss when it is cut.
StatusOr<std::vector<SystemdUnit>> parse_units(std::string_view body);

// "252.17-1~deb12u1" -> 252.17
double systemd_version_number(std::string_view version);

StatusOr<Collect> make_systemd(const Node& node);

}  // namespace tocsin::exporters
