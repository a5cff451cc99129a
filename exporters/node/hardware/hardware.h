// SPDX-License-Identifier: Apache-2.0
//
// Collectors of hardware: sensors, power, errors, buses.
//
// Functions.
#pragma once

#include "exporters/node/node.h"

namespace tocsin::exporters {

Status collect_cpufreq(const Node& node, Families* out);
Status collect_cpu_vulnerabilities(const Node& node, Families* out);
Status collect_dmi(const Node& node, Families* out);
Status collect_drm(const Node& node, Families* out);
Status collect_edac(const Node& node, Families* out);
Status collect_fibrechannel(const Node& node, Families* out);
Status collect_infiniband(const Node& node, Families* out);
Status collect_rapl(const Node& node, Families* out);
Status collect_thermal_zone(const Node& node, Families* out);
Status collect_watchdog(const Node& node, Families* out);
StatusOr<Collect> make_hwmon(const Node& node);
StatusOr<Collect> make_pcidevice(const Node& node);
StatusOr<Collect> make_powersupplyclass(const Node& node);

}  // namespace tocsin::exporters
