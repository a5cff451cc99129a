// SPDX-License-Identifier: Apache-2.0
//
// What the flags of tocsin say. A value.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "app/daemon/features.h"
#include "base/log.h"
#include "base/time.h"
#include "notifier/options.h"
#include "rules/options.h"
#include "web/remote_write.h"

namespace tocsin::app {

struct DaemonOptions {
  std::string config_file = "prometheus.yml";
  std::vector<std::string> listen_addresses{"0.0.0.0:9090"};
  std::string external_url;  // "" is derived from the first listener
  bool enable_lifecycle = false;
  bool enable_admin_api = false;
  std::size_t max_connections = 512;
  web::RemoteWriteOptions remote_write;
  Features features;
  std::string storage_path = "data/";
  std::optional<base::Duration> retention;  // not given: the configuration's, else 15 d
  std::uint64_t retention_bytes = 0;        // 0: no limit
  std::uint64_t retention_min_free = 0;     // 0: off
  std::uint64_t reserve_bytes = 128 << 20;  // see tsdb::Options, as for the next two
  std::uint64_t max_active_series = 50'000'000;
  std::uint32_t max_new_series_per_minute = 0;
  base::Duration lookback{300'000};
  base::Duration query_timeout{120'000};
  std::size_t max_concurrency = 20;
  std::uint64_t max_samples = 50'000'000;
  std::optional<std::uint64_t> query_memory;  // of all queries; not given: half of the machine's
  std::uint64_t query_memory_each = 0;        // of one query; 0: no limit of its own
  rules::AlertTiming alert_timing;
  std::size_t rule_workers = 4;

  std::string alertmanager_config_file;  // "": no notifier
  std::vector<std::string> alertmanager_listen_addresses{":9093"};
  std::string alertmanager_external_url;
  notifier::NotifierOptions notifier;  // directory: --alertmanager.storage.path

  // SIGINT, SIGTERM and SIGHUP are caught from the start on; one that comes before the program is ready
  // counts as soon as it is.
  bool catch_signals = false;
  base::log::Options log;
  std::map<std::string, std::string> flags;  // as given or by default, for /api/v1/status/flags
};

}  // namespace tocsin::app
