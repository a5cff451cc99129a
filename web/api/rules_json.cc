// SPDX-License-Identifier: Apache-2.0
#include "web/api/rules_json.h"

#include <utility>

#include "base/hash.h"
#include "formats/api_json.h"
#include "model/alert.h"
#include "model/text.h"
#include "model/timestamp.h"
#include "model/value.h"
#include "web/api/envelope.h"
#include "web/api/params.h"

namespace tocsin::web {

namespace {

std::string time_text(base::Timestamp t) {
  return t == model::kNoTime ? std::string("0001-01-01T00:00:00Z") : model::format_rfc3339(t);
}

// Page token of a group: hex SHA-256 of "file;group".
std::string group_token(const rules::GroupStatus& group) {
  const auto digest = base::sha256(group.file + ";" + group.name);
  return base::to_hex(std::string(digest.begin(), digest.end()));
}

void write_pairs(const std::vector<std::pair<std::string, std::string>>& pairs,
                 base::JsonWriter& json) {
  formats::write_labels(model::Labels::from(pairs), &json);
}

void write_alert(const rules::ActiveAlert& alert, base::JsonWriter& json) {
  json.begin_object().key("labels");
  formats::write_labels(alert.labels, &json);
  json.key("annotations");
  formats::write_labels(alert.annotations, &json);
  json.field("state", rules::state_text(alert.state));
  json.field("activeAt", model::format_rfc3339(alert.active_at));
  if (alert.keep_firing_since)
    json.field("keepFiringSince", model::format_rfc3339(*alert.keep_firing_since));
  json.field("value", model::format_float_e(alert.value)).end_object();
}

void write_rule(const rules::RuleStatus& rule, bool exclude_alerts, base::JsonWriter& json) {
  const bool alerting = rule.options.kind == rules::RuleOptions::Kind::kAlerting;
  json.begin_object();
  if (alerting) json.field("state", rules::state_text(rule.state));
  json.field("name", rule.options.name).field("query", rule.query);
  if (alerting) {
    json.key("duration").number(base::to_seconds(rule.options.hold));
    json.key("keepFiringFor").number(base::to_seconds(rule.options.keep_firing));
  }
  if (alerting || !rule.options.labels.empty()) {
    json.key("labels");
    write_pairs(rule.options.labels, json);
  }
  if (alerting) {
    json.key("annotations");
    write_pairs(rule.options.annotations, json);
    json.key("alerts").begin_array();
    if (!exclude_alerts) {
      for (const rules::ActiveAlert& alert : rule.alerts) write_alert(alert, json);
    }
    json.end_array();
  }
  json.field("health", rule.health);
  if (!rule.last_error.empty()) json.field("lastError", rule.last_error);
  json.key("evaluationTime").number(rule.evaluation_seconds);
  json.field("lastEvaluation", time_text(rule.last_evaluation));
  json.field("type", alerting ? "alerting" : "recording").end_object();
}

bool wanted(const rules::RuleStatus& rule, const RuleFilter& filter) {
  const bool alerting = rule.options.kind == rules::RuleOptions::Kind::kAlerting;
  if (alerting ? !filter.alerting : !filter.recording) return false;
  if (!filter.names.empty() && !filter.names.contains(rule.options.name)) return false;
  if (filter.matchers.empty()) return true;
  const model::Labels labels = model::Labels::from(rule.options.labels);
  return std::any_of(
      filter.matchers.begin(), filter.matchers.end(),
      [&labels](const model::Matchers& matchers) { return model::matches_all(matchers, labels); });
}

void write_group(const rules::GroupStatus& group,
                 const std::vector<const rules::RuleStatus*>& rules, bool exclude_alerts,
                 base::JsonWriter& json) {
  json.begin_object()
      .field("name", group.name)
      .field("file", group.file)
      .key("rules")
      .begin_array();
  for (const rules::RuleStatus* rule : rules) write_rule(*rule, exclude_alerts, json);
  json.end_array();
  json.key("interval").number(base::to_seconds(group.interval));
  json.key("limit").integer(static_cast<std::int64_t>(group.limit));
  json.key("evaluationTime").number(group.evaluation_seconds);
  json.field("lastEvaluation", time_text(group.last_evaluation)).end_object();
}

StatusOr<bool> read_exclude_alerts(const net::QueryParams& params) {
  const std::string text = model::to_lower(params.get("exclude_alerts"));
  if (text.empty()) return false;
  if (const std::optional<bool> value = model::parse_go_bool(text)) return *value;
  return bad_parameter(
      "exclude_alerts",
      fmt::format("error converting exclude_alerts: strconv.ParseBool: parsing {}: "
                  "invalid syntax",
                  model::go_quote(text)));
}

}  // namespace

StatusOr<RuleFilter> RuleFilter::parse(const net::QueryParams& params) {
  RuleFilter filter;
  const std::string type = model::to_lower(params.get("type"));
  if (!type.empty() && type != "alert" && type != "record") {
    return bad_parameter("type", fmt::format("not supported value {}", model::go_quote(type)));
  }
  filter.alerting = type != "record";
  filter.recording = type != "alert";
  for (const auto& [key, out] :
       {std::pair{"rule_name[]", &filter.names}, std::pair{"rule_group[]", &filter.groups},
        std::pair{"file[]", &filter.files}}) {
    for (std::string& value : params.all(key)) out->insert(std::move(value));
  }
  ASSIGN_OR_RETURN(filter.matchers, match_params(params));
  ASSIGN_OR_RETURN(filter.exclude_alerts, read_exclude_alerts(params));
  filter.next_token = params.get("group_next_token");
  if (params.get("group_limit").empty()) {
    if (filter.next_token.empty()) return filter;
    return bad_parameter("group_next_token",
                         "group_limit needs to be present in order to paginate over the groups");
  }
  ASSIGN_OR_RETURN(std::int64_t limit, integer_param(params, "group_limit"));
  if (limit <= 0) return bad_parameter("group_limit", "group_limit needs to be greater than 0");
  filter.group_limit = static_cast<std::size_t>(limit);
  return filter;
}

Status write_rules(const std::vector<rules::GroupStatus>& groups, const RuleFilter& filter,
                   base::JsonWriter& json) {
  bool started = filter.next_token.empty();
  std::size_t written = 0;
  std::string next_token;
  json.begin_object().key("groups").begin_array();
  for (const rules::GroupStatus& group : groups) {
    if (!started && group_token(group) == filter.next_token) started = true;
    if (!started) continue;
    if (!filter.groups.empty() && !filter.groups.contains(group.name)) continue;
    if (!filter.files.empty() && !filter.files.contains(group.file)) continue;
    std::vector<const rules::RuleStatus*> rules;
    for (const rules::RuleStatus& rule : group.rules) {
      if (wanted(rule, filter)) rules.push_back(&rule);
    }
    if (rules.empty()) continue;
    if (filter.group_limit != 0 && written == filter.group_limit) {
      next_token = group_token(group);
      break;
    }
    write_group(group, rules, filter.exclude_alerts, json);
    ++written;
  }
  json.end_array();
  if (!next_token.empty()) json.field("groupNextToken", next_token);
  json.end_object();
  if (!started) {
    return bad_parameter(
        "group_next_token",
        fmt::format("invalid group_next_token '{}'. were rule groups changed?", filter.next_token));
  }
  return ok();
}

void write_alerts(const std::vector<rules::GroupStatus>& groups, base::JsonWriter& json) {
  json.begin_object().key("alerts").begin_array();
  for (const rules::GroupStatus& group : groups) {
    for (const rules::RuleStatus& rule : group.rules) {
      for (const rules::ActiveAlert& alert : rule.alerts) write_alert(alert, json);
    }
  }
  json.end_array().end_object();
}

}  // namespace tocsin::web
