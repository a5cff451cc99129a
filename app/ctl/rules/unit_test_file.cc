// SPDX-License-Identifier: Apache-2.0
#include "app/ctl/rules/unit_test_file.h"

#include <algorithm>
#include <set>

#include "app/config/fields.h"
#include "app/ctl/rules/go_yaml.h"
#include "base/file_system.h"
#include "base/yaml.h"

namespace tocsin::app {

namespace {

using Kind = GoType::Kind;

constexpr GoField kAlertFields[] = {{"exp_labels", &kGoStringMap},
                                    {"exp_annotations", &kGoStringMap}};
const GoType kAlert{Kind::kStruct, "main.alert", kAlertFields, nullptr};
const GoType kAlerts{Kind::kList, "[]main.alert", {}, &kAlert};
constexpr GoField kAlertTestFields[] = {
    {"eval_time", &kGoDuration}, {"alertname", &kGoString}, {"exp_alerts", &kAlerts}};
const GoType kAlertTest{Kind::kStruct, "main.alertTestCase", kAlertTestFields, nullptr};
const GoType kAlertTests{Kind::kList, "[]main.alertTestCase", {}, &kAlertTest};

constexpr GoField kSampleFields[] = {
    {"labels", &kGoString}, {"value", &kGoFloat}, {"histogram", &kGoString}};
const GoType kSample{Kind::kStruct, "main.sample", kSampleFields, nullptr};
const GoType kSamples{Kind::kList, "[]main.sample", {}, &kSample};
constexpr GoField kExprTestFields[] = {
    {"expr", &kGoString}, {"eval_time", &kGoDuration}, {"exp_samples", &kSamples}};
const GoType kExprTest{Kind::kStruct, "main.promqlTestCase", kExprTestFields, nullptr};
const GoType kExprTests{Kind::kList, "[]main.promqlTestCase", {}, &kExprTest};

constexpr GoField kSeriesFields[] = {{"series", &kGoString}, {"values", &kGoString}};
const GoType kSeries{Kind::kStruct, "main.series", kSeriesFields, nullptr};
const GoType kSeriesList{Kind::kList, "[]main.series", {}, &kSeries};
constexpr GoField kGroupFields[] = {{"interval", &kGoDuration},
                                    {"input_series", &kSeriesList},
                                    {"alert_rule_test", &kAlertTests},
                                    {"promql_expr_test", &kExprTests},
                                    {"external_labels", &kGoStringMap},
                                    {"external_url", &kGoString},
                                    {"name", &kGoString},
                                    {"start_timestamp", &kGoTime}};
const GoType kGroup{Kind::kStruct, "main.testGroup", kGroupFields, nullptr};
const GoType kGroups{Kind::kList, "[]main.testGroup", {}, &kGroup};
const GoType kTexts{Kind::kList, "[]string", {}, &kGoString};
constexpr GoField kFileFields[] = {{"rule_files", &kTexts},
                                   {"evaluation_interval", &kGoDuration},
                                   {"group_eval_order", &kTexts},
                                   {"tests", &kGroups},
                                   {"fuzzy_compare", &kGoBool}};
const GoType kFile{Kind::kStruct, "main.unitTestFile", kFileFields, nullptr};

AlertTest read_alert_test(const base::YamlNode& node) {
  AlertTest test;
  test.eval_time = duration_at(node, "eval_time");
  test.alertname = text_at(node, "alertname");
  for (const base::YamlNode& item : items_at(node, "exp_alerts")) {
    ExpectedAlert alert;
    alert.labels = model::LabelsBuilder(labels_at(item, "exp_labels"))
                       .set(model::kAlertName, test.alertname)
                       .build();
    alert.annotations = labels_at(item, "exp_annotations");
    test.alerts.push_back(std::move(alert));
  }
  return test;
}

ExprTest read_expr_test(const base::YamlNode& node) {
  ExprTest test;
  test.expr = text_at(node, "expr");
  test.eval_time = duration_at(node, "eval_time");
  for (const base::YamlNode& item : items_at(node, "exp_samples")) {
    ExpectedSample sample;
    sample.labels = text_at(item, "labels");
    if (const base::YamlNode* value = item.find("value")) {
      sample.value = value->as_double().value_or(0);
    }
    sample.histogram = text_at(item, "histogram");
    test.samples.push_back(std::move(sample));
  }
  return test;
}

TestGroup read_group(const base::YamlNode& node, base::Duration default_interval) {
  TestGroup group;
  group.name = text_at(node, "name");
  group.interval = duration_at(node, "interval");
  if (group.interval.count() == 0) group.interval = default_interval;
  for (const base::YamlNode& item : items_at(node, "input_series")) {
    group.input_series.push_back(text_at(item, "series") + " " + text_at(item, "values"));
  }
  for (const base::YamlNode& item : items_at(node, "alert_rule_test")) {
    group.alert_tests.push_back(read_alert_test(item));
  }
  for (const base::YamlNode& item : items_at(node, "promql_expr_test")) {
    group.expr_tests.push_back(read_expr_test(item));
  }
  group.external_labels = labels_at(node, "external_labels");
  group.external_url = text_at(node, "external_url");
  const StatusOr<base::Timestamp> start = model::parse_timestamp(text_at(node, "start_timestamp"));
  if (start.ok()) group.start = *start;
  return group;
}

Status find_rule_files(const base::YamlNode& root, const std::string& file, UnitTestFile* out) {
  const std::size_t slash = file.rfind('/');
  const std::string directory = slash == std::string::npos ? "" : file.substr(0, slash);
  for (const base::YamlNode& item : items_at(root, "rule_files")) {
    ASSIGN_OR_RETURN(std::vector<std::string> found,
                     expand_pattern(base::real_file_system(), item, directory));
    if (found.empty()) out->unmatched.push_back(base::join_path(directory, item.scalar()));
    for (std::string& name : found) {
      if (name.starts_with("./")) name.erase(0, 2);
      out->rule_files.push_back(std::move(name));
    }
  }
  return ok();
}

}  // namespace

base::Duration TestGroup::last_eval_time() const {
  base::Duration last{0};
  for (const AlertTest& test : alert_tests) last = std::max(last, test.eval_time);
  for (const ExprTest& test : expr_tests) last = std::max(last, test.eval_time);
  return last;
}

StatusOr<UnitTestFile> parse_unit_test_file(std::string_view text, const std::string& file) {
  const StatusOr<base::YamlNode> root = base::parse_yaml(text, file);
  if (!root.ok()) return invalid_argument("yaml: {}", message(root.status()));
  const std::string wrong = check_go_type(*root, kFile, UnknownFields::kRefuse);
  if (!wrong.empty()) return invalid_argument("{}", wrong);
  UnitTestFile tests;
  RETURN_IF_ERROR(find_rule_files(*root, file, &tests));
  if (const base::Duration interval = duration_at(*root, "evaluation_interval");
      interval.count() != 0) {
    tests.evaluation_interval = interval;
  }
  std::set<std::string> known;
  for (const base::YamlNode& item : items_at(*root, "group_eval_order")) {
    std::string name(item.scalar());
    if (!known.insert(name).second) {
      return invalid_argument("group name repeated in evaluation order: {}", name);
    }
    tests.group_eval_order.push_back(std::move(name));
  }
  if (const base::YamlNode* fuzzy = root->find("fuzzy_compare")) {
    tests.fuzzy_compare = fuzzy->as_bool().value_or(false);
  }
  for (const base::YamlNode& item : items_at(*root, "tests")) {
    tests.tests.push_back(read_group(item, tests.evaluation_interval));
  }
  return tests;
}

}  // namespace tocsin::app
