// SPDX-License-Identifier: Apache-2.0
//
// NodeOptions: what tocsin-node-exporter can be told, its defaults, and its flags.
//
// A value.
// Errors: those of Flags.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "exporters/common/flags.h"

namespace tocsin::exporters {

// Include and exclude expressions of one kind of thing; unanchored, "" = not given.
struct FilterOptions {
  std::string include;
  std::string exclude;
};

struct NodeOptions {
  std::string procfs = "/proc";
  std::string sysfs = "/sys";
  std::string rootfs = "/";
  std::string udev_data = "/run/udev/data";

  bool disable_defaults = false;
  std::map<std::string, std::optional<bool>> collectors;  // by name; empty = the default, on

  bool cpu_guest = true;
  bool stat_softirq = false;
  FilterOptions disks{.include = "",
                      .exclude = R"(^(z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$)"};
  FilterOptions mount_points{.include = "",
                             .exclude =
                                 "^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+"
                                 "|var/lib/containers/storage/.+)($|/)"};
  FilterOptions fs_types{
      .include = "",
      .exclude =
          "^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|fusectl"
          "|hugetlbfs|iso9660|mqueue|nsfs|overlay|proc|procfs|pstore|rpc_pipefs|securityfs"
          "|selinuxfs|squashfs|erofs|sysfs|tracefs)$"};
  base::Duration mount_timeout{5'000};
  std::size_t stat_workers = 4;
  FilterOptions network_devices;
  bool netdev_netlink = true;

  NodeOptions();

  bool is_enabled(const std::string& collector) const;
  // kInvalidArgument for a filter that both includes and excludes.
  Status validate() const;
  // Collectors that upstream has and this program, as started, does not run.
  std::vector<std::string> disabled_collectors() const;
};

// `options` holds the defaults and must outlive `flags`.
void add_node_flags(Flags* flags, NodeOptions* options);

}  // namespace tocsin::exporters
