// SPDX-License-Identifier: Apache-2.0
//
// Mounts, as /proc/PID/mountinfo lists them. Values.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tocsin::exporters {

struct Mount {
  std::string device;
  std::string mount_point;
  std::string fs_type;
  std::string major, minor;
  bool read_only = false;
};

// Lines that are not as the kernel writes them are left out.
std::vector<Mount> parse_mountinfo(std::string_view text);

// What a mount point is to the host, whose root is mounted at `rootfs`: with /host, /host/home is
// /home and /host is /.
std::string without_root(const std::string& rootfs, const std::string& mount_point);
// Where a path of the host is here.
std::string path_here(const std::string& rootfs, const std::string& path);

}  // namespace tocsin::exporters
