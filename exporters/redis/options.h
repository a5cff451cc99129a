// SPDX-License-Identifier: Apache-2.0
//
// RedisOptions: what the flags of the Redis exporter say, each with a twin in the environment.
//
// Values. Errors: those of Flags; validate() has upstream's texts.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/file_system.h"
#include "base/status.h"
#include "base/time.h"
#include "exporters/common/flags.h"
#include "exporters/common/web.h"
#include "net/stream.h"

namespace tocsin::exporters {

// One entry of -check-keys and its like: "db3=user_*".
struct KeyPattern {
  std::string database;  // a number
  std::string key;
  bool has_wildcard() const { return key.find_first_of("?*[]^") != std::string::npos; }
};
// Reads a list with commas between; keys are URL-escaped, the database is 0 when not given.
StatusOr<std::vector<KeyPattern>> parse_keys(std::string_view list);

// What a request to /scrape may choose anew.
struct KeyOptions {
  std::vector<KeyPattern> keys, single_keys, streams, single_streams, counted;

  bool is_empty() const {
    return keys.empty() && single_keys.empty() && streams.empty() && single_streams.empty() &&
           counted.empty();
  }
};

struct RedisOptions {
  std::string address = "redis://localhost:6379";
  std::string user, password, password_file;
  std::string prefix = "redis";
  std::string config_command = "CONFIG";  // "-": none
  base::Duration connection_timeout{15'000};

  KeyOptions chosen;
  std::string key_groups;
  std::size_t max_key_groups = 100;
  std::size_t scan_batch = 1000;
  std::size_t max_keys = 10'000;                             // that patterns may find in one scrape
  std::vector<std::pair<std::string, std::string>> scripts;  // path, Lua
  std::string script_paths;

  net::StreamTlsOptions tls;
  std::string tls_server_name;
  bool skip_tls_verification = false;

  std::string basic_auth_user, basic_auth_password, basic_auth_hash;
  std::vector<std::string> allowed_targets;  // of /scrape; empty: all, without secrets of others
  bool disable_scrape_endpoint = false;

  bool scripts_read_only = false, consumers_excluded = false, set_client_name = true;
  bool is_tile38 = false, is_cluster = false, discover_hostnames = false;
  bool client_list = false, client_port = false, only_redis_metrics = false;
  bool ping = false, config_metrics = false, modules = false, search_indexes = false;
  bool sentinel_peers = false, hide_values = false, no_latency_histograms = false;
  bool redact_config = true, rdb_size = false, skip_keys_of_master = false;
  bool empty_databases = true, role_label = false, system_metrics = true, debug = false;
  std::string search_index_pattern = ".*";

  // Checks what one flag alone cannot show, and reads the scripts.
  Status validate(base::FileSystem& files);
};

// `options` and `web` hold the defaults and must outlive `flags`.
void add_redis_flags(Flags* flags, RedisOptions* options, WebOptions* web);

}  // namespace tocsin::exporters
