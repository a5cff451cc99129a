// SPDX-License-Identifier: Apache-2.0
#include "tests/support/namespaces.h"

#include <sys/mount.h>

#include "tests/support/files.h"
#include "tests/support/process.h"

namespace tocsin::tests {
namespace {

// Whether something can be mounted in this way, and nobody outside sees it.
bool is_private(const std::vector<std::string>& way) {
  const TempDir place;
  const Finished mounted = run(joined(way, {"mount", "-t", "tmpfs", "none", place.path()}));
  if (mounted.exit_code != 0) return false;
  if (!is_mounted(place.path())) return true;
  ::umount2(place.path().c_str(), MNT_DETACH);
  return false;
}

}  // namespace

std::vector<std::vector<std::string>> namespace_commands(const std::vector<std::string>& kinds) {
  std::vector<std::vector<std::string>> ways = {{"unshare"}};
  // In a chroot the mount below "/" cannot be made private, because it is not in sight; it may be.
  if (!is_mounted("/")) ways.push_back({"unshare", "--propagation", "unchanged"});
  ways.push_back({"unshare", "--user", "--map-root-user"});
  std::vector<std::vector<std::string>> allowed;
  for (std::vector<std::string>& way : ways) {
    way = joined(way, kinds);
    if (is_private(way)) allowed.push_back(way);
  }
  return allowed;
}

std::vector<std::string> joined(std::vector<std::string> command,
                                const std::vector<std::string>& more) {
  command.insert(command.end(), more.begin(), more.end());
  return command;
}

bool is_mounted(const std::string& path) {
  // "ID PARENT MAJOR:MINOR ROOT MOUNT-POINT OPTIONS ..."; the paths of tests have nothing to escape.
  return read_file("/proc/self/mountinfo").find(" / " + path + " ") != std::string::npos;
}

}  // namespace tocsin::tests
