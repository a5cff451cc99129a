// SPDX-License-Identifier: Apache-2.0
//
// The official scripts over the in-memory store.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "promql/script.h"
#include "promql/testing/mem_script_store.h"

namespace tocsin::promql {
namespace {

// What passes today; a change may raise it, never lower it.
constexpr int kPassedFloor = 2214;

// Scripts in which all that needs neither native histograms nor an experimental feature must pass.
constexpr const char* kComplete[] = {
    "aggregators", "at_modifier", "collision", "literals", "name_label_dropping",
    "operators",   "selectors",   "staleness", "subquery", "trig_functions"};

std::string read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

TEST(Conformance, OfficialScripts) {
  const char* folder =
      std::getenv("TOCSIN_CONFORMANCE_DIR");  // NOLINT(concurrency-mt-unsafe): test
  if (folder == nullptr) GTEST_SKIP() << "TOCSIN_CONFORMANCE_DIR is not set";
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(std::string(folder) + "/promql")) {
    if (entry.path().extension() == ".test") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  const bool verbose =
      std::getenv("TOCSIN_VERBOSE") != nullptr;  // NOLINT(concurrency-mt-unsafe): test
  int total = 0;
  int passed = 0;
  for (const std::filesystem::path& file : files) {
    const std::string name = file.stem().string();
    const auto result = run_script(read_file(file), name, testing::make_mem_script_store);
    ASSERT_TRUE(result.ok()) << message(result.status());
    int plain_failures = 0;
    const bool complete =
        std::find(std::begin(kComplete), std::end(kComplete), name) != std::end(kComplete);
    for (const ScriptFailure& failure : result->failures) {
      const bool plain = !failure.histogram && !failure.experimental;
      plain_failures += plain ? 1 : 0;
      if (verbose || (plain && complete)) {
        std::printf("%s:%d: %s\n", name.c_str(), failure.line, failure.text.c_str());
      }
    }
    std::printf("%-24s %5d of %5d, failing without histogram or experiment: %d\n", name.c_str(),
                result->passed, result->total, plain_failures);
    if (complete) {
      EXPECT_EQ(plain_failures, 0) << name;
    }
    total += result->total;
    passed += result->passed;
  }
  std::printf("%-24s %5d of %5d\n", "all", passed, total);
  EXPECT_GE(passed, kPassedFloor);
}

}  // namespace
}  // namespace tocsin::promql
