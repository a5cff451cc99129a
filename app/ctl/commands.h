// SPDX-License-Identifier: Apache-2.0
//
// The commands of tocsinctl. Each takes the arguments behind its name and returns the exit code: 0
// success, 1 failure, 2 usage.
#pragma once

#include <cstdio>
#include <string>
#include <vector>

namespace tocsin::app {

int run_promqltest(const std::vector<std::string>& arguments);
int run_check(const std::vector<std::string>& arguments);
int run_inbox(const std::vector<std::string>& arguments);
int run_tsdb(const std::vector<std::string>& arguments);
// The same, for tests.
int run_tsdb(const std::vector<std::string>& arguments, std::FILE* out, std::FILE* err);
int run_promql(const std::vector<std::string>& arguments);
int run_promql(const std::vector<std::string>& arguments, std::FILE* out, std::FILE* err);
int run_query(const std::vector<std::string>& arguments);
int run_query(const std::vector<std::string>& arguments, std::FILE* out, std::FILE* err);
int run_test(const std::vector<std::string>& arguments);
int run_test(const std::vector<std::string>& arguments, std::FILE* out, std::FILE* err);
// `check rules`: the arguments behind it.
int run_check_rules(const std::vector<std::string>& arguments, std::FILE* out, std::FILE* err);

}  // namespace tocsin::app
