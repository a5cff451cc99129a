// SPDX-License-Identifier: Apache-2.0
//
// netclass by netlink: from messages of this test, and beside sysfs on this machine. What it shows of
// sysfs is in testdata/network.test.
#include "exporters/node/network/netclass.h"

#include <map>
#include <random>

#include <gtest/gtest.h>
#include <linux/ethtool.h>
#include <linux/ethtool_netlink.h>
#include <linux/genetlink.h>
#include <linux/if.h>
#include <linux/rtnetlink.h>

#include "exporters/node/network/netlink.h"
#include "exporters/testing/node_machine.h"

namespace tocsin::exporters {
namespace {

using testing::NodeMachine;

constexpr std::uint16_t kEthtoolFamily = 21;

std::string message(int type, std::string_view body) {
  nlmsghdr header{};
  header.nlmsg_len = static_cast<std::uint32_t>(sizeof(header) + body.size());
  header.nlmsg_type = static_cast<std::uint16_t>(type);
  std::string out = bytes_of(header).append(body);
  out.resize(netlink_aligned(out.size()));
  return out;
}

template <typename T>
std::string number(int type, T value) {
  return make_attribute(static_cast<std::uint16_t>(type), bytes_of(value));
}
std::string text(int type, std::string_view value) {
  return make_attribute(static_cast<std::uint16_t>(type), std::string(value) + '\0');
}

std::string link(const ifinfomsg& header, std::string_view attributes) {
  return message(RTM_NEWLINK, bytes_of(header).append(attributes));
}

std::string ethernet_link() {
  rtnl_link_stats64 stats{};
  stats.rx_packets = 1;
  stats.tx_bytes = 2;
  stats.rx_dropped = 3;
  stats.rx_missed_errors = 4;
  stats.multicast = 5;
  stats.rx_nohandler = 6;
  const std::string names = text(IFLA_ALT_IFNAME, "enp1s0") + text(IFLA_ALT_IFNAME, "up\xfflink") +
                            text(IFLA_ALT_IFNAME, "");
  return link({.ifi_family = 0,
               .__ifi_pad = 0,
               .ifi_type = 1,
               .ifi_index = 4,
               .ifi_flags = 0x11043,
               .ifi_change = 0},
              text(IFLA_IFNAME, "eth0") + number<std::uint8_t>(IFLA_OPERSTATE, 6) +
                  number<std::uint8_t>(IFLA_LINKMODE, 1) + number<std::uint32_t>(IFLA_MTU, 1400) +
                  number<std::uint32_t>(IFLA_GROUP, 9) + number<std::uint32_t>(IFLA_TXQLEN, 1000) +
                  number<std::uint32_t>(IFLA_LINK, 12) + number<std::uint8_t>(IFLA_CARRIER, 1) +
                  number<std::uint32_t>(IFLA_CARRIER_CHANGES, 5) +
                  number<std::uint32_t>(IFLA_CARRIER_UP_COUNT, 3) +
                  number<std::uint32_t>(IFLA_CARRIER_DOWN_COUNT, 2) +
                  text(IFLA_IFALIAS, "to the world") +
                  make_attribute(IFLA_ADDRESS, "\x02\xfc\x01\x01\x01\x01") +
                  make_attribute(IFLA_BROADCAST, "\xff\xff\xff\xff\xff\xff") +
                  make_attribute(IFLA_STATS64, bytes_of(stats)) +
                  make_attribute(IFLA_PROP_LIST | NLA_F_NESTED, names));
}

// A tunnel: no address, no counters, waiting for another.
std::string tunnel_link() {
  return link({.ifi_family = 0,
               .__ifi_pad = 0,
               .ifi_type = 65534,
               .ifi_index = 7,
               .ifi_flags = IFF_UP | IFF_DORMANT,
               .ifi_change = 0},
              text(IFLA_IFNAME, "tun0") + number<std::uint8_t>(IFLA_OPERSTATE, 5));
}

std::string docker_link() { return link({}, text(IFLA_IFNAME, "docker0")); }
std::string nameless_link() { return link({}, number<std::uint32_t>(IFLA_MTU, 1)); }
std::string links() {
  return ethernet_link() + tunnel_link() + docker_link() + nameless_link() +
         message(RTM_NEWADDR, bytes_of(ifaddrmsg{})) + message(NLMSG_DONE, "");
}

std::string link_mode(std::string_view device, std::uint32_t megabits, std::uint8_t duplex) {
  return message(
      kEthtoolFamily,
      generic_netlink_body(ETHTOOL_MSG_LINKMODES_GET_REPLY,
                           make_attribute(ETHTOOL_A_LINKMODES_HEADER | NLA_F_NESTED,
                                          number<std::uint32_t>(ETHTOOL_A_HEADER_DEV_INDEX, 4) +
                                              text(ETHTOOL_A_HEADER_DEV_NAME, device)) +
                               number(ETHTOOL_A_LINKMODES_SPEED, megabits) +
                               number(ETHTOOL_A_LINKMODES_DUPLEX, duplex)));
}

// A machine whose kernel answers with these dumps, and its collector.
class NetclassTest : public ::testing::Test {
 protected:
  NetclassTest() {
    machine_.options.netclass_netlink = true;
    machine_.options.disable_defaults = true;
    machine_.options.collectors["netclass"] = true;
    machine_.services.link_dump = [this] { return links_; };
    machine_.services.netlink = [this](const NetlinkRequest& request) { return answer(request); };
  }

  // Collects, whatever comes out.
  void collect_damaged() {
    const auto collectors = make_collectors(machine_.options, machine_.services);
    std::vector<base::MetricFamily> families;
    static_cast<void>(collectors->front()->collect(&families));
  }

  std::string show() {
    const auto collectors = make_collectors(machine_.options, machine_.services);
    EXPECT_EQ(collectors.status(), ok());
    return NodeMachine::show(*collectors->front());
  }

  StatusOr<std::string> answer(const NetlinkRequest& request) const {
    EXPECT_EQ(request.protocol, NETLINK_GENERIC);
    const auto attributes = netlink_attributes(request.body, sizeof(genlmsghdr));
    if (request.type == GENL_ID_CTRL) {
      EXPECT_FALSE(request.is_dump);
      EXPECT_EQ(copy_out<genlmsghdr>(request.body).cmd, CTRL_CMD_GETFAMILY);
      EXPECT_EQ(attribute_text(find_attribute(attributes, CTRL_ATTR_FAMILY_NAME)), "ethtool");
      RETURN_IF_ERROR(family_);
      return message(
          GENL_ID_CTRL,
          generic_netlink_body(CTRL_CMD_NEWFAMILY, number(CTRL_ATTR_FAMILY_ID, kEthtoolFamily)));
    }
    EXPECT_EQ(request.type, kEthtoolFamily);
    EXPECT_TRUE(request.is_dump);
    EXPECT_EQ(copy_out<genlmsghdr>(request.body).cmd, ETHTOOL_MSG_LINKMODES_GET);
    const auto header = netlink_attributes(find_attribute(attributes, ETHTOOL_A_LINKMODES_HEADER));
    EXPECT_EQ(find_number(header, ETHTOOL_A_HEADER_FLAGS), ETHTOOL_FLAG_COMPACT_BITSETS);
    return modes_;
  }

  NodeMachine machine_;
  std::string links_ = links();
  std::string modes_ = link_mode("eth0", 10'000, DUPLEX_FULL);
  Status family_ = ok();
};

TEST_F(NetclassTest, ShowsWhatTheKernelTells) {
  machine_.options.netclass_ignored = "^docker";
  machine_.write("/sys/class/net/eth0/addr_assign_type", "3\n");
  machine_.write("/sys/class/net/eth0/dev_id", "0x20\n");
  machine_.write("/sys/class/net/eth0/name_assign_type", "4\n");
  machine_.write("/sys/class/net/eth0/mtu", "77\n");
  EXPECT_EQ(show(), R"(# TYPE node_network_address_assign_type gauge
node_network_address_assign_type{device="eth0"} 3
# TYPE node_network_altnames_info gauge
node_network_altnames_info{altname="enp1s0",device="eth0"} 1
node_network_altnames_info{altname="up�link",device="eth0"} 1
# TYPE node_network_carrier gauge
node_network_carrier{device="eth0"} 1
# TYPE node_network_carrier_changes_total counter
node_network_carrier_changes_total{device="eth0"} 5
# TYPE node_network_carrier_down_changes_total counter
node_network_carrier_down_changes_total{device="eth0"} 2
# TYPE node_network_carrier_up_changes_total counter
node_network_carrier_up_changes_total{device="eth0"} 3
# TYPE node_network_device_id gauge
node_network_device_id{device="eth0"} 32
# TYPE node_network_dormant gauge
node_network_dormant{device="eth0"} 0
node_network_dormant{device="tun0"} 1
# TYPE node_network_flags gauge
node_network_flags{device="eth0"} 69699
node_network_flags{device="tun0"} 131073
# TYPE node_network_iface_id gauge
node_network_iface_id{device="eth0"} 4
node_network_iface_id{device="tun0"} 7
# TYPE node_network_iface_link gauge
node_network_iface_link{device="eth0"} 12
node_network_iface_link{device="tun0"} 7
# TYPE node_network_iface_link_mode gauge
node_network_iface_link_mode{device="eth0"} 1
# TYPE node_network_info gauge
node_network_info{address="",broadcast="",device="tun0",duplex="",ifalias="",operstate="dormant"} 1
node_network_info{address="02:fc:01:01:01:01",broadcast="ff:ff:ff:ff:ff:ff",device="eth0",duplex="Full",ifalias="to the world",operstate="up"} 1
# TYPE node_network_mtu_bytes gauge
node_network_mtu_bytes{device="eth0"} 1400
# TYPE node_network_name_assign_type gauge
node_network_name_assign_type{device="eth0"} 4
# TYPE node_network_net_dev_group gauge
node_network_net_dev_group{device="eth0"} 9
# TYPE node_network_protocol_type gauge
node_network_protocol_type{device="eth0"} 1
node_network_protocol_type{device="tun0"} 65534
# TYPE node_network_speed_bytes gauge
node_network_speed_bytes{device="eth0"} 1.25e+09
# TYPE node_network_transmit_queue_length gauge
node_network_transmit_queue_length{device="eth0"} 1000
# TYPE node_network_up gauge
node_network_up{device="eth0"} 1
node_network_up{device="tun0"} 0
)");
}

TEST_F(NetclassTest, ShowsSpeedAndDuplexThatTheDeviceKnows) {
  const auto check = [this](std::uint32_t megabits, std::uint8_t duplex, std::string_view line,
                            std::string_view label) {
    modes_ = link_mode("eth0", megabits, duplex);
    const std::string page = show();
    EXPECT_EQ(page.find("node_network_speed_bytes{") != std::string::npos, !line.empty()) << page;
    EXPECT_NE(page.find(line), std::string::npos) << line << page;
    EXPECT_NE(page.find(fmt::format("device=\"eth0\",duplex=\"{}\"", label)), std::string::npos)
        << page;
  };
  check(100, DUPLEX_HALF, "node_network_speed_bytes{device=\"eth0\"} 1.25e+07\n", "Half");
  check(0, DUPLEX_FULL, "node_network_speed_bytes{device=\"eth0\"} 0\n", "Full");
  check(static_cast<std::uint32_t>(SPEED_UNKNOWN), DUPLEX_UNKNOWN, "", "Unknown");
  check(800'000, 7, "node_network_speed_bytes{device=\"eth0\"} 1e+11\n", "Duplex(7)");
}

TEST_F(NetclassTest, AKernelWithoutEthtoolsFamilyTellsNoSpeed) {
  family_ = not_found("netlink dump: No such file or directory");
  const std::string page = show();
  EXPECT_EQ(page.find("speed_bytes"), std::string::npos) << page;
  EXPECT_NE(page.find("device=\"eth0\",duplex=\"\""), std::string::npos) << page;
  EXPECT_EQ(page.find("error"), std::string::npos) << page;
  family_ = unavailable("netlink socket: Permission denied");
  EXPECT_EQ(show(), "error: netlink socket: Permission denied\n");
}

TEST_F(NetclassTest, ShowsCountersWhenAsked) {
  const std::string before = show();
  EXPECT_EQ(before.find("receive"), std::string::npos) << before;
  machine_.options.netclass_with_stats = true;
  const std::string page = show();
  for (const std::string_view line :
       {"# TYPE node_network_receive_packets_total gauge\n"
        "node_network_receive_packets_total{device=\"eth0\"} 1\n#",
        "node_network_transmit_bytes_total{device=\"eth0\"} 2\n",
        "node_network_receive_dropped_total{device=\"eth0\"} 3\n",
        "node_network_receive_missed_errors_total{device=\"eth0\"} 4\n",
        "node_network_multicast_total{device=\"eth0\"} 5\n",
        "node_network_receive_nohandler_total{device=\"eth0\"} 6\n",
        "node_network_transmit_window_errors_total{device=\"eth0\"} 0\n"}) {
    EXPECT_NE(page.find(line), std::string::npos) << line << page;
  }
}

TEST_F(NetclassTest, NoAnswerIsNoSuccess) {
  machine_.services.link_dump = []() -> StatusOr<std::string> { return unavailable("no socket"); };
  EXPECT_EQ(show(), "error: no socket\n");
}

TEST_F(NetclassTest, SurvivesAnyTruncationAndDamage) {
  machine_.options.netclass_with_stats = true;
  const std::string whole_links = links_, whole_modes = modes_;
  for (std::size_t length = 0; length < whole_links.size(); ++length) {
    links_ = whole_links.substr(0, length);
    modes_ = whole_modes.substr(0, std::min(length, whole_modes.size()));
    collect_damaged();
  }
  const auto seed = std::random_device()();
  SCOPED_TRACE(fmt::format("seed {}", seed));
  std::mt19937 random(seed);
  for (int i = 0; i < 1000; ++i) {
    links_ = whole_links;
    modes_ = whole_modes;
    for (std::string* bytes : {&links_, &modes_}) {
      for (int damage = 0; damage < 3; ++damage) {
        (*bytes)[random() % bytes->size()] = static_cast<char>(random());
      }
    }
    collect_damaged();
  }
}

// What netclass shows of this machine. Keys are names with all labels but those that only sysfs has,
// and with the words of sysfs for duplex.
std::map<std::string, double> series_of_this_machine(bool by_netlink) {
  NodeOptions options;
  options.disable_defaults = true;
  options.collectors["netclass"] = true;
  options.netclass_netlink = by_netlink;
  base::testing::FakeClock clock;
  const NodeServices services = system_services(base::real_file_system(), clock, clock);
  const auto collectors = make_collectors(options, services);
  std::vector<base::MetricFamily> families;
  EXPECT_EQ(collectors->front()->collect(&families), ok());
  std::map<std::string, double> series;
  for (const base::MetricFamily& family : families) {
    for (const base::MetricSample& sample : family.samples) {
      std::string key = family.name;
      for (const auto& [name, value] : sample.labels) {
        std::string shown = value;
        if (name == "adminstate") continue;
        if (name == "duplex" && !shown.empty()) shown[0] = static_cast<char>(shown[0] | 0x20);
        key += fmt::format(" {}={}", name, shown);
      }
      series[key] = sample.value;
    }
  }
  return series;
}

TEST(NetclassOfThisMachineTest, NetlinkTellsWhatSysfsTells) {
  std::map<std::string, double> before, netlink, after;
  // Links may come and go meanwhile.
  for (int round = 0; round < 100 && (before.empty() || before != after); ++round) {
    before = series_of_this_machine(false);
    netlink = series_of_this_machine(true);
    after = series_of_this_machine(false);
  }
  ASSERT_EQ(before, after) << "the links of this machine never stand still";
  EXPECT_GE(before.size(), 10U);
  for (const auto& [key, value] : before) {
    // No speed is -1 in sysfs, and nothing in netlink.
    if (key.starts_with("node_network_speed_bytes") && value < 0) {
      EXPECT_FALSE(netlink.contains(key)) << key;
      continue;
    }
    ASSERT_TRUE(netlink.contains(key)) << key;
    if (key.starts_with("node_network_flags")) {
      // sysfs leaves the state of the device out.
      const auto all = static_cast<unsigned>(netlink.at(key)), told = static_cast<unsigned>(value);
      EXPECT_EQ((all ^ told) & ~unsigned{IFF_VOLATILE | IFF_PROMISC | IFF_ALLMULTI}, 0U) << key;
    } else if (!key.starts_with("node_network_iface_link ") || value != 0) {
      EXPECT_EQ(netlink.at(key), value) << key;
    }
  }
}

}  // namespace
}  // namespace tocsin::exporters
