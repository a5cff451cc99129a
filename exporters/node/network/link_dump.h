// SPDX-License-Identifier: Apache-2.0
//
// LinkCounters: what the kernel counts for a network device, from rtnetlink or from /proc/net/dev.
//
// Values and functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace tocsin::exporters {

// Named and added up as in /proc/net/dev: for example "drop" of a receiver counts what the device
// missed, too.
struct LinkCounters {
  std::string device;
  struct Side {
    double bytes = 0, packets = 0, errs = 0, drop = 0, fifo = 0, compressed = 0;
  };
  Side receive, transmit;
  double receive_frame = 0, receive_multicast = 0;
  double receive_nohandler = -1;  // -1: not told
  double transmit_colls = 0, transmit_carrier = 0;
};

// Reads the answer to a dump of all links: messages RTM_NEWLINK up to NLMSG_DONE. kDataLoss when
// one does not fit into the rest.
StatusOr<std::vector<LinkCounters>> parse_link_dump(std::string_view messages);

// kInvalidArgument with the line that is no table row.
StatusOr<std::vector<LinkCounters>> parse_net_dev(std::string_view text);

// Asks the kernel. Returns within a second.
StatusOr<std::string> dump_links();

}  // namespace tocsin::exporters
