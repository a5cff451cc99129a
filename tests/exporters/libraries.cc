// SPDX-License-Identifier: Apache-2.0
#include "tests/exporters/libraries.h"

#include <sstream>

#include "tests/support/process.h"

namespace tocsin::tests {

std::set<std::string> loaded_libraries(const std::string& program) {
  const Finished listed = run({"ldd", built_program(program)});
  std::set<std::string> libraries;
  std::istringstream lines(listed.out);
  for (std::string name; lines >> name;) {
    const std::size_t end = name.find(".so");
    if (!name.starts_with("lib") || end == std::string::npos) continue;
    name = name.substr(0, end);
    const bool is_absl = name.starts_with("libabsl_");
    const bool is_sanitizer =
        name.starts_with("libasan") || name.starts_with("libubsan") || name.starts_with("libtsan");
    if (!is_absl && !is_sanitizer) libraries.insert(name);
  }
  return libraries;
}

}  // namespace tocsin::tests
