// SPDX-License-Identifier: Apache-2.0
//
// Sockets and their queues: sockstat, softnet, udp_queues.
#include <unistd.h>

#include "exporters/node/network/network.h"

namespace tocsin::exporters {
namespace {

// "TCP: inuse 4 orphan 0 ...", pairs of a name and a number.
void show_sockets(std::string_view text, bool is_ipv6, Families* out) {
  const double page = static_cast<double>(::sysconf(_SC_PAGESIZE));
  for (const std::string_view line : lines_of(text)) {
    const std::vector<std::string_view> fields = fields_of(line);
    if (fields.empty() || !fields[0].ends_with(':')) continue;
    const std::string_view protocol = fields[0].substr(0, fields[0].size() - 1);
    for (std::size_t i = 1; i + 1 < fields.size(); i += 2) {
      const std::string_view state = fields[i];
      const double value = to_number(fields[i + 1]).value_or(0);
      if (protocol == "sockets") {
        if (!is_ipv6) {
          out->gauge("node_sockstat_sockets_used", "Number of IPv4 sockets in use.", {}, value);
        }
        continue;
      }
      const auto show = [&](std::string_view name, double number) {
        out->gauge(fmt::format("node_sockstat_{}_{}", protocol, name),
                   fmt::format("Number of {} sockets in state {}.", protocol, name), {}, number);
      };
      show(state, value);
      if (state == "mem") show("mem_bytes", value * page);
    }
  }
}

// Sums "tx:rx" in hexadecimal over all sockets.
std::optional<std::pair<double, double>> udp_queues(std::string_view text) {
  double transmit = 0, receive = 0;
  for (const std::string_view line : lines_of(text)) {
    const std::vector<std::string_view> fields = fields_of(line);
    if (fields.size() < 5 || fields[0] == "sl") continue;
    const std::size_t colon = fields[4].find(':');
    if (colon == std::string_view::npos) return std::nullopt;
    transmit += static_cast<double>(to_hex(fields[4].substr(0, colon)).value_or(0));
    receive += static_cast<double>(to_hex(fields[4].substr(colon + 1)).value_or(0));
  }
  return std::pair(transmit, receive);
}

}  // namespace

Status collect_sockstat(const Node& node, Families* out) {
  const StatusOr<std::string> ipv4 = node.file(node.proc("/net/sockstat"));
  const StatusOr<std::string> ipv6 = node.file(node.proc("/net/sockstat6"));
  if (!ipv4.ok() && !ipv6.ok()) return ipv4.status();
  if (ipv4.ok()) show_sockets(*ipv4, false, out);
  if (ipv6.ok()) show_sockets(*ipv6, true, out);
  return ok();
}

// /proc/net/softnet_stat: a line of hexadecimal columns for each CPU that is online.
Status collect_softnet(const Node& node, Families* out) {
  constexpr struct {
    std::size_t column;
    std::string_view name, help;
    base::MetricType type;
  } kColumns[] = {
      {0, "node_softnet_processed_total", "Number of processed packets",
       base::MetricType::kCounter},
      {1, "node_softnet_dropped_total", "Number of dropped packets", base::MetricType::kCounter},
      {2, "node_softnet_times_squeezed_total",
       "Number of times processing packets ran out of quota", base::MetricType::kCounter},
      {8, "node_softnet_cpu_collision_total",
       "Number of collision occur while obtaining device lock while transmitting",
       base::MetricType::kCounter},
      {9, "node_softnet_received_rps_total", "Number of times cpu woken up received_rps",
       base::MetricType::kCounter},
      {10, "node_softnet_flow_limit_count_total", "Number of times flow limit has been reached",
       base::MetricType::kCounter},
      {11, "node_softnet_backlog_len", "Softnet backlog status", base::MetricType::kGauge},
  };
  constexpr std::size_t kCpu = 12;
  ASSIGN_OR_RETURN(const std::string text, node.file(node.proc("/net/softnet_stat")));
  std::size_t number = 0;
  for (const std::string_view line : lines_of(text)) {
    const std::vector<std::string_view> fields = fields_of(line);
    // Old kernels do not say which CPU a line is of.
    const std::uint64_t cpu = fields.size() > kCpu ? to_hex(fields[kCpu]).value_or(number) : number;
    ++number;
    for (const auto& column : kColumns) {
      const std::optional<std::uint64_t> value =
          column.column < fields.size() ? to_hex(fields[column.column]) : std::uint64_t{0};
      if (!value) return invalid_argument("softnet_stat: unexpected line {:?}", line);
      out->add({column.name, column.help, column.type},
               label_pairs({{"cpu", fmt::format("{}", cpu)}}), static_cast<double>(*value));
    }
  }
  return ok();
}

Status collect_udp_queues(const Node& node, Families* out) {
  bool found = false;
  for (const auto& [path, ip] : {std::pair("/net/udp", "v4"), std::pair("/net/udp6", "v6")}) {
    const StatusOr<std::string> text = node.file(node.proc(path));
    if (!text.ok()) continue;
    const auto queues = udp_queues(*text);
    if (!queues) return invalid_argument("{}: unexpected content", path);
    found = true;
    constexpr std::string_view kHelp =
        "Number of allocated memory in the kernel for UDP datagrams in bytes.";
    out->gauge("node_udp_queues", kHelp, {{"ip", ip}, {"queue", "tx"}}, queues->first);
    out->gauge("node_udp_queues", kHelp, {{"ip", ip}, {"queue", "rx"}}, queues->second);
  }
  return found ? ok() : no_data("no UDP queues");
}

}  // namespace tocsin::exporters
