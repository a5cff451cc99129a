// SPDX-License-Identifier: Apache-2.0
//
// qdisc: what the root queueing discipline of each device counts, by rtnetlink; or from a file
// results.json, for tests.
#include <linux/gen_stats.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include "base/json.h"
#include "exporters/node/network/netlink.h"
#include "exporters/node/network/network.h"

namespace tocsin::exporters {
namespace {

struct Qdisc {
  std::string device;
  std::string kind;
  double bytes = 0, packets = 0, drops = 0, requeues = 0, overlimits = 0, length = 0, backlog = 0;
};

std::optional<Qdisc> parse_qdisc(std::string_view body) {
  const auto header = copy_out<tcmsg>(body);
  if (header.tcm_parent != TC_H_ROOT && header.tcm_parent != 0) return std::nullopt;
  const auto attributes = netlink_attributes(body, sizeof(tcmsg));
  std::array<char, IF_NAMESIZE> name{};
  if (::if_indextoname(static_cast<unsigned>(header.tcm_ifindex), name.data()) == nullptr) {
    return std::nullopt;
  }
  Qdisc qdisc;
  qdisc.device = name.data();
  qdisc.kind = attribute_text(find_attribute(attributes, TCA_KIND));
  const std::string_view nested = find_attribute(attributes, TCA_STATS2);
  if (!nested.empty()) {
    const auto stats = netlink_attributes(nested);
    const auto basic = copy_out<gnet_stats_basic>(find_attribute(stats, TCA_STATS_BASIC));
    const auto queue = copy_out<gnet_stats_queue>(find_attribute(stats, TCA_STATS_QUEUE));
    qdisc.bytes = static_cast<double>(basic.bytes);
    qdisc.packets = basic.packets;
    qdisc.drops = queue.drops;
    qdisc.requeues = queue.requeues;
    qdisc.overlimits = queue.overlimits;
    qdisc.length = queue.qlen;
    qdisc.backlog = queue.backlog;
  } else {
    const auto stats = copy_out<tc_stats>(find_attribute(attributes, TCA_STATS));
    qdisc.bytes = static_cast<double>(stats.bytes);
    qdisc.packets = stats.packets;
    qdisc.drops = stats.drops;
    qdisc.overlimits = stats.overlimits;
    qdisc.length = stats.qlen;
    qdisc.backlog = stats.backlog;
  }
  return qdisc;
}

StatusOr<std::vector<Qdisc>> ask_kernel(const Node& node) {
  tcmsg body{};
  body.tcm_family = AF_UNSPEC;
  ASSIGN_OR_RETURN(const std::string dump,
                   node.services.netlink(
                       {.protocol = NETLINK_ROUTE, .type = RTM_GETQDISC, .body = bytes_of(body)}));
  ASSIGN_OR_RETURN(const std::vector<NetlinkMessage> messages, parse_netlink(dump));
  std::vector<Qdisc> qdiscs;
  for (const NetlinkMessage& message : messages) {
    if (message.type != RTM_NEWQDISC) continue;
    if (auto qdisc = parse_qdisc(message.body)) qdiscs.push_back(*std::move(qdisc));
  }
  return qdiscs;
}

StatusOr<std::vector<Qdisc>> read_fixtures(const Node& node) {
  ASSIGN_OR_RETURN(const std::string text,
                   node.file(node.options.qdisc_fixtures + "/results.json"));
  ASSIGN_OR_RETURN(const base::JsonValue list, base::parse_json(text));
  std::vector<Qdisc> qdiscs;
  for (const base::JsonValue& item : list.items()) {
    const auto number = [&item](std::string_view key) {
      const base::JsonValue* value = item.find(key);
      return value == nullptr ? 0 : value->number();
    };
    const auto text_of = [&item](std::string_view key) {
      const base::JsonValue* value = item.find(key);
      return value == nullptr ? std::string() : value->string();
    };
    qdiscs.push_back({.device = text_of("IfaceName"),
                      .kind = text_of("Kind"),
                      .bytes = number("Bytes"),
                      .packets = number("Packets"),
                      .drops = number("Drops"),
                      .requeues = number("Requeues"),
                      .overlimits = number("Overlimits"),
                      .length = number("Qlen"),
                      .backlog = number("Backlog")});
  }
  return qdiscs;
}

void show_qdisc(const Qdisc& qdisc, Families* out) {
  const Labels labels = {{"device", qdisc.device}, {"kind", qdisc.kind}};
  out->counter("node_qdisc_bytes_total", "Number of bytes sent.", labels, qdisc.bytes);
  out->counter("node_qdisc_packets_total", "Number of packets sent.", labels, qdisc.packets);
  out->counter("node_qdisc_drops_total", "Number of packets dropped.", labels, qdisc.drops);
  out->counter("node_qdisc_requeues_total",
               "Number of packets dequeued, not transmitted, and requeued.", labels,
               qdisc.requeues);
  out->counter("node_qdisc_overlimits_total", "Number of overlimit packets.", labels,
               qdisc.overlimits);
  out->gauge("node_qdisc_current_queue_length", "Number of packets currently in queue to be sent.",
             labels, qdisc.length);
  out->gauge("node_qdisc_backlog", "Number of bytes currently in queue to be sent.", labels,
             qdisc.backlog);
}

}  // namespace

StatusOr<Collect> make_qdisc(const Node& node) {
  ASSIGN_OR_RETURN(Filter filter, Filter::make(node.options.qdisc_devices));
  return Collect([node, names = NameSet(std::move(filter))](Families* out) mutable -> Status {
    ASSIGN_OR_RETURN(const std::vector<Qdisc> qdiscs,
                     node.options.qdisc_fixtures.empty() ? ask_kernel(node) : read_fixtures(node));
    for (const Qdisc& qdisc : qdiscs) {
      if (names.keeps(qdisc.device)) show_qdisc(qdisc, out);
    }
    return ok();
  });
}

}  // namespace tocsin::exporters
