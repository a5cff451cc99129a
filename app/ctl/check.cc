// SPDX-License-Identifier: Apache-2.0
#include <cstdio>

#include "app/config/alertmanager_config.h"
#include "app/config/prometheus_config.h"
#include "app/config/rule_file.h"
#include "app/ctl/commands.h"
#include "base/file_system.h"

namespace tocsin::app {

namespace {

constexpr std::string_view kHelp =
    "usage: tocsinctl check config|rules|alertmanager-config FILE...\n\n"
    "Checks configuration files as the server would load them and names file, line and key of what "
    "is wrong.\n"
    "Exits with 1 when a file is not valid.\n";

// Returns what a valid file holds, in one line.
StatusOr<std::string> check_one(const std::string& kind, const std::string& file) {
  base::FileSystem& files = base::real_file_system();
  if (kind == "config") {
    ASSIGN_OR_RETURN(PrometheusConfig config, load_prometheus_config(files, file));
    return fmt::format("{} scrape jobs, {} rule files", config.collector.jobs.size(),
                       config.rule_files.size());
  }
  if (kind == "alertmanager-config") {
    ASSIGN_OR_RETURN(notifier::NotifierConfig config, load_alertmanager_config(files, file));
    return fmt::format("{} receivers, {} inhibit rules", config.receivers.size(),
                       config.inhibit_rules.size());
  }
  constexpr std::uint64_t kMaxBytes = 64ULL << 20;
  ASSIGN_OR_RETURN(std::string text, files.read_file(file, kMaxBytes));
  ASSIGN_OR_RETURN(std::vector<rules::GroupOptions> groups, parse_rule_file(text, file, {}));
  std::size_t rules = 0;
  for (const rules::GroupOptions& group : groups) rules += group.rules.size();
  return fmt::format("{} rules found", rules);
}

}  // namespace

int run_check(const std::vector<std::string>& arguments) {
  const bool help = !arguments.empty() && (arguments[0] == "--help" || arguments[0] == "-h");
  const bool known = !arguments.empty() && (arguments[0] == "config" || arguments[0] == "rules" ||
                                            arguments[0] == "alertmanager-config");
  if (help || !known || arguments.size() < 2) {
    fmt::print(help ? stdout : stderr, "{}", kHelp);
    return help ? 0 : 2;
  }
  int failed = 0;
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    StatusOr<std::string> result = check_one(arguments[0], arguments[i]);
    if (result.ok()) {
      fmt::print("Checking {}\n  SUCCESS: {}\n", arguments[i], *result);
    } else {
      fmt::print(stderr, "Checking {}\n  FAILED: {}\n", arguments[i], message(result.status()));
      ++failed;
    }
  }
  return failed == 0 ? 0 : 1;
}

}  // namespace tocsin::app
