// SPDX-License-Identifier: Apache-2.0
#include "exporters/app/logs/log_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tocsin::exporters::app {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

// The last item of the section logs of a file.
StatusOr<LogConfig> read(std::string_view text) {
  const StatusOr<base::YamlNode> root = base::parse_yaml(text, "app.yml");
  EXPECT_TRUE(root.ok()) << root.status();
  return read_log(root->find("logs")->items().back(), *root, "/etc/tocsin");
}

TEST(LogConfig, ReadsAnAccessLog) {
  const StatusOr<LogConfig> config = read(R"(
logs:
- name: edge
  files: ['/var/log/nginx/*access.log', 'local.log']
  format: '$remote_addr [$time_local] "$request" $status $body_bytes_sent $request_time $server_name'
  labels: {app: shop, vhost: $server_name}
  routes: [{match: '^/api/users/\d+', route: '/api/users/:id'}]
  buckets: [.1, 2]
  max_line: 4KiB
  poll_interval: 500ms
  positions_file: /var/lib/p
)");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->name, "edge");
  EXPECT_THAT(config->tail.globs,
              ElementsAre("/var/log/nginx/*access.log", "/etc/tocsin/local.log"));
  EXPECT_EQ(config->tail.max_line, 4096U);
  EXPECT_EQ(config->tail.positions_file, "/var/lib/p");
  EXPECT_EQ(config->poll_interval, base::Duration(500));
  EXPECT_THAT(config->fixed_labels, ElementsAre(Pair("app", "shop")));
  EXPECT_THAT(config->access.label_names, ElementsAre("vhost"));
  EXPECT_EQ(config->access.name_space, "nginx");
  EXPECT_THAT(config->access.buckets, ElementsAre(.1, 2));
  EXPECT_TRUE(config->parser.has_value());
}

TEST(LogConfig, ReadsPatterns) {
  const StatusOr<LogConfig> config = read(R"(
logs:
- name: app
  files: [/a]
  format: regex
  patterns:
  - {match: 'failed reason=(?P<reason>\w+)', counter: fails_total, labels: {reason: $reason, kind: ws}}
  - {match: 'took (?P<s>\S+)s', histogram: took_seconds, value: $s, buckets: [1], help: How long.}
)");
  ASSERT_TRUE(config.ok()) << config.status();
  ASSERT_EQ(config->patterns.size(), 2U);
  EXPECT_EQ(config->patterns[0].name, "fails_total");
  EXPECT_EQ(config->patterns[0].labels[0].second.group, 1U);
  EXPECT_EQ(config->patterns[0].labels[1].second.text, "ws");
  EXPECT_EQ(config->patterns[1].kind, LogPattern::Kind::kHistogram);
  EXPECT_EQ(config->patterns[1].value_group, 1U);
  EXPECT_EQ(config->patterns[1].help, "How long.");
  EXPECT_FALSE(config->parser.has_value());
}

TEST(LogConfig, NamedFormatsAreThere) {
  for (const std::string_view format : {"combined", "common", "haproxy_http", "json"}) {
    const StatusOr<LogConfig> config =
        read(fmt::format("logs: [{{name: a, files: [/a], format: {}}}]", format));
    EXPECT_TRUE(config.ok()) << format << ": " << config.status();
  }
}

TEST(LogConfig, RefusesWhatCannotWorkAndSaysWhere) {
  const auto check = [](std::string_view item, std::string_view reason,
                        std::string_view before = "") {
    const StatusOr<LogConfig> config = read(fmt::format("{}logs:\n- {}", before, item));
    ASSERT_FALSE(config.ok()) << item;
    EXPECT_THAT(std::string(message(config.status())),
                testing::AllOf(HasSubstr("app.yml:"), HasSubstr(std::string(reason))))
        << item;
  };
  check("{files: [/a], format: common}", "name");
  check("{name: a, format: common}", "files");
  check("{name: a, files: [], format: common}", "names no file");
  check("{name: a, files: [/a]}", "format");
  check("{name: a, files: [/a], format: common, what: 1}", "field what not found");
  check("{name: a, files: [/a], format: '$request_time'}", "has no $status");
  check("{name: a, files: [/a], format: common, labels: {a: $nope}}", "the format has no $nope");
  check("{name: a, files: [/a], format: common, labels: {status: x}}", "one of our own");
  check("{name: a, files: [/a], format: common, labels: {a-b: x}}", "not a label name");
  check("{name: a, files: [/a], format: common, max_line: 1GB}", "between 256B and 1MiB");
  check("{name: a, files: [/a], format: common, patterns: []}", "field patterns not found");
  check("{name: a, files: [/a], format: common, fields: {a: b}}", "field fields not found");
  check("{name: a, files: [/a], format: json, fields: {a: b}}", "neither a variable");
  check("{name: a, files: [/a], format: common, routes: [{match: '(', route: x}]}", "regexp");
  check("{name: a, files: [/a], format: common, routes: [{match: 'a', route: $1}]}",
        "not supported yet");
  check("{name: a, files: [/a], format: '$status', routes: [{match: 'a', route: b}]}",
        "neither $request nor $uri");
  check("{name: a, files: [/a], format: common, naming: knyar}", "needs $server_name or $host");
  check("{name: a, files: [/a], format: '$host $status', naming: knyar}", "leave one of them out",
        "nginx: [{name: a, stub_status: 'http://a/'}]\n");
  check("{name: a, files: [/a], format: common, namespace: 'a-b'}", "no beginning");
  check("{name: a, files: [/a], format: regex}", "patterns");
  check("{name: a, files: [/a], format: regex, patterns: [{match: a}]}", "expected one of");
  check("{name: a, files: [/a], format: regex, patterns: [{match: a, counter: x, gauge: y}]}",
        "a pattern makes one metric");
  check("{name: a, files: [/a], format: regex, patterns: [{match: a, gauge: x}]}", "needs a value");
  check("{name: a, files: [/a], format: regex, patterns: [{match: a, counter: x, value: $b}]}",
        "has no group");
  check(
      "{name: a, files: [/a], format: regex, patterns: [{match: a, counter: x, labels: {le: b}}]}",
      "cannot be the name");
  check(
      "{name: a, files: [/a], format: regex, patterns: [{match: a, counter: x}, {match: b, "
      "counter: "
      "x}]}",
      "the same constant labels");
  check("{name: a, files: [/a], format: common}\n- {name: b, files: [/b], format: combined}",
        "cannot be told from those of the item in line 2");
  check(
      "{name: a, files: [/a], format: haproxy_http}\n- {name: b, files: [/b], format: common, "
      "namespace: haproxy}",
      "cannot be told");
}

TEST(LogConfig, TwoLogsWithLabelsOfTheirOwnAreFine) {
  const StatusOr<LogConfig> config = read(
      "logs:\n- {name: a, files: [/a], format: common, labels: {app: a}}\n"
      "- {name: b, files: [/b], format: common, labels: {app: b}}");
  EXPECT_TRUE(config.ok()) << config.status();
}

}  // namespace
}  // namespace tocsin::exporters::app
