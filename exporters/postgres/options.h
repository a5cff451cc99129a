// SPDX-License-Identifier: Apache-2.0
//
// PostgresOptions: what the flags and the environment of the exporter say. Names and defaults are
// upstream's; what ours adds is in docs/postgres_exporter.md.
//
// A value, filled before other threads start.
// Errors: kInvalidArgument; kUnimplemented for flags that are known and not built.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_system.h"
#include "base/status.h"
#include "base/time.h"
#include "exporters/common/families.h"
#include "exporters/common/flags.h"
#include "exporters/postgres/conninfo.h"

namespace tocsin::exporters::postgres {

struct PostgresOptions {
  PostgresOptions();  // the default collectors

  std::map<std::string, bool, std::less<>> collectors;  // by name: on?
  std::vector<Conninfo> sources;                        // none: only /probe
  std::string config_file = "postgres_exporter.yml";
  std::string queries_file;              // "" for none
  bool disable_default_metrics = false;  // pg_static and the conflicts of replicas
  bool old_names = false;                // --compat.pre-0.20
  bool discovers_databases = false;
  std::vector<std::string> excluded_databases, included_databases;
  LabelPairs constant_labels;
  std::string metric_prefix = "pg";
  base::Duration collection_timeout{60'000};
  bool statement_texts = false;
  std::size_t statement_length = 120;
  std::size_t statement_limit = 100;
  std::vector<std::string> statement_excluded_databases, statement_excluded_users;
  std::size_t max_tables = 5'000;
  std::size_t max_databases = 100;
  std::size_t max_samples = 200'000;

  std::vector<std::string> enabled_collectors() const;   // sorted
  std::vector<std::string> disabled_collectors() const;  // sorted
};

// `options` holds the defaults and must outlive `flags`.
void add_postgres_flags(Flags* flags, PostgresOptions* options);

// DATA_SOURCE_NAME, or DATA_SOURCE_URI with _USER and _PASS, each also as ..._FILE. `get` is as
// getenv().
StatusOr<std::vector<Conninfo>> data_sources(const std::function<const char*(const char*)>& get,
                                             base::FileSystem& files);

// Puts the options in: @excluded_databases@, @statements_where@, @statements_limit@,
// @statements_length@, @statements_text@, @max_tables@, @datname_column@.
std::string render_sql(std::string_view sql, const PostgresOptions& options);

}  // namespace tocsin::exporters::postgres
