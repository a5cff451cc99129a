// SPDX-License-Identifier: Apache-2.0
#include "notifier/silence/silence_codec.h"

#include <utility>

#include "base/json.h"

namespace tocsin::notifier {
namespace {

using base::JsonValue;
using Type = model::Matcher::Type;

constexpr Type kTypes[] = {Type::kEqual, Type::kNotEqual, Type::kRegex, Type::kNotRegex};

StatusOr<const JsonValue*> member(const JsonValue& object, std::string_view key,
                                  JsonValue::Kind kind) {
  const JsonValue* value = object.find(key);
  if (value == nullptr || !value->is(kind)) return data_loss("silence record without {:?}", key);
  return value;
}

Status read_text(const JsonValue& object, std::string_view key, std::string* out) {
  ASSIGN_OR_RETURN(const JsonValue* value, member(object, key, JsonValue::Kind::kString));
  *out = value->string();
  return ok();
}

Status read_time(const JsonValue& object, std::string_view key, model::Timestamp* out) {
  ASSIGN_OR_RETURN(const JsonValue* value, member(object, key, JsonValue::Kind::kInteger));
  *out = model::from_ms(value->integer());
  return ok();
}

StatusOr<model::Matcher> read_matcher(const JsonValue& object) {
  std::string name, op, value;
  RETURN_IF_ERROR(read_text(object, "name", &name));
  RETURN_IF_ERROR(read_text(object, "op", &op));
  RETURN_IF_ERROR(read_text(object, "value", &value));
  for (Type type : kTypes) {
    if (model::operator_text(type) != op) continue;
    return model::Matcher::make(type, name, value, model::Regex::Dot::kStopsAtNewline);
  }
  return data_loss("silence record with the matcher operator {:?}", op);
}

void write_silence(const Silence& silence, base::JsonWriter& json) {
  json.begin_object().field("id", silence.id).key("matchers").begin_array();
  for (const model::Matcher& matcher : silence.matchers) {
    json.begin_object().field("name", matcher.name());
    json.field("op", model::operator_text(matcher.type())).field("value", matcher.value());
    json.end_object();
  }
  json.end_array();
  json.key("starts_at").integer(model::to_ms(silence.starts_at));
  json.key("ends_at").integer(model::to_ms(silence.ends_at));
  json.key("updated_at").integer(model::to_ms(silence.updated_at));
  json.field("created_by", silence.created_by).field("comment", silence.comment);
  json.key("annotations").begin_object();
  for (const auto& [name, value] : silence.annotations) json.field(name, value);
  json.end_object().end_object();
}

StatusOr<Silence> read_silence(const JsonValue& root) {
  if (!root.is(JsonValue::Kind::kObject)) return data_loss("silence record is no object");
  Silence silence;
  RETURN_IF_ERROR(read_text(root, "id", &silence.id));
  RETURN_IF_ERROR(read_text(root, "created_by", &silence.created_by));
  RETURN_IF_ERROR(read_text(root, "comment", &silence.comment));
  RETURN_IF_ERROR(read_time(root, "starts_at", &silence.starts_at));
  RETURN_IF_ERROR(read_time(root, "ends_at", &silence.ends_at));
  RETURN_IF_ERROR(read_time(root, "updated_at", &silence.updated_at));
  ASSIGN_OR_RETURN(const JsonValue* matchers, member(root, "matchers", JsonValue::Kind::kArray));
  for (const JsonValue& item : matchers->items()) {
    ASSIGN_OR_RETURN(model::Matcher matcher, read_matcher(item));
    silence.matchers.push_back(std::move(matcher));
  }
  ASSIGN_OR_RETURN(const JsonValue* notes, member(root, "annotations", JsonValue::Kind::kObject));
  for (const auto& [name, value] : notes->entries()) {
    silence.annotations.emplace_back(name, value.string());
  }
  return silence;
}

}  // namespace

std::string encode_silences(std::span<const Silence> silences) {
  std::string out;
  base::JsonWriter json(&out);
  json.begin_array();
  for (const Silence& silence : silences) write_silence(silence, json);
  json.end_array();
  return out;
}

StatusOr<std::vector<Silence>> decode_silences(std::string_view payload) {
  ASSIGN_OR_RETURN(const JsonValue root, base::parse_json(payload));
  if (!root.is(JsonValue::Kind::kArray)) return data_loss("silence record is no list");
  std::vector<Silence> silences;
  for (const JsonValue& item : root.items()) {
    ASSIGN_OR_RETURN(Silence silence, read_silence(item));
    silences.push_back(std::move(silence));
  }
  return silences;
}

}  // namespace tocsin::notifier
