// SPDX-License-Identifier: Apache-2.0
//
// Flags, environment, data sources, and what is made of them.
#include "exporters/postgres/options.h"

#include <gtest/gtest.h>

#include "base/testing/mem_fs.h"
#include "exporters/postgres/conninfo.h"
#include "exporters/postgres/table.h"

namespace tocsin::exporters::postgres {
namespace {

using Environment = std::map<std::string, std::string>;

auto getter(const Environment& environment) {
  return [&environment](const char* name) -> const char* {
    const auto it = environment.find(name);
    return it == environment.end() ? nullptr : it->second.c_str();
  };
}

Status parse(const std::vector<std::string>& arguments, const Environment& environment,
             PostgresOptions* options) {
  Flags flags("test", "");
  add_postgres_flags(&flags, options);
  RETURN_IF_ERROR(flags.read_environment(getter(environment)));
  return flags.parse(arguments).status();
}

TEST(PostgresOptionsTest, CollectorsAreUpstreamsAndOurs) {
  const PostgresOptions options;
  std::string on, off;
  for (const std::string& name : options.enabled_collectors()) on += name + " ";
  for (const std::string& name : options.disabled_collectors()) off += name + " ";
  EXPECT_EQ(on,
            "database database_wraparound locks long_running_transactions postmaster replication "
            "replication_slots roles settings stat_activity stat_archiver stat_bgwriter "
            "stat_checkpointer stat_database stat_progress_vacuum stat_replication "
            "stat_user_tables stat_wal_receiver statio_user_tables wal ");
  EXPECT_EQ(off,
            "bloat buffercache_summary process_idle stat_activity_autovacuum stat_statements "
            "statio_user_indexes xlog_location ");
}

TEST(PostgresOptionsTest, TheCommandLineIsBeforeTheEnvironment) {
  PostgresOptions options;
  ASSERT_EQ(parse({"--no-collector.wal", "--collector.stat_statements", "--metric-prefix=db",
                   "--constantLabels=b=2, a=1", "--collection-timeout=1.5s"},
                  {{"PG_EXPORTER_METRIC_PREFIX", "env"},
                   {"PG_EXPORTER_AUTO_DISCOVER_DATABASES", "true"},
                   {"PG_EXPORTER_EXCLUDE_DATABASES", "x, y"}},
                  &options),
            ok());
  EXPECT_FALSE(options.collectors["wal"]);
  EXPECT_TRUE(options.collectors["stat_statements"]);
  EXPECT_EQ(options.metric_prefix, "db");
  EXPECT_TRUE(options.discovers_databases);
  EXPECT_EQ(options.excluded_databases, (std::vector<std::string>{"x", "y"}));
  EXPECT_EQ(options.constant_labels, (LabelPairs{{"a", "1"}, {"b", "2"}}));
  EXPECT_EQ(options.collection_timeout, base::Duration(1500));
}

TEST(PostgresOptionsTest, WhatCannotBeIsRefused) {
  const auto check = [](const std::string& argument, std::string_view expected) {
    PostgresOptions options;
    EXPECT_EQ(message(parse({argument}, {}, &options)), expected) << argument;
  };
  check("--dumpmaps", "not supported yet: --dumpmaps");
  check("--constantLabels=1a=b", "--constantLabels: expected label=value, got \"1a=b\"");
  check("--collection-timeout=0", "--collection-timeout: timeout must be greater than 1ms");
  check("--metric-prefix=a-b", "--metric-prefix: expected the beginning of a metric name");
  check("--collector.replication_slot", "unknown long flag '--collector.replication_slot'");
}

// The sources as loggable() shows them, or the error.
std::string sources(const Environment& environment) {
  const auto files = base::testing::make_mem_fs();
  for (const auto& [path, text] : Environment{{"/user", "from file\n"}, {"/uri", "h:1/d\n"}}) {
    EXPECT_EQ((*files->open_writable(path, base::FileSystem::OpenMode::kTruncate))->append(text),
              ok());
  }
  const StatusOr<std::vector<Conninfo>> found = data_sources(getter(environment), *files);
  if (!found.ok()) return std::string(message(found.status()));
  std::string out;
  for (const Conninfo& info : *found) {
    for (const std::string_view key : {"host", "port", "user", "password", "dbname"}) {
      out.append(conninfo_value(info, key)).append("|");
    }
    out.append("\n");
  }
  return out;
}

TEST(PostgresOptionsTest, DataSourcesOfTheEnvironment) {
  EXPECT_EQ(sources({}), "");
  EXPECT_EQ(sources({{"DATA_SOURCE_NAME", "postgresql://u:p%2Cq@h:5433/d?sslmode=disable"}}),
            "h|5433|u|p,q|d|\n");
  EXPECT_EQ(sources({{"DATA_SOURCE_NAME", "port=1,port=2"}, {"DATA_SOURCE_URI", "ignored"}}),
            "|1||||\n|2||||\n");
  EXPECT_EQ(
      sources(
          {{"DATA_SOURCE_URI", "h/d"}, {"DATA_SOURCE_USER", "a@b"}, {"DATA_SOURCE_PASS", "p/ :?"}}),
      "h||a@b|p/ :?|d|\n");
  EXPECT_EQ(sources({{"DATA_SOURCE_URI_FILE", "/uri"},
                     {"DATA_SOURCE_URI", "ignored"},
                     {"DATA_SOURCE_USER_FILE", "/user"}}),
            "h|1|from file||d|\n");
  EXPECT_NE(sources({{"DATA_SOURCE_PASS_FILE", "/nowhere"}}).find("DATA_SOURCE_PASS_FILE: "),
            std::string::npos);
}

TEST(PostgresOptionsTest, AnErrorNeverShowsThePassword) {
  const std::string error = sources({{"DATA_SOURCE_NAME", "password=secret port=1 nonsense=2"}});
  EXPECT_EQ(error, "could not understand the data source name");
  const StatusOr<Conninfo> info = parse_conninfo("host=h password=secret");
  ASSERT_EQ(info.status(), ok());
  EXPECT_EQ(loggable(*info), "password=PASSWORD_REMOVED host=h");
}

TEST(PostgresOptionsTest, TextInSqlStaysText) {
  EXPECT_EQ(quote_literal("a"), "'a'");
  EXPECT_EQ(quote_literal("o'clock"), "'o''clock'");
  EXPECT_EQ(quote_literal("a\\'b"), " E'a\\\\''b'");
}

TEST(PostgresOptionsTest, EveryMarkerOfTheStatementsIsReplaced) {
  PostgresOptions options;
  options.excluded_databases = {"it's"};
  for (const CollectorSpec* spec : all_collectors()) {
    for (const Query& query : spec->queries) {
      EXPECT_EQ(render_sql(query.sql, options).find('@'), std::string::npos) << query.sql;
    }
  }
  EXPECT_EQ(render_sql("@excluded_databases@ @max_tables@", options),
            "ARRAY['it''s']::text[] 5000");
}

// A version that no statement is for would have a collector without metrics, silently.
TEST(PostgresOptionsTest, StatementsCoverTheVersionsTheyAreFor) {
  const auto covers = [](std::string_view name, int version) {
    for (const CollectorSpec* spec : all_collectors()) {
      if (spec->name != name) continue;
      return std::any_of(spec->queries.begin(), spec->queries.end(), [&](const Query& query) {
        return version >= query.from && version < query.until;
      });
    }
    return false;
  };
  for (const CollectorSpec* spec : all_collectors()) {
    for (const int version : {90400, 90500, 90624, 100000, 110022, 120000, 130005, 140001, 150018,
                              160002, 170000, 180000}) {
      const std::string_view name = spec->name;
      const bool is_new =
          (name == "stat_checkpointer" && version < 170000) ||
          (name == "buffercache_summary" && version < 160000) ||
          (name == "wal" && version < 100000) ||
          ((name == "stat_progress_vacuum" || name == "stat_wal_receiver") && version < 90600);
      const bool is_over = name == "xlog_location" && version >= 100000;
      EXPECT_EQ(covers(name, version), !is_new && !is_over) << name << " " << version;
    }
  }
}

}  // namespace
}  // namespace tocsin::exporters::postgres
