// SPDX-License-Identifier: Apache-2.0
//
// `check rules`, `test rules` and `promql`, as a user types them.
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/ctl/commands.h"

namespace tocsin::app {
namespace {

using ::testing::HasSubstr;

class RulesToolsTest : public ::testing::Test {
 protected:
  RulesToolsTest() {
    std::string path = (std::filesystem::temp_directory_path() / "tocsin_rules_XXXXXX").string();
    directory_ = ::mkdtemp(path.data());
  }
  ~RulesToolsTest() override { std::filesystem::remove_all(directory_); }

  std::string write(const std::string& name, const std::string& text) {
    std::string path = directory_ + "/" + name;
    std::ofstream(path) << text;
    return path;
  }
  std::string read(const std::string& name) {
    std::stringstream text;
    text << std::ifstream(directory_ + "/" + name).rdbuf();
    return text.str();
  }

  using Command = int (*)(const std::vector<std::string>&, std::FILE*, std::FILE*);
  // "EXIT|OUTPUT|ERRORS", without the directory.
  std::string run(Command command, const std::vector<std::string>& arguments) {
    char* texts[2] = {};
    std::size_t sizes[2] = {};
    std::FILE* out = ::open_memstream(&texts[0], &sizes[0]);
    std::FILE* err = ::open_memstream(&texts[1], &sizes[1]);
    const int code = command(arguments, out, err);
    std::fclose(out);
    std::fclose(err);
    std::string result = fmt::format("{}|{}|{}", code, std::string_view(texts[0], sizes[0]),
                                     std::string_view(texts[1], sizes[1]));
    std::free(texts[0]);
    std::free(texts[1]);
    for (std::size_t at; (at = result.find(directory_ + "/")) != std::string::npos;) {
      result.erase(at, directory_.size() + 1);
    }
    return result;
  }
  std::string check(const std::string& rules, std::vector<std::string> options = {}) {
    options.push_back(write("r.yml", rules));
    return run(run_check_rules, options);
  }
  std::string test(const std::string& tests, std::vector<std::string> options = {}) {
    options.insert(options.begin(), "rules");
    options.push_back(write("t.yml", tests));
    return run(run_test, options);
  }
  std::string directory_;
};

TEST_F(RulesToolsTest, CheckCountsRules) {
  EXPECT_EQ(
      check("groups:\n- name: g\n  rules:\n  - {record: a, expr: b}\n  - {alert: A, expr: b}\n"),
      "0|Checking r.yml\n  SUCCESS: 2 rules found\n\n|");
  EXPECT_EQ(check(""), "0|Checking r.yml\n  SUCCESS: 0 rules found\n\n|");
}

TEST_F(RulesToolsTest, CheckPrintsEveryMistake) {
  EXPECT_EQ(
      check("groups:\n"
            "- name: g\n"
            "  rules:\n"
            "  - record: a{b}\n"
            "    expr: sum(\n"
            "    for: 5m\n"
            "  - alert: A\n"
            "    record: a\n"
            "    expr: up\n"
            "    labels: {__name__: x}\n"
            "    annotations: {summary: '{{ $label }}'}\n"
            "  - {}\n"
            "- name: g\n"),
      "1|Checking r.yml\n|  FAILED:\n"
      "r.yml: 5:11: group \"g\", rule 1, \"a{b}\": could not parse expression: 1:5: parse error: "
      "unclosed left parenthesis\n"
      "r.yml: 4:13: group \"g\", rule 1, \"a{b}\": invalid field 'for' in recording rule\n"
      "r.yml: 4:13: group \"g\", rule 1, \"a{b}\": braces present in the recording rule name; "
      "should it be in expr?: a{b}\n"
      "r.yml: 8:13: 7:12: group \"g\", rule 2, \"A\": only one of 'record' and 'alert' must be "
      "set\n"
      "r.yml: 8:13: group \"g\", rule 2, \"A\": invalid field 'annotations' in recording rule\n"
      "r.yml: group \"g\", rule 2, \"A\": invalid label name: __name__\n"
      "r.yml: group \"g\", rule 2, \"A\": annotation \"summary\": template: __alert_A:1: "
      "undefined variable \"$label\"\n"
      "r.yml: 0:0: 0:0: group \"g\", rule 3, \"\": one of 'record' or 'alert' must be set\n"
      "r.yml: 0:0: group \"g\", rule 3, \"\": field 'expr' must be set in rule\n"
      "r.yml: 0:0: groupname: \"g\" is repeated in the same file\n");
}

TEST_F(RulesToolsTest, CheckSaysWhatDoesNotFit) {
  const std::string text =
      "groups:\n- name: g\n  limit: many\n  owner: me\n  rules: {a: b}\n- [1]\nextra: 1\n";
  const std::string loose =
      "r.yml: yaml: unmarshal errors:\n"
      "  line 3: cannot unmarshal !!str `many` into int\n"
      "  line 5: cannot unmarshal !!map into []rulefmt.RuleNode\n"
      "  line 6: cannot unmarshal !!seq into rulefmt.RuleGroupNode\n";
  EXPECT_EQ(check(text),
            "1|Checking r.yml\n|  FAILED:\n"
            "r.yml: yaml: unmarshal errors:\n"
            "  line 3: cannot unmarshal !!str `many` into int\n"
            "  line 4: field owner not found in type rulefmt.RuleGroup\n"
            "  line 5: cannot unmarshal !!map into []rulefmt.Rule\n"
            "  line 6: cannot unmarshal !!seq into rulefmt.RuleGroup\n"
            "  line 7: field extra not found in type rulefmt.RuleGroups\n" +
                loose);
  EXPECT_EQ(check("groups:\n- {name: g, owner: me}\n", {"--ignore-unknown-fields"}),
            "0|Checking r.yml\n  SUCCESS: 0 rules found\n\n|");
  EXPECT_THAT(check("groups:\n- {name: g, interval: soon}\n"),
              HasSubstr("r.yml: not a valid duration string: \"soon\"\n"));
}

TEST_F(RulesToolsTest, LintFindsDuplicatesOverGroups) {
  const std::string text =
      "groups:\n"
      "- {name: a, labels: {x: y}, rules: [{record: r, expr: '1'}]}\n"
      "- {name: b, rules: [{record: r, expr: '2', labels: {x: y}}, {record: r, expr: '3'}]}\n";
  const std::string found =
      "|Checking r.yml\n\n|  FAILED:\nlint error 1 duplicate rule(s) found.\nMetric: r\nLabel(s):\n"
      "\tx: y\nMight cause inconsistency while recording expressions\n";
  EXPECT_EQ(check(text), "0" + found);
  EXPECT_EQ(check(text, {"--lint-fatal"}), "3" + found);
  EXPECT_EQ(check(text, {"--lint-fatal", "--lint=all"}), "3" + found);
  EXPECT_EQ(check(text, {"--lint-fatal", "--lint=none"}),
            "0|Checking r.yml\n  SUCCESS: 3 rules found\n\n|");
  EXPECT_THAT(check(text, {"--lint=some"}), HasSubstr("WARNING: unknown lint option: \"some\"\n"));
}

TEST_F(RulesToolsTest, FeaturesAreEnabledByName) {
  const std::string text =
      "groups:\n- name: g\n  rules:\n  - {record: a, expr: 'max_of(1, 2)'}\n"
      "  - {record: b, expr: 'rate(x[1m] anchored)'}\n";
  EXPECT_THAT(check(text), HasSubstr("function \"max_of\" is not enabled"));
  EXPECT_THAT(check(text, {"--enable-feature=promql-experimental-functions"}),
              HasSubstr("anchored modifier is experimental and not enabled"));
  EXPECT_EQ(check(text, {"--enable-feature=promql-experimental-functions,"
                         "promql-extended-range-selectors"}),
            "0|Checking r.yml\n  SUCCESS: 2 rules found\n\n|");
}

constexpr const char* kRules =
    "groups:\n"
    "- name: late\n"
    "  rules: [{record: twice, expr: once * 2}]\n"
    "- name: first\n"
    "  rules:\n"
    "  - {record: once, expr: sum(load)}\n"
    "  - alert: High\n"
    "    expr: load > 5\n"
    "    for: 2m\n"
    "    labels: {severity: page}\n"
    "    annotations: {summary: '{{ $labels.host }} at {{ $value }}, {{ $externalLabels.dc }}'}\n";

constexpr const char* kTests =
    "rule_files: [r.yml]\n"
    "evaluation_interval: 1m\n"
    "group_eval_order: [first, late]\n"
    "tests:\n"
    "- name: all is well\n"
    "  external_labels: {dc: north}\n"
    "  input_series:\n"
    "  - {series: 'load{host=\"a\"}', values: '1+1x10'}\n"
    "  - {series: 'load{host=\"b\"}', values: '1 _ stale'}\n"
    "  promql_expr_test:\n"
    "  - {expr: twice, eval_time: 1m, exp_samples: [{labels: twice, value: 6}]}\n"
    "  - {expr: 'ALERTS', eval_time: 6m, exp_samples: [{labels: 'ALERTS{alertname=\"High\","
    "alertstate=\"pending\",host=\"a\",severity=\"page\"}', value: 1}]}\n"
    "  - {expr: 'load{host=\"b\"}', eval_time: 3m, exp_samples: []}\n"
    "  - {expr: '1 + 1', exp_samples: [{value: 2}]}\n"
    "  alert_rule_test:\n"
    "  - {eval_time: 6m, alertname: High, exp_alerts: []}\n"
    "  - eval_time: 7m30s\n"
    "    alertname: High\n"
    "    exp_alerts:\n"
    "    - exp_labels: {host: a, severity: page}\n"
    "      exp_annotations: {summary: 'a at 8, north'}\n"
    "- name: later\n"
    "  start_timestamp: 2024-01-01T00:00:00Z\n"
    "  promql_expr_test:\n"
    "  - {expr: time(), eval_time: 1m, exp_samples: [{value: 1704067260}]}\n";

TEST_F(RulesToolsTest, TestsPass) {
  write("r.yml", kRules);
  EXPECT_EQ(test(kTests), "0|  SUCCESS\n\n|");
}

TEST_F(RulesToolsTest, FailuresSayWhatWasExpected) {
  write("r.yml", kRules);
  const std::string text =
      "rule_files: [r.yml, none.yml]\n"
      "tests:\n"
      "- name: fails\n"
      "  external_labels: {dc: south}\n"
      "  input_series: [{series: 'load{host=\"z\"}', values: '9x10'}]\n"
      "  promql_expr_test:\n"
      "  - {expr: once, eval_time: 1m, exp_samples: [{labels: once, value: 8}]}\n"
      "  - {expr: none, eval_time: 1m, exp_samples: [{labels: 'none{a=\"b\"}', value: 1}]}\n"
      "  - {expr: 'once +', eval_time: 90s}\n"
      "  alert_rule_test: [{eval_time: 2m, alertname: High, exp_alerts: [{exp_labels: {a: b}}]}]\n"
      "- promql_expr_test: [{expr: once, exp_samples: [{labels: 'a b', value: 1}]}]\n";
  const std::string expected =
      "1|\n\n\n\n\n\n|  WARNING: no file match pattern none.yml\n  FAILED:\n"
      "    name: fails,\n"
      "    alertname: High, time: 2m, \n"
      "        exp:[\n"
      "            0:\n"
      "              Labels:{a=\"b\", alertname=\"High\"}\n"
      "              Annotations:{}\n"
      "            ], \n"
      "        got:[\n"
      "            0:\n"
      "              Labels:{alertname=\"High\", host=\"z\", severity=\"page\"}\n"
      "              Annotations:{summary=\"z at 9, south\"}\n"
      "            ]\n"
      "    expr: \"once\", time: 1m,\n"
      "        exp: {__name__=\"once\"} 8E+00\n"
      "        got: {__name__=\"once\"} 9E+00\n"
      "    expr: \"none\", time: 1m,\n"
      "        exp: {__name__=\"none\", a=\"b\"} 1E+00\n"
      "        got: nil\n"
      "    expr: \"once +\", time: 1m30s, err: 1:7: parse error: unexpected end of input\n"
      "    expr: \"once\", time: 0s, err: labels \"a b\": 1:3: parse error: unexpected identifier "
      "\"b\"\n";
  EXPECT_EQ(test(text), expected);
}

TEST_F(RulesToolsTest, RunChoosesTestsByName) {
  const std::string text =
      "tests:\n"
      "- {name: good one, promql_expr_test: [{expr: '1', exp_samples: [{value: 1}]}]}\n"
      "- {name: bad one, promql_expr_test: [{expr: '1', exp_samples: [{value: 2}]}]}\n";
  EXPECT_EQ(test(text)[0], '1');
  EXPECT_EQ(test(text, {"--run=^good"}), "0|  SUCCESS\n\n|");
  EXPECT_EQ(test(text, {"--run=^good", "--run=bad"})[0], '1');
  EXPECT_EQ(test(text, {"--run=nothing"}), "0|  SUCCESS\n\n|");
  EXPECT_THAT(test(text, {"--run=("}), HasSubstr("--run: "));
}

TEST_F(RulesToolsTest, FuzzyComparisonAllowsTheNextFloat) {
  const std::string text =
      "tests:\n- {promql_expr_test: [{expr: '2.9999999999999996', exp_samples: [{value: 3}]}]}\n";
  EXPECT_EQ(test(text)[0], '1');
  EXPECT_EQ(test("fuzzy_compare: true\n" + text)[0], '0');
  EXPECT_EQ(test("fuzzy_compare: true\n"
                 "tests:\n- {promql_expr_test: [{expr: '2.999999999999999', exp_samples: [{value: "
                 "3}]}]}\n")[0],
            '1');
}

// Of a gauge and of a counter, the same buckets.
TEST_F(RulesToolsTest, HistogramsAreComparedWithTheirResetHint) {
  const auto expect = [this](const std::string& histogram) {
    return test(
        "tests:\n- input_series:\n  - {series: h, values: '{{count:2 buckets:[2] "
        "counter_reset_hint:gauge}}'}\n  promql_expr_test:\n  - {expr: h, exp_samples: [{labels: "
        "h, "
        "histogram: '" +
        histogram + "'}]}\n");
  };
  EXPECT_THAT(expect("{{count:2 buckets:[2] counter_reset_hint:gauge}}"), HasSubstr("SUCCESS"));
  EXPECT_THAT(expect("{{count:2 buckets:[2]}}"), HasSubstr("FAILED"));
  EXPECT_THAT(expect("{{count:2 buckets:[2]}}"), HasSubstr("counter_reset_hint:gauge"));
  EXPECT_THAT(expect("{{count:3 buckets:[3] counter_reset_hint:gauge}}"), HasSubstr("FAILED"));
}

TEST_F(RulesToolsTest, MistakesInTheFilesOfTests) {
  EXPECT_EQ(test("tests: 5\nmore: 1\n"),
            "1|\n\n|  FAILED:\nyaml: unmarshal errors:\n"
            "  line 1: cannot unmarshal !!int `5` into []main.testGroup\n"
            "  line 2: field more not found in type main.unitTestFile\n");
  EXPECT_EQ(test("group_eval_order: [a, b, a]\n"),
            "1|\n\n|  FAILED:\ngroup name repeated in evaluation order: a\n");
  EXPECT_EQ(
      test("tests: [{name: n, alert_rule_test: [{eval_time: 1m}]}]\n"),
      "1|\n\n|  FAILED:\nan item under alert_rule_test misses required attribute alertname at "
      "eval_time 1m (in TestGroup n)\n");
  EXPECT_EQ(
      test("tests: [{input_series: [{series: a, values: '1'}, {series: 'a{', values: '1'}]}]\n"),
      "1|\n\n|  FAILED:\n3:4: parse error: unexpected character inside braces: '1'\n");
  write("r.yml", "groups: [{name: g, rules: [{record: a, expr: 'b +'}]}]\n");
  EXPECT_EQ(
      test("rule_files: ['r*.yml']\ntests: [{}]\n"),
      "1|\n\n|  FAILED:\nr.yml: 1:46: group \"g\", rule 1, \"a\": could not parse expression: "
      "1:4: parse error: unexpected end of input\n");
}

TEST_F(RulesToolsTest, RulesThatCannotBeEvaluatedEndATest) {
  write("r.yml", "groups: [{name: g, rules: [{record: a, expr: 'x * on() x'}]}]\n");
  EXPECT_THAT(test("rule_files: [r.yml]\n"
                   "tests:\n"
                   "- input_series: [{series: 'x{a=\"1\"}', values: '_ 1'}, {series: 'x{a=\"2\"}', "
                   "values: '_ 1'}]\n"
                   "  promql_expr_test: [{expr: a, eval_time: 5m}]\n"),
              HasSubstr("    rule: a, time: 1m0s, err: found duplicate series"));
}

TEST_F(RulesToolsTest, JunitListsCases) {
  test(
      "tests:\n"
      "- {promql_expr_test: [{expr: '1', exp_samples: [{value: 1}]}]}\n"
      "- {name: a < b, promql_expr_test: [{expr: '1', exp_samples: [{value: 2}]}]}\n",
      {"--junit", directory_ + "/out.xml"});
  std::string xml = read("out.xml");
  xml.erase(0, xml.find("tests="));
  xml.erase(xml.find(" timestamp="), xml.find("><testcase") - xml.find(" timestamp="));
  EXPECT_EQ(
      xml,
      "tests=\"2\" failures=\"1\" errors=\"0\" skipped=\"0\"><testcase name=\"unnamed#0\">"
      "</testcase><testcase name=\"a &lt; b\"><failure>    expr: &#34;1&#34;, time: 0s,&#xA;   "
      "     exp: {} 2E+00&#xA;        got: {} 1E+00</failure></testcase></testsuite>"
      "</testsuites>");
}

TEST_F(RulesToolsTest, DiffColoursWhatDiffers) {
  write("r.yml",
        "groups: [{name: g, rules: [{alert: A, expr: x, labels: {sev: page, more: 'yes'}}]}]\n");
  const std::string said = test(
      "rule_files: [r.yml]\n"
      "tests:\n"
      "- input_series: [{series: 'x{h=\"1\"}', values: '1'}]\n"
      "  alert_rule_test:\n"
      "  - {eval_time: 0s, alertname: A, exp_alerts: [{exp_labels: {h: '1', sev: info, less: "
      "'no'}}, "
      "{exp_labels: {h: '2'}}]}\n",
      {"--diff"});
  EXPECT_EQ(said,
            "1|\n\n|  FAILED:\n    alertname: A, time: 0s, \n        diff: [\n"
            "                {\n"
            "                    \"Annotations\": {},\n"
            "                    \"Labels\": {\n"
            "                        \"alertname\": \"A\",\n"
            "                        \"h\": \"1\",\n"
            "                        \x1b[0;31m\"less\": \"no\"\x1b[0m,\n"
            "                        \x1b[0;32m\"more\": \"yes\"\x1b[0m,\n"
            "                        \"sev\": \x1b[0;33m\"info\" => \"page\"\x1b[0m\n"
            "                    }\n"
            "                },\n"
            "                \x1b[0;31m{\x1b[0m\n"
            "                    \x1b[0;31m\"Annotations\": {},\x1b[0m\n"
            "                    \x1b[0;31m\"Labels\": {\x1b[0m\n"
            "                        \x1b[0;31m\"alertname\": \"A\",\x1b[0m\n"
            "                        \x1b[0;31m\"h\": \"2\"\x1b[0m\n"
            "                    \x1b[0;31m}\x1b[0m\n"
            "                \x1b[0;31m}\x1b[0m\n"
            "            ]\n");
}

TEST_F(RulesToolsTest, DebugPrintsWhatTheStoreHolds) {
  const std::string said = test(
      "tests: [{name: n, input_series: [{series: a, values: '1 2'}], promql_expr_test: [{expr: a, "
      "eval_time: 1m, exp_samples: [{labels: a, value: 2}]}]}]\n",
      {"--debug"});
  EXPECT_THAT(said, HasSubstr("DEBUG: Starting test n\n"));
  EXPECT_THAT(said, HasSubstr("DEBUG: Dump of all data (input_series and rules) at 1m1s:\n"
                              "{__name__=\"a\"} =>\n2 @[60000]\n"));
  EXPECT_THAT(said, HasSubstr("DEBUG: Test n finished, took "));
}

TEST_F(RulesToolsTest, PromqlIsPrintedAndEdited) {
  using Words = std::vector<std::string>;
  const auto promql_of = [&](const Words& words) { return run(run_promql, words); };
  EXPECT_EQ(promql_of({"format", "sum(a)by(b)"}), "0|sum by (b) (a)\n|");
  EXPECT_EQ(promql_of({"--experimental", "format", "a+"}),
            "1||1:3: parse error: unexpected end of input\n");
  EXPECT_EQ(promql_of({"label-matchers", "set", "rate(a{x=\"1\"}[5m]) / b", "x", "2"}),
            "0|rate(a{x=\"2\"}[5m]) / b{x=\"2\"}\n|");
  EXPECT_EQ(promql_of({"label-matchers", "set", "-t", "=~", "a", "x", "y.*"}),
            "0|a{x=~\"y.*\"}\n|");
  EXPECT_EQ(promql_of({"label-matchers", "delete", "a{x=\"1\",y=\"2\"}", "x"}), "0|a{y=\"2\"}\n|");
  EXPECT_EQ(promql_of({"label-matchers", "set", "-t", "~", "a", "x", "y"})[0], '2');
  EXPECT_EQ(promql_of({"format", "info(a)"})[0], '1');
  EXPECT_EQ(promql_of({"format", "info(a)", "--enable-feature=promql-experimental-functions"}),
            "0|info(a)\n|");
}

}  // namespace
}  // namespace tocsin::app
