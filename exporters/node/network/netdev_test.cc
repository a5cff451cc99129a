// SPDX-License-Identifier: Apache-2.0
#include <cstring>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include "exporters/node/network/link_dump.h"
#include "exporters/testing/node_machine.h"

namespace tocsin::exporters {
namespace {

using testing::NodeMachine;

template <typename T>
std::string bytes_of(const T& value) {
  std::string out(sizeof(T), '\0');
  std::memcpy(out.data(), &value, sizeof(T));
  return out;
}

std::string padded(std::string bytes) {
  bytes.resize((bytes.size() + 3) / 4 * 4);
  return bytes;
}

std::string attribute(int type, std::string_view payload) {
  rtattr header{};
  header.rta_len = static_cast<unsigned short>(sizeof(header) + payload.size());
  header.rta_type = static_cast<unsigned short>(type);
  return padded(bytes_of(header) + std::string(payload));
}

std::string message(int type, std::string_view body) {
  nlmsghdr header{};
  header.nlmsg_len = static_cast<std::uint32_t>(sizeof(header) + body.size());
  header.nlmsg_type = static_cast<std::uint16_t>(type);
  return padded(bytes_of(header) + std::string(body));
}

// A link whose counters all differ: 1, 2, 4, ... in the order of the kernel's structure.
template <typename Stats>
std::string link(std::string_view name, int stats_type, std::size_t stats_size = sizeof(Stats)) {
  using Number = decltype(Stats::rx_packets);
  Stats stats{};
  for (std::size_t i = 0; i < sizeof(Stats) / sizeof(Number); ++i) {
    const Number value = Number{1} << i;
    std::memcpy(reinterpret_cast<char*>(&stats) + i * sizeof(Number), &value, sizeof(value));
  }
  return message(RTM_NEWLINK, bytes_of(ifinfomsg{}) + attribute(IFLA_MTU, "abcd") +
                                  attribute(IFLA_IFNAME, std::string(name) + '\0') +
                                  attribute(stats_type, bytes_of(stats).substr(0, stats_size)));
}

TEST(LinkDumpTest, AddsUpCountersAsProcNetDevDoes) {
  for (const bool wide : {true, false}) {
    const std::string dump = (wide ? link<rtnl_link_stats64>("eth0", IFLA_STATS64)
                                   : link<rtnl_link_stats>("eth0", IFLA_STATS)) +
                             message(NLMSG_DONE, "") + message(RTM_NEWLINK, "after the end");
    const StatusOr<std::vector<LinkCounters>> links = parse_link_dump(dump);
    ASSERT_EQ(links.status(), ok());
    ASSERT_EQ(links->size(), 1U);
    const LinkCounters& l = links->front();
    EXPECT_EQ(l.device, "eth0");
    const auto bit = [](int n) { return static_cast<double>(1 << n); };
    EXPECT_EQ(l.receive.packets, bit(0));
    EXPECT_EQ(l.transmit.packets, bit(1));
    EXPECT_EQ(l.receive.bytes, bit(2));
    EXPECT_EQ(l.transmit.bytes, bit(3));
    EXPECT_EQ(l.receive.errs, bit(4));
    EXPECT_EQ(l.transmit.errs, bit(5));
    EXPECT_EQ(l.receive.drop, bit(6) + bit(15)) << "dropped and missed";
    EXPECT_EQ(l.transmit.drop, bit(7));
    EXPECT_EQ(l.receive_multicast, bit(8));
    EXPECT_EQ(l.transmit_colls, bit(9));
    EXPECT_EQ(l.receive_frame, bit(10) + bit(11) + bit(12) + bit(13));
    EXPECT_EQ(l.receive.fifo, bit(14));
    EXPECT_EQ(l.transmit_carrier, bit(16) + bit(17) + bit(19) + bit(20));
    EXPECT_EQ(l.transmit.fifo, bit(18));
    EXPECT_EQ(l.receive.compressed, bit(21));
    EXPECT_EQ(l.transmit.compressed, bit(22));
    EXPECT_EQ(l.receive_nohandler, bit(23));
  }
}

TEST(LinkDumpTest, TakesTheShorterCountersOfAnOlderKernel) {
  const auto links = parse_link_dump(link<rtnl_link_stats64>("eth0", IFLA_STATS64, 23 * 8));
  ASSERT_EQ(links.status(), ok());
  EXPECT_EQ(links->at(0).receive_nohandler, 0);
  EXPECT_EQ(links->at(0).transmit.compressed, 1 << 22);
}

TEST(LinkDumpTest, SurvivesAnyTruncationAndDamage) {
  const std::string dump = link<rtnl_link_stats64>("a", IFLA_STATS64) +
                           link<rtnl_link_stats64>("bb", IFLA_STATS64) + message(NLMSG_DONE, "");
  for (std::size_t length = 1; length < dump.size(); ++length) {
    const auto links = parse_link_dump(std::string(dump.substr(0, length)));
    EXPECT_TRUE(!links.ok() || links->size() <= 2) << length;
  }
  for (std::size_t at = 0; at < dump.size(); ++at) {
    std::string damaged = dump;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x41);
    static_cast<void>(parse_link_dump(damaged));
  }
  EXPECT_EQ(parse_link_dump("abc").status().code(), StatusCode::kDataLoss);
  EXPECT_EQ(parse_link_dump(std::string(16, '\0')).status().code(), StatusCode::kDataLoss);
}

TEST(LinkDumpTest, LeavesOutALinkWithoutNameOrCounters) {
  const auto links =
      parse_link_dump(message(RTM_NEWLINK, bytes_of(ifinfomsg{}) + attribute(IFLA_IFNAME, "eth0")) +
                      message(RTM_NEWLINK, "") + link<rtnl_link_stats64>("", IFLA_STATS64));
  ASSERT_EQ(links.status(), ok());
  EXPECT_TRUE(links->empty());
}

constexpr std::string_view kNetDev =
    "Inter-|   Receive                                                |  Transmit\n"
    " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets\n"
    "    lo: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n"
    "veth4B09XN:64 2 0 0 0 0 0 0 65 66 0 0 0 0 0 0\n";

TEST(NetDevTest, ReadsTheTable) {
  const auto links = parse_net_dev(kNetDev);
  ASSERT_EQ(links.status(), ok());
  ASSERT_EQ(links->size(), 2U);
  const LinkCounters& lo = links->at(0);
  EXPECT_EQ(lo.device, "lo");
  EXPECT_EQ(lo.receive.bytes, 1);
  EXPECT_EQ(lo.receive.fifo, 5);
  EXPECT_EQ(lo.receive_frame, 6);
  EXPECT_EQ(lo.receive.compressed, 7);
  EXPECT_EQ(lo.receive_multicast, 8);
  EXPECT_EQ(lo.transmit.bytes, 9);
  EXPECT_EQ(lo.transmit.fifo, 13);
  EXPECT_EQ(lo.transmit_colls, 14);
  EXPECT_EQ(lo.transmit_carrier, 15);
  EXPECT_EQ(lo.transmit.compressed, 16);
  EXPECT_EQ(links->at(1).device, "veth4B09XN");
  EXPECT_EQ(links->at(1).receive.bytes, 64);
  EXPECT_EQ(parse_net_dev("eth0: 1 2 3\n").status().message(),
            "net/dev: unexpected line \"eth0: 1 2 3\"");
}

std::string show(const NodeMachine& machine) {
  auto collector = make_netdev_collector(machine.options, machine.services);
  EXPECT_EQ(collector.status(), ok());
  return NodeMachine::show(**collector);
}

TEST(NetdevTest, ShowsTheChosenDevices) {
  NodeMachine machine;
  machine.options.netdev_netlink = false;
  machine.options.network_devices.exclude = "^veth";
  machine.write("/proc/net/dev", kNetDev);
  const std::string text = show(machine);
  EXPECT_NE(text.find("# TYPE node_network_receive_bytes_total counter\n"
                      "node_network_receive_bytes_total{device=\"lo\"} 1\n# TYPE"),
            std::string::npos)
      << text;
  EXPECT_EQ(text.find("nohandler"), std::string::npos) << "not in /proc/net/dev";
  machine.options.network_devices = {.include = "^nothing$", .exclude = ""};
  EXPECT_EQ(show(machine), "");
}

std::string address_message(int family, std::uint32_t index, unsigned char prefix,
                            const std::string& attributes) {
  ifaddrmsg header{};
  header.ifa_family = static_cast<unsigned char>(family);
  header.ifa_index = index;
  header.ifa_prefixlen = prefix;
  return message(RTM_NEWADDR, bytes_of(header) + attributes);
}

TEST(AddressDumpTest, TellsScopesAsGoDoes) {
  const auto check = [](const std::string& text, std::string_view scope) {
    std::string bytes(16, '\0');
    const int family = text.find(':') == std::string::npos ? AF_INET : AF_INET6;
    ASSERT_EQ(::inet_pton(family, text.c_str(), bytes.data()), 1);
    if (family == AF_INET) bytes.resize(4);
    const auto parsed =
        parse_address_dump(address_message(family, 7, 24, attribute(IFA_ADDRESS, bytes)));
    ASSERT_EQ(parsed.status(), ok());
    ASSERT_EQ(parsed->size(), 1U);
    EXPECT_EQ(parsed->at(0).address, text);
    EXPECT_EQ(parsed->at(0).prefix, 24U);
    EXPECT_EQ(parsed->at(0).index, 7U);
    EXPECT_EQ(parsed->at(0).scope, scope) << text;
  };
  check("127.0.0.1", "link-local");
  check("169.254.7.7", "link-local");
  check("224.0.0.5", "link-local");
  check("224.0.1.5", "");
  check("255.255.255.255", "");
  check("0.0.0.0", "");
  check("10.1.2.3", "global");
  check("::1", "link-local");
  check("::", "");
  check("fe80::1", "link-local");
  check("ff01::1", "interface-local");
  check("ff02::1", "link-local");
  check("ff05::1", "");
  check("fd00::2", "global");
}

TEST(AddressDumpTest, SurvivesAnyTruncationAndDamage) {
  const std::string dump =
      address_message(AF_INET, 1, 8,
                      attribute(IFA_ADDRESS, "\x7f\1\1\1") + attribute(IFA_LOCAL, "\x7f\1\1\2")) +
      address_message(AF_INET6, 2, 64, attribute(IFA_ADDRESS, std::string(16, '\x20'))) +
      address_message(AF_PACKET, 2, 64, attribute(IFA_ADDRESS, "abcd")) + message(NLMSG_DONE, "");
  EXPECT_EQ(parse_address_dump(dump).value().size(), 2U);
  EXPECT_EQ(parse_address_dump(dump).value()[0].address, "127.1.1.2");
  for (std::size_t length = 1; length < dump.size(); ++length) {
    static_cast<void>(parse_address_dump(std::string(dump.substr(0, length))));
  }
  for (std::size_t at = 0; at < dump.size(); ++at) {
    std::string damaged = dump;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x41);
    static_cast<void>(parse_address_dump(damaged));
  }
}

// A link message with the name and the index of a link.
std::string indexed_link(std::string_view name, int index) {
  ifinfomsg header{};
  header.ifi_index = index;
  return message(RTM_NEWLINK, bytes_of(header) + attribute(IFLA_IFNAME, std::string(name) + '\0') +
                                  attribute(IFLA_STATS64, bytes_of(rtnl_link_stats64{})));
}

TEST(NetdevTest, ShowsAddressesOfTheChosenDevices) {
  NodeMachine machine;
  machine.options.netdev_address_info = true;
  machine.options.network_devices.exclude = "^veth";
  machine.services.link_dump = [] { return indexed_link("eth0", 3) + indexed_link("veth1", 4); };
  machine.services.netlink = [](const NetlinkRequest& request) -> StatusOr<std::string> {
    EXPECT_EQ(request.type, RTM_GETADDR);
    return address_message(AF_INET, 3, 24, attribute(IFA_ADDRESS, "\x0a\1\2\3")) +
           address_message(AF_INET, 4, 24, attribute(IFA_ADDRESS, "\x0a\1\2\4")) +
           address_message(AF_INET, 9, 24, attribute(IFA_ADDRESS, "\x0a\1\2\5"));
  };
  EXPECT_NE(show(machine).find("# TYPE node_network_address_info gauge\n"
                               "node_network_address_info{address=\"10.1.2.3\",device=\"eth0\","
                               "netmask=\"24\",scope=\"global\"} 1\n#"),
            std::string::npos)
      << show(machine);
}

TEST(NetdevTest, ShowsEveryCounterUnderItsName) {
  NodeMachine machine;
  machine.options.netdev_detailed = true;
  machine.services.link_dump = [] { return link<rtnl_link_stats64>("a", IFLA_STATS64); };
  const std::string text = show(machine);
  for (const std::string_view line :
       {"receive_dropped_total{device=\"a\"} 64\n",
        "receive_missed_errors_total{device=\"a\"} 32768\n",
        "transmit_window_errors_total{device=\"a\"} 1.048576e+06\n",
        "multicast_total{device=\"a\"} 256\n", "collisions_total{device=\"a\"} 512\n"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << text;
  }
  EXPECT_EQ(text.find("receive_drop_total"), std::string::npos);
  machine.options.netdev_netlink = false;
  machine.write("/proc/net/dev", kNetDev);
  EXPECT_NE(show(machine).find("receive_dropped_total{device=\"lo\"} 4\n"), std::string::npos);
}

TEST(NetdevTest, LabelsDevicesWithTheirAlias) {
  NodeMachine machine;
  machine.options.netdev_label_ifalias = true;
  machine.options.netdev_netlink = false;
  machine.write("/proc/net/dev", kNetDev);
  machine.write("/sys/class/net/lo/ifalias", "to myself\n");
  const std::string text = show(machine);
  EXPECT_NE(text.find("receive_bytes_total{device=\"lo\",ifalias=\"to myself\"} 1\n"),
            std::string::npos);
  EXPECT_NE(text.find("receive_bytes_total{device=\"veth4B09XN\"} 64\n"), std::string::npos);
}

TEST(NetdevTest, AsksByNetlink) {
  NodeMachine machine;
  machine.services.link_dump = [] {
    return link<rtnl_link_stats64>("b", IFLA_STATS64) + link<rtnl_link_stats64>("a", IFLA_STATS64);
  };
  EXPECT_NE(show(machine).find("# TYPE node_network_receive_nohandler_total counter\n"
                               "node_network_receive_nohandler_total{device=\"a\"} 8.388608e+06\n"
                               "node_network_receive_nohandler_total{device=\"b\"} 8.388608e+06\n"),
            std::string::npos);
  machine.services.link_dump = []() -> StatusOr<std::string> { return unavailable("no socket"); };
  EXPECT_EQ(show(machine), "error: no socket\n");
}

}  // namespace
}  // namespace tocsin::exporters
