// SPDX-License-Identifier: Apache-2.0
//
// tcpstat: TCP sockets by state, from sock_diag. network_route: the routes, from rtnetlink.
#include <map>

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "exporters/node/network/netlink.h"
#include "exporters/node/network/network.h"

namespace tocsin::exporters {
namespace {

// In the order of the kernel's numbers, from 1.
constexpr std::string_view kTcpStates[] = {"established", "syn_sent",  "syn_recv", "fin_wait1",
                                           "fin_wait2",   "time_wait", "close",    "close_wait",
                                           "last_ack",    "listen",    "closing"};

Status count_sockets(const Node& node, std::uint8_t family,
                     std::map<std::string_view, double>* counts) {
  inet_diag_req_v2 body{};
  body.sdiag_family = family;
  body.sdiag_protocol = IPPROTO_TCP;
  body.idiag_states = ~0U;
  ASSIGN_OR_RETURN(const std::string dump, node.services.netlink({.protocol = NETLINK_SOCK_DIAG,
                                                                  .type = SOCK_DIAG_BY_FAMILY,
                                                                  .body = bytes_of(body)}));
  ASSIGN_OR_RETURN(const std::vector<NetlinkMessage> messages, parse_netlink(dump));
  for (const NetlinkMessage& message : messages) {
    const auto socket = copy_out<inet_diag_msg>(message.body);
    const std::size_t state = socket.idiag_state;
    if (state >= 1 && state <= std::size(kTcpStates)) (*counts)[kTcpStates[state - 1]] += 1;
    (*counts)["rx_queued_bytes"] += socket.idiag_rqueue;
    (*counts)["tx_queued_bytes"] += socket.idiag_wqueue;
  }
  return ok();
}

std::string address_text(std::uint8_t family, std::string_view bytes) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const std::size_t wanted = family == AF_INET6 ? 16 : 4;
  if (bytes.size() != wanted) return "";
  return ::inet_ntop(family, bytes.data(), text.data(), text.size());
}

std::string device_name(std::uint32_t index) {
  std::array<char, IF_NAMESIZE> name{};
  return ::if_indextoname(index, name.data()) == nullptr ? "" : std::string(name.data());
}

std::string_view protocol_name(unsigned protocol) {
  constexpr std::pair<unsigned, std::string_view> kNames[] = {
      {0, "unspec"},    {1, "redirect"}, {2, "kernel"}, {3, "boot"},   {4, "static"},
      {8, "gated"},     {9, "ra"},       {10, "mrt"},   {11, "zebra"}, {12, "bird"},
      {13, "dnrouted"}, {14, "xorp"},    {15, "ntk"},   {16, "dhcp"},  {17, "mrouted"},
      {42, "babel"},    {186, "bgp"},    {187, "isis"}, {188, "ospf"}, {189, "rip"},
      {192, "eigrp"}};
  for (const auto& [number, name] : kNames) {
    if (number == protocol) return name;
  }
  return "unknown";
}

struct Routes {
  std::map<std::string, double> by_device;

  void show(const LabelPairs& route, const std::string& device, const std::string& gateway,
            const std::string& weight, Families* out) {
    LabelPairs labels = route;
    labels.emplace_back("device", device);
    labels.emplace_back("gw", gateway);
    labels.emplace_back("weight", weight);
    out->add({"node_network_route_info", "network routing table information"}, std::move(labels),
             1);
    by_device[device] += 1;
  }
};

// Next hops: rtnexthop structures with attributes behind each.
void show_multipath(std::string_view hops, std::uint8_t family, const LabelPairs& route,
                    Routes* routes, Families* out) {
  while (hops.size() >= sizeof(rtnexthop)) {
    const auto hop = copy_out<rtnexthop>(hops);
    if (hop.rtnh_len < sizeof(rtnexthop) || hop.rtnh_len > hops.size()) return;
    const auto attributes = netlink_attributes(hops.substr(0, hop.rtnh_len), sizeof(rtnexthop));
    routes->show(route, device_name(static_cast<std::uint32_t>(hop.rtnh_ifindex)),
                 address_text(family, find_attribute(attributes, RTA_GATEWAY)),
                 fmt::format("{}", hop.rtnh_hops + 1), out);
    hops.remove_prefix(std::min(netlink_aligned(hop.rtnh_len), hops.size()));
  }
}

void show_route(std::string_view body, Routes* routes, Families* out) {
  const auto header = copy_out<rtmsg>(body);
  if (header.rtm_type != RTN_UNICAST) return;
  const auto attributes = netlink_attributes(body, sizeof(rtmsg));
  const std::string_view to = find_attribute(attributes, RTA_DST);
  const std::string_view priority = find_attribute(attributes, RTA_PRIORITY);
  const std::uint8_t family = header.rtm_family;
  const LabelPairs route = {
      {"dest", to.empty() ? std::string("default")
                          : fmt::format("{}/{}", address_text(family, to), header.rtm_dst_len)},
      {"priority", fmt::format("{}", priority.empty() ? 0 : copy_out<std::uint32_t>(priority))},
      {"proto", std::string(protocol_name(header.rtm_protocol))},
      {"src", address_text(family, find_attribute(attributes, RTA_PREFSRC))}};
  const std::string_view hops = find_attribute(attributes, RTA_MULTIPATH);
  if (!hops.empty()) return show_multipath(hops, family, route, routes, out);
  const std::string_view index = find_attribute(attributes, RTA_OIF);
  routes->show(route, device_name(copy_out<std::uint32_t>(index)),
               address_text(family, find_attribute(attributes, RTA_GATEWAY)), "", out);
}

}  // namespace

Status collect_tcpstat(const Node& node, Families* out) {
  std::map<std::string_view, double> counts;
  RETURN_IF_ERROR(count_sockets(node, AF_INET, &counts));
  if (node.exists(node.proc("/net/tcp6"))) {
    RETURN_IF_ERROR(count_sockets(node, AF_INET6, &counts));
  }
  for (const auto& [state, count] : counts) {
    out->gauge("node_tcp_connection_states", "Number of connection states.", {{"state", state}},
               count);
  }
  return ok();
}

Status collect_network_route(const Node& node, Families* out) {
  rtmsg body{};
  body.rtm_family = AF_UNSPEC;
  ASSIGN_OR_RETURN(const std::string dump,
                   node.services.netlink(
                       {.protocol = NETLINK_ROUTE, .type = RTM_GETROUTE, .body = bytes_of(body)}));
  ASSIGN_OR_RETURN(const std::vector<NetlinkMessage> messages, parse_netlink(dump));
  Routes routes;
  for (const NetlinkMessage& message : messages) {
    if (message.type == RTM_NEWROUTE) show_route(message.body, &routes, out);
  }
  for (const auto& [device, count] : routes.by_device) {
    out->gauge("node_network_routes", "network routes by interface", {{"device", device}}, count);
  }
  return ok();
}

}  // namespace tocsin::exporters
