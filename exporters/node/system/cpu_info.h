// SPDX-License-Identifier: Apache-2.0
//
// What /proc/cpuinfo says about each CPU, for the collector cpu.
//
// Functions.
#pragma once

#include "exporters/node/node.h"

namespace tocsin::exporters {

// Flags and bugs to show; nothing of a kind without its expression.
struct CpuInfoFilters {
  std::optional<model::Regex> flags;
  std::optional<model::Regex> bugs;

  static StatusOr<CpuInfoFilters> make(const NodeOptions& options);
};

// Appends node_cpu_info, the frequencies, flags and bugs. A file that cannot be read shows nothing.
void show_cpu_info(const Node& node, const CpuInfoFilters& filters,
                   std::vector<base::MetricFamily>* out);

}  // namespace tocsin::exporters
