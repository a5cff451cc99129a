// SPDX-License-Identifier: Apache-2.0
#include "exporters/postgres/options.h"

#include <algorithm>
#include <array>
#include <utility>

#include "exporters/postgres/table.h"
#include "model/timestamp.h"

namespace tocsin::exporters::postgres {
namespace {

constexpr std::uint64_t kMaxSecretFile = 64 << 10;

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  const std::size_t begin = std::min(text.find_first_not_of(kBlanks), text.size());
  text.remove_prefix(begin);
  return text.substr(0, text.find_last_not_of(kBlanks) + 1);
}

std::vector<std::string> split_list(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const std::string_view item = text.substr(0, text.find(','));
    text.remove_prefix(std::min(item.size() + 1, text.size()));
    if (!trimmed(item).empty()) out.emplace_back(trimmed(item));
  }
  return out;
}

Status set_labels(std::string_view given, LabelPairs* labels) {
  labels->clear();
  for (const std::string& pair : split_list(given)) {
    const std::size_t equals = pair.find('=');
    const std::string name(trimmed(std::string_view(pair).substr(0, equals)));
    const bool is_name = !name.empty() && !(name[0] >= '0' && name[0] <= '9') &&
                         std::all_of(name.begin(), name.end(), [](char c) {
                           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
                                  (c >= '0' && c <= '9');
                         });
    if (equals == std::string::npos || !is_name) {
      return invalid_argument("expected label=value, got {:?}", pair);
    }
    labels->emplace_back(name, trimmed(std::string_view(pair).substr(equals + 1)));
  }
  std::sort(labels->begin(), labels->end());
  return ok();
}

Status set_prefix(std::string_view given, std::string* prefix) {
  const bool is_good = !given.empty() && std::all_of(given.begin(), given.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == ':';
  });
  if (!is_good) return invalid_argument("expected the beginning of a metric name");
  *prefix = given;
  return ok();
}

void add_list(Flags* flags, const std::string& name, const std::string& help,
              std::vector<std::string>* values) {
  flags->custom(name, help, "", [values](std::string_view given) {
    *values = split_list(given);
    return ok();
  });
}

void add_collector_flags(Flags* flags, PostgresOptions* options) {
  for (auto& [name, is_on] : options->collectors) {
    flags->toggle("collector." + name, fmt::format("Run the collector {}.", name), &is_on);
  }
  flags->toggle("collector.stat_statements.include_query",
                "Show the texts of statements, as pg_stat_statements_query_id.",
                &options->statement_texts);
  flags->number("collector.stat_statements.query_length", "Characters of such a text.",
                &options->statement_length);
  flags->number("collector.stat_statements.limit",
                "Statements shown, those that took the most time.", &options->statement_limit);
  add_list(flags, "collector.stat_statements.exclude_databases",
           "Databases, apart by commas, whose statements are not shown.",
           &options->statement_excluded_databases);
  add_list(flags, "collector.stat_statements.exclude_users",
           "Users, apart by commas, whose statements are not shown.",
           &options->statement_excluded_users);
}

std::string text_array(const std::vector<std::string>& texts) {
  std::string out = "ARRAY[";
  for (const std::string& text : texts) {
    if (out.back() != '[') out.append(", ");
    out.append(quote_literal(text));
  }
  return out + "]::text[]";
}

std::string statements_where(const PostgresOptions& options) {
  return fmt::format("d.datname <> ALL ({}) AND pg_get_userbyid(s.userid) <> ALL ({})",
                     text_array(options.statement_excluded_databases),
                     text_array(options.statement_excluded_users));
}

// The value of VARIABLE, or what the file named by VARIABLE_FILE holds.
StatusOr<std::string> secret(const std::function<const char*(const char*)>& get,
                             base::FileSystem& files, const std::string& variable) {
  const char* file = get((variable + "_FILE").c_str());
  if (file != nullptr && *file != '\0') {
    StatusOr<std::string> text = files.read_file(file, kMaxSecretFile);
    if (!text.ok()) return annotate(text.status(), "{}_FILE", variable);
    return std::string(trimmed(*text));
  }
  const char* value = get(variable.c_str());
  return std::string(value == nullptr ? "" : value);
}

}  // namespace

PostgresOptions::PostgresOptions() {
  for (const CollectorSpec* spec : all_collectors()) {
    collectors.emplace(spec->name, spec->is_default);
  }
}

std::vector<std::string> PostgresOptions::enabled_collectors() const {
  std::vector<std::string> names;
  for (const auto& [name, is_on] : collectors) {
    if (is_on) names.push_back(name);
  }
  return names;
}

std::vector<std::string> PostgresOptions::disabled_collectors() const {
  std::vector<std::string> names;
  for (const auto& [name, is_on] : collectors) {
    if (!is_on) names.push_back(name);
  }
  return names;
}

void add_postgres_flags(Flags* flags, PostgresOptions* options) {
  flags->text("config.file", "File with what /probe may ask and with which user.",
              &options->config_file);
  flags->toggle("disable-default-metrics",
                "Show neither pg_static nor pg_stat_database_conflicts_*.",
                &options->disable_default_metrics);
  flags->toggle("auto-discover-databases",
                "Show the tables, and run the custom queries, of every database of the server.",
                &options->discovers_databases);
  flags->text("extend.query-path", "File with custom queries.", &options->queries_file);
  flags->unsupported_toggle("dumpmaps");
  flags->custom("constantLabels",
                "Labels as name=value, apart by commas, for the exporter's own "
                "metrics and custom queries.",
                "", [options](std::string_view given) {
                  return set_labels(given, &options->constant_labels);
                });
  add_list(flags, "exclude-databases", "Databases, apart by commas, that are not shown.",
           &options->excluded_databases);
  add_list(flags, "include-databases",
           "The only databases, apart by commas, that --auto-discover-databases takes.",
           &options->included_databases);
  flags->custom(
      "metric-prefix", "What the names of custom queries begin with instead of pg.", "pg",
      [options](std::string_view given) { return set_prefix(given, &options->metric_prefix); });
  flags->custom("collection-timeout", "How long a page may take when the scrape does not say.",
                "1m", [options](std::string_view given) -> Status {
                  ASSIGN_OR_RETURN(options->collection_timeout, model::parse_go_duration(given));
                  if (options->collection_timeout >= base::Duration(1)) return ok();
                  return invalid_argument("timeout must be greater than 1ms");
                });
  flags->toggle("compat.pre-0.20", "Show replication slots under their names before 0.20, too.",
                &options->old_names);
  flags->number("limit.tables", "Tables and indexes shown of each database.", &options->max_tables);
  flags->number("limit.databases", "Databases that --auto-discover-databases takes.",
                &options->max_databases);
  flags->number("limit.samples", "Samples on a page.", &options->max_samples);
  add_collector_flags(flags, options);
  constexpr std::array<std::pair<std::string_view, std::string_view>, 8> kVariables = {{
      {"disable-default-metrics", "PG_EXPORTER_DISABLE_DEFAULT_METRICS"},
      {"auto-discover-databases", "PG_EXPORTER_AUTO_DISCOVER_DATABASES"},
      {"extend.query-path", "PG_EXPORTER_EXTEND_QUERY_PATH"},
      {"constantLabels", "PG_EXPORTER_CONSTANT_LABELS"},
      {"exclude-databases", "PG_EXPORTER_EXCLUDE_DATABASES"},
      {"include-databases", "PG_EXPORTER_INCLUDE_DATABASES"},
      {"metric-prefix", "PG_EXPORTER_METRIC_PREFIX"},
      {"collection-timeout", "PG_EXPORTER_COLLECTION_TIMEOUT"},
  }};
  for (const auto& [name, variable] : kVariables) flags->environment(name, std::string(variable));
}

StatusOr<std::vector<Conninfo>> data_sources(const std::function<const char*(const char*)>& get,
                                             base::FileSystem& files) {
  std::vector<std::string> texts;
  const char* names = get("DATA_SOURCE_NAME");
  if (names != nullptr && *names != '\0') {
    texts = split_list(names);
  } else {
    ASSIGN_OR_RETURN(const std::string user, secret(get, files, "DATA_SOURCE_USER"));
    ASSIGN_OR_RETURN(const std::string password, secret(get, files, "DATA_SOURCE_PASS"));
    ASSIGN_OR_RETURN(const std::string uri, secret(get, files, "DATA_SOURCE_URI"));
    if (uri.empty()) return std::vector<Conninfo>();
    texts.push_back(
        fmt::format("postgresql://{}:{}@{}", percent_encode(user), percent_encode(password), uri));
  }
  std::vector<Conninfo> sources;
  for (const std::string& text : texts) {
    ASSIGN_OR_RETURN(Conninfo info, parse_conninfo(text));
    add_conninfo_defaults(&info);
    sources.push_back(std::move(info));
  }
  return sources;
}

std::string render_sql(std::string_view sql, const PostgresOptions& options) {
  const std::array<std::pair<std::string_view, std::string>, 7> values = {{
      {"@excluded_databases@", text_array(options.excluded_databases)},
      {"@statements_where@", statements_where(options)},
      {"@statements_limit@", fmt::format("{}", options.statement_limit)},
      {"@statements_length@", fmt::format("{}", options.statement_length)},
      {"@statements_text@", options.statement_texts ? "true" : "false"},
      {"@max_tables@", fmt::format("{}", options.max_tables)},
      {"@datname_column@", options.discovers_databases ? "current_database() AS datname," : ""},
  }};
  std::string out(sql);
  for (const auto& [marker, value] : values) {
    for (std::size_t at = 0; (at = out.find(marker, at)) != std::string::npos; at += value.size()) {
      out.replace(at, marker.size(), value);
    }
  }
  return out;
}

}  // namespace tocsin::exporters::postgres
