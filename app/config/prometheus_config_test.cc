// SPDX-License-Identifier: Apache-2.0
#include "app/config/prometheus_config.h"

#include <cstdlib>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing/mem_fs.h"

namespace tocsin::app {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class PrometheusConfigTest : public ::testing::Test {
 protected:
  void write(const std::string& path, std::string_view text) {
    const std::size_t slash = path.rfind('/');
    if (slash != std::string::npos) {
      ASSERT_EQ(files_->create_directories(path.substr(0, slash)), ok());
    }
    ASSERT_EQ(base::write_file_atomically(*files_, path, text), ok());
  }
  PrometheusConfig load(std::string_view text) {
    write("etc/p.yml", text);
    StatusOr<PrometheusConfig> config = load_prometheus_config(*files_, "etc/p.yml");
    EXPECT_TRUE(config.ok()) << config.status().ToString();
    return config.ok() ? std::move(*config) : PrometheusConfig{};
  }
  std::string error_of(std::string_view text) {
    write("etc/p.yml", text);
    StatusOr<PrometheusConfig> config = load_prometheus_config(*files_, "etc/p.yml");
    return config.ok() ? "" : std::string(message(config.status()));
  }

  std::unique_ptr<base::FileSystem> files_ = base::testing::make_mem_fs();
};

TEST_F(PrometheusConfigTest, AnEmptyFileIsAllDefaults) {
  for (const char* text : {"", "global:\n", "scrape_configs: []\n", "# only a comment\n"}) {
    const PrometheusConfig config = load(text);
    EXPECT_TRUE(config.collector.jobs.empty());
    EXPECT_EQ(config.evaluation_interval, minutes(1));
    EXPECT_FALSE(config.has_retention);
  }
  EXPECT_EQ(load_prometheus_config(*files_, "etc/absent.yml").status().code(),
            StatusCode::kNotFound);
}

TEST_F(PrometheusConfigTest, JobsHaveUpstreamsDefaults) {
  const PrometheusConfig config =
      load("scrape_configs:\n- job_name: a\n  static_configs:\n  - targets: [x:1]\n");
  ASSERT_EQ(config.collector.jobs.size(), 1U);
  const collector::ScrapeOptions& job = config.collector.jobs[0];
  EXPECT_EQ(job.job, "a");
  EXPECT_EQ(job.interval, minutes(1));
  EXPECT_EQ(job.timeout, seconds(10));
  EXPECT_EQ(job.metrics_path, "/metrics");
  EXPECT_EQ(job.scheme, "http");
  EXPECT_FALSE(job.honor_labels);
  EXPECT_TRUE(job.honor_timestamps);
  EXPECT_TRUE(job.enable_compression);
  EXPECT_TRUE(job.http->follow_redirects);
  EXPECT_TRUE(job.http->enable_http2);
  EXPECT_EQ(job.limits.samples, 0U);
}

constexpr std::string_view kFullJob = R"(
scrape_configs:
- job_name: all
  scrape_interval: 30s
  scrape_timeout: 5s
  metrics_path: /m
  scheme: https
  params: {a: [1, x], b: []}
  honor_labels: yes
  honor_timestamps: false
  track_timestamps_staleness: true
  enable_compression: false
  extra_scrape_metrics: true
  scrape_protocols: [OpenMetricsText1.0.0, PrometheusText0.0.4]
  fallback_scrape_protocol: PrometheusText0.0.4
  body_size_limit: 10MB
  sample_limit: 1
  target_limit: 2
  label_limit: 3
  label_name_length_limit: 4
  label_value_length_limit: 5
  keep_dropped_targets: 6
  basic_auth: {username: u, password_file: secret}
  tls_config: {ca_file: ca.pem, insecure_skip_verify: true, min_version: TLS12, server_name: s}
  proxy_url: http://proxy:1
  no_proxy: localhost
  follow_redirects: false
  enable_http2: false
  relabel_configs:
  - {source_labels: [a, b], target_label: c}
  metric_relabel_configs:
  - {regex: "x.*", action: labeldrop}
  static_configs:
  - targets: [h:1, "[::1]:2"]
    labels: {env: prod}
  file_sd_configs:
  - files: [targets/*.json, /abs/t.yml]
    refresh_interval: 1m
)";

TEST_F(PrometheusConfigTest, EveryKeyOfAJobIsRead) {
  const PrometheusConfig config = load(kFullJob);
  ASSERT_EQ(config.collector.jobs.size(), 1U);
  const collector::ScrapeOptions& job = config.collector.jobs[0];
  EXPECT_EQ(job.interval, seconds(30));
  EXPECT_EQ(job.timeout, seconds(5));
  EXPECT_EQ(job.metrics_path, "/m");
  EXPECT_EQ(job.scheme, "https");
  ASSERT_EQ(job.params.size(), 2U);
  EXPECT_THAT(job.params[0].second, ElementsAre("1", "x"));
  EXPECT_TRUE(job.honor_labels && !job.honor_timestamps && job.track_timestamps_staleness &&
              !job.enable_compression && job.extra_metrics);
  EXPECT_EQ(job.protocols.size(), 2U);
  EXPECT_TRUE(job.fallback_protocol);
  EXPECT_EQ(job.limits.body_bytes, 10U << 20);
  EXPECT_EQ(job.limits.samples, 1U);
  EXPECT_EQ(job.limits.targets, 2U);
  EXPECT_EQ(job.limits.labels, 3U);
  EXPECT_EQ(job.limits.label_name_bytes, 4U);
  EXPECT_EQ(job.limits.label_value_bytes, 5U);
  EXPECT_EQ(job.limits.kept_dropped_targets, 6U);
  EXPECT_EQ(job.http->basic_auth->username, "u");
  EXPECT_EQ(job.http->basic_auth->password.file, "etc/secret") << "relative to the configuration";
  EXPECT_EQ(job.http->tls.ca_file, "etc/ca.pem");
  EXPECT_TRUE(job.http->tls.insecure_skip_verify);
  EXPECT_EQ(job.http->proxy_url, "http://proxy:1");
  EXPECT_FALSE(job.http->follow_redirects || job.http->enable_http2);
  EXPECT_EQ(job.relabel.size(), 1U);
  EXPECT_EQ(job.metric_relabel.size(), 1U);
  ASSERT_EQ(job.sources.size(), 2U);
  const auto& fixed = std::get<discovery::StaticOptions>(job.sources[0]);
  ASSERT_EQ(fixed.groups.size(), 1U);
  EXPECT_EQ(fixed.groups[0].targets[1].get("__address__"), "[::1]:2");
  EXPECT_EQ(fixed.groups[0].labels.get("env"), "prod");
  const auto& file = std::get<discovery::FileOptions>(job.sources[1]);
  EXPECT_THAT(file.patterns, ElementsAre("etc/targets/*.json", "/abs/t.yml"));
  EXPECT_EQ(file.refresh_interval, minutes(1));
}

TEST_F(PrometheusConfigTest, JobsInheritFromGlobal) {
  const PrometheusConfig config = load(R"(
global: {scrape_interval: 8s, evaluation_interval: 9s, sample_limit: 100, label_limit: 7, body_size_limit: 1KB,
         extra_scrape_metrics: true, scrape_protocols: [PrometheusText0.0.4], scrape_native_histograms: true,
         convert_classic_histograms_to_nhcb: true}
scrape_configs:
- job_name: inherits
- {job_name: own, scrape_interval: 4s, sample_limit: 5, extra_scrape_metrics: false, scrape_native_histograms: false, always_scrape_classic_histograms: true, convert_classic_histograms_to_nhcb: false, scrape_protocols: [OpenMetricsText1.0.0]}
- {job_name: longer, scrape_interval: 1m, sample_limit: 0}
)");
  ASSERT_EQ(config.collector.jobs.size(), 3U);
  const auto& [inherits, own, longer] =
      std::tie(config.collector.jobs[0], config.collector.jobs[1], config.collector.jobs[2]);
  EXPECT_EQ(config.evaluation_interval, seconds(9));
  EXPECT_EQ(inherits.interval, seconds(8));
  EXPECT_EQ(inherits.timeout, seconds(8)) << "10 s would be longer than the interval";
  EXPECT_EQ(inherits.limits.samples, 100U);
  EXPECT_EQ(inherits.limits.labels, 7U);
  EXPECT_EQ(inherits.limits.body_bytes, 1024U);
  EXPECT_TRUE(inherits.extra_metrics);
  EXPECT_TRUE(inherits.histograms.native && !inherits.histograms.classic_too);
  EXPECT_TRUE(inherits.convert_classic && !own.convert_classic);
  EXPECT_EQ(own.timeout, seconds(4));
  EXPECT_EQ(own.limits.samples, 5U);
  EXPECT_FALSE(own.extra_metrics);
  EXPECT_TRUE(!own.histograms.native && own.histograms.classic_too);
  EXPECT_NE(own.protocols, inherits.protocols);
  EXPECT_EQ(longer.timeout, seconds(8));
  EXPECT_EQ(longer.limits.samples, 100U) << "0 means the global limit";
}

TEST_F(PrometheusConfigTest, ExemplarsAreKeptUpToANumber) {
  EXPECT_EQ(load("global: {}\n").max_exemplars, 100'000U);
  EXPECT_EQ(load("storage: {exemplars: {max_exemplars: 7}}\n").max_exemplars, 7U);
  EXPECT_EQ(load("storage: {exemplars: {max_exemplars: -1}}\n").max_exemplars, 0U);
  EXPECT_THAT(error_of("storage: {exemplars: {max_exemplars: many}}\n"),
              HasSubstr("max_exemplars"));
  EXPECT_THAT(error_of("storage: {exemplars: {most: 1}}\n"), HasSubstr("most"));
}

TEST_F(PrometheusConfigTest, NativeHistogramsHaveLimits) {
  const auto job = [this](const std::string& keys) {
    return load("scrape_configs: [{job_name: a" + keys + "}]\n").collector.jobs.at(0);
  };
  EXPECT_EQ(job("").limits.native_buckets, 0U);
  EXPECT_EQ(job(", native_histogram_bucket_limit: 9").limits.native_buckets, 9U);
  const std::pair<std::string, std::int32_t> factors[] = {
      {"0", 8}, {"1", 8},  {"1.002", 8}, {"1.003", 7}, {"1.1", 2},    {"1.4", 1}, {"1.5", 0},
      {"2", 0}, {"4", -1}, {"16", -2},   {"256", -3},  {"65536", -4}, {"1e9", -4}};
  EXPECT_EQ(job("").max_schema, 8);
  for (const auto& [factor, schema] : factors) {
    EXPECT_EQ(job(", native_histogram_min_bucket_factor: " + factor).max_schema, schema) << factor;
  }
}

TEST_F(PrometheusConfigTest, ExternalLabelsExpandTheEnvironment) {
  ::setenv("TOCSIN_TEST_REGION", "eu", 1);  // NOLINT(concurrency-mt-unsafe): no other thread runs
  ::unsetenv("TOCSIN_TEST_UNSET");          // NOLINT(concurrency-mt-unsafe): no other thread runs
  const std::pair<std::string, std::string> cases[] = {
      {"plain", "plain"},
      {"$TOCSIN_TEST_REGION", "eu"},
      {"a-${TOCSIN_TEST_REGION}-b", "a-eu-b"},
      {"$TOCSIN_TEST_REGION.x", "eu.x"},
      {"<${TOCSIN_TEST_UNSET}>", "<>"},
      {"$$TOCSIN_TEST_REGION", "$TOCSIN_TEST_REGION"},
      {"cost: 5$", "cost: 5$"},
  };
  for (const auto& [text, expected] : cases) {
    const PrometheusConfig config =
        load("global: {external_labels: {l: '" + text + "', other: x}}\n");
    EXPECT_EQ(config.collector.external_labels.get("l"), expected) << text;
    EXPECT_EQ(config.rules.external_labels.get("l"), expected) << text;
  }
  EXPECT_EQ(load("global: {external_labels: {l: $TOCSIN_TEST_UNSET, m: x}}\n")
                .collector.external_labels.to_string(),
            R"({m="x"})");
}

TEST_F(PrometheusConfigTest, StorageAndAlertingAreRead) {
  const PrometheusConfig config = load(R"(
storage: {tsdb: {out_of_order_time_window: 30m, retention: {time: 2d, size: 1GB, percentage: 12.5}}}
alerting: {alert_relabel_configs: [{regex: replica, action: labeldrop}]}
runtime: {gogc: 42}
)");
  EXPECT_EQ(config.out_of_order_window, minutes(30));
  EXPECT_TRUE(config.has_retention);
  EXPECT_EQ(config.retention, std::chrono::hours(48));
  EXPECT_TRUE(config.has_retention_size);
  EXPECT_EQ(config.retention_bytes, 1ULL << 30);
  EXPECT_EQ(config.retention_percentage, 12.5);
  EXPECT_EQ(config.alert_relabel.size(), 1U);
}

TEST_F(PrometheusConfigTest, RuleFilesAreFoundReadAndNamed) {
  const std::string rules = "groups: [{name: g, rules: [{record: r, expr: up}]}]\n";
  for (const char* name : {"etc/rules/a_1.yml", "etc/rules/a_2.yml", "etc/rules/b_1.yml",
                           "etc/rules/a_1.yaml", "abs/c.yml"})
    write(name, rules);
  const auto files = [this](std::string_view list) {
    return load(fmt::format(
        "global: {{evaluation_interval: 7s, rule_query_offset: 3s}}\nrule_files: {}\n", list));
  };
  const std::pair<std::string, std::vector<std::string>> cases[] = {
      {"[rules/*.yml]", {"etc/rules/a_1.yml", "etc/rules/a_2.yml", "etc/rules/b_1.yml"}},
      {"[rules/a_*.yml]", {"etc/rules/a_1.yml", "etc/rules/a_2.yml"}},
      {"['rules/*_1*.y*ml']", {"etc/rules/a_1.yaml", "etc/rules/a_1.yml", "etc/rules/b_1.yml"}},
      {"['rules/?_2.yml']", {"etc/rules/a_2.yml"}},
      {"[rules/b_1.yml, rules/b_1.yml, rules/b*]", {"etc/rules/b_1.yml"}},
      {"[rules/nothing.yml, nowhere/*.yml]", {}},
  };
  for (const auto& [list, expected] : cases) {
    const PrometheusConfig config = files(list);
    EXPECT_EQ(config.rule_files, expected) << list;
    EXPECT_EQ(config.rules.groups.size(), expected.size());
  }
  const PrometheusConfig config = files("[rules/a_1.yml]");
  EXPECT_EQ(config.rules.groups.at(0).interval, seconds(7));
  EXPECT_EQ(config.rules.groups.at(0).query_offset, seconds(3));
  EXPECT_EQ(error_of("rule_files: [a/*/b.yml]\n"),
            R"(etc/p.yml:1:14: rule_files[0]: invalid rule file path "a/*/b.yml")");
  EXPECT_THAT(error_of("rule_files: ['[ab].yml']\n"), HasSubstr("not supported yet"));
  write("etc/rules/bad.yml", "groups: [{name: g, rules: [{record: r, expr: 'up +'}]}]\n");
  EXPECT_THAT(error_of("rule_files: [rules/bad.yml]\n"),
              StartsWith("etc/rules/bad.yml:1:46: groups[0].rules[0].expr: could not parse "
                         "expression: 1:5: parse error"));
}

TEST_F(PrometheusConfigTest, ErrorsNameFileLineAndKey) {
  const std::string job = "scrape_configs:\n- job_name: a\n  ";
  const std::pair<std::string, std::string> cases[] = {
      {"nonsense: 1\n", "etc/p.yml:1:1: field nonsense not found in the top level"},
      {"global:\n  scrape_intervall: 1s\n",
       "etc/p.yml:2:3: field scrape_intervall not found in global"},
      {"global: {}\nglobal: {}\n", "etc/p.yml:2:1: key \"global\" already set in map"},
      {"global: [1]\n", "etc/p.yml:1:9: global: expected a mapping"},
      {"global: {scrape_interval: fast}\n",
       R"(etc/p.yml:1:27: global.scrape_interval: not a valid duration string: "fast")"},
      {"global: {scrape_interval: 5s, scrape_timeout: 6s}\n",
       "etc/p.yml:1:47: global.scrape_timeout: global scrape timeout greater than scrape interval"},
      {"global: {sample_limit: -1}\n", "etc/p.yml:1:24: global.sample_limit: must not be negative"},
      {"global: {body_size_limit: 100}\n",
       R"(etc/p.yml:1:27: global.body_size_limit: units: missing unit in "100")"},
      {"global: {external_labels: {'': x}}\n",
       R"(etc/p.yml:1:27: global.external_labels: "" is not a valid label name)"},
      {"global: {metric_name_validation_scheme: utf9}\n",
       R"(etc/p.yml:1:41: global.metric_name_validation_scheme: unknown metric name validation scheme "utf9")"},
      {"scrape_configs:\n- \n", "etc/p.yml:3:1: scrape_configs[0]: a list item must not be null"},
      {"scrape_configs:\n- scheme: http\n", "etc/p.yml:2:3: scrape_configs[0]: job_name is empty"},
      {"scrape_configs:\n- job_name: a\n- job_name: a\n",
       R"(etc/p.yml:3:3: scrape_configs[1]: found multiple scrape configs with job name "a")"},
      {job + "scheme: ftp\n",
       "etc/p.yml:3:11: scrape_configs[0].scheme: scheme must be http or https"},
      {job + "honor_labels: maybe\n", "etc/p.yml:3:17: scrape_configs[0].honor_labels: "},
      {job + "scrape_timeout: 2m\n",
       R"(etc/p.yml:3:19: scrape_configs[0].scrape_timeout: scrape timeout greater than scrape interval )"
       R"(for scrape config with job name "a")"},
      {job + "static_configs:\n  - targets: ['http://x/']\n",
       R"(etc/p.yml:4:3: scrape_configs[0].static_configs: "http://x/" is not a valid hostname)"},
      {job + "static_configs:\n  - target: [x]\n",
       "etc/p.yml:4:5: field target not found in scrape_configs[0].static_configs[0]"},
      {job + "file_sd_configs:\n  - files: [a.txt]\n",
       R"(etc/p.yml:4:12: scrape_configs[0].file_sd_configs[0].files: path name "a.txt" is not valid for file discovery)"},
      {job + "file_sd_configs:\n  - files: []\n",
       "etc/p.yml:4:12: scrape_configs[0].file_sd_configs[0].files: file service discovery config "
       "must contain at least one path name"},
      {job + "relabel_configs:\n  - action: keepequal\n",
       "etc/p.yml:4:5: scrape_configs[0].relabel_configs[0]: relabel configuration for keepequal "
       "action requires 'target_label' value"},
      {job + "relabel_configs:\n  - {source_labels: [a], regex: '(', action: keep}\n",
       "etc/p.yml:4:5: scrape_configs[0].relabel_configs[0]: "},
      {job + "basic_auth: {username: a}\n  authorization: {credentials: b}\n",
       "etc/p.yml:3:15: scrape_configs[0].basic_auth: at most one of basic_auth, oauth2 & "
       "authorization must be configured"},
      {job + "basic_auth: {password: a, password_file: b}\n",
       "etc/p.yml:3:44: scrape_configs[0].basic_auth.password_file: at most one of password & "
       "password_file must be configured"},
      {job + "authorization: {type: Basic}\n",
       R"(etc/p.yml:3:25: scrape_configs[0].authorization.type: authorization type cannot be set to "basic", use "basic_auth" instead)"},
      {job + "tls_config: {cert_file: c}\n",
       "etc/p.yml:3:15: scrape_configs[0].tls_config: exactly one of key or key_file must be "
       "configured"},
      {job + "tls_config: {min_version: TLS9}\n",
       R"(etc/p.yml:3:29: scrape_configs[0].tls_config.min_version: unknown TLS version: "TLS9")"},
      {job + "scrape_protocols: [PrometheusText0.0.4, PrometheusText0.0.4]\n",
       "etc/p.yml:3:21: scrape_configs[0].scrape_protocols: duplicated protocol in "
       "scrape_protocols, got PrometheusText0.0.4"},
      {job + "scrape_protocols: [Fax]\n",
       "etc/p.yml:3:21: scrape_configs[0].scrape_protocols: unknown scrape protocol Fax"},
      {"storage: {tsdb: {retention: {percentage: 101}}}\n",
       "etc/p.yml:1:42: storage.tsdb.retention.percentage: must be between 0 and 100"},
      {"storage: {tsdb: {retention: {time: -1h}}}\n",
       R"(etc/p.yml:1:36: storage.tsdb.retention.time: not a valid duration string: "-1h")"},
      {"rule_files: {a: b}\n", "etc/p.yml:1:13: rule_files: expected a list"},
      {"global: {\n", "etc/p.yml:"},
  };
  for (const auto& [text, expected] : cases)
    EXPECT_THAT(error_of(text), StartsWith(expected)) << text;
}

TEST_F(PrometheusConfigTest, WhatIsNotBuiltYetSaysSo) {
  const std::string job = "scrape_configs:\n- job_name: a\n  ";
  const std::pair<std::string, std::string> cases[] = {
      {"remote_write: [{url: http://x}]\n", "remote_write"},
      {"remote_read: []\n", "remote_read"},
      {"otlp: {}\n", "otlp"},
      {"tracing: {}\n", "tracing"},
      {"scrape_config_files: [a]\n", "scrape_config_files"},
      {"alerting: {alertmanagers: []}\n", "alertmanagers"},
      {"global: {metric_name_validation_scheme: legacy}\n", "metric_name_validation_scheme legacy"},
      {job + "kubernetes_sd_configs: []\n", "kubernetes_sd_configs"},
      {job + "http_sd_configs: [{url: http://x}]\n", "http_sd_configs"},
      {job + "oauth2: {}\n", "oauth2"},
  };
  for (const auto& [text, key] : cases)
    EXPECT_THAT(error_of(text), HasSubstr(": not supported yet: " + key)) << text;
}

TEST_F(PrometheusConfigTest, AChangedJobHasAnotherFingerprint) {
  const std::string base =
      "global: {scrape_interval: 10s}\nscrape_configs:\n- job_name: a\n  static_configs: "
      "[{targets: [x]}]\n";
  const std::string print = load(base).collector.jobs[0].fingerprint;
  EXPECT_EQ(load(base).collector.jobs[0].fingerprint, print);
  EXPECT_EQ(load(base + "# comment\n").collector.jobs[0].fingerprint, print);
  EXPECT_NE(
      load("global: {scrape_interval: 11s}\n" + base.substr(31)).collector.jobs[0].fingerprint,
      print);
  EXPECT_NE(load(base + "  honor_labels: true\n").collector.jobs[0].fingerprint, print);
}

TEST_F(PrometheusConfigTest, ThePrintedFormMasksSecretsAndLoadsAgain) {
  const std::string text = R"(
global:
  external_labels: {key: visible1, url: "visible2", password: visible3}
scrape_configs:
- job_name: "quoted: #name"
  basic_auth: {username: user, password: hidden1}
  tls_config: {cert_file: c, key: hidden2}
  proxy_url: http://me:hidden3@proxy:1
  params: {password: ['visible4']}
  static_configs:
  - targets: ["a:1", 'b:2']
    labels: {empty: "", multi: "two\nlines", yes: "true", num: "0x10", "ä": é}
  relabel_configs:
  - regex: '(.*)\.example'
    source_labels: []
    replacement: $1
    target_label: x
- job_name: b
  authorization: {credentials: hidden4}
- job_name: c
  bearer_token: hidden5
)";
  const PrometheusConfig first = load(text);
  EXPECT_THAT(first.printed, Not(HasSubstr("hidden")));
  for (const char* shown : {"visible1", "visible2", "visible3", "visible4", "<secret>"})
    EXPECT_THAT(first.printed, HasSubstr(shown));
  const PrometheusConfig second = load(first.printed);
  EXPECT_EQ(second.printed, first.printed);
  ASSERT_EQ(second.collector.jobs.size(), 3U) << first.printed;
  EXPECT_EQ(second.collector.jobs[0].sources, first.collector.jobs[0].sources) << first.printed;
  EXPECT_EQ(second.collector.jobs[0].params, first.collector.jobs[0].params);
  EXPECT_EQ(second.collector.jobs[0].job, first.collector.jobs[0].job);
  EXPECT_EQ(second.collector.external_labels, first.collector.external_labels);
  EXPECT_EQ(second.collector.jobs[0].http->basic_auth->password.value, "<secret>");
}

// The files of Prometheus itself. What they need and is not built yet must be said, nothing else.
TEST(PrometheusConfigConformance, OfficialFiles) {
  const char* root =
      std::getenv("TOCSIN_CONFORMANCE_DIR");  // NOLINT(concurrency-mt-unsafe): no other thread runs
  if (root == nullptr) GTEST_SKIP() << "TOCSIN_CONFORMANCE_DIR is not set";
  base::FileSystem& files = base::real_file_system();
  const std::string folder = std::string(root) + "/prometheus-config";
  int loaded = 0, refused = 0;
  const std::vector<std::string> names = files.list(folder).value();
  for (const std::string& name : names) {
    if (!name.ends_with(".yml") || name.starts_with("agent_mode.")) continue;
    const std::string path = folder + "/" + name;
    StatusOr<PrometheusConfig> config = load_prometheus_config(files, path);
    // Of two schemes that exclude each other, one is not built yet.
    const bool bad = name.ends_with(".bad.yml") || name.ends_with(".incompatible.yml");
    if (bad) {
      EXPECT_FALSE(config.ok()) << name;
      if (!config.ok()) {
        EXPECT_THAT(std::string(message(config.status())), StartsWith(path + ":")) << name;
      }
      ++refused;
    } else if (!config.ok()) {
      EXPECT_THAT(std::string(message(config.status())), HasSubstr("not supported yet: ")) << name;
    } else {
      ++loaded;
    }
  }
  EXPECT_GT(loaded, 10);
  EXPECT_GT(refused, 100);
}

}  // namespace
}  // namespace tocsin::app
