// SPDX-License-Identifier: Apache-2.0
#include "exporters/node/collectors.h"

#include <cerrno>
#include <system_error>

#include <sys/statvfs.h>
#include <sys/utsname.h>

#include "exporters/node/network/link_dump.h"

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

}  // namespace

NodeServices system_services(base::FileSystem& files, const base::Clock& clock,
                             base::Timers& timers) {
  return {files, clock, timers, base::TimeZone::local(), mount_stats, system_names, dump_links};
}

StatusOr<std::vector<std::unique_ptr<Collector>>> make_collectors(const NodeOptions& options,
                                                                  const NodeServices& services) {
  using Made = StatusOr<std::unique_ptr<Collector>>;
  struct Factory {
    std::string_view name;
    std::function<Made(const NodeOptions&, const NodeServices&)> make;
  };
  const Factory factories[] = {{"cpu", make_cpu_collector},
                               {"diskstats", make_diskstats_collector},
                               {"filesystem", make_filesystem_collector},
                               {"loadavg", make_loadavg_collector},
                               {"meminfo", make_meminfo_collector},
                               {"netdev", make_netdev_collector},
                               {"stat", make_stat_collector},
                               {"time", make_time_collector},
                               {"uname", make_uname_collector}};
  std::vector<std::unique_ptr<Collector>> collectors;
  for (const Factory& factory : factories) {
    if (!options.is_enabled(std::string(factory.name))) continue;
    ASSIGN_OR_RETURN(std::unique_ptr<Collector> made, factory.make(options, services));
    collectors.push_back(std::move(made));
  }
  return collectors;
}

}  // namespace tocsin::exporters
