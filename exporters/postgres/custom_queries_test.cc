// SPDX-License-Identifier: Apache-2.0
#include "exporters/postgres/custom_queries.h"

#include <gtest/gtest.h>

#include "base/testing/mem_fs.h"

namespace tocsin::exporters::postgres {
namespace {

TEST(CustomQueriesTest, ReadsUpstreamsFormat) {
  const auto queries = CustomQueries::parse(R"(
pg_a:
  query: SELECT 1
  master: true
  cache_seconds: 30
  runonserver: ">=9.6.0 <12.0.0 || 14.1.0"
  metrics:
    - region: {usage: LABEL, description: Where}
    - took: {usage: DURATION}
    - state: {usage: MAPPEDMETRIC, metric_mapping: {up: 1, down: 0}}
plain: {}
)",
                                            "f.yml", "db");
  ASSERT_EQ(queries.status(), ok());
  const std::deque<CustomQuery>& all = (*queries)->queries();
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].name, "db_a");
  EXPECT_EQ(all[0].sql, "SELECT 1");
  EXPECT_TRUE(all[0].only_first);
  EXPECT_EQ(all[0].cache, base::Duration(30'000));
  EXPECT_EQ(all[0].versions, (std::vector<std::pair<int, int>>{{90600, 120000}, {140001, 140002}}));
  ASSERT_EQ(all[0].columns.size(), 3U);
  EXPECT_EQ(all[0].columns[1].metric, "db_a_took_milliseconds");
  EXPECT_EQ(all[0].columns[2].mapping->at("up"), 1);
  EXPECT_EQ(all[1].sql, "SELECT * FROM plain");
}

TEST(CustomQueriesTest, ErrorsSayWhere) {
  const auto check = [](std::string_view text, std::string_view part) {
    const auto queries = CustomQueries::parse(text, "f.yml", "pg");
    ASSERT_FALSE(queries.ok()) << text;
    EXPECT_NE(message(queries.status()).find(part), std::string_view::npos)
        << message(queries.status());
  };
  check("a: {metrics: [{b: {usage: SOMETHING}}]}", "unknown usage \"SOMETHING\"");
  check("a: {metrics: [{b: {}}]}", "a column needs a usage");
  check("a: {runonserver: newer}", "not a range of versions: \"newer\"");
  check("a: {cache_seconds: -1}", "expected seconds");
  check("- a", "expected a mapping of names to queries");
}

TEST(CustomQueriesTest, AFileThatCannotBeLoadedIsAMetric) {
  const auto files = base::testing::make_mem_fs();
  EXPECT_TRUE(load_custom_queries("", "pg", *files).families.empty());
  const LoadedQueries missing = load_custom_queries("/none.yml", "pg", *files);
  EXPECT_EQ(missing.queries, nullptr);
  EXPECT_EQ(missing.families.at(0).samples.at(0).value, 1);
  EXPECT_EQ(
      (*files->open_writable("/q.yml", base::FileSystem::OpenMode::kTruncate))->append("a: {}"),
      ok());
  const LoadedQueries loaded = load_custom_queries("/q.yml", "pg", *files);
  ASSERT_NE(loaded.queries, nullptr);
  const base::MetricSample& sample = loaded.families.at(0).samples.at(0);
  EXPECT_EQ(sample.value, 0);
  EXPECT_EQ(sample.labels.at(0).second, "/q.yml");
  EXPECT_EQ(sample.labels.at(1).second.size(), 64U);
}

}  // namespace
}  // namespace tocsin::exporters::postgres
