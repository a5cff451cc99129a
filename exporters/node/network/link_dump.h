// SPDX-License-Identifier: Apache-2.0
//
// LinkCounters: what the kernel counts for a network device, from rtnetlink or from /proc/net/dev.
//
// Values and functions.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace tocsin::exporters {

// Named and added up as in /proc/net/dev: for example "drop" of a receiver counts what the device
// missed, too.
struct LinkCounters {
  std::string device;
  std::uint32_t index = 0;  // 0: not told
  struct Side {
    double bytes = 0, packets = 0, errs = 0, drop = 0, fifo = 0, compressed = 0;
  };
  Side receive, transmit;
  double receive_frame = 0, receive_multicast = 0;
  double receive_nohandler = -1;  // -1: not told
  double transmit_colls = 0, transmit_carrier = 0;
  // The parts of these sums; only rtnetlink tells them.
  struct Parts {
    double receive_dropped = 0, receive_missed = 0;
    double receive_length = 0, receive_over = 0, receive_crc = 0, receive_frame = 0;
    double transmit_aborted = 0, transmit_carrier = 0, transmit_heartbeat = 0, transmit_window = 0;
  } parts;
};

// A counter under a name.
struct LinkCounter {
  std::string_view name;  // as in node_network_NAME_total
  double (*get)(const LinkCounters&);
};
// Every counter of rtnetlink by its own name, not added up.
std::span<const LinkCounter> rtnetlink_counters();

// Reads the body of a message RTM_NEWLINK; nullopt for a link without name or counters.
std::optional<LinkCounters> parse_link(std::string_view body);

// Reads the answer to a dump of all links: messages RTM_NEWLINK up to NLMSG_DONE. kDataLoss when
// one does not fit into the rest.
StatusOr<std::vector<LinkCounters>> parse_link_dump(std::string_view messages);

// kInvalidArgument with the line that is no table row.
StatusOr<std::vector<LinkCounters>> parse_net_dev(std::string_view text);

// An address of a link.
struct LinkAddress {
  std::uint32_t index = 0;  // of the link
  std::string address;
  unsigned prefix = 0;  // bits of the network
  // "global", "link-local" (that of the loopback, too), "interface-local", or "".
  std::string_view scope;
};
// Reads the answer to a dump of addresses: messages RTM_NEWADDR up to NLMSG_DONE.
StatusOr<std::vector<LinkAddress>> parse_address_dump(std::string_view messages);

// Asks the kernel. Returns within a second.
StatusOr<std::string> dump_links();

}  // namespace tocsin::exporters
