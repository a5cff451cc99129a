// SPDX-License-Identifier: Apache-2.0
#include "exporters/node/options.h"

#include <array>
#include <charconv>
#include <string_view>

#include "model/matcher.h"

namespace tocsin::exporters {
namespace {

constexpr std::array<std::string_view, 9> kCollectors = {
    "cpu", "diskstats", "filesystem", "loadavg", "meminfo", "netdev", "stat", "time", "uname"};

// What upstream 1.12 has beyond that.
constexpr std::array<std::string_view, 70> kUnsupportedCollectors = {
    "arp",          "bcache",        "bcachefs",
    "bonding",      "btrfs",         "buddyinfo",
    "cgroups",      "conntrack",     "cpu_vulnerabilities",
    "cpufreq",      "dmi",           "dmmultipath",
    "drbd",         "drm",           "edac",
    "entropy",      "ethtool",       "fibrechannel",
    "filefd",       "hwmon",         "infiniband",
    "interrupts",   "ipvs",          "kernel_hung",
    "ksmd",         "lnstat",        "logind",
    "mdadm",        "meminfo_numa",  "mountstats",
    "netclass",     "netstat",       "network_route",
    "nfs",          "nfsd",          "ntp",
    "nvme",         "nvmesubsystem", "os",
    "pcidevice",    "perf",          "powersupplyclass",
    "pressure",     "processes",     "qdisc",
    "rapl",         "runit",         "schedstat",
    "selinux",      "slabinfo",      "sockstat",
    "softirqs",     "softnet",       "supervisord",
    "swap",         "sysctl",        "systemd",
    "tapestats",    "tcpstat",       "textfile",
    "thermal_zone", "timex",         "udp_queues",
    "vmstat",       "watchdog",      "wifi",
    "xfrm",         "xfs",           "zfs",
    "zoneinfo"};

// Checks the expression now, so that a typing error stops the start and not the first scrape.
void add_filter(Flags* flags, const std::string& name, const std::string& help,
                std::string* pattern) {
  flags->custom(name, help, *pattern, [pattern](std::string_view given) -> Status {
    RETURN_IF_ERROR(model::Regex::unanchored(given).status());
    *pattern = given;
    return ok();
  });
}

void add_filters(Flags* flags, const std::string& name, const std::string& what,
                 FilterOptions* filter) {
  // The default exclusion is no reason to refuse an inclusion: giving one drops it.
  add_filter(flags, name + "-exclude",
             fmt::format("Leave out {} that match this expression.", what), &filter->exclude);
  const std::string include = name + "-include";
  flags->custom(include, fmt::format("Show only {} that match this expression.", what), "",
                [filter, shown = filter->exclude](std::string_view given) -> Status {
                  RETURN_IF_ERROR(model::Regex::unanchored(given).status());
                  filter->include = given;
                  if (filter->exclude == shown) filter->exclude.clear();
                  return ok();
                });
}

// Go's notation of times, as far as a timeout needs it: 500ms, 5s, 2m.
StatusOr<base::Duration> parse_timeout(std::string_view text) {
  std::int64_t number = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  const std::string_view unit(stop, static_cast<std::size_t>(end - stop));
  const std::int64_t factor = unit == "ms" ? 1 : unit == "s" ? 1000 : unit == "m" ? 60'000 : 0;
  constexpr std::int64_t kMax = 1'000'000;
  if (error != std::errc() || factor == 0 || number <= 0 || number > kMax) {
    return invalid_argument("invalid duration {:?}, expected for example 5s", text);
  }
  return base::Duration(number * factor);
}

void add_filesystem_flags(Flags* flags, NodeOptions* options) {
  add_filters(flags, "collector.filesystem.mount-points", "mount points", &options->mount_points);
  add_filters(flags, "collector.filesystem.fs-types", "file system types", &options->fs_types);
  flags->custom("collector.filesystem.mount-timeout",
                "How long a mount may take to answer before it is reported as stuck.", "5s",
                [options](std::string_view given) -> Status {
                  ASSIGN_OR_RETURN(options->mount_timeout, parse_timeout(given));
                  return ok();
                });
  flags->custom("collector.filesystem.stat-workers", "Mounts asked at the same time.", "4",
                [options](std::string_view given) -> Status {
                  const char* end = given.data() + given.size();
                  const auto [stop, error] =
                      std::from_chars(given.data(), end, options->stat_workers);
                  const bool valid = error == std::errc() && stop == end &&
                                     options->stat_workers >= 1 && options->stat_workers <= 64;
                  return valid ? ok() : invalid_argument("expected a number from 1 to 64");
                });
}

}  // namespace

NodeOptions::NodeOptions() {
  for (const std::string_view name : kCollectors) collectors.emplace(name, std::nullopt);
}

bool NodeOptions::is_enabled(const std::string& collector) const {
  const auto it = collectors.find(collector);
  return it != collectors.end() && it->second.value_or(!disable_defaults);
}

std::vector<std::string> NodeOptions::disabled_collectors() const {
  std::vector<std::string> names;
  for (const auto& [name, state] : collectors) {
    if (!is_enabled(name)) names.push_back(name);
  }
  names.insert(names.end(), kUnsupportedCollectors.begin(), kUnsupportedCollectors.end());
  return names;
}

Status NodeOptions::validate() const {
  const std::array<std::pair<std::string_view, const FilterOptions*>, 4> filters = {{
      {"collector.diskstats.device", &disks},
      {"collector.filesystem.mount-points", &mount_points},
      {"collector.filesystem.fs-types", &fs_types},
      {"collector.netdev.device", &network_devices},
  }};
  for (const auto& [name, filter] : filters) {
    if (filter->include.empty() || filter->exclude.empty()) continue;
    return invalid_argument("--{0}-exclude and --{0}-include are mutually exclusive", name);
  }
  return ok();
}

void add_node_flags(Flags* flags, NodeOptions* options) {
  flags->text("path.procfs", "Where procfs is mounted.", &options->procfs);
  flags->text("path.sysfs", "Where sysfs is mounted.", &options->sysfs);
  flags->text("path.rootfs", "Where the root of the host's files is mounted.", &options->rootfs);
  flags->text("path.udev.data", "Where udev keeps what it knows about devices.",
              &options->udev_data);
  flags->toggle("collector.disable-defaults", "Run only the collectors that are switched on.",
                &options->disable_defaults);
  for (auto& [name, state] : options->collectors) {
    flags->toggle("collector." + name, fmt::format("Run the {} collector. Default: on.", name),
                  &state);
  }
  flags->toggle("collector.cpu.guest", "Show node_cpu_guest_seconds_total.", &options->cpu_guest);
  flags->unsupported_toggle("collector.cpu.info");
  add_filters(flags, "collector.diskstats.device", "disks", &options->disks);
  add_filesystem_flags(flags, options);
  add_filters(flags, "collector.netdev.device", "network devices", &options->network_devices);
  flags->toggle("collector.netdev.netlink",
                "Ask the kernel for network devices by netlink; off: read /proc/net/dev.",
                &options->netdev_netlink);
  flags->unsupported_toggle("collector.netdev.address-info");
  flags->unsupported_toggle("collector.netdev.enable-detailed-metrics");
  flags->unsupported_toggle("collector.netdev.label-ifalias");
  flags->toggle("collector.stat.softirq", "Show node_softirqs_total.", &options->stat_softirq);
  for (const std::string_view name : kUnsupportedCollectors) {
    flags->unsupported_toggle(fmt::format("collector.{}", name));
    flags->unsupported_prefix(fmt::format("collector.{}.", name));
  }
  // Options of the collectors above that are not built.
  for (const std::string_view name : kCollectors) {
    flags->unsupported_prefix(fmt::format("collector.{}.", name));
  }
}

}  // namespace tocsin::exporters
