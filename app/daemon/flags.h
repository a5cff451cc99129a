// SPDX-License-Identifier: Apache-2.0
//
// Reads tocsin's command line: upstream's flags with dots in their names (the door to CLI11).
//
// Pure.
// Errors: kInvalidArgument with what is wrong; a known flag that is not built yet is "not
// supported yet: --FLAG".
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "app/daemon/options.h"
#include "base/status.h"

namespace tocsin::app {

struct ParsedFlags {
  DaemonOptions options;
  std::string print;  // text to print and exit with 0: --help, --version
};

// `arguments` without the program's name.
StatusOr<ParsedFlags> parse_flags(std::vector<std::string> arguments);

}  // namespace tocsin::app
