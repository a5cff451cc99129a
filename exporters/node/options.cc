// SPDX-License-Identifier: Apache-2.0
#include "exporters/node/options.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <string_view>

#include "exporters/node/network/network.h"
#include "model/matcher.h"

namespace tocsin::exporters {
namespace {

// Those that run unless a flag says otherwise, as upstream's.
constexpr std::string_view kDefaultOn[] = {"arp",
                                           "bcache",
                                           "bcachefs",
                                           "bonding",
                                           "btrfs",
                                           "conntrack",
                                           "cpu",
                                           "cpufreq",
                                           "diskstats",
                                           "dmi",
                                           "dmmultipath",
                                           "edac",
                                           "entropy",
                                           "fibrechannel",
                                           "filefd",
                                           "filesystem",
                                           "hwmon",
                                           "infiniband",
                                           "ipvs",
                                           "kernel_hung",
                                           "loadavg",
                                           "mdadm",
                                           "meminfo",
                                           "netclass",
                                           "netdev",
                                           "netstat",
                                           "nfs",
                                           "nfsd",
                                           "nvme",
                                           "os",
                                           "powersupplyclass",
                                           "pressure",
                                           "rapl",
                                           "schedstat",
                                           "selinux",
                                           "sockstat",
                                           "softnet",
                                           "stat",
                                           "tapestats",
                                           "textfile",
                                           "thermal_zone",
                                           "time",
                                           "timex",
                                           "udp_queues",
                                           "uname",
                                           "vmstat",
                                           "watchdog",
                                           "xfs",
                                           "zfs"};

constexpr std::string_view kDefaultOff[] = {"buddyinfo",     "cgroups",      "cpu_vulnerabilities",
                                            "drbd",          "drm",          "ethtool",
                                            "interrupts",    "ksmd",         "lnstat",
                                            "logind",        "meminfo_numa", "mountstats",
                                            "network_route", "ntp",          "nvmesubsystem",
                                            "pcidevice",     "perf",         "processes",
                                            "qdisc",         "runit",        "slabinfo",
                                            "softirqs",      "supervisord",  "swap",
                                            "sysctl",        "systemd",      "tcpstat",
                                            "wifi",          "xfrm",         "zoneinfo"};

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

// The same with fractions and more units, as 3.46608s or 1h30m; at least 0.
StatusOr<double> parse_seconds(std::string_view text) {
  constexpr std::pair<std::string_view, double> kUnits[] = {
      {"ns", 1e-9}, {"us", 1e-6}, {"ms", 1e-3}, {"s", 1}, {"m", 60}, {"h", 3600}};
  double sum = 0;
  for (std::string_view rest = text; !rest.empty();) {
    double number = 0;
    const auto [stop, error] = std::from_chars(rest.data(), rest.data() + rest.size(), number);
    if (error != std::errc() || !(number >= 0)) break;
    rest.remove_prefix(static_cast<std::size_t>(stop - rest.data()));
    const auto unit = std::find_if(std::begin(kUnits), std::end(kUnits), [&](const auto& u) {
      const std::size_t length = rest.find_first_of("0123456789.");
      return rest.substr(0, length) == u.first;
    });
    if (unit == std::end(kUnits)) break;
    sum += number * unit->second;
    rest.remove_prefix(unit->first.size());
    if (rest.empty() && std::isfinite(sum)) return sum;
  }
  return invalid_argument("invalid duration {:?}, expected for example 5s", text);
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
  for (const std::string_view name : kDefaultOn) collectors.emplace(name, std::nullopt);
  for (const std::string_view name : kDefaultOff) collectors.emplace(name, std::nullopt);
}

bool NodeOptions::is_default(std::string_view collector) {
  return std::find(std::begin(kDefaultOn), std::end(kDefaultOn), collector) != std::end(kDefaultOn);
}

bool NodeOptions::is_enabled(const std::string& collector) const {
  const auto it = collectors.find(collector);
  return it != collectors.end() && it->second.value_or(!disable_defaults && is_default(collector));
}

std::vector<std::string> NodeOptions::disabled_collectors() const {
  std::vector<std::string> names;
  for (const auto& [name, state] : collectors) {
    if (!is_enabled(name)) names.push_back(name);
  }
  return names;
}

Status NodeOptions::validate() const {
  const std::pair<std::string_view, const FilterOptions*> filters[] = {
      {"collector.arp.device", &arp_devices},
      {"collector.diskstats.device", &disks},
      {"collector.ethtool.device", &ethtool_devices},
      {"collector.filesystem.mount-points", &mount_points},
      {"collector.filesystem.fs-types", &fs_types},
      {"collector.hwmon.chip", &hwmon_chips},
      {"collector.hwmon.sensor", &hwmon_sensors},
      {"collector.netdev.device", &network_devices},
      {"collector.qdisc.device", &qdisc_devices},
  };
  for (const auto& [name, filter] : filters) {
    if (filter->include.empty() || filter->exclude.empty()) continue;
    return invalid_argument("--{0}-exclude and --{0}-include are mutually exclusive", name);
  }
  return ok();
}

namespace {

void add_hardware_flags(Flags* flags, NodeOptions* options) {
  flags->toggle("collector.bcache.priorityStats", "Show expensive priority statistics of bcache.",
                &options->bcache_priority_stats);
  flags->toggle("collector.cpu.guest", "Show node_cpu_guest_seconds_total.", &options->cpu_guest);
  flags->toggle("collector.cpu.info", "Show node_cpu_info and the frequency of each CPU.",
                &options->cpu_info);
  add_filter(flags, "collector.cpu.info.flags-include",
             "Flags of the CPU shown as node_cpu_flag_info; needs --collector.cpu.info.",
             &options->cpu_info_flags);
  add_filter(flags, "collector.cpu.info.bugs-include",
             "Bugs of the CPU shown as node_cpu_bug_info; needs --collector.cpu.info.",
             &options->cpu_info_bugs);
  add_filters(flags, "collector.hwmon.chip", "sensor chips", &options->hwmon_chips);
  add_filters(flags, "collector.hwmon.sensor", "sensors (as chip;sensor)", &options->hwmon_sensors);
  add_filter(flags, "collector.powersupply.ignored-supplies", "Power supplies to leave out.",
             &options->powersupply_ignored);
  flags->toggle("collector.rapl.enable-zone-label",
                "Show the zone of RAPL as a label instead of in the name.",
                &options->rapl_zone_label);
  add_filter(flags, "collector.tapestats.ignored-devices", "Tape drives to leave out.",
             &options->tapestats_ignored);
}

void add_kernel_flags(Flags* flags, NodeOptions* options) {
  add_filter(flags, "collector.interrupts.name-include",
             "Show only interrupts that match this expression.", &options->interrupts.include);
  add_filter(flags, "collector.interrupts.name-exclude",
             "Leave out interrupts that match this expression.", &options->interrupts.exclude);
  flags->toggle("collector.interrupts.include-zeros", "Show interrupts that never came.",
                &options->interrupts_include_zeros);
  add_filter(flags, "collector.slabinfo.slabs-include",
             "Show only slabs that match this expression.", &options->slabs.include);
  add_filter(flags, "collector.slabinfo.slabs-exclude",
             "Leave out slabs that match this expression.", &options->slabs.exclude);
  flags->toggle("collector.stat.softirq", "Show node_softirqs_total.", &options->stat_softirq);
  flags->list("collector.sysctl.include", "A sysctl to show, as NAME or NAME:FIELD,FIELD.",
              &options->sysctl_include);
  flags->list("collector.sysctl.include-info", "A sysctl to show as text.",
              &options->sysctl_include_info);
  add_filter(flags, "collector.systemd.unit-include",
             "Show only units that match this whole expression.", &options->systemd_units.include);
  add_filter(flags, "collector.systemd.unit-exclude",
             "Leave out units that match this whole expression.", &options->systemd_units.exclude);
  flags->toggle("collector.systemd.enable-task-metrics", "Show the number of tasks of services.",
                &options->systemd_task_metrics);
  flags->toggle("collector.systemd.enable-restarts-metrics", "Show the restarts of services.",
                &options->systemd_restarts_metrics);
  flags->toggle("collector.systemd.enable-start-time-metrics", "Show when units were started.",
                &options->systemd_start_time_metrics);
  flags->list("collector.textfile.directory", "A directory with *.prom files; may hold wildcards.",
              &options->textfile_directories);
  add_filter(flags, "collector.vmstat.fields", "Fields of /proc/vmstat to show.",
             &options->vmstat_fields);
}

void add_service_flags(Flags* flags, NodeOptions* options) {
  flags->text("collector.ntp.server", "NTP server to ask; an address of this machine.",
              &options->ntp_server);
  flags->number("collector.ntp.server-port", "UDP port of the NTP server.", &options->ntp_port);
  flags->number("collector.ntp.protocol-version", "Version of NTP to speak: 2, 3 or 4.",
                &options->ntp_version);
  flags->toggle("collector.ntp.server-is-local",
                "Take an NTP server at another address, or by name: it is not a public one.",
                &options->ntp_server_is_local);
  flags->number("collector.ntp.ip-ttl", "How far a question to the NTP server may travel.",
                &options->ntp_ttl);
  const auto seconds = [flags](std::string name, std::string help, std::string shown,
                               double* value) {
    flags->custom(std::move(name), std::move(help), std::move(shown),
                  [value](std::string_view given) -> Status {
                    ASSIGN_OR_RETURN(*value, parse_seconds(given));
                    return ok();
                  });
  };
  seconds("collector.ntp.max-distance", "Largest distance to the root of a sane NTP server.",
          "3.46608s", &options->ntp_max_distance_seconds);
  seconds("collector.ntp.local-offset-tolerance",
          "How far the clock and the NTP server may disagree about the order of events.", "1ms",
          &options->ntp_offset_tolerance_seconds);
  flags->toggle("collector.pcidevice.names", "Show names of PCI devices, from a file pci.ids.",
                &options->pci_names);
  flags->text("collector.pcidevice.idsfile", "The file pci.ids, when it is at no usual place.",
              &options->pci_ids_file);
  flags->text("collector.perf.cpus", "CPUs to count events on, as 0-3,5; all by default.",
              &options->perf_cpus);
  flags->list("collector.perf.tracepoint", "A tracepoint to count, as SUBSYSTEM:EVENT.",
              &options->perf_tracepoints);
  flags->toggle("collector.perf.disable-hardware-profilers", "Count no events of the CPU.",
                &options->perf_no_hardware);
  flags->list("collector.perf.hardware-profilers", "An event of the CPU to count; all by default.",
              &options->perf_hardware);
  flags->toggle("collector.perf.disable-software-profilers", "Count no events of the kernel.",
                &options->perf_no_software);
  flags->list("collector.perf.software-profilers",
              "An event of the kernel to count; all by default.", &options->perf_software);
  flags->toggle("collector.perf.disable-cache-profilers", "Count no events of caches.",
                &options->perf_no_cache);
  flags->list("collector.perf.cache-profilers", "An event of caches to count; all by default.",
              &options->perf_cache);
  flags->text("collector.runit.servicedir", "Where the services of runit are.",
              &options->runit_directory);
  flags->text("collector.supervisord.url",
              "XML-RPC of supervisord: http://HOST:PORT/RPC2 or unix://PATH.",
              &options->supervisord_url);
  flags->environment("collector.supervisord.url", "SUPERVISORD_URL");
}

void add_network_flags(Flags* flags, NodeOptions* options) {
  add_filters(flags, "collector.arp.device", "network devices", &options->arp_devices);
  flags->toggle("collector.arp.netlink",
                "Ask the kernel for neighbours by netlink; off: read /proc/net/arp.",
                &options->arp_netlink);
  add_filters(flags, "collector.ethtool.device", "network devices", &options->ethtool_devices);
  add_filter(flags, "collector.ethtool.metrics-include", "Statistics of drivers to show.",
             &options->ethtool_metrics);
  flags->custom("collector.ipvs.backend-labels", "Labels of IPVS backends, with commas between.",
                options->ipvs_labels, [options](std::string_view given) -> Status {
                  RETURN_IF_ERROR(check_ipvs_labels(given));
                  options->ipvs_labels = given;
                  return ok();
                });
  add_filter(flags, "collector.netclass.ignored-devices", "Network devices to leave out.",
             &options->netclass_ignored);
  flags->toggle("collector.netclass.ignore-invalid-speed",
                "Leave out the speed of devices that do not know it.",
                &options->netclass_ignore_invalid_speed);
  flags->toggle("collector.netclass.netlink",
                "Ask the kernel for the properties of network devices by netlink; off: read sysfs.",
                &options->netclass_netlink);
  flags->toggle(
      "collector.netclass_rtnl.with-stats",
      "Show the counters of network devices, too, in place of the netdev collector; needs "
      "--collector.netclass.netlink.",
      &options->netclass_with_stats);
  add_filters(flags, "collector.netdev.device", "network devices", &options->network_devices);
  flags->toggle("collector.netdev.netlink",
                "Ask the kernel for network devices by netlink; off: read /proc/net/dev.",
                &options->netdev_netlink);
  flags->toggle("collector.netdev.address-info", "Show the addresses of network devices.",
                &options->netdev_address_info);
  flags->toggle(
      "collector.netdev.enable-detailed-metrics",
      "Show every counter of a network device under its own name, which other dashboards need.",
      &options->netdev_detailed);
  flags->toggle("collector.netdev.label-ifalias",
                "Give the counters of network devices the label ifalias.",
                &options->netdev_label_ifalias);
  add_filter(flags, "collector.netstat.fields", "Fields of netstat and snmp to show.",
             &options->netstat_fields);
  add_filters(flags, "collector.qdisc.device", "network devices", &options->qdisc_devices);
  flags->text("collector.qdisc.fixtures", "Read queueing disciplines from this directory.",
              &options->qdisc_fixtures);
  flags->text("collector.wifi.fixtures", "Read WiFi devices from this directory.",
              &options->wifi_fixtures);
}

}  // namespace

void add_node_flags(Flags* flags, NodeOptions* options) {
  flags->text("path.procfs", "Where procfs is mounted.", &options->procfs);
  flags->text("path.sysfs", "Where sysfs is mounted.", &options->sysfs);
  flags->text("path.rootfs", "Where the root of the host's files is mounted.", &options->rootfs);
  flags->text("path.udev.data", "Where udev keeps what it knows about devices.",
              &options->udev_data);
  flags->toggle("collector.disable-defaults", "Run only the collectors that are switched on.",
                &options->disable_defaults);
  for (auto& [name, state] : options->collectors) {
    flags->toggle("collector." + name,
                  fmt::format("Run the {} collector. Default: {}.", name,
                              NodeOptions::is_default(name) ? "on" : "off"),
                  &state);
  }
  add_filters(flags, "collector.diskstats.device", "disks", &options->disks);
  add_filesystem_flags(flags, options);
  add_hardware_flags(flags, options);
  add_kernel_flags(flags, options);
  add_network_flags(flags, options);
  add_service_flags(flags, options);
  // Options of the collectors above that are not built.
  for (const auto& [name, state] : options->collectors) {
    flags->unsupported_prefix(fmt::format("collector.{}.", name));
  }
}

}  // namespace tocsin::exporters
