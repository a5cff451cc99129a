// SPDX-License-Identifier: Apache-2.0
//
// ipvs: /proc/net/ip_vs_stats and the table of /proc/net/ip_vs:
//   TCP  C0A80016:0CEA wlc            a virtual address in hexadecimal, or "FWM 10001000 wlc"
//     -> C0A85216:0CEA Tunnel 100 248 2     a real one: method, weight, active, inactive
// Backends that agree in the labels asked for are added up.
#include <algorithm>
#include <array>
#include <map>

#include <arpa/inet.h>

#include "exporters/node/network/network.h"

namespace tocsin::exporters {
namespace {

constexpr std::array<std::string_view, 6> kLabels = {
    "local_address", "local_port", "remote_address", "remote_port", "proto", "local_mark"};

struct Backend {
  std::array<std::string, kLabels.size()> labels;  // in the order of kLabels
  double weight = 0, active = 0, inactive = 0;
};

// "C0A80016:0CEA" or "[2620:0000:...]:0050"; false when it is neither.
bool parse_address(std::string_view text, std::string* address, std::string* port) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return false;
  const std::string_view host = text.substr(0, colon);
  const std::optional<std::uint64_t> number = to_hex(text.substr(colon + 1));
  if (!number) return false;
  *port = fmt::format("{}", *number);
  if (host.starts_with('[') && host.ends_with(']')) {
    in6_addr parsed{};
    const std::string inner(host.substr(1, host.size() - 2));
    std::array<char, INET6_ADDRSTRLEN> shown{};
    if (::inet_pton(AF_INET6, inner.c_str(), &parsed) != 1) return false;
    *address = ::inet_ntop(AF_INET6, &parsed, shown.data(), shown.size());
    return true;
  }
  const std::optional<std::uint64_t> ip = host.size() == 8 ? to_hex(host) : std::nullopt;
  if (!ip) return false;
  *address =
      fmt::format("{}.{}.{}.{}", (*ip >> 24) & 255, (*ip >> 16) & 255, (*ip >> 8) & 255, *ip & 255);
  return true;
}

StatusOr<std::vector<Backend>> parse_backends(std::string_view text) {
  std::vector<Backend> backends;
  Backend local;
  for (const std::string_view line : lines_of(text)) {
    const std::vector<std::string_view> fields = fields_of(line);
    if (fields.size() < 2) continue;
    if (fields[0] == "TCP" || fields[0] == "UDP" || fields[0] == "SCTP") {
      local = {};
      local.labels[4] = fields[0];
      if (!parse_address(fields[1], &local.labels[0], &local.labels[1])) {
        return invalid_argument("ip_vs: unexpected line {:?}", line);
      }
    } else if (fields[0] == "FWM") {
      local = {};
      local.labels[1] = "0";
      local.labels[4] = fields[0];
      local.labels[5] = fields[1];
    } else if (fields[0] == "->" && fields.size() >= 6 && !local.labels[4].empty()) {
      Backend backend = local;
      if (!parse_address(fields[1], &backend.labels[2], &backend.labels[3])) {
        return invalid_argument("ip_vs: unexpected line {:?}", line);
      }
      backend.weight = to_number(fields[3]).value_or(0);
      backend.active = to_number(fields[4]).value_or(0);
      backend.inactive = to_number(fields[5]).value_or(0);
      backends.push_back(std::move(backend));
    }
  }
  return backends;
}

std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    parts.push_back(text.substr(0, text.find(',')));
    text.remove_prefix(std::min(parts.back().size() + 1, text.size()));
  }
  return parts;
}

void show_backends(const std::vector<Backend>& backends, std::string_view wanted, Families* out) {
  std::map<LabelPairs, Backend> sums;
  for (const Backend& backend : backends) {
    LabelPairs labels;
    for (const std::string_view name : split(wanted)) {
      const auto place = std::find(kLabels.begin(), kLabels.end(), name) - kLabels.begin();
      labels.emplace_back(name, backend.labels[static_cast<std::size_t>(place)]);
    }
    Backend& sum = sums[labels];
    sum.weight += backend.weight;
    sum.active += backend.active;
    sum.inactive += backend.inactive;
  }
  for (const auto& [labels, sum] : sums) {
    out->add({"node_ipvs_backend_connections_active",
              "The current active connections by local and remote address."},
             labels, sum.active);
    out->add({"node_ipvs_backend_connections_inactive",
              "The current inactive connections by local and remote address."},
             labels, sum.inactive);
    out->add(
        {"node_ipvs_backend_weight", "The current backend weight by local and remote address."},
        labels, sum.weight);
  }
}

}  // namespace

Status check_ipvs_labels(std::string_view text) {
  for (const std::string_view name : split(text)) {
    if (std::find(kLabels.begin(), kLabels.end(), name) == kLabels.end()) {
      return invalid_argument("unknown IPVS backend labels: {:?}", name);
    }
  }
  return ok();
}

Status collect_ipvs(const Node& node, Families* out) {
  const StatusOr<std::string> stats = node.file(node.proc("/net/ip_vs_stats"));
  if (!stats.ok()) return no_data_if_missing(stats.status());
  const std::vector<std::string_view> lines = lines_of(*stats);
  const std::vector<std::string_view> totals =
      lines.size() > 2 ? fields_of(lines[2]) : std::vector<std::string_view>();
  constexpr std::pair<std::string_view, std::string_view> kTotals[] = {
      {"node_ipvs_connections_total", "The total number of connections made."},
      {"node_ipvs_incoming_packets_total", "The total number of incoming packets."},
      {"node_ipvs_outgoing_packets_total", "The total number of outgoing packets."},
      {"node_ipvs_incoming_bytes_total", "The total amount of incoming data."},
      {"node_ipvs_outgoing_bytes_total", "The total amount of outgoing data."},
  };
  if (totals.size() != std::size(kTotals)) return invalid_argument("ip_vs_stats: no totals");
  for (std::size_t i = 0; i < totals.size(); ++i) {
    out->counter(kTotals[i].first, kTotals[i].second, {},
                 static_cast<double>(to_hex(totals[i]).value_or(0)));
  }
  ASSIGN_OR_RETURN(const std::string table, node.file(node.proc("/net/ip_vs")));
  ASSIGN_OR_RETURN(const std::vector<Backend> backends, parse_backends(table));
  show_backends(backends, node.options.ipvs_labels, out);
  return ok();
}

}  // namespace tocsin::exporters
