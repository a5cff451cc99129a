// SPDX-License-Identifier: Apache-2.0
#include "web/api/v2_json.h"

#include <utility>

#include "formats/api_json.h"
#include "model/timestamp.h"

namespace tocsin::web {

namespace {

using base::JsonValue;

// Codes of upstream's framework for values that parse and break the schema.
constexpr int kInvalidType = 601;
constexpr int kRequired = 602;
constexpr int kTooFewItems = 612;

std::string time_text(base::Timestamp t) {
  return model::format_rfc3339(t, model::Fraction::kMillis);
}

void write_strings(std::string_view key, const std::vector<std::string>& values,
                   base::JsonWriter& json) {
  json.key(key).begin_array();
  for (const std::string& value : values) json.string(value);
  json.end_array();
}

Violation not_parsed(std::string_view reason) { return {400, 400, std::string(reason)}; }

// JSON of another type than the schema's does not even parse, as upstream has it.
Violation wrong_type(std::string_view path, std::string_view wanted) {
  return not_parsed(fmt::format("{} must be of type {}", path, wanted));
}

Violation missing(std::string_view path) {
  return {422, kRequired, fmt::format("{} in body is required", path)};
}

// Reads the string at `key`; absent is fine unless `required`.
Violation read_string(const JsonValue& object, std::string_view key, bool required,
                      std::string* out) {
  const JsonValue* value = object.find(key);
  if (value == nullptr || value->is(JsonValue::Kind::kNull)) {
    return required ? missing(key) : Violation{};
  }
  if (!value->is(JsonValue::Kind::kString)) return wrong_type(key, "string");
  *out = value->string();
  return {};
}

Violation read_time(const JsonValue& object, std::string_view key, bool required,
                    base::Timestamp* out) {
  std::string text;
  if (Violation v = read_string(object, key, required, &text); v.http != 0) return v;
  if (text.empty() || text.starts_with("0001-01-01T00:00:00")) return {};
  StatusOr<base::Timestamp> time = model::parse_rfc3339(text);
  if (!time.ok())
    return not_parsed(
        fmt::format("{}: parsing time {} as RFC 3339 failed", key, model::go_quote(text)));
  *out = *time;
  return {};
}

Violation read_boolean(const JsonValue& object, std::string_view key, bool required, bool* out) {
  const JsonValue* value = object.find(key);
  if (value == nullptr || value->is(JsonValue::Kind::kNull)) {
    return required ? missing(key) : Violation{};
  }
  if (!value->is(JsonValue::Kind::kBoolean)) return wrong_type(key, "boolean");
  *out = value->boolean();
  return {};
}

Violation read_labels(const JsonValue& object, std::string_view key, bool required,
                      model::Labels* out) {
  const JsonValue* value = object.find(key);
  if (value == nullptr || value->is(JsonValue::Kind::kNull)) {
    return required ? missing(key) : Violation{};
  }
  if (!value->is(JsonValue::Kind::kObject)) return wrong_type(key, "object");
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const auto& [name, text] : value->entries()) {
    if (!text.is(JsonValue::Kind::kString))
      return wrong_type(fmt::format("{}.{}", key, name), "string");
    pairs.emplace_back(name, text.string());
  }
  *out = model::Labels::from(std::move(pairs));
  return {};
}

// A path, or something behind a scheme; no more is asked, lest an alert be lost for its link.
bool is_uri(std::string_view text) {
  if (text.front() == '/') return true;
  const std::string_view scheme = text.substr(0, text.find(':'));
  if (scheme.empty() || scheme.size() == text.size()) return false;
  return std::all_of(scheme.begin(), scheme.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' ||
           c == '-' || c == '.';
  });
}

Violation read_alert(const JsonValue& object, model::Alert* alert) {
  if (!object.is(JsonValue::Kind::kObject)) return wrong_type("alert", "object");
  if (Violation v = read_labels(object, "labels", true, &alert->labels); v.http != 0) return v;
  if (Violation v = read_labels(object, "annotations", false, &alert->annotations); v.http != 0)
    return v;
  if (Violation v = read_time(object, "startsAt", false, &alert->starts_at); v.http != 0) return v;
  if (Violation v = read_time(object, "endsAt", false, &alert->ends_at); v.http != 0) return v;
  if (Violation v = read_string(object, "generatorURL", false, &alert->generator_url); v.http != 0)
    return v;
  const std::string& url = alert->generator_url;
  if (url.empty() || is_uri(url)) return {};
  return {422, kInvalidType,
          fmt::format("generatorURL in body must be of type uri: {}", model::go_quote(url))};
}

Violation read_matcher(const JsonValue& object, model::Matchers* out) {
  if (!object.is(JsonValue::Kind::kObject)) return wrong_type("matchers", "object");
  std::string name, value;
  bool regex = false, equal = true;
  if (Violation v = read_string(object, "name", true, &name); v.http != 0) return v;
  if (Violation v = read_string(object, "value", true, &value); v.http != 0) return v;
  if (Violation v = read_boolean(object, "isRegex", true, &regex); v.http != 0) return v;
  if (Violation v = read_boolean(object, "isEqual", false, &equal); v.http != 0) return v;
  using Type = model::Matcher::Type;
  const Type type =
      regex ? (equal ? Type::kRegex : Type::kNotRegex) : (equal ? Type::kEqual : Type::kNotEqual);
  StatusOr<model::Matcher> matcher =
      model::Matcher::make(type, name, value, model::Regex::Dot::kStopsAtNewline);
  if (!matcher.ok()) {
    return {400, 0,
            fmt::format("invalid silence: invalid label matcher {}: {}", out->size(),
                        message(matcher.status()))};
  }
  out->push_back(std::move(*matcher));
  return {};
}

StatusOr<JsonValue> parse_body(std::string_view body) {
  if (body.empty()) return invalid_argument("EOF");
  return base::parse_json(body);
}

// Puts the parameter's name before what could not be parsed, or the element's path before what
// breaks the schema.
Violation in_body(std::string_view parameter, std::string_view element, Violation violation) {
  if (violation.code == 400) {
    violation.text =
        fmt::format("parsing {} body from \"\" failed, because {}", parameter, violation.text);
  } else if (violation.code != 0 && !element.empty()) {
    violation.text = fmt::format("{}.{}", element, violation.text);
  }
  return violation;
}

Violation read_silence_fields(const JsonValue& root, notifier::Silence* out) {
  if (!root.is(JsonValue::Kind::kObject)) return wrong_type("the body", "object");
  if (Violation v = read_string(root, "id", false, &out->id); v.http != 0) return v;
  if (Violation v = read_string(root, "comment", true, &out->comment); v.http != 0) return v;
  if (Violation v = read_string(root, "createdBy", true, &out->created_by); v.http != 0) return v;
  if (Violation v = read_time(root, "endsAt", true, &out->ends_at); v.http != 0) return v;
  if (Violation v = read_time(root, "startsAt", true, &out->starts_at); v.http != 0) return v;
  model::Labels annotations;
  if (Violation v = read_labels(root, "annotations", false, &annotations); v.http != 0) return v;
  for (const model::LabelView& label : annotations)
    out->annotations.emplace_back(label.name, label.value);
  const JsonValue* matchers = root.find("matchers");
  if (matchers == nullptr || matchers->is(JsonValue::Kind::kNull)) return missing("matchers");
  if (!matchers->is(JsonValue::Kind::kArray)) return wrong_type("matchers", "array");
  if (matchers->items().empty())
    return {422, kTooFewItems, "matchers in body should have at least 1 items"};
  for (const JsonValue& item : matchers->items()) {
    if (Violation v = read_matcher(item, &out->matchers); v.http != 0) {
      if (v.code > 400) v.text = fmt::format("matchers.{}.{}", out->matchers.size(), v.text);
      return v;
    }
  }
  return {};
}

}  // namespace

void write_alert_view(const notifier::AlertView& view, base::JsonWriter& json) {
  json.begin_object().key("annotations");
  formats::write_labels(view.alert.annotations, &json);
  json.field("endsAt", time_text(view.alert.ends_at));
  json.field("fingerprint", fmt::format("{:016x}", view.alert.fingerprint()));
  json.key("receivers").begin_array();
  for (const std::string& receiver : view.receivers)
    json.begin_object().field("name", receiver).end_object();
  json.end_array();
  json.field("startsAt", time_text(view.alert.starts_at)).key("status").begin_object();
  write_strings("inhibitedBy", view.inhibited_by, json);
  write_strings("mutedBy", view.muted_by, json);
  write_strings("silencedBy", view.silenced_by, json);
  json.field("state", view.state()).end_object();
  json.field("updatedAt", time_text(view.alert.updated_at));
  json.field("generatorURL", view.alert.generator_url).key("labels");
  formats::write_labels(view.alert.labels, &json);
  json.end_object();
}

void write_group_view(const notifier::GroupView& view, base::JsonWriter& json) {
  json.begin_object().key("alerts").begin_array();
  for (const notifier::AlertView& alert : view.alerts) write_alert_view(alert, json);
  json.end_array().key("labels");
  formats::write_labels(view.labels, &json);
  json.key("receiver").begin_object().field("name", view.receiver).end_object();
  json.key("routeLabels").begin_object().end_object().end_object();
}

void write_silence(const notifier::Silence& silence, base::Timestamp now, base::JsonWriter& json) {
  static constexpr std::string_view kStates[] = {"pending", "active", "expired"};
  json.begin_object().field("id", silence.id).key("status").begin_object();
  json.field("state", kStates[static_cast<std::size_t>(silence.state_at(now))]).end_object();
  json.field("updatedAt", time_text(silence.updated_at));
  json.key("annotations");
  formats::write_labels(model::Labels::from(silence.annotations), &json);
  json.field("comment", silence.comment).field("createdBy", silence.created_by);
  json.field("endsAt", time_text(silence.ends_at)).key("matchers").begin_array();
  for (const model::Matcher& matcher : silence.matchers) {
    using Type = model::Matcher::Type;
    const bool equal = matcher.type() == Type::kEqual || matcher.type() == Type::kRegex;
    json.begin_object()
        .field("isEqual", equal)
        .field("isRegex", matcher.regex() != nullptr)
        .field("name", matcher.name())
        .field("value", matcher.value())
        .end_object();
  }
  json.end_array().field("startsAt", time_text(silence.starts_at)).end_object();
}

Violation read_alerts(std::string_view body, std::vector<model::Alert>* out) {
  StatusOr<JsonValue> root = parse_body(body);
  if (!root.ok()) return in_body("alerts", "", not_parsed(message(root.status())));
  if (!root->is(JsonValue::Kind::kArray))
    return in_body("alerts", "", wrong_type("the body", "array"));
  for (const JsonValue& item : root->items()) {
    model::Alert alert;
    if (Violation v = read_alert(item, &alert); v.http != 0)
      return in_body("alerts", std::to_string(out->size()), v);
    out->push_back(std::move(alert));
  }
  return {};
}

Violation read_silence(std::string_view body, notifier::Silence* out) {
  StatusOr<JsonValue> root = parse_body(body);
  if (!root.ok()) return in_body("silence", "", not_parsed(message(root.status())));
  return in_body("silence", "", read_silence_fields(*root, out));
}

}  // namespace tocsin::web
