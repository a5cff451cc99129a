// SPDX-License-Identifier: Apache-2.0
#include <cstdio>

#include "app/config/alertmanager_config.h"
#include "app/config/prometheus_config.h"
#include "app/ctl/commands.h"
#include "base/file_system.h"

namespace tocsin::app {

namespace {

constexpr std::string_view kHelp =
    "usage: tocsinctl check config|rules|alertmanager-config FILE...\n\n"
    "Checks configuration files as the server would load them and names file, line and key of what "
    "is wrong.\n"
    "Exits with 1 when a file is not valid. `tocsinctl check rules --help` says more about "
    "rules.\n";

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
  return invalid_argument("unknown kind {}", kind);
}

}  // namespace

int run_check(const std::vector<std::string>& arguments) {
  if (!arguments.empty() && arguments[0] == "rules") {
    return run_check_rules({arguments.begin() + 1, arguments.end()}, stdout, stderr);
  }
  const bool help = !arguments.empty() && (arguments[0] == "--help" || arguments[0] == "-h");
  const bool known =
      !arguments.empty() && (arguments[0] == "config" || arguments[0] == "alertmanager-config");
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
