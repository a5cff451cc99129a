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

constexpr int kEvaluations = 2214;  // in all scripts

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
  int total = 0;
  for (const std::filesystem::path& file : files) {
    const std::string name = file.stem().string();
    const auto result = run_script(read_file(file), name, testing::make_mem_script_store);
    ASSERT_TRUE(result.ok()) << message(result.status());
    for (const ScriptFailure& failure : result->failures) {
      ADD_FAILURE() << name << ":" << failure.line << ": " << failure.text;
    }
    std::printf("%-24s %5d of %5d\n", name.c_str(), result->passed, result->total);
    EXPECT_EQ(result->passed, result->total) << name;
    total += result->total;
  }
  std::printf("%-24s %5d evaluations\n", "all", total);
  EXPECT_EQ(total, kEvaluations);
}

}  // namespace
}  // namespace tocsin::promql
