// SPDX-License-Identifier: Apache-2.0
#include "exporters/node/network/link_dump.h"

#include <optional>

#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "exporters/node/network/netlink.h"
#include "exporters/node/text.h"

namespace tocsin::exporters {
namespace {

// Old kernels know the counters in 32 bits only; the fields have the same names.
template <typename Stats>
void set_counters(const Stats& stats, LinkCounters* link) {
  const auto sum = [](auto... parts) { return (static_cast<double>(parts) + ...); };
  link->receive = {.bytes = sum(stats.rx_bytes),
                   .packets = sum(stats.rx_packets),
                   .errs = sum(stats.rx_errors),
                   .drop = sum(stats.rx_dropped, stats.rx_missed_errors),
                   .fifo = sum(stats.rx_fifo_errors),
                   .compressed = sum(stats.rx_compressed)};
  link->receive_frame =
      sum(stats.rx_length_errors, stats.rx_over_errors, stats.rx_crc_errors, stats.rx_frame_errors);
  link->receive_multicast = sum(stats.multicast);
  link->receive_nohandler = sum(stats.rx_nohandler);
  link->transmit = {.bytes = sum(stats.tx_bytes),
                    .packets = sum(stats.tx_packets),
                    .errs = sum(stats.tx_errors),
                    .drop = sum(stats.tx_dropped),
                    .fifo = sum(stats.tx_fifo_errors),
                    .compressed = sum(stats.tx_compressed)};
  link->transmit_colls = sum(stats.collisions);
  link->transmit_carrier = sum(stats.tx_carrier_errors, stats.tx_aborted_errors,
                               stats.tx_window_errors, stats.tx_heartbeat_errors);
}

// The link of a message's attributes; nullopt for one without name or counters.
std::optional<LinkCounters> parse_link(std::string_view body) {
  LinkCounters link;
  bool has_counters = false;
  for (const auto& [type, payload] : netlink_attributes(body, sizeof(ifinfomsg))) {
    if (type == IFLA_IFNAME) {
      link.device = attribute_text(payload);
    } else if (type == IFLA_STATS64) {
      set_counters(copy_out<rtnl_link_stats64>(payload), &link);
      has_counters = true;
    } else if (type == IFLA_STATS && !has_counters) {
      set_counters(copy_out<rtnl_link_stats>(payload), &link);
      has_counters = true;
    }
  }
  if (link.device.empty() || !has_counters) return std::nullopt;
  return link;
}

}  // namespace

StatusOr<std::vector<LinkCounters>> parse_link_dump(std::string_view messages) {
  ASSIGN_OR_RETURN(const std::vector<NetlinkMessage> parsed, parse_netlink(messages));
  std::vector<LinkCounters> links;
  for (const NetlinkMessage& message : parsed) {
    if (message.type != RTM_NEWLINK) continue;
    auto link = parse_link(message.body);
    if (link) links.push_back(*std::move(link));
  }
  return links;
}

StatusOr<std::vector<LinkCounters>> parse_net_dev(std::string_view text) {
  std::vector<LinkCounters> links;
  for (const std::string_view line : lines_of(text)) {
    // Two lines of titles have no colon that ends a name.
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    std::vector<double> values;
    for (const std::string_view field : fields_of(line.substr(colon + 1))) {
      const std::optional<double> value = to_number(field);
      if (value) values.push_back(*value);
    }
    constexpr std::size_t kColumns = 16;
    if (values.size() != kColumns) return invalid_argument("net/dev: unexpected line {:?}", line);
    LinkCounters link;
    link.device = trimmed(line.substr(0, colon));
    link.receive = {values[0], values[1], values[2], values[3], values[4], values[6]};
    link.receive_frame = values[5];
    link.receive_multicast = values[7];
    link.transmit = {values[8], values[9], values[10], values[11], values[12], values[15]};
    link.transmit_colls = values[13];
    link.transmit_carrier = values[14];
    links.push_back(std::move(link));
  }
  return links;
}

StatusOr<std::string> dump_links() {
  ifinfomsg body{};
  body.ifi_family = AF_UNSPEC;
  return netlink_dump({.protocol = NETLINK_ROUTE, .type = RTM_GETLINK, .body = bytes_of(body)});
}

}  // namespace tocsin::exporters
