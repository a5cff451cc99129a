// SPDX-License-Identifier: Apache-2.0
//
// arp: neighbours by device, from rtnetlink or from /proc/net/arp.
#include <map>

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include "exporters/node/network/netlink.h"
#include "exporters/node/network/network.h"

namespace tocsin::exporters {
namespace {

using Counts = std::map<std::string, double>;

StatusOr<Counts> count_by_netlink(const Node& node) {
  ndmsg body{};
  body.ndm_family = AF_INET;
  ASSIGN_OR_RETURN(const std::string dump,
                   node.services.netlink(
                       {.protocol = NETLINK_ROUTE, .type = RTM_GETNEIGH, .body = bytes_of(body)}));
  ASSIGN_OR_RETURN(const std::vector<NetlinkMessage> messages, parse_netlink(dump));
  std::map<int, double> by_index;
  for (const NetlinkMessage& message : messages) {
    const auto neighbour = copy_out<ndmsg>(message.body);
    // As /proc/net/arp does: addresses that need no resolution are no entries.
    const bool is_entry = neighbour.ndm_family == AF_INET && (neighbour.ndm_state & NUD_NOARP) == 0;
    if (message.type == RTM_NEWNEIGH && is_entry) by_index[neighbour.ndm_ifindex] += 1;
  }
  Counts counts;
  for (const auto& [index, count] : by_index) {
    std::array<char, IF_NAMESIZE> name{};
    if (::if_indextoname(static_cast<unsigned>(index), name.data()) != nullptr) {
      counts[name.data()] += count;
    }
  }
  return counts;
}

StatusOr<Counts> count_by_file(const Node& node) {
  ASSIGN_OR_RETURN(const std::string text, node.file(node.proc("/net/arp")));
  Counts counts;
  bool is_title = true;
  for (const std::string_view line : lines_of(text)) {
    const std::vector<std::string_view> fields = fields_of(line);
    constexpr std::size_t kDevice = 5;
    if (!is_title && fields.size() > kDevice) counts[std::string(fields[kDevice])] += 1;
    is_title = false;
  }
  return counts;
}

}  // namespace

StatusOr<Collect> make_arp(const Node& node) {
  ASSIGN_OR_RETURN(Filter filter, Filter::make(node.options.arp_devices));
  return Collect([node, names = NameSet(std::move(filter))](Families* out) mutable -> Status {
    ASSIGN_OR_RETURN(const Counts counts,
                     node.options.arp_netlink ? count_by_netlink(node) : count_by_file(node));
    for (const auto& [device, count] : counts) {
      if (!names.keeps(device)) continue;
      out->gauge("node_arp_entries", "ARP entries by device", {{"device", device}}, count);
    }
    return ok();
  });
}

}  // namespace tocsin::exporters
