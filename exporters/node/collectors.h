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

// What adjtimex(2) tells; units are those of struct timex.
struct ClockState {
  bool is_synchronized = false;
  bool is_nano = false;  // offset and pps_jitter in nanoseconds, otherwise in microseconds
  double offset = 0, frequency = 0, max_error = 0, estimated_error = 0, status = 0, constant = 0;
  double tick = 0, pps_frequency = 0, pps_jitter = 0, pps_shift = 0, pps_stability = 0;
  double pps_jitter_count = 0, pps_calibration_count = 0, pps_error_count = 0;
  double pps_stability_count = 0, tai = 0;
};

// What a network driver says about its device.
struct EthtoolReport {
  bool has_driver = false;
  std::string driver, version, firmware, rom, bus;
  std::vector<std::pair<std::string, std::uint64_t>> statistics;
  bool has_link = false;
  std::uint32_t supported = 0, advertised = 0;  // the bits SUPPORTED_... and ADVERTISED_...
  bool is_autonegotiating = false;
};

// What a mounted btrfs says of itself.
struct BtrfsReport {
  std::string uuid;  // 32 hexadecimal digits
  struct Device {
    std::string name;  // "sda"
    std::string uuid;
    double size_bytes = 0, used_bytes = 0;
    double write_errors = 0, read_errors = 0, flush_errors = 0;
    double corruption_errors = 0, generation_errors = 0;
  };
  std::vector<Device> devices;
};

// An event that the kernel counts on a CPU, in the numbers of perf_event_open(2).
struct PerfEvent {
  std::uint32_t type = 0;
  std::uint64_t config = 0;
  std::size_t cpu = 0;
};
// Reads a counter; the last copy closes it.
using PerfCounter = std::function<StatusOr<std::uint64_t>()>;

// A request to the kernel by netlink.
struct NetlinkRequest {
  int protocol = 0;  // NETLINK_ROUTE, ...
  std::uint16_t type = 0;
  std::string body;  // after the nlmsghdr
  bool is_dump = true;
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
  // The kernel's answer to any other request: one message after another.
  std::function<StatusOr<std::string>(const NetlinkRequest&)> netlink;
  std::function<StatusOr<EthtoolReport>(const std::string& device)> ethtool;
  // The path of the socket of the system's D-Bus.
  std::function<std::string()> system_bus;
  std::function<StatusOr<ClockState>()> clock_state;
  // The path without links and "..".
  std::function<StatusOr<std::string>(const std::string& path)> real_path;
  // Asks the btrfs mounted at a path.
  std::function<StatusOr<BtrfsReport>(const std::string& path)> btrfs_report;
  // Begins to count.
  std::function<StatusOr<PerfCounter>(const PerfEvent&)> perf_counter;
};

// The services of this machine. The zone is read once.
NodeServices system_services(base::FileSystem& files, const base::Clock& clock,
                             base::Timers& timers);

std::unique_ptr<Collector> make_loadavg_collector(const NodeOptions&, const NodeServices&);
std::unique_ptr<Collector> make_meminfo_collector(const NodeOptions&, const NodeServices&);
std::unique_ptr<Collector> make_stat_collector(const NodeOptions&, const NodeServices&);
std::unique_ptr<Collector> make_time_collector(const NodeOptions&, const NodeServices&);
std::unique_ptr<Collector> make_uname_collector(const NodeOptions&, const NodeServices&);
StatusOr<std::unique_ptr<Collector>> make_cpu_collector(const NodeOptions&, const NodeServices&);
StatusOr<std::unique_ptr<Collector>> make_diskstats_collector(const NodeOptions&,
                                                              const NodeServices&);
StatusOr<std::unique_ptr<Collector>> make_filesystem_collector(const NodeOptions&,
                                                               const NodeServices&);
StatusOr<std::unique_ptr<Collector>> make_netdev_collector(const NodeOptions&, const NodeServices&);

StatusOr<ClockState> read_clock_state();

// The collectors that `options` switches on.
StatusOr<std::vector<std::unique_ptr<Collector>>> make_collectors(const NodeOptions& options,
                                                                  const NodeServices& services);

}  // namespace tocsin::exporters
