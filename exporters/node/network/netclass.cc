// SPDX-License-Identifier: Apache-2.0
//
// netclass by netlink: one dump of all links in place of some twenty files for each. Speed and duplex
// come from ethtool's family, and three properties that no message has still come from sysfs; reading
// those does not wait for the kernel's lock of all links.
#include "exporters/node/network/netclass.h"

#include <map>

#include <linux/ethtool.h>
#include <linux/ethtool_netlink.h>
#include <linux/genetlink.h>
#include <linux/if.h>
#include <linux/rtnetlink.h>

#include "exporters/node/network/link_dump.h"
#include "exporters/node/network/netlink.h"
#include "exporters/node/network/wifi.h"

namespace tocsin::exporters {
namespace {

constexpr base::MetricType kCounter = base::MetricType::kCounter;
constexpr base::MetricType kGauge = base::MetricType::kGauge;

using Attributes = std::vector<NetlinkAttribute>;

// Attributes that are shown as they are.
constexpr struct {
  std::uint16_t attribute;
  std::string_view name;
  base::MetricType type;
} kNumbers[] = {
    {IFLA_CARRIER, "carrier", kGauge},
    {IFLA_CARRIER_CHANGES, "carrier_changes_total", kCounter},
    {IFLA_CARRIER_UP_COUNT, "carrier_up_changes_total", kCounter},
    {IFLA_CARRIER_DOWN_COUNT, "carrier_down_changes_total", kCounter},
    {IFLA_LINKMODE, "iface_link_mode", kGauge},
    {IFLA_MTU, "mtu_bytes", kGauge},
    {IFLA_GROUP, "net_dev_group", kGauge},
    {IFLA_TXQLEN, "transmit_queue_length", kGauge},
};

constexpr std::pair<std::string_view, std::string_view> kFiles[] = {
    {"addr_assign_type", "address_assign_type"},
    {"dev_id", "device_id"},
    {"name_assign_type", "name_assign_type"}};

// IF_OPER_...
constexpr std::string_view kOperationalStates[] = {
    "unknown", "notpresent", "down", "lowerlayerdown", "testing", "dormant", "up"};
constexpr std::size_t kUp = 6;

struct LinkMode {
  std::optional<double> megabits;
  std::string duplex;
};
using LinkModes = StringMap<LinkMode>;  // by device

std::string duplex_name(std::uint8_t duplex) {
  switch (duplex) {
    case DUPLEX_HALF:
      return "Half";
    case DUPLEX_FULL:
      return "Full";
    case DUPLEX_UNKNOWN:
      return "Unknown";
    default:
      return fmt::format("Duplex({})", duplex);
  }
}

StatusOr<LinkModes> parse_link_modes(std::string_view dump) {
  ASSIGN_OR_RETURN(const std::vector<NetlinkMessage> messages, parse_netlink(dump));
  LinkModes modes;
  for (const NetlinkMessage& message : messages) {
    const Attributes attributes = netlink_attributes(message.body, sizeof(genlmsghdr));
    const Attributes header =
        netlink_attributes(find_attribute(attributes, ETHTOOL_A_LINKMODES_HEADER));
    const auto device = attribute_text(find_attribute(header, ETHTOOL_A_HEADER_DEV_NAME));
    if (device.empty()) continue;
    LinkMode& mode = modes[std::string(device)];
    const auto megabits = find_number(attributes, ETHTOOL_A_LINKMODES_SPEED);
    if (megabits != static_cast<std::uint32_t>(SPEED_UNKNOWN)) mode.megabits = megabits;
    const auto duplex = find_number(attributes, ETHTOOL_A_LINKMODES_DUPLEX);
    if (duplex) mode.duplex = duplex_name(static_cast<std::uint8_t>(*duplex));
  }
  return modes;
}

// None from a kernel without that family, which came with Linux 5.6.
StatusOr<LinkModes> ask_link_modes(const Node& node) {
  const StatusOr<std::uint16_t> family = find_generic_family(node.services, ETHTOOL_GENL_NAME);
  if (family.status().code() == StatusCode::kNotFound) return LinkModes();
  RETURN_IF_ERROR(family.status());
  // Otherwise each answer has a list of the names of all modes.
  const std::uint32_t flags = ETHTOOL_FLAG_COMPACT_BITSETS;
  const std::string header =
      make_attribute(ETHTOOL_A_LINKMODES_HEADER | NLA_F_NESTED,
                     make_attribute(ETHTOOL_A_HEADER_FLAGS, bytes_of(flags)));
  ASSIGN_OR_RETURN(
      const std::string dump,
      node.services.netlink({.protocol = NETLINK_GENERIC,
                             .type = *family,
                             .body = generic_netlink_body(ETHTOOL_MSG_LINKMODES_GET, header)}));
  return parse_link_modes(dump);
}

// One message RTM_NEWLINK.
struct Link {
  std::string_view body;
  std::string_view device;
  Attributes attributes;
};

void show_texts(const Link& link, const std::string& duplex, Families* out) {
  const auto number = find_number(link.attributes, IFLA_OPERSTATE).value_or(0);
  const auto state = static_cast<std::size_t>(number);
  const bool is_known = state < std::size(kOperationalStates);
  show_whether_device_is_up(link.device, state == kUp, out);
  out->gauge(
      "node_network_info", "Non-numeric data of <iface>, value is always 1.",
      {{"address", hardware_address(find_attribute(link.attributes, IFLA_ADDRESS))},
       {"broadcast", hardware_address(find_attribute(link.attributes, IFLA_BROADCAST))},
       {"device", link.device},
       {"duplex", duplex},
       {"ifalias", to_valid_utf8(attribute_text(find_attribute(link.attributes, IFLA_IFALIAS)))},
       {"operstate", kOperationalStates[is_known ? state : 0]}},
      1);
  for (const auto& [type, payload] :
       netlink_attributes(find_attribute(link.attributes, IFLA_PROP_LIST))) {
    const std::string_view name = attribute_text(payload);
    if (type != IFLA_ALT_IFNAME || name.empty()) continue;
    out->gauge("node_network_altnames_info",
               "Non-numeric data of <iface> altname, value is always 1.",
               {{"altname", to_valid_utf8(name)}, {"device", link.device}}, 1);
  }
}

void show_numbers(const Node& node, const Link& link, Families* out) {
  const auto show = [&](std::string_view name, double value) {
    show_device_property({link.device, name}, value, out);
  };
  const auto header = copy_out<ifinfomsg>(link.body);
  show("flags", header.ifi_flags);
  // sysfs refuses to tell this about a device that is down; it is not dormant then.
  show("dormant", (header.ifi_flags & IFF_DORMANT) != 0 ? 1 : 0);
  show("iface_id", header.ifi_index);
  show("protocol_type", header.ifi_type);
  // The kernel leaves this out for a device that is its own.
  const double lower = find_number(link.attributes, IFLA_LINK).value_or(0);
  show("iface_link", lower > 0 ? lower : header.ifi_index);
  for (const auto& [attribute, name, type] : kNumbers) {
    const std::optional<double> value = find_number(link.attributes, attribute);
    if (value) show_device_property({link.device, name, type}, *value, out);
  }
  for (const auto& [file, name] : kFiles) {
    const std::optional<double> value =
        node.number(node.sys(fmt::format("/class/net/{}/{}", link.device, file)));
    if (value) show(name, *value);
  }
}

void show_counters(const Link& link, Families* out) {
  const std::optional<LinkCounters> counters = parse_link(link.body);
  if (!counters) return;
  for (const LinkCounter& counter : rtnetlink_counters()) {
    show_device_property({link.device, fmt::format("{}_total", counter.name)},
                         counter.get(*counters), out);
  }
}

}  // namespace

Status collect_netclass_by_netlink(const Node& node, NameSet* names, Families* out) {
  ASSIGN_OR_RETURN(const LinkModes modes, ask_link_modes(node));
  ASSIGN_OR_RETURN(const std::string dump, node.services.link_dump());
  ASSIGN_OR_RETURN(const std::vector<NetlinkMessage> messages, parse_netlink(dump));
  for (const NetlinkMessage& message : messages) {
    if (message.type != RTM_NEWLINK) continue;
    Link link{.body = message.body,
              .device = {},
              .attributes = netlink_attributes(message.body, sizeof(ifinfomsg))};
    link.device = attribute_text(find_attribute(link.attributes, IFLA_IFNAME));
    if (link.device.empty() || !names->keeps(link.device)) continue;
    const auto it = modes.find(link.device);
    const LinkMode mode = it == modes.end() ? LinkMode() : it->second;
    if (mode.megabits) {
      show_device_property({link.device, "speed_bytes"}, *mode.megabits * kBytesOfMegabit, out);
    }
    show_texts(link, mode.duplex, out);
    show_numbers(node, link, out);
    if (node.options.netclass_with_stats) show_counters(link, out);
  }
  return ok();
}

}  // namespace tocsin::exporters
