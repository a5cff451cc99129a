// SPDX-License-Identifier: Apache-2.0
//
// The official scripts through `tocsinctl promqltest`, over the real store.
#include <cstdlib>

#include <gtest/gtest.h>

#include "tests/support/process.h"

namespace tocsin::tests {
namespace {

// What passes today; a change may raise it, never lower it. The same as with the store in memory
// (kPassedFloor of promql/conformance_test.cc).
constexpr int kPassedFloor = 2214;

// The lines of failed evaluations that are excused neither by a native histogram nor by an
// experimental feature.
std::string unexcused(const std::string& out) {
  std::string lines;
  for (std::size_t begin = 0; begin < out.size();) {
    const std::size_t end = std::min(out.find('\n', begin), out.size());
    const std::string line = out.substr(begin, end - begin);
    begin = end + 1;
    const bool excused = line.find(" (native histograms)") != std::string::npos ||
                         line.find(" (experimental)") != std::string::npos;
    if (line.starts_with("  line ") && !excused) lines += line + "\n";
  }
  return lines;
}

void run_scripts(const std::vector<std::string>& options) {
  const char* folder =
      std::getenv("TOCSIN_CONFORMANCE_DIR");  // NOLINT(concurrency-mt-unsafe): test
  if (folder == nullptr) GTEST_SKIP() << "TOCSIN_CONFORMANCE_DIR is not set";
  std::vector<std::string> command{built_program("tocsinctl"), "promqltest", "-v"};
  command.insert(command.end(), options.begin(), options.end());
  const std::size_t words = command.size();
  const std::string scripts = std::string(folder) + "/promql";
  for (const std::string& name : list_directory(scripts)) {
    if (name.ends_with(".test")) command.push_back(scripts + "/" + name);
  }
  ASSERT_GT(command.size(), words) << "no scripts in " << scripts;
  const std::size_t files = command.size() - words;
  // A minute with sanitizers, on a machine that does nothing else.
  const Finished finished = run(std::move(command), base::Duration(290'000));
  ASSERT_NE(finished.exit_code, -1) << "still running";
  const std::size_t at = finished.out.rfind("overall: ");
  ASSERT_NE(at, std::string::npos) << finished.out;
  const std::string last = finished.out.substr(at);
  std::printf("%zu files, %s", files, last.c_str());

  int passed = 0, total = 0;
  ASSERT_EQ(std::sscanf(last.c_str(), "overall: %d of %d passed", &passed, &total), 2) << last;
  EXPECT_GE(passed, kPassedFloor);
  EXPECT_EQ(unexcused(finished.out), "");
  EXPECT_EQ(finished.exit_code, passed == total ? 0 : 1);
  // Complaints would come from the store or the runner, not from an evaluation that fails.
  EXPECT_EQ(finished.err.find("level=error"), std::string::npos) << finished.err;
}

TEST(Official, ScriptsOverTheRealStore) { run_scripts({}); }

// Everything is sealed in two parts, merged to the oldest tier and opened anew before it is asked.
TEST(Official, ScriptsOverAStoreThatWasReopened) { run_scripts({"--reopen"}); }

}  // namespace
}  // namespace tocsin::tests
