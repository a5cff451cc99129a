// SPDX-License-Identifier: Apache-2.0
//
// The official scripts through `tocsinctl promqltest`, over the real store.
#include <cstdlib>

#include <gtest/gtest.h>

#include "tests/support/process.h"

namespace tocsin::tests {
namespace {

// The constant of promql/conformance_test.cc: the real store must pass what the store in memory
// does.
int floor_of_the_memory_store() {
  constexpr std::string_view kMark = "constexpr int kPassedFloor = ";
  const std::string source = read_file(source_path("promql/conformance_test.cc"));
  const std::size_t at = source.find(kMark);
  EXPECT_NE(at, std::string::npos);
  int floor = 0;
  if (at != std::string::npos) floor = std::atoi(source.c_str() + at + kMark.size());
  EXPECT_GE(floor, 500);
  return floor;
}

TEST(Official, ScriptsOverTheRealStore) {
  const char* folder =
      std::getenv("TOCSIN_CONFORMANCE_DIR");  // NOLINT(concurrency-mt-unsafe): test
  if (folder == nullptr) GTEST_SKIP() << "TOCSIN_CONFORMANCE_DIR is not set";
  std::vector<std::string> command{built_program("tocsinctl"), "promqltest"};
  const std::string scripts = std::string(folder) + "/promql";
  for (const std::string& name : list_directory(scripts)) {
    if (name.ends_with(".test")) command.push_back(scripts + "/" + name);
  }
  ASSERT_GT(command.size(), 2U) << "no scripts in " << scripts;
  const std::size_t files = command.size() - 2;
  const Finished finished = run(std::move(command));
  const std::size_t at = finished.out.rfind("overall: ");
  ASSERT_NE(at, std::string::npos) << finished.out << finished.err;
  const std::string last = finished.out.substr(at);
  std::printf("%zu files, %s", files, last.c_str());

  int passed = 0, total = 0;
  ASSERT_EQ(std::sscanf(last.c_str(), "overall: %d of %d passed", &passed, &total), 2) << last;
  EXPECT_GE(passed, floor_of_the_memory_store()) << finished.out;
  EXPECT_EQ(finished.exit_code, passed == total ? 0 : 1);
  EXPECT_EQ(finished.err, "");
}

}  // namespace
}  // namespace tocsin::tests
