// SPDX-License-Identifier: Apache-2.0
#include "app/config/rule_file.h"

#include <set>
#include <utility>

#include "app/config/fields.h"
#include "base/yaml.h"
#include "model/labels.h"
#include "promql/parser.h"
#include "rules/expand.h"

namespace tocsin::app {

namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

Status check_expression(const base::YamlNode& node, const std::string& text,
                        const promql::ParserOptions& parser) {
  StatusOr<promql::ExprPtr> expr = promql::parse_expr(text, parser);
  if (!expr.ok())
    return node.error(fmt::format("could not parse expression: {}", message(expr.status())));
  return ok();
}

void check_labels(base::YamlMapping& mapping, const Pairs& labels) {
  for (const auto& [name, value] : labels) {
    if (!model::is_label_name(name) || name == model::kMetricName) {
      mapping.fail("labels", fmt::format("invalid label name: {}", name));
    }
    if (!model::is_utf8(value))
      mapping.fail("labels", fmt::format("invalid label value: {}", model::go_quote(value)));
  }
}

void check_annotations(base::YamlMapping& mapping, const Pairs& annotations) {
  for (const auto& [name, value] : annotations) {
    if (!model::is_label_name(name))
      mapping.fail("annotations", fmt::format("invalid annotation name: {}", name));
  }
}

// Group labels come first; the rule's own win.
Pairs merge(const Pairs& group, const Pairs& rule) {
  Pairs merged = rule;
  for (const auto& pair : group) {
    const bool own =
        std::any_of(rule.begin(), rule.end(), [&](const auto& p) { return p.first == pair.first; });
    if (!own) merged.push_back(pair);
  }
  return merged;
}

void check_kind(base::YamlMapping& mapping, const std::string& record, const std::string& alert,
                rules::RuleOptions* rule) {
  if (!record.empty() && !alert.empty())
    return mapping.fail("record", "only one of 'record' and 'alert' must be set");
  if (record.empty() && alert.empty())
    return mapping.fail("record", "one of 'record' or 'alert' must be set");
  if (!alert.empty()) {
    rule->kind = rules::RuleOptions::Kind::kAlerting;
    rule->name = alert;
    return;
  }
  rule->name = record;
  if (mapping.has("annotations"))
    return mapping.fail("annotations", "invalid field 'annotations' in recording rule");
  if (mapping.has("for")) return mapping.fail("for", "invalid field 'for' in recording rule");
  if (mapping.has("keep_firing_for")) {
    return mapping.fail("keep_firing_for", "invalid field 'keep_firing_for' in recording rule");
  }
  if (!model::is_metric_name(record))
    return mapping.fail("record", fmt::format("invalid recording rule name: {}", record));
  if (record.find_first_of("{}") != std::string::npos) {
    mapping.fail("record",
                 fmt::format("braces present in the recording rule name; should it be in expr?: {}",
                             record));
  }
}

StatusOr<rules::RuleOptions> read_rule(const base::YamlNode& node, const Pairs& group_labels,
                                       const promql::ParserOptions& parser) {
  rules::RuleOptions rule;
  std::string record, alert;
  Pairs labels;
  base::YamlMapping mapping(node);
  mapping.string("record", &record);
  mapping.string("alert", &alert);
  mapping.with("expr", [&](const base::YamlNode& expr) -> Status {
    ASSIGN_OR_RETURN(rule.expr, expr.as_string());
    return rule.expr.empty() ? ok() : check_expression(expr, rule.expr, parser);
  });
  read_duration(mapping, "for", &rule.hold);
  read_duration(mapping, "keep_firing_for", &rule.keep_firing);
  mapping.string_pairs("labels", &labels);
  mapping.string_pairs("annotations", &rule.annotations);
  check_kind(mapping, record, alert, &rule);
  if (rule.expr.empty()) mapping.fail("expr", "field 'expr' must be set in rule");
  check_labels(mapping, labels);
  check_annotations(mapping, rule.annotations);
  rule.labels = merge(group_labels, labels);
  if (rule.kind == rules::RuleOptions::Kind::kAlerting) {
    for (const auto* texts : {&labels, &rule.annotations}) {
      for (const auto& [name, text] : *texts) {
        Status status = rules::check_template(rule.name, text);
        if (!status.ok())
          mapping.fail(texts == &labels ? "labels" : "annotations", message(status));
      }
    }
  }
  RETURN_IF_ERROR(mapping.finish());
  return rule;
}

StatusOr<rules::GroupOptions> read_group(const base::YamlNode& node, const std::string& file,
                                         const RuleFileDefaults& defaults) {
  rules::GroupOptions group;
  group.file = file;
  group.query_offset = defaults.query_offset;
  base::Duration interval{0};
  Pairs labels;
  base::YamlMapping mapping(node);
  mapping.string("name", &group.name);
  if (group.name.empty()) mapping.fail("name", "Groupname must not be empty");
  read_duration(mapping, "interval", &interval);
  read_duration(mapping, "query_offset", &group.query_offset);
  read_count(mapping, "limit", &group.limit);
  mapping.string_pairs("labels", &labels);
  check_labels(mapping, labels);
  mapping.each("rules", [&](const base::YamlNode& item) -> Status {
    ASSIGN_OR_RETURN(rules::RuleOptions rule, read_rule(item, labels, defaults.parser));
    group.rules.push_back(std::move(rule));
    return ok();
  });
  group.interval = interval.count() != 0 ? interval : defaults.interval;
  RETURN_IF_ERROR(mapping.finish());
  return group;
}

}  // namespace

StatusOr<std::vector<rules::GroupOptions>> parse_rule_file(std::string_view text,
                                                           const std::string& file,
                                                           const RuleFileDefaults& defaults) {
  ASSIGN_OR_RETURN(base::YamlNode root, base::parse_yaml(text, file));
  std::vector<rules::GroupOptions> groups;
  std::set<std::string> names;
  base::YamlMapping mapping(root);
  mapping.each("groups", [&](const base::YamlNode& item) -> Status {
    ASSIGN_OR_RETURN(rules::GroupOptions group, read_group(item, file, defaults));
    if (!names.insert(group.name).second) {
      return item.error(fmt::format("groupname: {:?} is repeated in the same file", group.name));
    }
    groups.push_back(std::move(group));
    return ok();
  });
  RETURN_IF_ERROR(mapping.finish());
  return groups;
}

}  // namespace tocsin::app
