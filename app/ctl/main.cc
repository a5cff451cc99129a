// SPDX-License-Identifier: Apache-2.0
//
// main() of tocsinctl: finds the command and runs it. Exit codes: 0 success, 1 failure, 2 usage.
#include <csignal>
#include <cstdio>
#include <string>
#include <vector>

#include "app/ctl/commands.h"

namespace {

struct Command {
  std::string_view name;
  int (*run)(const std::vector<std::string>& arguments);
  std::string_view about;
};

constexpr Command kCommands[] = {
    {"promqltest", tocsin::app::run_promqltest,
     "FILE...   run official PromQL test scripts and print passed and total"},
    {"check", tocsin::app::run_check,
     "config|rules|alertmanager-config FILE...   check configuration files"},
    {"promql", tocsin::app::run_promql,
     "format|label-matchers|explain|analyze   print, edit and explain expressions"},
    {"query", tocsin::app::run_query,
     "instant|range|series|labels|analyze|list|kill URL   ask a server, see and end its queries"},
    {"test", tocsin::app::run_test, "rules FILE...   run unit tests of rules"},
    {"tsdb", tocsin::app::run_tsdb,
     "list|analyze|dump|dump-openmetrics|verify|snapshot|restore|import-openmetrics   folders of "
     "the store"},
    {"inbox", tocsin::app::run_inbox,
     "--http=ADDR --smtp=ADDR   receive Slack payloads and mails and show them on a page"},
};

void print_help(std::FILE* out) {
  fmt::print(out, "tocsinctl: tools for Tocsin\n\n");
  for (const Command& command : kCommands)
    fmt::print(out, "  tocsinctl {:<11} {}\n", command.name, command.about);
  fmt::print(out, "\n`tocsinctl COMMAND --help` says more.\n");
}

}  // namespace

int main(int argc, char** argv) {
  // A peer that is gone is an error of the write, not the end of the program.
  std::signal(SIGPIPE, SIG_IGN);
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  if (arguments.empty() || arguments[0] == "--help" || arguments[0] == "-h") {
    print_help(arguments.empty() ? stderr : stdout);
    return arguments.empty() ? 2 : 0;
  }
  for (const Command& command : kCommands) {
    if (command.name == arguments[0]) return command.run({arguments.begin() + 1, arguments.end()});
  }
  fmt::print(stderr, "tocsinctl: error: unknown command \"{}\"\n\n", arguments[0]);
  print_help(stderr);
  return 2;
}
