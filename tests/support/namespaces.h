// SPDX-License-Identifier: Apache-2.0
//
// Namespaces of Linux for the programs of a test: mounts, ports and interfaces that nobody else sees, and
// that end with those programs.
//
// Threads: confined. Errors: none; what this machine does not allow is not offered.
#pragma once

#include <string>
#include <vector>

namespace tocsin::tests {

// The words that run a command in new namespaces of these kinds ("--mount", "--net", ... of unshare(1)),
// in each way that this machine allows, the one with most rights first: as root, or as the root of a
// user namespace. The command keeps the process id unless "--fork" is among the kinds. REQUIRES:
// "--mount" is.
std::vector<std::vector<std::string>> namespace_commands(const std::vector<std::string>& kinds);

// `command` with `more` words behind it.
std::vector<std::string> joined(std::vector<std::string> command,
                                const std::vector<std::string>& more);

// Whether something is mounted at the path, as this process sees it.
bool is_mounted(const std::string& path);

}  // namespace tocsin::tests
