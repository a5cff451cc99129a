// SPDX-License-Identifier: Apache-2.0
//
// Runs unit tests of rules: loads the input series, evaluates the rules at every interval over a
// store of its own, and compares alerts and expressions with what is expected.
//
// Blocks the caller. Threads: confined.
#pragma once

#include <cstdio>
#include <string>
#include <vector>

#include "app/ctl/promql_flags.h"
#include "app/ctl/rules/unit_test_file.h"

namespace tocsin::app {

struct UnitTestOptions {
  PromqlFlags promql;
  bool ignore_unknown_fields = false;  // of rule files
  bool diff = false;                   // alerts are shown as a difference, in colours
  std::FILE* debug = nullptr;          // null: nothing is said about progress
};

// Runs one group of `file`; gives what failed, in promtool's words.
std::vector<std::string> run_test_group(const UnitTestFile& file, const TestGroup& group,
                                        const std::string& name, const UnitTestOptions& options);

}  // namespace tocsin::app
