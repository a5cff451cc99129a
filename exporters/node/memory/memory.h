// SPDX-License-Identifier: Apache-2.0
//
// Collectors of memory: what the kernel counts by node, zone, slab and page size.
//
// Functions.
#pragma once

#include "exporters/node/node.h"

namespace tocsin::exporters {

StatusOr<Collect> make_vmstat(const Node& node);
StatusOr<Collect> make_slabinfo(const Node& node);
Status collect_ksmd(const Node& node, Families* out);
Status collect_meminfo_numa(const Node& node, Families* out);
Status collect_buddyinfo(const Node& node, Families* out);
Status collect_zoneinfo(const Node& node, Families* out);
Status collect_swap(const Node& node, Families* out);

}  // namespace tocsin::exporters
