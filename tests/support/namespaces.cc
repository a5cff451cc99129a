// SPDX-License-Identifier: Apache-2.0
#include "tests/support/namespaces.h"

#include "tests/support/files.h"
#include "tests/support/process.h"

namespace tocsin::tests {

std::vector<std::vector<std::string>> namespace_commands(const std::vector<std::string>& kinds) {
  std::vector<std::vector<std::string>> ways = {{"unshare"}};
  // In a chroot the mount below "/" cannot be made private, because it is not in sight.
  if (!is_mounted("/")) ways.push_back({"unshare", "--propagation", "unchanged"});
  ways.push_back({"unshare", "--user", "--map-root-user"});
  std::vector<std::vector<std::string>> allowed;
  for (std::vector<std::string>& way : ways) {
    way = joined(way, kinds);
    if (run(joined(way, {"true"})).exit_code == 0) allowed.push_back(way);
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
