// SPDX-License-Identifier: Apache-2.0
#include "app/daemon/flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tocsin::app {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

DaemonOptions parse(std::vector<std::string> arguments) {
  StatusOr<ParsedFlags> flags = parse_flags(std::move(arguments));
  EXPECT_TRUE(flags.ok()) << flags.status().ToString();
  return flags.ok() ? flags->options : DaemonOptions{};
}

std::string error_of(std::vector<std::string> arguments) {
  StatusOr<ParsedFlags> flags = parse_flags(std::move(arguments));
  return flags.ok() ? "" : std::string(message(flags.status()));
}

TEST(Flags, DefaultsAreUpstreams) {
  const DaemonOptions o = parse({});
  EXPECT_EQ(o.config_file, "prometheus.yml");
  EXPECT_THAT(o.listen_addresses, ElementsAre("0.0.0.0:9090"));
  EXPECT_EQ(o.storage_path, "data/");
  EXPECT_FALSE(o.retention);
  EXPECT_FALSE(o.enable_lifecycle);
  EXPECT_EQ(o.max_connections, 512U);
  EXPECT_FALSE(o.remote_write.enabled);
  EXPECT_TRUE(o.remote_write.accepts_v1);
  EXPECT_FALSE(o.remote_write.accepts_v2);
  EXPECT_EQ(o.lookback, minutes(5));
  EXPECT_EQ(o.query_timeout, minutes(2));
  EXPECT_EQ(o.max_concurrency, 20U);
  EXPECT_EQ(o.max_samples, 50'000'000U);
  EXPECT_EQ(o.alert_timing.outage_tolerance, hours(1));
  EXPECT_EQ(o.alert_timing.grace_period, minutes(10));
  EXPECT_EQ(o.alert_timing.resend_delay, minutes(1));
  EXPECT_EQ(o.rule_workers, 4U);
  EXPECT_EQ(o.alertmanager_config_file, "");
  EXPECT_THAT(o.alertmanager_listen_addresses, ElementsAre(":9093"));
  EXPECT_EQ(o.notifier.directory, "data/alertmanager");
  EXPECT_EQ(o.notifier.retention, hours(120));
  EXPECT_EQ(o.notifier.maintenance_interval, minutes(15));
  EXPECT_EQ(o.notifier.alert_gc_interval, minutes(30));
}

TEST(Flags, EveryFlagReachesItsOption) {
  using Check = bool (*)(const DaemonOptions&);
  const struct {
    std::string flag, value;
    Check check;
  } cases[] = {
      {"--config.file", "p.yml", [](const DaemonOptions& o) { return o.config_file == "p.yml"; }},
      {"--web.external-url", "http://h/",
       [](const DaemonOptions& o) { return o.external_url == "http://h/"; }},
      {"--web.max-connections", "7", [](const DaemonOptions& o) { return o.max_connections == 7; }},
      {"--web.remote-write-receiver.accepted-protobuf-messages", "io.prometheus.write.v2.Request",
       [](const DaemonOptions& o) {
         return !o.remote_write.accepts_v1 && o.remote_write.accepts_v2;
       }},
      {"--storage.tsdb.path", "/d", [](const DaemonOptions& o) { return o.storage_path == "/d"; }},
      {"--storage.tsdb.retention.time", "2d",
       [](const DaemonOptions& o) { return o.retention == hours(48); }},
      {"--storage.tsdb.retention.size", "2GB",
       [](const DaemonOptions& o) { return o.retention_bytes == 2ULL << 30; }},
      {"--storage.tsdb.retention.min-free", "512MB",
       [](const DaemonOptions& o) { return o.retention_min_free == 512ULL << 20; }},
      {"--storage.tsdb.max-active-series", "7",
       [](const DaemonOptions& o) { return o.max_active_series == 7; }},
      {"--storage.tsdb.max-new-series-per-minute", "70",
       [](const DaemonOptions& o) { return o.max_new_series_per_minute == 70; }},
      {"--storage.tsdb.reserve", "16MB",
       [](const DaemonOptions& o) { return o.reserve_bytes == 16ULL << 20; }},
      {"--query.lookback-delta", "1m30s",
       [](const DaemonOptions& o) { return o.lookback == seconds(90); }},
      {"--query.timeout", "10s",
       [](const DaemonOptions& o) { return o.query_timeout == seconds(10); }},
      {"--query.max-concurrency", "3",
       [](const DaemonOptions& o) { return o.max_concurrency == 3; }},
      {"--query.max-samples", "99", [](const DaemonOptions& o) { return o.max_samples == 99; }},
      {"--rules.alert.for-outage-tolerance", "2h",
       [](const DaemonOptions& o) { return o.alert_timing.outage_tolerance == hours(2); }},
      {"--rules.alert.for-grace-period", "1m",
       [](const DaemonOptions& o) { return o.alert_timing.grace_period == minutes(1); }},
      {"--rules.alert.resend-delay", "5s",
       [](const DaemonOptions& o) { return o.alert_timing.resend_delay == seconds(5); }},
      {"--rules.max-concurrent-evals", "2",
       [](const DaemonOptions& o) { return o.rule_workers == 2; }},
      {"--log.level", "debug",
       [](const DaemonOptions& o) { return o.log.level == *base::log::parse_level("debug"); }},
      {"--log.format", "json",
       [](const DaemonOptions& o) { return o.log.format == *base::log::parse_format("json"); }},
      {"--alertmanager.config.file", "am.yml",
       [](const DaemonOptions& o) { return o.alertmanager_config_file == "am.yml"; }},
      {"--alertmanager.web.external-url", "http://a/",
       [](const DaemonOptions& o) { return o.alertmanager_external_url == "http://a/"; }},
      {"--alertmanager.storage.path", "/s",
       [](const DaemonOptions& o) { return o.notifier.directory == "/s"; }},
      {"--alertmanager.data.retention", "1h30m",
       [](const DaemonOptions& o) { return o.notifier.retention == minutes(90); }},
      {"--alertmanager.data.maintenance-interval", "1m",
       [](const DaemonOptions& o) { return o.notifier.maintenance_interval == minutes(1); }},
      {"--alertmanager.alerts.gc-interval", "2m",
       [](const DaemonOptions& o) { return o.notifier.alert_gc_interval == minutes(2); }},
      {"--alertmanager.silences.max-silences", "5",
       [](const DaemonOptions& o) { return o.notifier.max_silences == 5; }},
      {"--alertmanager.silences.max-silence-size-bytes", "6",
       [](const DaemonOptions& o) { return o.notifier.max_silence_bytes == 6; }},
  };
  for (const auto& c : cases) {
    EXPECT_FALSE(c.check(DaemonOptions{})) << c.flag << ": the case would not notice";
    EXPECT_TRUE(c.check(parse({c.flag + "=" + c.value}))) << c.flag << "=" << c.value;
    EXPECT_TRUE(c.check(parse({c.flag, c.value}))) << c.flag << ' ' << c.value;
  }
}

TEST(Flags, AddressesMayBeRepeated) {
  EXPECT_THAT(
      parse({"--web.listen-address=:1", "--web.listen-address", "[::1]:2"}).listen_addresses,
      ElementsAre(":1", "[::1]:2"));
  EXPECT_THAT(
      parse({"--alertmanager.web.listen-address=:3", "--alertmanager.web.listen-address=:4"})
          .alertmanager_listen_addresses,
      ElementsAre(":3", ":4"));
}

TEST(Flags, SwitchesAndTheirOpposites) {
  EXPECT_TRUE(parse({"--web.enable-lifecycle"}).enable_lifecycle);
  EXPECT_TRUE(parse({"--web.enable-remote-write-receiver"}).remote_write.enabled);
  EXPECT_FALSE(parse({"--no-web.enable-lifecycle"}).enable_lifecycle);
  EXPECT_TRUE(parse({"--web.enable-admin-api"}).enable_admin_api);
  EXPECT_FALSE(parse({"--no-web.enable-admin-api"}).enable_admin_api);
  EXPECT_FALSE(parse({"--web.enable-lifecycle", "--no-web.enable-lifecycle"}).enable_lifecycle);
}

TEST(Flags, HelpAndVersionArePrinted) {
  StatusOr<ParsedFlags> help = parse_flags({"--help"});
  ASSERT_TRUE(help.ok());
  for (const char* part :
       {"--config.file", "--storage.tsdb.path", "--alertmanager.config.file", "Notifier", "SIGHUP"})
    EXPECT_THAT(help->print, HasSubstr(part));
  EXPECT_EQ(parse_flags({"-h"})->print, help->print);
  EXPECT_THAT(parse_flags({"--version"})->print, HasSubstr("tocsin, version "));
  EXPECT_THAT(parse_flags({"--version"})->print, ::testing::EndsWith("\n"));
  EXPECT_EQ(parse_flags({})->print, "");
}

TEST(Flags, WhatIsWrongIsNamed) {
  const std::pair<std::vector<std::string>, std::string> cases[] = {
      {{"--nonsense"}, "--nonsense"},
      {{"positional"}, "positional"},
      {{"--config.file"}, "--config.file"},
      {{"--query.max-samples=many"}, "--query.max-samples"},
      {{"--query.timeout=soon"}, "--query.timeout: not a valid duration string: \"soon\""},
      {{"--storage.tsdb.retention.time=1"},
       "--storage.tsdb.retention.time: not a valid duration string: \"1\""},
      {{"--alertmanager.data.retention=5d"}, "--alertmanager.data.retention: "},
      {{"--log.level=loud"}, "loud"},
      {{"--log.format=xml"}, "xml"},
      {{"--query.max-concurrency=0"}, "must be at least 1"},
      {{"--web.remote-write-receiver.accepted-protobuf-messages=yolo"},
       "unknown type for remote write protobuf message yolo"},
      {{"--enable-feature=exemplar-storage,search-api"},
       "not supported yet: --enable-feature=search-api"},
      {{"--web.config.file", "w.yml"}, "not supported yet: --web.config.file"},
      {{"--storage.tsdb.retention.size=1"}, "--storage.tsdb.retention.size: "},
      {{"--storage.tsdb.reserve=much"}, "--storage.tsdb.reserve: "},
      {{"--agent"}, "not supported yet: --agent"},
  };
  for (const auto& [arguments, expected] : cases)
    EXPECT_THAT(error_of(arguments), HasSubstr(expected)) << arguments[0];
  EXPECT_EQ(parse_flags({"--agent"}).status().code(), StatusCode::kUnimplemented);
  EXPECT_EQ(parse_flags({"--nonsense"}).status().code(), StatusCode::kInvalidArgument);
}

TEST(Flags, FeaturesAreListedOrRepeated) {
  const Features none = parse({}).features;
  EXPECT_FALSE(none.exemplars || none.zero_starts || none.store_starts ||
               none.type_and_unit_labels || none.extra_scrape_metrics ||
               none.experimental_functions || none.extended_range_selectors ||
               none.fill_modifiers || none.delayed_name_removal);
  const DaemonOptions o =
      parse({"--enable-feature=exemplar-storage,,created-timestamp-zero-ingestion,yolo",
             "--enable-feature",
             "st-storage,extra-scrape-metrics,type-and-unit-labels,memory-snapshot-on-shutdown"});
  EXPECT_TRUE(o.features.exemplars && o.features.zero_starts && o.features.store_starts &&
              o.features.extra_scrape_metrics && o.features.type_and_unit_labels);
  EXPECT_TRUE(o.remote_write.store_starts && o.remote_write.zero_starts &&
              o.remote_write.type_and_unit);
  EXPECT_THAT(o.features.needless, ElementsAre("memory-snapshot-on-shutdown"));
  EXPECT_THAT(o.features.unknown, ElementsAre("yolo"));
}

TEST(Flags, EachFeatureOfPromqlIsItsOwn) {
  const auto enabled = [](const std::string& name) {
    const Features f = parse({"--enable-feature=" + name}).features;
    return fmt::format("{:d}{:d}{:d}{:d}{:d}", f.experimental_functions, f.extended_range_selectors,
                       f.fill_modifiers, f.delayed_name_removal, f.use_start_timestamps);
  };
  EXPECT_EQ(enabled("promql-experimental-functions"), "10000");
  EXPECT_EQ(enabled("promql-extended-range-selectors"), "01000");
  EXPECT_EQ(enabled("promql-binop-fill-modifiers"), "00100");
  EXPECT_EQ(enabled("promql-delayed-name-removal"), "00010");
  EXPECT_EQ(enabled("use-start-timestamps"), "00001");
  EXPECT_EQ(enabled("promql-duration-expr"), "00000") << "always on";
}

TEST(Flags, AreShownAsGivenOrByDefault) {
  const std::map<std::string, std::string> shown =
      parse({"--query.timeout=1m", "--web.enable-lifecycle", "--web.listen-address=:1",
             "--web.listen-address=:2"})
          .flags;
  EXPECT_EQ(shown.at("query.timeout"), "1m");
  EXPECT_EQ(shown.at("web.enable-lifecycle"), "true");
  EXPECT_EQ(shown.at("web.listen-address"), ":1,:2");
  EXPECT_EQ(shown.at("query.lookback-delta"), "5m");
  EXPECT_EQ(shown.at("query.max-samples"), "50000000");
  EXPECT_FALSE(shown.contains("help"));
  const std::map<std::string, std::string> defaults = parse({}).flags;
  EXPECT_EQ(defaults.at("web.enable-lifecycle"), "false");
  EXPECT_EQ(defaults.at("web.listen-address"), "0.0.0.0:9090");
  EXPECT_EQ(defaults.at("alertmanager.storage.path"), "data/alertmanager");
}

TEST(Flags, MemoryOfQueriesHasUnits) {
  const auto options = [](std::vector<std::string> arguments) {
    return parse_flags(std::move(arguments))->options;
  };
  EXPECT_FALSE(options({}).query_memory.has_value()) << "half of the machine's";
  EXPECT_EQ(options({}).query_memory_each, 0U);
  EXPECT_EQ(options({"--query.max-memory=2GB"}).query_memory, 2ULL << 30);
  EXPECT_EQ(options({"--query.max-memory=0"}).query_memory, 0U);
  EXPECT_EQ(options({"--query.max-memory-per-query=64MB"}).query_memory_each, 64ULL << 20);
  EXPECT_FALSE(parse_flags({"--query.max-memory=much"}).ok());
}

}  // namespace
}  // namespace tocsin::app
