// SPDX-License-Identifier: Apache-2.0
//
// The process_* metrics, from /proc/self (proc(5)).
#include <unistd.h>

#include <charconv>
#include <limits>
#include <optional>

#include <sys/resource.h>

#include "base/file_system.h"
#include "base/metrics.h"

namespace tocsin::base {
namespace {

constexpr std::uint64_t kMaxProcFile = 4 << 20;

double to_number(std::string_view text) {
  double value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

// Fields of /proc/self/stat from the third ("state") on. The second is the program's name in
// parentheses and may itself hold spaces and parentheses.
std::vector<std::string_view> fields_after_name(std::string_view stat) {
  std::vector<std::string_view> fields;
  const std::size_t end_of_name = stat.rfind(')');
  if (end_of_name == std::string_view::npos) return fields;
  stat.remove_prefix(end_of_name + 1);
  while (true) {
    const std::size_t start = stat.find_first_not_of(" \n");
    if (start == std::string_view::npos) return fields;
    stat.remove_prefix(start);
    const std::size_t length = std::min(stat.find_first_of(" \n"), stat.size());
    fields.push_back(stat.substr(0, length));
    stat.remove_prefix(length);
  }
}

// Seconds since the epoch at which the system started ("btime" of /proc/stat), 0 when unknown.
double boot_seconds() {
  const StatusOr<std::string> stat = real_file_system().read_file("/proc/stat", kMaxProcFile);
  if (!stat.ok()) return 0;
  constexpr std::string_view kKey = "\nbtime ";
  const std::size_t at = stat->find(kKey);
  return at == std::string::npos ? 0 : to_number(std::string_view(*stat).substr(at + kKey.size()));
}

double soft_limit(decltype(RLIMIT_AS) resource) {
  rlimit limit{};
  if (getrlimit(resource, &limit) != 0) return 0;
  if (limit.rlim_cur == RLIM_INFINITY) {
    return static_cast<double>(std::numeric_limits<std::uint64_t>::max());
  }
  return static_cast<double>(limit.rlim_cur);
}

void add(std::string_view name, std::string_view help, MetricType type, double value,
         std::vector<MetricFamily>* out) {
  out->push_back({std::string(name), std::string(help), type, {{"", {}, value}}});
}

void collect_stat(std::vector<MetricFamily>* out) {
  const StatusOr<std::string> stat = real_file_system().read_file("/proc/self/stat", kMaxProcFile);
  if (!stat.ok()) return;
  const std::vector<std::string_view> fields = fields_after_name(*stat);
  // proc(5) counts from 1 and the list starts at field 3.
  const auto field = [&](std::size_t number) { return to_number(fields[number - 3]); };
  if (fields.size() < 22) return;
  const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  const auto page = static_cast<double>(sysconf(_SC_PAGESIZE));
  add("process_cpu_seconds_total", "Total user and system CPU time spent in seconds.",
      MetricType::kCounter, (field(14) + field(15)) / ticks, out);
  add("process_resident_memory_bytes", "Resident memory size in bytes.", MetricType::kGauge,
      field(24) * page, out);
  add("process_virtual_memory_bytes", "Virtual memory size in bytes.", MetricType::kGauge,
      field(23), out);
  add("process_start_time_seconds", "Start time of the process since unix epoch in seconds.",
      MetricType::kGauge, boot_seconds() + field(22) / ticks, out);
}

// The value of `column` in a table of two lines, "IpExt: InOctets ..." and "IpExt: 123 ...".
std::optional<double> ip_counter(std::string_view netstat, std::string_view column) {
  constexpr std::string_view kTable = "IpExt: ";
  const std::size_t names_at = netstat.find(kTable);
  if (names_at == std::string_view::npos) return std::nullopt;
  const std::size_t values_at = netstat.find(kTable, names_at + kTable.size());
  if (values_at == std::string_view::npos) return std::nullopt;
  std::string_view names = netstat.substr(names_at), values = netstat.substr(values_at);
  const auto next = [](std::string_view* line) {
    const std::string_view word = line->substr(0, line->find_first_of(" \n"));
    line->remove_prefix(std::min(word.size() + 1, line->size()));
    return word;
  };
  while (!names.empty() && !values.empty()) {
    const bool ends = names.find(' ') > names.find('\n');
    const std::string_view value = next(&values);
    if (next(&names) == column) return to_number(value);
    if (ends) break;
  }
  return std::nullopt;
}

// What passed the network namespace of the process: no finer count exists.
void collect_network(std::vector<MetricFamily>* out) {
  const StatusOr<std::string> netstat =
      real_file_system().read_file("/proc/self/net/netstat", kMaxProcFile);
  if (!netstat.ok()) return;
  if (const auto received = ip_counter(*netstat, "InOctets")) {
    add("process_network_receive_bytes_total",
        "Number of bytes received by the process over the network.", MetricType::kCounter,
        *received, out);
  }
  if (const auto sent = ip_counter(*netstat, "OutOctets")) {
    add("process_network_transmit_bytes_total",
        "Number of bytes sent by the process over the network.", MetricType::kCounter, *sent, out);
  }
}

}  // namespace

void collect_process_metrics(std::vector<MetricFamily>* out) {
  collect_stat(out);
  collect_network(out);
  add("process_virtual_memory_max_bytes", "Maximum amount of virtual memory available in bytes.",
      MetricType::kGauge, soft_limit(RLIMIT_AS), out);
  add("process_max_fds", "Maximum number of open file descriptors.", MetricType::kGauge,
      soft_limit(RLIMIT_NOFILE), out);
  const StatusOr<std::vector<std::string>> fds = real_file_system().list("/proc/self/fd");
  if (!fds.ok()) return;
  // One of them is the descriptor that the listing itself uses.
  add("process_open_fds", "Number of open file descriptors.", MetricType::kGauge,
      static_cast<double>(fds->size() - 1), out);
}

}  // namespace tocsin::base
