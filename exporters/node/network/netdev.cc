// SPDX-License-Identifier: Apache-2.0
//
// netdev: counters of the network devices, by rtnetlink or from /proc/net/dev.
#include <array>

#include "exporters/node/collectors.h"
#include "exporters/node/network/link_dump.h"
#include "exporters/node/text.h"

namespace tocsin::exporters {
namespace {

struct Counter {
  std::string_view name;
  double (*get)(const LinkCounters&);
};

constexpr std::array<Counter, 17> kCounters = {{
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
}};

class NetdevCollector final : public Collector {
 public:
  NetdevCollector(const NodeOptions& options, const NodeServices& services, Filter filter)
      : options_(options), services_(services), filter_(std::move(filter)) {}

  std::string_view name() const override { return "netdev"; }

  Status collect(std::vector<base::MetricFamily>* out) override {
    ASSIGN_OR_RETURN(const std::vector<LinkCounters> links, read_links());
    std::vector<base::MetricFamily> families;
    for (const Counter& counter : kCounters) {
      base::MetricFamily family = make_family(
          fmt::format("node_network_{}_total", counter.name),
          fmt::format("Network device statistic {}.", counter.name), base::MetricType::kCounter);
      for (const LinkCounters& link : links) {
        const double value = counter.get(link);
        const bool is_told = value >= 0;
        if (is_told && filter_.keeps(link.device)) {
          add_sample(&family, {{"device", link.device}}, value);
        }
      }
      families.push_back(std::move(family));
    }
    append_families(std::move(families), out);
    return ok();
  }

 private:
  StatusOr<std::vector<LinkCounters>> read_links() {
    if (options_.netdev_netlink) {
      ASSIGN_OR_RETURN(const std::string dump, services_.link_dump());
      return parse_link_dump(dump);
    }
    ASSIGN_OR_RETURN(const std::string text,
                     services_.files.read_file(options_.procfs + "/net/dev", kMaxProcFile));
    return parse_net_dev(text);
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
