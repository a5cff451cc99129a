// SPDX-License-Identifier: Apache-2.0
#include "app/ctl/rules/rule_check.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/yaml.h"
#include "model/labels.h"
#include "model/value.h"
#include "promql/parser.h"
#include "rules/expand.h"

namespace tocsin::app {

namespace {

using Kind = GoType::Kind;
using Pairs = std::vector<std::pair<std::string, std::string>>;

constexpr GoField kRuleFields[] = {{"record", &kGoString},
                                   {"alert", &kGoString},
                                   {"expr", &kGoString},
                                   {"for", &kGoDuration},
                                   {"keep_firing_for", &kGoDuration},
                                   {"labels", &kGoStringMap},
                                   {"annotations", &kGoStringMap}};
const GoType kRule{Kind::kStruct, "rulefmt.Rule", kRuleFields, nullptr};
const GoType kRuleNode{Kind::kStruct, "rulefmt.RuleNode", kRuleFields, nullptr};
const GoType kRules{Kind::kList, "[]rulefmt.Rule", {}, &kRule};
const GoType kRuleNodes{Kind::kList, "[]rulefmt.RuleNode", {}, &kRuleNode};

constexpr GoField kGroupFields[] = {
    {"name", &kGoString}, {"interval", &kGoDuration}, {"query_offset", &kGoDuration},
    {"limit", &kGoInt},   {"rules", &kRules},         {"labels", &kGoStringMap}};
constexpr GoField kGroupNodeFields[] = {{"name", &kGoString},           {"interval", &kGoDuration},
                                        {"query_offset", &kGoDuration}, {"limit", &kGoInt},
                                        {"rules", &kRuleNodes},         {"labels", &kGoStringMap}};
const GoType kGroup{Kind::kStruct, "rulefmt.RuleGroup", kGroupFields, nullptr};
const GoType kGroupNode{Kind::kStruct, "rulefmt.RuleGroupNode", kGroupNodeFields, nullptr};
const GoType kGroups{Kind::kList, "[]rulefmt.RuleGroup", {}, &kGroup};
const GoType kGroupNodes{Kind::kList, "[]rulefmt.RuleGroupNode", {}, &kGroupNode};

constexpr GoField kFileFields[] = {{"groups", &kGroups}};
constexpr GoField kFileNodeFields[] = {{"groups", &kGroupNodes}};
// Upstream decodes a file twice, the second time for positions; both say what does not fit.
const GoType kFile{Kind::kStruct, "rulefmt.RuleGroups", kFileFields, nullptr};
const GoType kFileNode{Kind::kStruct, "rulefmt.ruleGroups", kFileNodeFields, nullptr};

Pairs pairs_at(const base::YamlNode& node, std::string_view key) {
  Pairs pairs;
  if (const base::YamlNode* found = node.find(key)) {
    for (const auto& [name, value] : found->entries()) pairs.emplace_back(name, value.scalar());
  }
  return pairs;
}

// "line:column" of the value of `key`; of what is absent, 0:0.
std::string place(const base::YamlNode& node, std::string_view key) {
  const base::YamlNode* found = node.find(key);
  if (found == nullptr) return "0:0";
  return fmt::format("{}:{}", found->line(), found->column());
}

class RuleChecker {
 public:
  RuleChecker(const base::YamlNode& node, const RuleCheckOptions& options)
      : node_(node), options_(options) {
    const std::string alert = text_at(node, "alert");
    record_ = text_at(node, "record");
    rule_.kind =
        alert.empty() ? rules::RuleOptions::Kind::kRecording : rules::RuleOptions::Kind::kAlerting;
    rule_.name = alert.empty() ? record_ : alert;
    rule_.expr = text_at(node, "expr");
    rule_.hold = duration_at(node, "for");
    rule_.keep_firing = duration_at(node, "keep_firing_for");
    rule_.labels = pairs_at(node, "labels");
    rule_.annotations = pairs_at(node, "annotations");
  }

  // The errors begin with their place in the file, where they have one.
  std::vector<std::string> errors(std::string_view group, std::size_t number) {
    context_ = fmt::format("group {}, rule {}, {}: ", model::go_quote(group), number,
                           model::go_quote(rule_.name));
    check_names();
    check_expression();
    if (!record_.empty()) check_recording();
    check_pairs();
    if (rule_.kind == rules::RuleOptions::Kind::kAlerting) check_templates();
    return std::move(errors_);
  }
  rules::RuleOptions take() { return std::move(rule_); }

 private:
  void fail(std::string_view where, std::string_view text) {
    errors_.push_back(fmt::format("{}{}{}{}", where, where.empty() ? "" : ": ", context_, text));
  }

  void check_names() {
    const bool alerting = rule_.kind == rules::RuleOptions::Kind::kAlerting;
    if (alerting != record_.empty()) {
      fail(place(node_, "record") + ": " + place(node_, "alert"),
           alerting ? "only one of 'record' and 'alert' must be set"
                    : "one of 'record' or 'alert' must be set");
    }
  }

  void check_expression() {
    if (rule_.expr.empty()) return fail(place(node_, "expr"), "field 'expr' must be set in rule");
    const auto parsed = promql::parse_expr(rule_.expr, options_.defaults.parser);
    if (parsed.ok()) return;
    fail(place(node_, "expr"),
         fmt::format("could not parse expression: {}", message(parsed.status())));
  }

  void check_recording() {
    const std::string where = place(node_, "record");
    if (!rule_.annotations.empty()) fail(where, "invalid field 'annotations' in recording rule");
    if (rule_.hold.count() != 0) fail(where, "invalid field 'for' in recording rule");
    if (rule_.keep_firing.count() != 0) {
      fail(where, "invalid field 'keep_firing_for' in recording rule");
    }
    if (!model::is_metric_name(record_)) {
      fail(where, fmt::format("invalid recording rule name: {}", record_));
    }
    if (record_.find_first_of("{}") != std::string::npos) {
      fail(where,
           fmt::format("braces present in the recording rule name; should it be in expr?: {}",
                       record_));
    }
  }

  void check_pairs() {
    for (const auto& [name, value] : rule_.labels) {
      if (!model::is_label_name(name) || name == model::kMetricName) {
        fail("", fmt::format("invalid label name: {}", name));
      }
      if (!model::is_utf8(value)) fail("", fmt::format("invalid label value: {}", value));
    }
    for (const auto& [name, value] : rule_.annotations) {
      if (!model::is_label_name(name)) fail("", fmt::format("invalid annotation name: {}", name));
    }
  }

  void check_templates() {
    for (const auto& [name, value] : rule_.labels) check_template("label", name, value);
    for (const auto& [name, value] : rule_.annotations) check_template("annotation", name, value);
  }

  void check_template(std::string_view kind, const std::string& name, const std::string& text) {
    const Status status = rules::check_template(rule_.name, text);
    if (status.ok()) return;
    fail("", fmt::format("{} {}: {}", kind, model::go_quote(name), message(status)));
  }

  const base::YamlNode& node_;
  const RuleCheckOptions& options_;
  rules::RuleOptions rule_;
  std::string record_;
  std::string context_;
  std::vector<std::string> errors_;
};

// The labels of a group, unless the rule has its own.
void add_group_labels(const Pairs& group, rules::RuleOptions* rule) {
  for (const auto& label : group) {
    const bool own = std::any_of(rule->labels.begin(), rule->labels.end(),
                                 [&](const auto& l) { return l.first == label.first; });
    if (!own) rule->labels.push_back(label);
  }
}

class FileChecker {
 public:
  FileChecker(const std::string& file, const RuleCheckOptions& options)
      : file_(file), options_(options) {}

  CheckedRules check(std::string_view text) {
    const StatusOr<base::YamlNode> root = base::parse_yaml(text, file_.empty() ? "-" : file_);
    if (!root.ok()) {
      fail(fmt::format("yaml: {}", message(root.status())));
      return std::move(checked_);
    }
    const std::string strict = check_go_type(*root, kFile, options_.unknown);
    const std::string loose = check_go_type(*root, kFileNode, UnknownFields::kIgnore);
    if (!strict.empty()) fail(strict);
    if (!loose.empty()) fail(loose);
    if (!checked_.errors.empty()) return std::move(checked_);
    if (const base::YamlNode* groups = root->find("groups")) {
      for (const base::YamlNode& group : groups->items()) check_group(group);
    }
    if (!checked_.errors.empty()) checked_.groups.clear();
    return std::move(checked_);
  }

 private:
  void fail(std::string_view text) {
    checked_.errors.push_back(file_.empty() ? std::string(text)
                                            : fmt::format("{}: {}", file_, text));
  }

  // Upstream has no places of groups.
  void check_group(const base::YamlNode& node) {
    rules::GroupOptions group;
    group.file = file_;
    group.name = text_at(node, "name");
    group.query_offset = node.find("query_offset") != nullptr ? duration_at(node, "query_offset")
                                                              : options_.defaults.query_offset;
    group.interval = duration_at(node, "interval");
    if (group.interval.count() == 0) group.interval = options_.defaults.interval;
    if (const base::YamlNode* limit = node.find("limit")) {
      group.limit =
          static_cast<std::uint64_t>(std::max<std::int64_t>(0, limit->as_int().value_or(0)));
    }
    if (group.name.empty()) fail("0:0: Groupname must not be empty");
    if (!names_.insert(group.name).second) {
      fail(fmt::format("0:0: groupname: \"{}\" is repeated in the same file", group.name));
    }
    const Pairs labels = pairs_at(node, "labels");
    for (const auto& [name, value] : labels) {
      if (!model::is_label_name(name) || name == model::kMetricName) {
        fail(fmt::format("invalid label name: {}", name));
      }
    }
    if (const base::YamlNode* rules = node.find("rules")) {
      for (std::size_t i = 0; i < rules->items().size(); ++i) {
        RuleChecker rule(rules->items()[i], options_);
        for (const std::string& error : rule.errors(group.name, i + 1)) fail(error);
        group.rules.push_back(rule.take());
        add_group_labels(labels, &group.rules.back());
      }
    }
    checked_.groups.push_back(std::move(group));
  }

  const std::string& file_;
  const RuleCheckOptions& options_;
  std::set<std::string> names_;
  CheckedRules checked_;
};

}  // namespace

CheckedRules check_rule_text(std::string_view text, const std::string& file,
                             const RuleCheckOptions& options) {
  return FileChecker(file, options).check(text);
}

std::string lint_duplicates(const std::vector<rules::GroupOptions>& groups) {
  std::map<std::pair<std::string, model::Labels>, int> seen;
  for (const rules::GroupOptions& group : groups) {
    for (const rules::RuleOptions& rule : group.rules) {
      ++seen[{rule.name, model::Labels::from(rule.labels)}];
    }
  }
  std::string list;
  std::size_t count = 0;
  for (const auto& [rule, times] : seen) {
    if (times < 2) continue;
    ++count;
    list += fmt::format("Metric: {}\nLabel(s):\n", rule.first);
    for (const model::LabelView& label : rule.second) {
      list += fmt::format("\t{}: {}\n", label.name, label.value);
    }
  }
  if (count == 0) return "";
  return fmt::format(
      "lint error {} duplicate rule(s) found.\n{}Might cause inconsistency while recording "
      "expressions",
      count, list);
}

}  // namespace tocsin::app
