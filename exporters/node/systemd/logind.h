// SPDX-License-Identifier: Apache-2.0
//
// The collector logind: sessions by seat, place, type and class, asked over D-Bus.
//
// Functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "exporters/node/node.h"

namespace tocsin::exporters {

struct LogindSession {
  std::string seat, path;
};

// The answer to ListSessions: an array of (susso). kDataLoss when it is cut.
StatusOr<std::vector<LogindSession>> parse_sessions(std::string_view body);

// The names in the answer to ListSeats: an array of (so). kDataLoss when it is cut.
StatusOr<std::vector<std::string>> parse_seats(std::string_view body);

Status collect_logind(const Node& node, Families* out);

}  // namespace tocsin::exporters
