// SPDX-License-Identifier: Apache-2.0
//
// testdata/info.test: what INFO says and what is shown of it.
#include "exporters/redis/info.h"

#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

#include "exporters/common/page.h"
#include "exporters/redis/sections/sections.h"
#include "formats/text_writer.h"

namespace tocsin::exporters {
namespace {

std::string to_page(RedisMetrics* metrics, bool with_instance) {
  std::vector<base::MetricFamily> families = metrics->take();
  EXPECT_EQ(tidy_families(&families), 0U) << "samples that came twice";
  for (base::MetricFamily& family : families) family.help.clear();
  if (!with_instance) {
    std::erase_if(families, [](const auto& one) { return one.name == "redis_instance_info"; });
  }
  std::string text;
  formats::write_text(families, &text);
  return text;
}

struct Case {
  std::string name, info, how, page;
};

std::vector<Case> read_cases() {
  std::ifstream file(std::string(TOCSIN_SOURCE_DIR) + "/exporters/redis/testdata/info.test");
  std::vector<Case> cases;
  bool in_page = false;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("== ")) {
      cases.push_back({.name = line.substr(3), .info = {}, .how = {}, .page = {}});
      in_page = false;
    } else if (line.starts_with("-- ")) {
      cases.back().how = line.substr(3);
      in_page = true;
    } else if (!cases.empty() && in_page) {
      if (!line.empty()) cases.back().page += line + "\n";
    } else if (!cases.empty()) {
      cases.back().info += line + "\r\n";
    }
  }
  return cases;
}

TEST(RedisInfoTest, ShowsWhatTheScriptSays) {
  const std::vector<Case> cases = read_cases();
  ASSERT_GT(cases.size(), 8U);
  for (const Case& one : cases) {
    const RedisInfo info(one.info);
    RedisMetrics metrics({});
    show_info(info,
              {.databases = 2,
               .empty_databases = one.how == "with empty databases",
               .now_seconds = 1700000100.7},
              &metrics);
    EXPECT_EQ(to_page(&metrics, one.how == "without empty databases"), one.page) << one.name;
  }
}

TEST(RedisInfoTest, AddsUpTheTimeOfSubcommands) {
  const RedisInfo info(
      "# Commandstats\r\ncmdstat_config|get:calls=1,usec=10\r\ncmdstat_config|set:calls=1,usec=5"
      "\r\ncmdstat_configx:calls=1,usec=100\r\n");
  const StringMap<double> times = info.command_usec();
  EXPECT_EQ(times.at("config"), 15);
  EXPECT_EQ(times.at("config|get"), 10);
  EXPECT_EQ(times.size(), 4U);
}

TEST(RedisInfoTest, ReadsNoMoreThanAServerHas) {
  std::string text = "# Commandstats\n";
  for (int i = 0; i < 30'000; ++i) text += fmt::format("cmdstat_c{}:calls=1,usec=1\n", i);
  EXPECT_EQ(RedisInfo(text).fields().size(), RedisInfo::kMaxLines);
}

TEST(RedisInfoTest, GivesEverySeriesTheRoleWhenTold) {
  RedisMetrics metrics({.prefix = "x", .with_role = true});
  metrics.set_role("slave");
  show_field("used_memory", "5", &metrics);
  metrics.own("exporter_scrapes_total", base::MetricType::kCounter, 1);
  EXPECT_EQ(to_page(&metrics, true),
            "# TYPE x_exporter_scrapes_total counter\nx_exporter_scrapes_total 1\n"
            "# TYPE x_memory_used_bytes gauge\nx_memory_used_bytes{instance_role=\"slave\"} 5\n");
}

TEST(RedisMetricsTest, LabelsAreShortAndUtf8) {
  RedisMetrics metrics({});
  metrics.gauge("key_size", 1, {{"key", "a\xff\xc3\xa9"}});
  metrics.gauge("key_size", 1, {{"key", std::string(2000, 'x')}});
  metrics.gauge("key_size", 1, {{"key", std::string(1023, 'y') + "\xc3\xa9"}});
  const std::vector<base::MetricFamily> families = metrics.take();
  const auto key = [&](std::size_t i) { return families.at(0).samples.at(i).labels.at(0).second; };
  EXPECT_EQ(key(0), "a\xef\xbf\xbd\xc3\xa9");
  EXPECT_EQ(key(1), std::string(1024, 'x'));
  EXPECT_EQ(key(2), std::string(1023, 'y')) << "no half of a character";
}

TEST(RedisClientsTest, ShowsEachClient) {
  RedisMetrics metrics({});
  RedisOptions options;
  options.client_port = true;
  show_clients(
      "id=11 addr=[::1]:63508 fd=8 name=app age=6321 idle=20 flags=N db=3 sub=1 psub=2 ssub=3 "
      "qbuf=4 qbuf-free=5 obl=6 oll=7 omem=8 tot-mem=9 watch=1 cmd=get user=default resp=2\n"
      "nonsense\n\n",
      options, 1700000000, &metrics);
  const std::string page = to_page(&metrics, true);
  for (
      const std::string_view line :
      {R"(redis_connected_client_info{db="3",flags="N",host="[::1]",id="11",name="app",port="63508",resp="2",user="default"} 1)",
       R"(redis_connected_client_created_at_timestamp{id="11",name="app"} 1.699993679e+09)",
       R"(redis_connected_client_idle_since_timestamp{id="11",name="app"} 1.69999998e+09)",
       R"(redis_connected_client_output_buffer_memory_usage_bytes{id="11",name="app"} 8)",
       R"(redis_connected_client_shard_channel_subscriptions_count{id="11",name="app"} 3)",
       R"(redis_connected_client_shard_channel_watched_keys{id="11",name="app"} 1)"}) {
    EXPECT_NE(page.find(line), std::string::npos) << line << "\n" << page;
  }
}

TEST(RedisConfigTest, HidesPasswords) {
  RedisOptions options;
  options.config_metrics = true;
  const ConfigMap config = {{"requirepass", "secret"}, {"masterauth", "secret"}, {"hz", "10"}};
  RedisMetrics metrics({});
  show_config(config, options, &metrics);
  EXPECT_EQ(to_page(&metrics, true),
            "# TYPE redis_config_key_value gauge\nredis_config_key_value{key=\"hz\",value=\"10\"} "
            "1\n# TYPE redis_config_value gauge\nredis_config_value{key=\"hz\"} 10\n");
}

}  // namespace
}  // namespace tocsin::exporters
