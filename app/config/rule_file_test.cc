// SPDX-License-Identifier: Apache-2.0
#include "app/config/rule_file.h"

#include <cstdlib>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file_system.h"

namespace tocsin::app {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;
using ::testing::StartsWith;
using ::testing::UnorderedElementsAre;

std::vector<rules::GroupOptions> parse(std::string_view text) {
  StatusOr<std::vector<rules::GroupOptions>> groups = parse_rule_file(text, "r.yml", {});
  EXPECT_TRUE(groups.ok()) << groups.status().ToString();
  return groups.ok() ? *groups : std::vector<rules::GroupOptions>{};
}

std::string error_of(std::string_view text) {
  StatusOr<std::vector<rules::GroupOptions>> groups = parse_rule_file(text, "r.yml", {});
  return groups.ok() ? "" : std::string(message(groups.status()));
}

// A file with one rule.
std::string rule(std::string_view fields) {
  return fmt::format("groups:\n- name: g\n  rules:\n  - {}\n", fields);
}

TEST(RuleFile, ExpressionsMayUseWhatIsEnabled) {
  const std::string text = "groups: [{name: g, rules: [{record: r, expr: 'max_of(1, 2)'}]}]";
  EXPECT_NE(message(parse_rule_file(text, "r.yml", {}).status())
                .find("function \"max_of\" is not enabled"),
            std::string_view::npos);
  RuleFileDefaults defaults;
  defaults.parser.experimental_functions = true;
  EXPECT_TRUE(parse_rule_file(text, "r.yml", defaults).ok());
}

TEST(RuleFile, EveryKeyIsRead) {
  const auto groups = parse(R"(
groups:
- name: first
  interval: 15s
  query_offset: 5s
  limit: 3
  labels: {team: a, severity: low}
  rules:
  - record: job:up:sum
    expr: sum by (job) (up)
    labels: {severity: none}
  - alert: Down
    expr: up == 0
    for: 5m
    keep_firing_for: 10m
    labels: {severity: critical}
    annotations: {summary: "{{ $labels.instance }} is down"}
- name: second
)");
  ASSERT_EQ(groups.size(), 2U);
  EXPECT_EQ(groups[0].file, "r.yml");
  EXPECT_EQ(groups[0].name, "first");
  EXPECT_EQ(groups[0].interval, seconds(15));
  EXPECT_EQ(groups[0].query_offset, seconds(5));
  EXPECT_EQ(groups[0].limit, 3U);
  ASSERT_EQ(groups[0].rules.size(), 2U);
  const rules::RuleOptions& record = groups[0].rules[0];
  EXPECT_EQ(record.kind, rules::RuleOptions::Kind::kRecording);
  EXPECT_EQ(record.name, "job:up:sum");
  EXPECT_EQ(record.expr, "sum by (job) (up)");
  EXPECT_THAT(record.labels, UnorderedElementsAre(Pair("severity", "none"), Pair("team", "a")));
  const rules::RuleOptions& alert = groups[0].rules[1];
  EXPECT_EQ(alert.kind, rules::RuleOptions::Kind::kAlerting);
  EXPECT_EQ(alert.hold, minutes(5));
  EXPECT_EQ(alert.keep_firing, minutes(10));
  EXPECT_THAT(alert.labels, UnorderedElementsAre(Pair("severity", "critical"), Pair("team", "a")));
  EXPECT_THAT(alert.annotations, ElementsAre(Pair("summary", "{{ $labels.instance }} is down")));
  EXPECT_EQ(groups[1].interval, minutes(1)) << "the default";
  EXPECT_EQ(
      parse_rule_file("groups: [{name: g}]", "r.yml", {seconds(7), seconds(2)})->at(0).interval,
      seconds(7));
  EXPECT_EQ(
      parse_rule_file("groups: [{name: g}]", "r.yml", {seconds(7), seconds(2)})->at(0).query_offset,
      seconds(2));
  for (const char* empty : {"", "groups:\n", "groups: []\n"}) EXPECT_TRUE(parse(empty).empty());
}

TEST(RuleFile, ErrorsHaveUpstreamsTextsWithFileLineAndKey) {
  const std::pair<std::string, std::string> cases[] = {
      {"group: []\n", "r.yml:1:1: field group not found in the top level"},
      {"groups:\n- interval: 5s\n", "r.yml:2:3: groups[0]: Groupname must not be empty"},
      {"groups:\n- name: a\n- name: a\n",
       R"(r.yml:3:3: groups[1]: groupname: "a" is repeated in the same file)"},
      {"groups:\n- name: a\n  interval: often\n",
       R"(r.yml:3:13: groups[0].interval: not a valid duration string: "often")"},
      {"groups:\n- {name: a, labels: {'': x}}\n",
       "r.yml:2:21: groups[0].labels: invalid label name: "},
      {"groups:\n- name: a\n  rules:\n  -\n", "r.yml:"},
      {rule("{expr: up}"), "r.yml:4:5: groups[0].rules[0]: one of 'record' or 'alert' must be set"},
      {rule("{record: a, alert: b, expr: up}"),
       "r.yml:4:14: groups[0].rules[0].record: only one of 'record' and 'alert' must be set"},
      {rule("{record: a}"), "r.yml:4:5: groups[0].rules[0]: field 'expr' must be set in rule"},
      {rule("{record: a, expr: 'up +'}"),
       "r.yml:4:23: groups[0].rules[0].expr: could not parse expression: 1:5: parse error: "
       "unexpected end of input"},
      {rule("{record: a, expr: 'rate(up)'}"),
       "r.yml:4:23: groups[0].rules[0].expr: could not parse expression: 1:6: parse error: "},
      {rule("{record: a, expr: up, for: 5m}"),
       "r.yml:4:32: groups[0].rules[0].for: invalid field 'for' in recording rule"},
      {rule("{record: a, expr: up, keep_firing_for: 5m}"),
       "r.yml:4:44: groups[0].rules[0].keep_firing_for: invalid field 'keep_firing_for' in "
       "recording rule"},
      {rule("{record: a, expr: up, annotations: {a: b}}"),
       "r.yml:4:40: groups[0].rules[0].annotations: invalid field 'annotations' in recording rule"},
      {rule("{record: 'a{b=\"c\"}', expr: up}"),
       R"(r.yml:4:14: groups[0].rules[0].record: braces present in the recording rule name; should it be in expr?: a{b="c"})"},
      {rule("{alert: a, expr: up, labels: {__name__: x}}"),
       "r.yml:4:34: groups[0].rules[0].labels: invalid label name: __name__"},
      {rule("{alert: a, expr: up, annotations: {'': x}}"),
       "r.yml:4:39: groups[0].rules[0].annotations: invalid annotation name: "},
      {rule("{alert: a, expr: up, for: -5m}"),
       R"(r.yml:4:31: groups[0].rules[0].for: not a valid duration string: "-5m")"},
      {rule("{alert: a, expr: up, severity: x}"),
       "r.yml:4:26: field severity not found in groups[0].rules[0]"},
      {rule("{alert: a, expr: up, annotations: {s: '{{ .Nope'}}"),
       "r.yml:4:39: groups[0].rules[0].annotations: template: __alert_a:1: "},
      {rule("{alert: a, expr: up, annotations: {s: '{{ $nope }}'}}"),
       R"(r.yml:4:39: groups[0].rules[0].annotations: template: __alert_a:1: undefined variable "$nope")"},
      {rule("{alert: a, expr: up, labels: {s: '{{ nope }}'}}"),
       R"(r.yml:4:34: groups[0].rules[0].labels: template: __alert_a:1: function "nope" not defined)"},
      {"groups: [\n", "r.yml:"},
  };
  for (const auto& [text, expected] : cases)
    EXPECT_THAT(error_of(text), StartsWith(expected)) << text;
}

TEST(RuleFile, TemplatesOfRecordingRulesAreOrdinaryText) {
  EXPECT_EQ(error_of(rule("{record: a, expr: up, labels: {l: '{{ nope'}}")), "");
}

TEST(RuleFileConformance, OfficialFiles) {
  const char* root =
      std::getenv("TOCSIN_CONFORMANCE_DIR");  // NOLINT(concurrency-mt-unsafe): no other thread runs
  if (root == nullptr) GTEST_SKIP() << "TOCSIN_CONFORMANCE_DIR is not set";
  const std::map<std::string, std::string> failures = {
      {"rules/invalid_rules.yaml", "field unexpected_field not found"},
      {"promtool/bad-rules-syntax.yml", "could not parse expression"},
      {"promtool/rules-bad.yml", "undefined variable \"$label\""},
      {"promtool/rules_extrafields.yml", "field namespace not found"},
  };
  std::vector<std::string> paths = {"promtool/rules.yml",
                                    "promtool/rules_duplicates.yml",
                                    "promtool/rules_large.yml",
                                    "promtool/prometheus-rules.lint.yml",
                                    "promtool/bad-rules-error.yml",
                                    "promtool/at-modifier.yml",
                                    "promtool/bad-rules-syntax.yml",
                                    "promtool/rules-bad.yml",
                                    "promtool/rules_extrafields.yml",
                                    "promtool/negative-offset.yml",
                                    "prometheus-config/first.rules"};
  const std::vector<std::string> names =
      base::real_file_system().list(std::string(root) + "/rules").value();
  for (const std::string& name : names) paths.push_back("rules/" + name);
  for (const std::string& path : paths) {
    StatusOr<std::string> text =
        base::real_file_system().read_file(fmt::format("{}/{}", root, path), 16U << 20);
    ASSERT_TRUE(text.ok()) << path;
    StatusOr<std::vector<rules::GroupOptions>> groups = parse_rule_file(*text, path, {});
    const auto failure = failures.find(path);
    EXPECT_EQ(groups.ok(), failure == failures.end()) << path << ": " << groups.status().ToString();
    if (!groups.ok() && failure != failures.end()) {
      EXPECT_THAT(std::string(message(groups.status())), HasSubstr(failure->second)) << path;
    }
  }
}

}  // namespace
}  // namespace tocsin::app
