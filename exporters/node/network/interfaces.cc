// SPDX-License-Identifier: Apache-2.0
//
// Interfaces in /sys/class/net: netclass, unless it asks by netlink, and bonding.
#include "exporters/node/network/netclass.h"
#include "exporters/node/network/network.h"

namespace tocsin::exporters {
namespace {

constexpr base::MetricType kCounter = base::MetricType::kCounter;
constexpr base::MetricType kGauge = base::MetricType::kGauge;

constexpr struct {
  std::string_view file;
  std::string_view name;
  base::MetricType type;
} kProperties[] = {
    {"addr_assign_type", "address_assign_type", kGauge},
    {"carrier", "carrier", kGauge},
    {"carrier_changes", "carrier_changes_total", kCounter},
    {"carrier_up_count", "carrier_up_changes_total", kCounter},
    {"carrier_down_count", "carrier_down_changes_total", kCounter},
    {"dev_id", "device_id", kGauge},
    {"dormant", "dormant", kGauge},
    {"flags", "flags", kGauge},
    {"ifindex", "iface_id", kGauge},
    {"iflink", "iface_link", kGauge},
    {"link_mode", "iface_link_mode", kGauge},
    {"mtu", "mtu_bytes", kGauge},
    {"name_assign_type", "name_assign_type", kGauge},
    {"netdev_group", "net_dev_group", kGauge},
    {"tx_queue_len", "transmit_queue_length", kGauge},
    {"type", "protocol_type", kGauge},
};

void show_interface(const Node& node, const std::string& device, Families* out) {
  const std::string directory = node.sys("/class/net/" + device);
  const std::string state = node.try_text(directory + "/operstate").value_or("");
  show_whether_device_is_up(device, state == "up", out);
  std::optional<double> flags;
  for (const auto& property : kProperties) {
    const std::optional<double> value = node.number(fmt::format("{}/{}", directory, property.file));
    if (property.file == "flags") flags = value;
    if (value) show_device_property({device, property.name, property.type}, *value, out);
  }
  const bool is_administrated_up = flags && (static_cast<std::uint64_t>(*flags) & 1) != 0;
  const auto text = [&](std::string_view name) {
    return node.try_text(fmt::format("{}/{}", directory, name)).value_or("");
  };
  out->gauge("node_network_info",
             "Non-numeric data from /sys/class/net/<iface>, value is always 1.",
             {{"address", text("address")},
              {"adminstate", !flags                ? "unknown"
                             : is_administrated_up ? "up"
                                                   : "down"},
              {"broadcast", text("broadcast")},
              {"device", device},
              {"duplex", text("duplex")},
              {"ifalias", text("ifalias")},
              {"operstate", state}},
             1);
  const std::optional<double> speed = node.number(directory + "/speed");
  if (!speed || (*speed < 0 && node.options.netclass_ignore_invalid_speed)) return;
  show_device_property({device, "speed_bytes"}, *speed * kBytesOfMegabit, out);
}

}  // namespace

void show_device_property(const DeviceProperty& property, double value, Families* out) {
  out->add({fmt::format("node_network_{}", property.name),
            fmt::format("Network device property: {}", property.name), property.type},
           label_pairs({{"device", property.device}}), value);
}

void show_whether_device_is_up(std::string_view device, bool is_up, Families* out) {
  out->gauge("node_network_up", "Value is 1 if operstate is 'up', 0 otherwise.",
             {{"device", device}}, is_up ? 1 : 0);
}

StatusOr<Collect> make_netclass(const Node& node) {
  ASSIGN_OR_RETURN(Filter filter, Filter::make({.exclude = node.options.netclass_ignored}));
  return Collect([node, names = NameSet(std::move(filter))](Families* out) mutable -> Status {
    if (node.options.netclass_netlink) return collect_netclass_by_netlink(node, &names, out);
    const std::string directory = node.sys("/class/net");
    const StatusOr<std::vector<std::string>> devices = node.services.files.list(directory);
    if (!devices.ok()) return no_data_if_missing(devices.status());
    for (const std::string& device : *devices) {
      // bonding_masters is a file.
      if (!names.keeps(device) || device == "bonding_masters") continue;
      show_interface(node, device, out);
    }
    return ok();
  });
}

Status collect_bonding(const Node& node, Families* out) {
  const std::optional<std::string> masters = node.try_text(node.sys("/class/net/bonding_masters"));
  if (!masters) return no_data("bonding_masters does not exist");
  for (const std::string_view master : fields_of(*masters)) {
    const std::string directory = node.sys(fmt::format("/class/net/{}", master));
    double slaves = 0, active = 0;
    const std::string names = node.try_text(directory + "/bonding/slaves").value_or("");
    for (const std::string_view slave : fields_of(names)) {
      slaves += 1;
      // Older kernels say slave_, newer ones lower_.
      std::optional<std::string> state =
          node.try_text(fmt::format("{}/lower_{}/bonding_slave/mii_status", directory, slave));
      if (!state) {
        state =
            node.try_text(fmt::format("{}/slave_{}/bonding_slave/mii_status", directory, slave));
      }
      if (state == "up") active += 1;
    }
    out->gauge("node_bonding_slaves", "Number of configured slaves per bonding interface.",
               {{"master", master}}, slaves);
    out->gauge("node_bonding_active", "Number of active slaves per bonding interface.",
               {{"master", master}}, active);
  }
  return ok();
}

}  // namespace tocsin::exporters
