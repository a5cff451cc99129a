// SPDX-License-Identifier: Apache-2.0
//
// `tocsinctl check rules` and `test rules` on upstream's files. What is expected is in promtool.tsv.
#include <cstdlib>
#include <fstream>

#include <gtest/gtest.h>

#include "tests/support/files.h"
#include "tests/support/process.h"

namespace tocsin::tests {
namespace {

struct Row {
  std::string file, command;
  int exit_code = 0;
  std::string error;   // the first line of errors
  std::string reason;  // why this is not what promtool 2.42 says; "" when it is
};

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts(1);
  for (char c : text) {
    if (c == separator) {
      parts.emplace_back();
    } else {
      parts.back().push_back(c);
    }
  }
  return parts;
}

std::vector<Row> read_rows() {
  std::vector<Row> rows;
  std::ifstream in(source_path("tests/conformance/promtool.tsv"));
  for (std::string line; std::getline(in, line);) {
    if (line.empty() || line[0] == '#') continue;
    const std::vector<std::string> cells = split(line, '\t');
    EXPECT_EQ(cells.size(), 5u) << line;
    if (cells.size() == 5) {
      rows.push_back({cells[0], cells[1], std::atoi(cells[2].c_str()), cells[3], cells[4]});
    }
  }
  return rows;
}

// The first line that is not empty, behind "FAILED:" where there is one.
std::string first_error(const std::string& err) {
  std::string first;
  bool failed = false;
  for (const std::string& line : split(err, '\n')) {
    if (line.find_first_not_of(' ') == std::string::npos) continue;
    if (line == "  FAILED:") {
      failed = true;
    } else if (failed) {
      return line;
    } else if (first.empty()) {
      first = line;
    }
  }
  return first;
}

TEST(Promtool, SaysTheSameOfRules) {
  const char* folder =
      std::getenv("TOCSIN_CONFORMANCE_DIR");  // NOLINT(concurrency-mt-unsafe): test
  if (folder == nullptr) GTEST_SKIP() << "TOCSIN_CONFORMANCE_DIR is not set";
  const std::vector<Row> rows = read_rows();
  ASSERT_FALSE(rows.empty());
  const std::string directory = std::string(folder) + "/promtool";
  for (const Row& row : rows) {
    const Finished finished = run({"/bin/sh", "-c",
                                   "cd " + directory + " && exec " + built_program("tocsinctl") +
                                       " " + row.command + " " + row.file + " </dev/null"});
    const std::string what = row.command + " " + row.file;
    EXPECT_EQ(finished.exit_code, row.exit_code) << what << "\n" << finished.err;
    EXPECT_EQ(first_error(finished.err), row.error) << what;
  }
}

}  // namespace
}  // namespace tocsin::tests
