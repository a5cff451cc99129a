// SPDX-License-Identifier: Apache-2.0
//
// Every configuration of examples/ is one that tocsin loads.
#include <algorithm>

#include <gtest/gtest.h>

#include "tests/support/process.h"

namespace tocsin::tests {
namespace {

// Runs `tocsinctl check KIND FILE`; what it says of a good file.
std::string checked(const std::string& kind, const std::string& file) {
  const Finished finished = run({built_program("tocsinctl"), "check", kind, file});
  EXPECT_EQ(finished.exit_code, 0) << finished.err;
  const std::string head = fmt::format("Checking {}\n  SUCCESS: ", file);
  EXPECT_TRUE(finished.out.starts_with(head)) << finished.out;
  return finished.out.substr(std::min(head.size(), finished.out.size()));
}

TEST(Examples, EveryFileIsLoaded) {
  const std::vector<std::string> examples = list_directory(source_path("examples"));
  EXPECT_FALSE(examples.empty());
  std::vector<std::string> scripts;
  for (const std::string& example : examples) {
    const std::string folder = source_path("examples/" + example) + "/";
    const std::vector<std::string> files = list_directory(folder);
    if (files == std::vector<std::string>{example + ".py"}) {
      scripts.push_back(example);
      continue;
    }
    checked("config", folder + "prometheus.yml");
    if (std::find(files.begin(), files.end(), "alertmanager.yml") != files.end()) {
      checked("alertmanager-config", folder + "alertmanager.yml");
    }
    for (const std::string& name : list_directory(folder + "rules")) {
      EXPECT_NE(checked("rules", folder + "rules/" + name), "0 rules found\n") << name;
    }
  }
  EXPECT_EQ(scripts,
            (std::vector<std::string>{"autoscaler", "canary"}));  // with tests of their own
}

TEST(Examples, TheQuickstartIsWhole) {
  EXPECT_EQ(checked("config", source_path("examples/quickstart/prometheus.yml")),
            "2 scrape jobs, 3 rule files\n");
  EXPECT_EQ(checked("alertmanager-config", source_path("examples/quickstart/alertmanager.yml")),
            "2 receivers, 0 inhibit rules\n");
}

TEST(Examples, ABrokenFileIsNot) {
  const TempDir files;
  const std::string file = files.write("broken.yml", "groups:\n  - name: g\n    ruls: []\n");
  const Finished finished = run({built_program("tocsinctl"), "check", "rules", file});
  EXPECT_EQ(finished.exit_code, 1);
  EXPECT_NE(finished.err.find(file), std::string::npos) << finished.err;
  EXPECT_NE(finished.err.find("line 3: field ruls not found"), std::string::npos) << finished.err;
}

}  // namespace
}  // namespace tocsin::tests
