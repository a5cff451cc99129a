// SPDX-License-Identifier: Apache-2.0
#include "tests/exporters/lint.h"

#include <fnmatch.h>

#include <algorithm>
#include <cstdlib>
#include <set>
#include <sstream>

#include "tests/support/files.h"
#include "tests/support/process.h"

namespace tocsin::tests {
namespace {

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    if (!line.empty() && !line.starts_with('#')) lines.push_back(line);
  }
  return lines;
}

// Lines of upstream's families, in which * stands for anything.
std::vector<std::string> upstreams_complaints() {
  return lines_of(read_file(source_path("tests/exporters/promtool_complaints.txt")));
}

}  // namespace

std::vector<std::string> own_complaints(const std::string& page) {
  const TempDir folder;
  const std::string file = folder.write("page", page);
  const Finished finished = run({"/bin/sh", "-c", R"(exec "$0" check metrics <"$1")",
                                 source_path("build/parts/bin/promtool"), file});
  std::vector<std::string> complaints = lines_of(finished.err);
  // 3: there are complaints.
  if (finished.exit_code != (complaints.empty() ? 0 : 3)) {
    complaints.push_back(fmt::format("promtool: exit status {}", finished.exit_code));
  }
  const std::vector<std::string> known = upstreams_complaints();
  std::erase_if(complaints, [&](const std::string& complaint) {
    return std::any_of(known.begin(), known.end(), [&](const std::string& pattern) {
      return ::fnmatch(pattern.c_str(), complaint.c_str(), 0) == 0;
    });
  });
  return complaints;
}

std::vector<std::string> complaints_not_upstreams() {
  const char* data = std::getenv("TOCSIN_CONFORMANCE_DIR");  // NOLINT(concurrency-mt-unsafe): tests
  if (data == nullptr) return {};
  std::set<std::string> families;
  const std::string folder = std::string(data) + "/exporter-families/";
  for (const std::string& table : list_directory(folder)) {
    for (const std::string& row : lines_of(read_file(folder + table))) {
      families.insert(row.substr(0, row.find('\t')));
    }
  }
  std::vector<std::string> others = upstreams_complaints();
  std::erase_if(others, [&](const std::string& line) {
    const std::string name = line.substr(0, line.find(' '));
    if (name.starts_with('*')) return true;
    return std::any_of(families.begin(), families.end(), [&](const std::string& family) {
      return ::fnmatch(name.c_str(), family.c_str(), 0) == 0;
    });
  });
  return others;
}

}  // namespace tocsin::tests
