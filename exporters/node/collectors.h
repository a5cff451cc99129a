// SPDX-License-Identifier: Apache-2.0
//
// The collectors of tocsin-node-exporter. Each factory's file says what it reads; names, labels and
// types are those of upstream.
//
// NodeServices and NodeOptions are borrowed by every collector and must outlive it.
// Errors: a factory fails for a filter that is no expression.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/time.h"
#include "base/time_zone.h"
#include "exporters/common/collector.h"
#include "exporters/node/options.h"

namespace tocsin::exporters {

// Sizes of one mounted file system.
struct MountStats {
  double size_bytes = 0;
  double free_bytes = 0;
  double available_bytes = 0;  // to users other than root
  double files = 0;
  double files_free = 0;
};

struct SystemNames {
  std::string system, release, version, machine, node, domain;
};

// What the collectors read of the system besides files.
struct NodeServices {
  base::FileSystem& files;
  const base::Clock& clock;
  base::Timers& timers;
  base::TimeZone zone;
  // Asks for the sizes of the file system mounted at a path; may block for ever.
  std::function<StatusOr<MountStats>(const std::string& path)> mount_stats;
  std::function<StatusOr<SystemNames>()> system_names;
  // The kernel's answer to an rtnetlink request for all links: one message after another.
  std::function<StatusOr<std::string>()> link_dump;
};

// The services of this machine. The zone is read once.
NodeServices system_services(base::FileSystem& files, const base::Clock& clock,
                             base::Timers& timers);

std::unique_ptr<Collector> make_cpu_collector(const NodeOptions&, const NodeServices&);
std::unique_ptr<Collector> make_loadavg_collector(const NodeOptions&, const NodeServices&);
std::unique_ptr<Collector> make_meminfo_collector(const NodeOptions&, const NodeServices&);
std::unique_ptr<Collector> make_stat_collector(const NodeOptions&, const NodeServices&);
std::unique_ptr<Collector> make_time_collector(const NodeOptions&, const NodeServices&);
std::unique_ptr<Collector> make_uname_collector(const NodeOptions&, const NodeServices&);
StatusOr<std::unique_ptr<Collector>> make_diskstats_collector(const NodeOptions&,
                                                              const NodeServices&);
StatusOr<std::unique_ptr<Collector>> make_filesystem_collector(const NodeOptions&,
                                                               const NodeServices&);
StatusOr<std::unique_ptr<Collector>> make_netdev_collector(const NodeOptions&, const NodeServices&);

// The collectors that `options` switches on.
StatusOr<std::vector<std::unique_ptr<Collector>>> make_collectors(const NodeOptions& options,
                                                                  const NodeServices& services);

}  // namespace tocsin::exporters
