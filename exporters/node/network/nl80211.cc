// SPDX-License-Identifier: Apache-2.0
//
// The wireless devices by generic netlink: first the number of the family "nl80211", then dumps of
// interfaces, and for each one of stations and of the networks in its range.
#include <linux/genetlink.h>
#include <linux/nl80211.h>
#include <linux/rtnetlink.h>

#include "exporters/node/network/netlink.h"
#include "exporters/node/network/wifi.h"

namespace tocsin::exporters {
namespace {

using Attributes = std::vector<NetlinkAttribute>;

double number(const Attributes& attributes, std::uint16_t type) {
  return find_number(attributes, type).value_or(0);
}

// The answer to one command; views in `entries` point into `bytes`.
struct Dump {
  std::string bytes;
  std::vector<Attributes> entries;
};

// Fills `out`, which must not move afterwards.
Status ask(const Node& node, std::uint16_t family, std::uint8_t command, std::uint32_t index,
           Dump* out) {
  const std::string attributes =
      index == 0 ? "" : make_attribute(NL80211_ATTR_IFINDEX, bytes_of(index));
  ASSIGN_OR_RETURN(out->bytes,
                   node.services.netlink({.protocol = NETLINK_GENERIC,
                                          .type = family,
                                          .body = generic_netlink_body(command, attributes)}));
  ASSIGN_OR_RETURN(const std::vector<NetlinkMessage> messages, parse_netlink(out->bytes));
  for (const NetlinkMessage& one : messages) {
    out->entries.push_back(netlink_attributes(one.body, sizeof(genlmsghdr)));
  }
  return ok();
}

double bits_per_second(std::string_view nested) {
  const Attributes rate = netlink_attributes(nested);
  double hundreds_of_kilobits = number(rate, NL80211_RATE_INFO_BITRATE32);
  if (hundreds_of_kilobits == 0) hundreds_of_kilobits = number(rate, NL80211_RATE_INFO_BITRATE);
  return hundreds_of_kilobits * 100'000;
}

WifiStation parse_station(const Attributes& attributes) {
  const Attributes info = netlink_attributes(find_attribute(attributes, NL80211_ATTR_STA_INFO));
  WifiStation station;
  station.address = hardware_address(find_attribute(attributes, NL80211_ATTR_MAC));
  station.connected_seconds = number(info, NL80211_STA_INFO_CONNECTED_TIME);
  station.inactive_seconds = number(info, NL80211_STA_INFO_INACTIVE_TIME) / 1000;
  station.receive_bits = bits_per_second(find_attribute(info, NL80211_STA_INFO_RX_BITRATE));
  station.transmit_bits = bits_per_second(find_attribute(info, NL80211_STA_INFO_TX_BITRATE));
  station.receive_bytes = number(info, NL80211_STA_INFO_RX_BYTES64);
  station.transmit_bytes = number(info, NL80211_STA_INFO_TX_BYTES64);
  station.receive_packets = number(info, NL80211_STA_INFO_RX_PACKETS);
  station.transmit_packets = number(info, NL80211_STA_INFO_TX_PACKETS);
  station.signal_dbm = copy_out<std::int8_t>(find_attribute(info, NL80211_STA_INFO_SIGNAL));
  station.retries = number(info, NL80211_STA_INFO_TX_RETRIES);
  station.failed = number(info, NL80211_STA_INFO_TX_FAILED);
  station.beacon_loss = number(info, NL80211_STA_INFO_BEACON_LOSS);
  return station;
}

// The network that the interface is associated with.
void set_network(const Attributes& attributes, WifiInterface* interface) {
  const Attributes bss = netlink_attributes(find_attribute(attributes, NL80211_ATTR_BSS));
  const std::string_view status = find_attribute(bss, NL80211_BSS_STATUS);
  if (status.empty() || copy_out<std::uint32_t>(status) != NL80211_BSS_STATUS_ASSOCIATED) return;
  interface->is_client = true;
  interface->bssid = hardware_address(find_attribute(bss, NL80211_BSS_BSSID));
  // Elements of a beacon: a byte of type, one of length; type 0 is the name.
  std::string_view elements = find_attribute(bss, NL80211_BSS_INFORMATION_ELEMENTS);
  while (elements.size() >= 2) {
    const std::size_t length = static_cast<unsigned char>(elements[1]);
    if (length > elements.size() - 2) return;
    if (elements[0] == 0) interface->ssid = elements.substr(2, length);
    elements.remove_prefix(2 + length);
  }
}

}  // namespace

StatusOr<std::vector<WifiInterface>> ask_nl80211(const Node& node) {
  const StatusOr<std::uint16_t> family = find_generic_family(node.services, "nl80211");
  if (!family.ok()) return not_found("wifi: {}", message(family.status()));
  Dump devices;
  RETURN_IF_ERROR(ask(node, *family, NL80211_CMD_GET_INTERFACE, 0, &devices));
  std::vector<WifiInterface> interfaces;
  for (const Attributes& device : devices.entries) {
    WifiInterface interface;
    interface.name = attribute_text(find_attribute(device, NL80211_ATTR_IFNAME));
    const auto index = static_cast<std::uint32_t>(number(device, NL80211_ATTR_IFINDEX));
    if (interface.name.empty() || index == 0) continue;
    interface.frequency_hertz = number(device, NL80211_ATTR_WIPHY_FREQ) * 1e6;
    Dump networks, stations;
    RETURN_IF_ERROR(ask(node, *family, NL80211_CMD_GET_SCAN, index, &networks));
    for (const Attributes& network : networks.entries) set_network(network, &interface);
    RETURN_IF_ERROR(ask(node, *family, NL80211_CMD_GET_STATION, index, &stations));
    for (const Attributes& station : stations.entries) {
      interface.stations.push_back(parse_station(station));
    }
    interfaces.push_back(std::move(interface));
  }
  return interfaces;
}

}  // namespace tocsin::exporters
