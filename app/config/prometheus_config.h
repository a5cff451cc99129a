// SPDX-License-Identifier: Apache-2.0
//
// Loads prometheus.yml and its rule files into the Options of the modules.
//
// Strict: an unknown or duplicate key is an error with file, line and key; a known key that is not
// built yet is "not supported yet: KEY". Relative paths are joined to the directory of the file.
// Pure but for reading files.
// Errors: kInvalidArgument, kUnimplemented, or that of reading the
// file.
#pragma once

#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/status.h"
#include "collector/options.h"
#include "model/relabel.h"
#include "promql/parser.h"
#include "rules/options.h"

namespace tocsin::app {

struct PrometheusConfig {
  collector::CollectorOptions collector;
  rules::RulesOptions rules;  // external_url is left empty
  std::vector<model::RelabelRule> alert_relabel;
  base::Duration evaluation_interval{60'000};
  base::Duration retention{0};  // of storage.tsdb.retention.time; 0: not given
  bool has_retention = false;
  std::uint64_t retention_bytes = 0;  // of storage.tsdb.retention.size
  bool has_retention_size = false;
  double retention_percentage = 0;  // of storage.tsdb.retention.percentage; 0: none
  base::Duration out_of_order_window{0};
  std::uint64_t max_exemplars = 100'000;  // of storage.exemplars; 0: none are kept
  std::string query_log_file;             // "": queries are not logged
  std::vector<std::string> rule_files;    // as found, sorted
  std::string printed;                    // YAML with secrets as <secret>
};

struct ConfigDefaults {
  bool extra_scrape_metrics = false;  // of global
  promql::ParserOptions parser = {};  // of rules
};

// Reads `path` and the rule files it names.
StatusOr<PrometheusConfig> load_prometheus_config(base::FileSystem& files, const std::string& path,
                                                  const ConfigDefaults& defaults = {});

}  // namespace tocsin::app
