// SPDX-License-Identifier: Apache-2.0
//
// Collectors of the network: interfaces, sockets, connection tracking, queues.
//
// Functions.
#pragma once

#include "exporters/node/node.h"

namespace tocsin::exporters {

Status collect_sockstat(const Node& node, Families* out);
Status collect_softnet(const Node& node, Families* out);
Status collect_udp_queues(const Node& node, Families* out);
Status collect_conntrack(const Node& node, Families* out);
Status collect_ipvs(const Node& node, Families* out);
Status collect_lnstat(const Node& node, Families* out);
Status collect_xfrm(const Node& node, Families* out);
Status collect_bonding(const Node& node, Families* out);
Status collect_tcpstat(const Node& node, Families* out);
Status collect_network_route(const Node& node, Families* out);
StatusOr<Collect> make_arp(const Node& node);
StatusOr<Collect> make_netstat(const Node& node);
StatusOr<Collect> make_netclass(const Node& node);
StatusOr<Collect> make_qdisc(const Node& node);
StatusOr<Collect> make_ethtool(const Node& node);
StatusOr<Collect> make_wifi(const Node& node);

// Checks what --collector.ipvs.backend-labels names.
Status check_ipvs_labels(std::string_view text);

}  // namespace tocsin::exporters
