// SPDX-License-Identifier: Apache-2.0
//
// Collectors of programs that watch over a machine: runit, supervisord, an NTP server.
//
// Functions.
#pragma once

#include "exporters/node/node.h"

namespace tocsin::exporters {

Status collect_runit(const Node& node, Families* out);
StatusOr<Collect> make_ntp(const Node& node);
StatusOr<Collect> make_supervisord(const Node& node);

}  // namespace tocsin::exporters
