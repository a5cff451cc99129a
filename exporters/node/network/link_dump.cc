// SPDX-License-Identifier: Apache-2.0
#include "exporters/node/network/link_dump.h"

#include <array>

#include <arpa/inet.h>
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
  link->parts = {.receive_dropped = sum(stats.rx_dropped),
                 .receive_missed = sum(stats.rx_missed_errors),
                 .receive_length = sum(stats.rx_length_errors),
                 .receive_over = sum(stats.rx_over_errors),
                 .receive_crc = sum(stats.rx_crc_errors),
                 .receive_frame = sum(stats.rx_frame_errors),
                 .transmit_aborted = sum(stats.tx_aborted_errors),
                 .transmit_carrier = sum(stats.tx_carrier_errors),
                 .transmit_heartbeat = sum(stats.tx_heartbeat_errors),
                 .transmit_window = sum(stats.tx_window_errors)};
}

constexpr LinkCounter kRtnetlinkCounters[] = {
    {"receive_packets", [](const LinkCounters& l) { return l.receive.packets; }},
    {"transmit_packets", [](const LinkCounters& l) { return l.transmit.packets; }},
    {"receive_bytes", [](const LinkCounters& l) { return l.receive.bytes; }},
    {"transmit_bytes", [](const LinkCounters& l) { return l.transmit.bytes; }},
    {"receive_errors", [](const LinkCounters& l) { return l.receive.errs; }},
    {"transmit_errors", [](const LinkCounters& l) { return l.transmit.errs; }},
    {"receive_dropped", [](const LinkCounters& l) { return l.parts.receive_dropped; }},
    {"transmit_dropped", [](const LinkCounters& l) { return l.transmit.drop; }},
    {"multicast", [](const LinkCounters& l) { return l.receive_multicast; }},
    {"collisions", [](const LinkCounters& l) { return l.transmit_colls; }},
    {"receive_length_errors", [](const LinkCounters& l) { return l.parts.receive_length; }},
    {"receive_over_errors", [](const LinkCounters& l) { return l.parts.receive_over; }},
    {"receive_crc_errors", [](const LinkCounters& l) { return l.parts.receive_crc; }},
    {"receive_frame_errors", [](const LinkCounters& l) { return l.parts.receive_frame; }},
    {"receive_fifo_errors", [](const LinkCounters& l) { return l.receive.fifo; }},
    {"receive_missed_errors", [](const LinkCounters& l) { return l.parts.receive_missed; }},
    {"transmit_aborted_errors", [](const LinkCounters& l) { return l.parts.transmit_aborted; }},
    {"transmit_carrier_errors", [](const LinkCounters& l) { return l.parts.transmit_carrier; }},
    {"transmit_fifo_errors", [](const LinkCounters& l) { return l.transmit.fifo; }},
    {"transmit_heartbeat_errors", [](const LinkCounters& l) { return l.parts.transmit_heartbeat; }},
    {"transmit_window_errors", [](const LinkCounters& l) { return l.parts.transmit_window; }},
    {"receive_compressed", [](const LinkCounters& l) { return l.receive.compressed; }},
    {"transmit_compressed", [](const LinkCounters& l) { return l.transmit.compressed; }},
    {"receive_nohandler", [](const LinkCounters& l) { return l.receive_nohandler; }},
};

}  // namespace

std::span<const LinkCounter> rtnetlink_counters() { return kRtnetlinkCounters; }

std::optional<LinkCounters> parse_link(std::string_view body) {
  LinkCounters link;
  link.index = static_cast<std::uint32_t>(copy_out<ifinfomsg>(body).ifi_index);
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

namespace {

std::string_view scope_of_ipv4(std::string_view bytes) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
  const bool is_local_multicast = byte(0) == 224 && byte(1) == 0 && byte(2) == 0;
  if (byte(0) == 127 || (byte(0) == 169 && byte(1) == 254) || is_local_multicast) {
    return "link-local";
  }
  const bool is_multicast = byte(0) >= 224 && byte(0) < 240;
  const bool is_nothing = bytes == std::string_view("\0\0\0\0", 4) || bytes == "\xff\xff\xff\xff";
  return is_multicast || is_nothing ? "" : "global";
}

std::string_view scope_of_ipv6(std::string_view bytes) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
  const std::string_view start = bytes.substr(0, 15);
  const bool is_low = start.find_first_not_of('\0') == std::string_view::npos;
  if (is_low && byte(15) == 1) return "link-local";  // the loopback
  if (is_low && byte(15) == 0) return "";
  if (byte(0) == 0xfe && (byte(1) & 0xc0) == 0x80) return "link-local";
  if (byte(0) != 0xff) return "global";
  const int multicast_scope = byte(1) & 0x0f;
  return multicast_scope == 2 ? "link-local" : multicast_scope == 1 ? "interface-local" : "";
}

std::optional<LinkAddress> parse_address(std::string_view body) {
  const auto header = copy_out<ifaddrmsg>(body);
  std::string_view bytes;
  for (const auto& [type, payload] : netlink_attributes(body, sizeof(ifaddrmsg))) {
    // On a link between two machines IFA_ADDRESS is the other one's.
    if (type == IFA_LOCAL || (type == IFA_ADDRESS && bytes.empty())) bytes = payload;
  }
  const bool is_ipv6 = header.ifa_family == AF_INET6;
  if (header.ifa_family != AF_INET && !is_ipv6) return std::nullopt;
  if (bytes.size() != (is_ipv6 ? 16 : 4)) return std::nullopt;
  std::array<char, INET6_ADDRSTRLEN> text{};
  ::inet_ntop(header.ifa_family, bytes.data(), text.data(), text.size());
  return LinkAddress{.index = header.ifa_index,
                     .address = text.data(),
                     .prefix = header.ifa_prefixlen,
                     .scope = is_ipv6 ? scope_of_ipv6(bytes) : scope_of_ipv4(bytes)};
}

}  // namespace

StatusOr<std::vector<LinkAddress>> parse_address_dump(std::string_view messages) {
  ASSIGN_OR_RETURN(const std::vector<NetlinkMessage> parsed, parse_netlink(messages));
  std::vector<LinkAddress> addresses;
  for (const NetlinkMessage& message : parsed) {
    if (message.type != RTM_NEWADDR) continue;
    auto address = parse_address(message.body);
    if (address) addresses.push_back(*std::move(address));
  }
  return addresses;
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
