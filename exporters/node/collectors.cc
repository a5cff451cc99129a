// SPDX-License-Identifier: Apache-2.0
#include "exporters/node/collectors.h"

#include <cerrno>
#include <cstdlib>
#include <system_error>

#include <sys/statvfs.h>
#include <sys/utsname.h>

#include "exporters/node/files/files.h"
#include "exporters/node/hardware/hardware.h"
#include "exporters/node/kernel/kernel.h"
#include "exporters/node/memory/memory.h"
#include "exporters/node/network/ethtool.h"
#include "exporters/node/network/link_dump.h"
#include "exporters/node/network/netlink.h"
#include "exporters/node/network/network.h"
#include "exporters/node/nfs/nfs.h"
#include "exporters/node/services/services.h"
#include "exporters/node/storage/storage.h"
#include "exporters/node/systemd/dbus.h"
#include "exporters/node/systemd/logind.h"
#include "exporters/node/systemd/systemd.h"

namespace tocsin::exporters {
namespace {

StatusOr<MountStats> mount_stats(const std::string& path) {
  struct statvfs stats{};
  if (::statvfs(path.c_str(), &stats) != 0) {
    // A label's value, in upstream's spelling: "permission denied". The path is a label of its own.
    std::string reason = std::generic_category().message(errno);
    if (!reason.empty() && reason[0] >= 'A' && reason[0] <= 'Z') {
      reason[0] = static_cast<char>(reason[0] - 'A' + 'a');
    }
    return unavailable("{}", reason);
  }
  const auto block = static_cast<double>(stats.f_frsize);
  MountStats out;
  out.size_bytes = static_cast<double>(stats.f_blocks) * block;
  out.free_bytes = static_cast<double>(stats.f_bfree) * block;
  out.available_bytes = static_cast<double>(stats.f_bavail) * block;
  out.files = static_cast<double>(stats.f_files);
  out.files_free = static_cast<double>(stats.f_ffree);
  return out;
}

StatusOr<SystemNames> system_names() {
  utsname names{};
  if (::uname(&names) != 0) return errno_status(errno, "uname");
  return SystemNames{.system = static_cast<const char*>(names.sysname),
                     .release = static_cast<const char*>(names.release),
                     .version = static_cast<const char*>(names.version),
                     .machine = static_cast<const char*>(names.machine),
                     .node = static_cast<const char*>(names.nodename),
                     .domain = static_cast<const char*>(names.domainname)};
}

StatusOr<std::string> real_path(const std::string& path) {
  const std::unique_ptr<char, void (*)(void*)> real(::realpath(path.c_str(), nullptr), &::free);
  if (real == nullptr) return errno_status(errno, "realpath");
  return std::string(real.get());
}

}  // namespace

NodeServices system_services(base::FileSystem& files, const base::Clock& clock,
                             base::Timers& timers) {
  return {files,
          clock,
          timers,
          base::TimeZone::local(),
          mount_stats,
          system_names,
          dump_links,
          netlink_dump,
          ask_driver,
          system_bus_socket,
          read_clock_state,
          real_path,
          ask_btrfs,
          open_perf_counter};
}

namespace {

// A collector whose work is a function.
class FunctionCollector final : public Collector {
 public:
  FunctionCollector(std::string_view name, Collect collect)
      : name_(name), collect_(std::move(collect)) {}
  std::string_view name() const override { return name_; }
  Status collect(std::vector<base::MetricFamily>* out) override {
    Families families(out);
    return collect_(&families);
  }

 private:
  const std::string_view name_;  // of the tables below
  const Collect collect_;
};

using Made = StatusOr<std::unique_ptr<Collector>>;

// Three kinds: a function, a function that is made (with filters), an object with a memory.
struct PlainEntry {
  std::string_view name;
  Status (*collect)(const Node&, Families*);
};
struct MadeEntry {
  std::string_view name;
  StatusOr<Collect> (*make)(const Node&);
};
struct ObjectEntry {
  std::string_view name;
  std::function<Made(const NodeOptions&, const NodeServices&)> make;
};

constexpr PlainEntry kPlain[] = {
    {"bcache", collect_bcache},
    {"bcachefs", collect_bcachefs},
    {"bonding", collect_bonding},
    {"btrfs", collect_btrfs},
    {"buddyinfo", collect_buddyinfo},
    {"cgroups", collect_cgroups},
    {"conntrack", collect_conntrack},
    {"cpu_vulnerabilities", collect_cpu_vulnerabilities},
    {"cpufreq", collect_cpufreq},
    {"dmi", collect_dmi},
    {"dmmultipath", collect_dmmultipath},
    {"drbd", collect_drbd},
    {"drm", collect_drm},
    {"edac", collect_edac},
    {"entropy", collect_entropy},
    {"fibrechannel", collect_fibrechannel},
    {"filefd", collect_filefd},
    {"infiniband", collect_infiniband},
    {"ipvs", collect_ipvs},
    {"kernel_hung", collect_kernel_hung},
    {"ksmd", collect_ksmd},
    {"lnstat", collect_lnstat},
    {"logind", collect_logind},
    {"mdadm", collect_mdadm},
    {"meminfo_numa", collect_meminfo_numa},
    {"mountstats", collect_mountstats},
    {"network_route", collect_network_route},
    {"nfs", collect_nfs},
    {"nfsd", collect_nfsd},
    {"nvme", collect_nvme},
    {"nvmesubsystem", collect_nvmesubsystem},
    {"os", collect_os},
    {"pressure", collect_pressure},
    {"processes", collect_processes},
    {"rapl", collect_rapl},
    {"runit", collect_runit},
    {"schedstat", collect_schedstat},
    {"selinux", collect_selinux},
    {"sockstat", collect_sockstat},
    {"softirqs", collect_softirqs},
    {"softnet", collect_softnet},
    {"swap", collect_swap},
    {"sysctl", collect_sysctl},
    {"tcpstat", collect_tcpstat},
    {"textfile", collect_textfile},
    {"thermal_zone", collect_thermal_zone},
    {"timex", collect_timex},
    {"udp_queues", collect_udp_queues},
    {"watchdog", collect_watchdog},
    {"xfrm", collect_xfrm},
    {"xfs", collect_xfs},
    {"zfs", collect_zfs},
    {"zoneinfo", collect_zoneinfo},
};

constexpr MadeEntry kMade[] = {
    {"arp", make_arp},
    {"ethtool", make_ethtool},
    {"hwmon", make_hwmon},
    {"interrupts", make_interrupts},
    {"netclass", make_netclass},
    {"netstat", make_netstat},
    {"ntp", make_ntp},
    {"pcidevice", make_pcidevice},
    {"perf", make_perf},
    {"powersupplyclass", make_powersupplyclass},
    {"qdisc", make_qdisc},
    {"slabinfo", make_slabinfo},
    {"supervisord", make_supervisord},
    {"systemd", make_systemd},
    {"tapestats", make_tapestats},
    {"vmstat", make_vmstat},
    {"wifi", make_wifi},
};

}  // namespace

StatusOr<std::vector<std::unique_ptr<Collector>>> make_collectors(const NodeOptions& options,
                                                                  const NodeServices& services) {
  const ObjectEntry objects[] = {{"cpu", make_cpu_collector},
                                 {"diskstats", make_diskstats_collector},
                                 {"filesystem", make_filesystem_collector},
                                 {"loadavg", make_loadavg_collector},
                                 {"meminfo", make_meminfo_collector},
                                 {"netdev", make_netdev_collector},
                                 {"stat", make_stat_collector},
                                 {"time", make_time_collector},
                                 {"uname", make_uname_collector}};
  const Node node{options, services};
  std::vector<std::unique_ptr<Collector>> collectors;
  const auto add = [&collectors](std::string_view name, Collect collect) {
    collectors.push_back(std::make_unique<FunctionCollector>(name, std::move(collect)));
  };
  for (const ObjectEntry& entry : objects) {
    if (!options.is_enabled(std::string(entry.name))) continue;
    ASSIGN_OR_RETURN(std::unique_ptr<Collector> made, entry.make(options, services));
    collectors.push_back(std::move(made));
  }
  for (const PlainEntry& entry : kPlain) {
    if (!options.is_enabled(std::string(entry.name))) continue;
    add(entry.name, [node, run = entry.collect](Families* out) { return run(node, out); });
  }
  for (const MadeEntry& entry : kMade) {
    if (!options.is_enabled(std::string(entry.name))) continue;
    ASSIGN_OR_RETURN(Collect made, entry.make(node));
    add(entry.name, std::move(made));
  }
  return collectors;
}

}  // namespace tocsin::exporters
