// SPDX-License-Identifier: Apache-2.0
//
// netdev: counters of the network devices, by rtnetlink or from /proc/net/dev.
#include <algorithm>
#include <span>

#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "exporters/node/collectors.h"
#include "exporters/node/network/link_dump.h"
#include "exporters/node/network/netlink.h"
#include "exporters/node/text.h"

namespace tocsin::exporters {
namespace {

constexpr LinkCounter kCounters[] = {
    {"receive_bytes", [](const LinkCounters& l) { return l.receive.bytes; }},
    {"receive_packets", [](const LinkCounters& l) { return l.receive.packets; }},
    {"receive_errs", [](const LinkCounters& l) { return l.receive.errs; }},
    {"receive_drop", [](const LinkCounters& l) { return l.receive.drop; }},
    {"receive_fifo", [](const LinkCounters& l) { return l.receive.fifo; }},
    {"receive_frame", [](const LinkCounters& l) { return l.receive_frame; }},
    {"receive_compressed", [](const LinkCounters& l) { return l.receive.compressed; }},
    {"receive_multicast", [](const LinkCounters& l) { return l.receive_multicast; }},
    {"receive_nohandler", [](const LinkCounters& l) { return l.receive_nohandler; }},
    {"transmit_bytes", [](const LinkCounters& l) { return l.transmit.bytes; }},
    {"transmit_packets", [](const LinkCounters& l) { return l.transmit.packets; }},
    {"transmit_errs", [](const LinkCounters& l) { return l.transmit.errs; }},
    {"transmit_drop", [](const LinkCounters& l) { return l.transmit.drop; }},
    {"transmit_fifo", [](const LinkCounters& l) { return l.transmit.fifo; }},
    {"transmit_colls", [](const LinkCounters& l) { return l.transmit_colls; }},
    {"transmit_carrier", [](const LinkCounters& l) { return l.transmit_carrier; }},
    {"transmit_compressed", [](const LinkCounters& l) { return l.transmit.compressed; }},
};

// Under --collector.netdev.enable-detailed-metrics, for /proc/net/dev, whose columns are sums already.
constexpr LinkCounter kDetailedTable[] = {
    {"receive_bytes", [](const LinkCounters& l) { return l.receive.bytes; }},
    {"receive_packets", [](const LinkCounters& l) { return l.receive.packets; }},
    {"receive_errors", [](const LinkCounters& l) { return l.receive.errs; }},
    {"receive_dropped", [](const LinkCounters& l) { return l.receive.drop; }},
    {"receive_fifo", [](const LinkCounters& l) { return l.receive.fifo; }},
    {"receive_frame", [](const LinkCounters& l) { return l.receive_frame; }},
    {"receive_compressed", [](const LinkCounters& l) { return l.receive.compressed; }},
    {"receive_multicast", [](const LinkCounters& l) { return l.receive_multicast; }},
    {"transmit_bytes", [](const LinkCounters& l) { return l.transmit.bytes; }},
    {"transmit_packets", [](const LinkCounters& l) { return l.transmit.packets; }},
    {"transmit_errors", [](const LinkCounters& l) { return l.transmit.errs; }},
    {"transmit_dropped", [](const LinkCounters& l) { return l.transmit.drop; }},
    {"transmit_fifo", [](const LinkCounters& l) { return l.transmit.fifo; }},
    {"transmit_colls", [](const LinkCounters& l) { return l.transmit_colls; }},
    {"transmit_carrier", [](const LinkCounters& l) { return l.transmit_carrier; }},
    {"transmit_compressed", [](const LinkCounters& l) { return l.transmit.compressed; }},
};

class NetdevCollector final : public Collector {
 public:
  NetdevCollector(const NodeOptions& options, const NodeServices& services, Filter filter)
      : options_(options), services_(services), filter_(std::move(filter)) {}

  std::string_view name() const override { return "netdev"; }

  Status collect(std::vector<base::MetricFamily>* out) override {
    ASSIGN_OR_RETURN(std::vector<LinkCounters> links, read_links());
    std::erase_if(links, [this](const LinkCounters& l) { return !filter_.keeps(l.device); });
    const std::vector<LabelPairs> labels = labels_of(links);
    std::vector<base::MetricFamily> families;
    for (const LinkCounter& counter : counters()) {
      base::MetricFamily family = make_family(
          fmt::format("node_network_{}_total", counter.name),
          fmt::format("Network device statistic {}.", counter.name), base::MetricType::kCounter);
      for (std::size_t i = 0; i < links.size(); ++i) {
        const double value = counter.get(links[i]);
        const bool is_told = value >= 0;
        if (is_told) add_sample(&family, labels[i], value);
      }
      families.push_back(std::move(family));
    }
    append_families(std::move(families), out);
    return options_.netdev_address_info ? show_addresses(out) : ok();
  }

 private:
  std::span<const LinkCounter> counters() const {
    if (!options_.netdev_detailed) return kCounters;
    if (options_.netdev_netlink) return rtnetlink_counters();
    return kDetailedTable;
  }

  StatusOr<std::vector<LinkCounters>> read_links() {
    if (options_.netdev_netlink) {
      ASSIGN_OR_RETURN(const std::string dump, services_.link_dump());
      return parse_link_dump(dump);
    }
    ASSIGN_OR_RETURN(const std::string text,
                     services_.files.read_file(options_.procfs + "/net/dev", kMaxProcFile));
    return parse_net_dev(text);
  }

  std::vector<LabelPairs> labels_of(const std::vector<LinkCounters>& links) {
    std::vector<LabelPairs> labels;
    for (const LinkCounters& link : links) {
      labels.push_back({{"device", link.device}});
      const std::string directory = options_.sysfs + "/class/net/" + link.device;
      if (!options_.netdev_label_ifalias || !services_.files.info(directory).ok()) continue;
      labels.back().emplace_back("ifalias",
                                 read_text(services_.files, directory + "/ifalias").value_or(""));
    }
    return labels;
  }

  // The addresses of all links; names come from a dump of their own, because an address has an index
  // only.
  Status show_addresses(std::vector<base::MetricFamily>* out) {
    ASSIGN_OR_RETURN(const std::string dump, services_.link_dump());
    ASSIGN_OR_RETURN(const std::vector<LinkCounters> links, parse_link_dump(dump));
    ASSIGN_OR_RETURN(const std::string answer, services_.netlink({.protocol = NETLINK_ROUTE,
                                                                  .type = RTM_GETADDR,
                                                                  .body = bytes_of(ifaddrmsg{})}));
    ASSIGN_OR_RETURN(const std::vector<LinkAddress> addresses, parse_address_dump(answer));
    Families families(out);
    for (const LinkAddress& address : addresses) {
      const auto link = std::find_if(links.begin(), links.end(), [&](const LinkCounters& l) {
        return l.index == address.index;
      });
      if (link == links.end() || !filter_.keeps(link->device)) continue;
      families.gauge("node_network_address_info", "node network address by device",
                     {{"address", address.address},
                      {"device", link->device},
                      {"netmask", fmt::format("{}", address.prefix)},
                      {"scope", address.scope}},
                     1);
    }
    return ok();
  }

  const NodeOptions& options_;
  const NodeServices& services_;
  const Filter filter_;
};

}  // namespace

StatusOr<std::unique_ptr<Collector>> make_netdev_collector(const NodeOptions& options,
                                                           const NodeServices& services) {
  ASSIGN_OR_RETURN(Filter filter, Filter::make(options.network_devices));
  return std::make_unique<NetdevCollector>(options, services, std::move(filter));
}

}  // namespace tocsin::exporters
