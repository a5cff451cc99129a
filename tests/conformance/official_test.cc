// SPDX-License-Identifier: Apache-2.0
//
// The official scripts through `tocsinctl promqltest`, over the real store.
#include <cstdlib>

#include <gtest/gtest.h>

#include "tests/support/process.h"

namespace tocsin::tests {
namespace {

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
  EXPECT_EQ(finished.exit_code, 0) << finished.out;
  EXPECT_EQ(files, 21U);
  EXPECT_TRUE(finished.out.ends_with("\noverall: 2214 of 2214 passed\n")) << finished.out;
  // Complaints would come from the store or the runner, not from an evaluation that fails.
  EXPECT_EQ(finished.err.find("level=error"), std::string::npos) << finished.err;
}

TEST(Official, ScriptsOverTheRealStore) { run_scripts({}); }

// Everything is sealed in two parts, merged to the oldest tier and opened anew before it is asked.
TEST(Official, ScriptsOverAStoreThatWasReopened) { run_scripts({"--reopen"}); }

}  // namespace
}  // namespace tocsin::tests
