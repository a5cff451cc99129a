// SPDX-License-Identifier: Apache-2.0
#include <cstdio>

#include "app/ctl/commands.h"
#include "app/ctl/temporary_store.h"
#include "base/file_system.h"
#include "base/log.h"
#include "promql/script.h"

namespace tocsin::app {

namespace {

constexpr std::string_view kHelp =
    "usage: tocsinctl promqltest [-v] [--reopen] FILE...\n\n"
    "Runs scripts in the PromQL test language (load, clear, eval) against the store. Every instant "
    "evaluation is run\n"
    "in three forms: as given, re-printed with @ at other times, and as the middle step of a range "
    "query.\n"
    "--reopen seals the store in the middle of every load, and after it merges everything to the "
    "oldest tier and opens\n"
    "the store anew, so that evaluations read from disk.\n"
    "Prints passed and total for each file and overall. -v prints each failed evaluation.\n"
    "Exits with 1 when an evaluation failed.\n";

struct Totals {
  int passed = 0;
  int total = 0;
  bool broken = false;
};

struct How {
  bool verbose = false;
  promql::ScriptStoreFactory make_store = make_temporary_store;
};

void run_file(const std::string& file, const How& how, Totals* totals) {
  constexpr std::uint64_t kMaxBytes = 64ULL << 20;
  StatusOr<std::string> text = base::real_file_system().read_file(file, kMaxBytes);
  StatusOr<promql::ScriptResult> result = text.ok()
                                              ? promql::run_script(*text, file, how.make_store)
                                              : StatusOr<promql::ScriptResult>(text.status());
  if (!result.ok()) {
    fmt::print("{}: {}\n", file, message(result.status()));
    totals->broken = true;
    return;
  }
  fmt::print("{}: {} of {} passed\n", file, result->passed, result->total);
  if (how.verbose) {
    for (const promql::ScriptFailure& failure : result->failures) {
      fmt::print("  line {}: {}\n", failure.line, failure.text);
    }
  }
  totals->passed += result->passed;
  totals->total += result->total;
}

}  // namespace

int run_promqltest(const std::vector<std::string>& arguments) {
  How how;
  Totals totals;
  std::vector<std::string> files;
  for (const std::string& argument : arguments) {
    if (argument == "--help" || argument == "-h") {
      fmt::print("{}", kHelp);
      return 0;
    }
    if (argument == "-v") {
      how.verbose = true;
    } else if (argument == "--reopen") {
      how.make_store = make_reopened_store;
    } else if (argument.starts_with("-") && argument.size() > 1) {
      fmt::print(stderr, "unknown option {}\n{}", argument, kHelp);
      return 2;
    } else {
      files.push_back(argument);
    }
  }
  if (files.empty()) {
    fmt::print(stderr, "{}", kHelp);
    return 2;
  }
  base::log::configure({.level = base::log::Level::kWarn, .format = base::log::Format::kLogfmt});
  for (const std::string& file : files) run_file(file, how, &totals);
  fmt::print("overall: {} of {} passed\n", totals.passed, totals.total);
  return totals.broken || totals.passed != totals.total ? 1 : 0;
}

}  // namespace tocsin::app
