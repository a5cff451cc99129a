// SPDX-License-Identifier: Apache-2.0
//
// ethtool: what the drivers of network devices count by names of their own, and what their links
// can do.
#include "exporters/node/network/ethtool.h"

#include <set>

#include <linux/ethtool.h>

#include "exporters/node/network/network.h"

namespace tocsin::exporters {
namespace {

// "rx" and "tx" that stand for a whole word become "received" and "transmitted". The blank behind
// one word is not also the blank before the next: "tx_tx_x" becomes "transmitted_tx_x".
std::string spelled_out(std::string_view name, std::string_view word, std::string_view full) {
  std::string out;
  bool at_word = true;
  for (std::size_t i = 0; i < name.size();) {
    const std::string_view rest = name.substr(i);
    const bool is_word = at_word && rest.starts_with(word) &&
                         (rest.size() == word.size() || rest[word.size()] == '_');
    if (!is_word) {
      at_word = name[i] == '_';
      out.push_back(name[i++]);
      continue;
    }
    out.append(full);
    i += word.size();
    if (i < name.size()) out.push_back(name[i++]);
    at_word = false;
  }
  return out;
}

std::string metric_name(std::string_view statistic) {
  std::string name;
  for (char c : statistic) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    const bool valid = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
    name.push_back(valid ? c : '_');
  }
  while (name.starts_with('_')) name.erase(0, 1);
  name = spelled_out(name, "rx", "received");
  return "node_ethtool_" + spelled_out(name, "tx", "transmitted");
}

struct Known {
  std::string_view statistic, name, help;
};

constexpr Known kKnown[] = {
    {"rx_bytes", "node_ethtool_received_bytes_total", "Network interface bytes received"},
    {"rx_dropped", "node_ethtool_received_dropped_total", "Number of received frames dropped"},
    {"rx_errors", "node_ethtool_received_errors_total", "Number of received frames with errors"},
    {"rx_packets", "node_ethtool_received_packets_total", "Network interface packets received"},
    {"tx_bytes", "node_ethtool_transmitted_bytes_total", "Network interface bytes sent"},
    {"tx_errors", "node_ethtool_transmitted_errors_total", "Number of sent frames with errors"},
    {"tx_packets", "node_ethtool_transmitted_packets_total", "Network interface packets sent"},
};

void show_statistics(const std::string& device, const EthtoolReport& report, NameSet* metrics,
                     Families* out) {
  std::set<std::string> shown;
  for (const auto& [statistic, value] : report.statistics) {
    if (!metrics->keeps(statistic)) continue;
    std::string name = metric_name(statistic);
    std::string help = fmt::format("Network interface {}", statistic);
    for (const Known& known : kKnown) {
      if (known.statistic != statistic) continue;
      name = known.name;
      help = known.help;
    }
    // Drivers have names that differ only in what a metric's name cannot hold.
    if (!shown.insert(name).second) continue;
    out->untyped(name, help, {{"device", device}}, static_cast<double>(value));
  }
}

struct Mode {
  int bit;
  std::string_view name;
  double megabits;
  std::string_view duplex;
};

constexpr Mode kModes[] = {
    {0, "10baseT", 10, "half"},           {1, "10baseT", 10, "full"},
    {2, "100baseT", 100, "half"},         {3, "100baseT", 100, "full"},
    {4, "1000baseT", 1000, "half"},       {5, "1000baseT", 1000, "full"},
    {12, "10000baseT", 10000, "full"},    {15, "2500baseX", 2500, "full"},
    {17, "1000baseKX", 1000, "full"},     {18, "10000baseKX4", 10000, "full"},
    {19, "10000baseKR", 10000, "full"},   {20, "10000baseR_FEC", 10000, "full"},
    {21, "20000baseMLD2", 20000, "full"}, {22, "20000baseKR2", 20000, "full"},
    {23, "40000baseKR4", 40000, "full"},  {24, "40000baseCR4", 40000, "full"},
    {25, "40000baseSR4", 40000, "full"},  {26, "40000baseLR4", 40000, "full"},
    {27, "56000baseKR4", 56000, "full"},  {28, "56000baseCR4", 56000, "full"},
    {29, "56000baseSR4", 56000, "full"},  {30, "56000baseLR4", 56000, "full"},
};

constexpr std::pair<std::uint32_t, std::string_view> kPorts[] = {
    {SUPPORTED_TP, "TP"},       {SUPPORTED_AUI, "AUI"}, {SUPPORTED_MII, "MII"},
    {SUPPORTED_FIBRE, "FIBRE"}, {SUPPORTED_BNC, "BNC"}, {SUPPORTED_Backplane, "Backplane"}};

void show_speeds(std::string_view name, std::string_view help, std::uint32_t modes,
                 std::string_view device, Families* out) {
  for (const Mode& mode : kModes) {
    if ((modes & (std::uint32_t{1} << mode.bit)) == 0) continue;
    out->gauge(name, help, {{"device", device}, {"duplex", mode.duplex}, {"mode", mode.name}},
               mode.megabits * 1'000'000 / 8);
  }
}

void show_link(const std::string& device, const EthtoolReport& report, Families* out) {
  for (const auto& [bit, type] : kPorts) {
    if ((report.supported & bit) == 0) continue;
    out->gauge("node_network_supported_port_info",
               "Type of ports or PHYs supported by network device",
               {{"device", device}, {"type", type}}, 1);
  }
  show_speeds("node_network_supported_speed_bytes",
              "Combination of speeds and features supported by network device", report.supported,
              device, out);
  show_speeds("node_network_advertised_speed_bytes",
              "Combination of speeds and features offered by network device", report.advertised,
              device, out);
  const struct {
    std::string_view name, help;
    bool value;
  } rows[] = {
      {"node_network_autonegotiate", "If this port is using autonegotiate",
       report.is_autonegotiating},
      {"node_network_autonegotiate_supported", "If this port device supports autonegotiate",
       (report.supported & SUPPORTED_Autoneg) != 0},
      {"node_network_autonegotiate_advertised", "If this port device offers autonegotiate",
       (report.advertised & ADVERTISED_Autoneg) != 0},
      {"node_network_pause_supported", "If this port device supports pause frames",
       (report.supported & SUPPORTED_Pause) != 0},
      {"node_network_pause_advertised", "If this port device offers pause capability",
       (report.advertised & ADVERTISED_Pause) != 0},
      {"node_network_asymmetricpause_supported",
       "If this port device supports asymmetric pause frames",
       (report.supported & SUPPORTED_Asym_Pause) != 0},
      {"node_network_asymmetricpause_advertised",
       "If this port device offers asymmetric pause capability",
       (report.advertised & ADVERTISED_Asym_Pause) != 0},
  };
  for (const auto& row : rows) {
    out->gauge(row.name, row.help, {{"device", device}}, row.value ? 1 : 0);
  }
}

struct Filters {
  NameSet devices;
  NameSet metrics;
};

}  // namespace

StatusOr<Collect> make_ethtool(const Node& node) {
  ASSIGN_OR_RETURN(Filter devices, Filter::make(node.options.ethtool_devices));
  ASSIGN_OR_RETURN(Filter metrics, Filter::make({.include = node.options.ethtool_metrics}));
  Filters both{NameSet(std::move(devices)), NameSet(std::move(metrics))};
  return Collect([node, filters = std::move(both)](Families* out) mutable -> Status {
    bool found = false;
    for (const std::string& device : node.list(node.sys("/class/net"))) {
      if (device == "bonding_masters" || !filters.devices.keeps(device)) continue;
      const StatusOr<EthtoolReport> report = node.services.ethtool(device);
      if (!report.ok()) continue;
      found = true;
      if (report->has_link) show_link(device, *report, out);
      if (report->has_driver) {
        out->gauge("node_ethtool_info",
                   "A metric with a constant '1' value labeled by bus_info, device, driver, "
                   "expansion_rom_version, firmware_version, version.",
                   {{"bus_info", report->bus},
                    {"device", device},
                    {"driver", report->driver},
                    {"expansion_rom_version", report->rom},
                    {"firmware_version", report->firmware},
                    {"version", report->version}},
                   1);
      }
      show_statistics(device, *report, &filters.metrics, out);
    }
    return found ? ok() : no_data("no driver answers");
  });
}

}  // namespace tocsin::exporters
