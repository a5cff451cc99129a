// SPDX-License-Identifier: Apache-2.0
//
// netclass: properties of network devices, from sysfs (interfaces.cc) or by netlink.
//
// Functions.
#pragma once

#include <string_view>

#include "exporters/node/node.h"

namespace tocsin::exporters {

inline constexpr double kBytesOfMegabit = 1000.0 * 1000 / 8;

struct DeviceProperty {
  std::string_view device;
  std::string_view name;  // as in node_network_NAME
  base::MetricType type = base::MetricType::kGauge;
};
void show_device_property(const DeviceProperty& property, double value, Families* out);
void show_whether_device_is_up(std::string_view device, bool is_up, Families* out);

// Asks for the devices that `names` keeps.
Status collect_netclass_by_netlink(const Node& node, NameSet* names, Families* out);

}  // namespace tocsin::exporters
