// SPDX-License-Identifier: Apache-2.0
#include "template/value.h"

#include <algorithm>
#include <utility>

#include "base/json.h"
#include "model/alert.h"
#include "template/text/methods.h"

namespace tocsin::tmpl {
namespace {

constexpr std::size_t kMaxJsonBytes = std::size_t{4} << 20U;

Status write_json(const Value& value, base::JsonWriter* json, std::string* out) {
  if (out->size() > kMaxJsonBytes)
    return resource_exhausted("JSON is longer than {} bytes", kMaxJsonBytes);
  switch (value.kind()) {
    case Value::Kind::kNil:
    case Value::Kind::kFunction:
      json->null();
      return ok();
    case Value::Kind::kBool:
      json->boolean(value.boolean());
      return ok();
    case Value::Kind::kInt:
      json->integer(value.integer());
      return ok();
    case Value::Kind::kFloat:
      json->number(value.number());
      return ok();
    case Value::Kind::kString:
      json->string(value.string());
      return ok();
    case Value::Kind::kTime:
      json->string(format_time(value.time(), "2006-01-02T15:04:05.999999999Z07:00"));
      return ok();
    case Value::Kind::kDuration:
      json->integer(value.duration().count() * 1000000);
      return ok();
    case Value::Kind::kList:
      json->begin_array();
      for (const Value& item : value.list()) RETURN_IF_ERROR(write_json(item, json, out));
      json->end_array();
      return ok();
    case Value::Kind::kMap:
      json->begin_object();
      for (const auto& [key, item] : value.map()) {
        json->key(key);
        RETURN_IF_ERROR(write_json(item, json, out));
      }
      json->end_object();
      return ok();
    case Value::Kind::kStruct:
      json->begin_object();
      for (const Field& field : value.fields()) {
        if (field.json.empty()) continue;
        json->key(field.json);
        RETURN_IF_ERROR(write_json(field.value, json, out));
      }
      json->end_object();
      return ok();
  }
  return internal("unknown kind of value");
}

}  // namespace

Value Value::of(bool value) {
  Value v;
  v.data_ = value;
  return v;
}

Value Value::of(std::int64_t value) {
  Value v;
  v.data_ = value;
  return v;
}

Value Value::of(double value) {
  Value v;
  v.data_ = value;
  return v;
}

Value Value::of(std::string value, Safe safe) {
  Value v;
  v.data_ = std::move(value);
  v.safe_ = safe;
  return v;
}

Value Value::of(Time value) {
  Value v;
  v.data_ = std::move(value);
  return v;
}

Value Value::of(model::Duration value) {
  Value v;
  v.data_ = value;
  return v;
}

Value Value::of(List items, std::shared_ptr<const Type> type) {
  Value v;
  v.depth_ = 1;
  for (const Value& item : items) v.depth_ = std::max(v.depth_, 1 + item.depth_);
  v.data_ = std::make_shared<const List>(std::move(items));
  v.type_ = std::move(type);
  return v;
}

Value Value::of(Map entries, std::shared_ptr<const Type> type) {
  Value v;
  v.depth_ = 1;
  for (const auto& [key, item] : entries) v.depth_ = std::max(v.depth_, 1 + item.depth_);
  v.data_ = std::make_shared<const Map>(std::move(entries));
  v.type_ = std::move(type);
  return v;
}

Value Value::of(Fields fields, std::shared_ptr<const Type> type) {
  Value v;
  v.depth_ = 1;
  for (const Field& field : fields) v.depth_ = std::max(v.depth_, 1 + field.value.depth_);
  v.data_ = std::make_shared<const Fields>(std::move(fields));
  v.type_ = std::move(type);
  return v;
}

Value Value::of(Function function) {
  Value v;
  v.data_ = std::make_shared<const Function>(std::move(function));
  return v;
}

const Method* Value::find_method(std::string_view name) const {
  const auto* methods = type_ != nullptr ? &type_->methods : nullptr;
  if (is(Kind::kTime)) methods = &time_methods();
  if (is(Kind::kDuration)) methods = &duration_methods();
  if (methods == nullptr) return nullptr;
  const auto found = methods->find(name);
  return found == methods->end() ? nullptr : &found->second;
}

const Value* Value::find_field(std::string_view name) const {
  for (const Field& field : fields()) {
    if (field.name == name) return &field.value;
  }
  return nullptr;
}

bool Value::is_true() const {
  switch (kind()) {
    case Kind::kNil:
      return false;
    case Kind::kBool:
      return boolean();
    case Kind::kInt:
      return integer() != 0;
    case Kind::kFloat:
      return number() != 0;
    case Kind::kString:
      return !string().empty();
    case Kind::kList:
      return !list().empty();
    case Kind::kMap:
      return !map().empty();
    case Kind::kDuration:
      return duration() != model::Duration(0);
    case Kind::kStruct:
    case Kind::kTime:
    case Kind::kFunction:
      return true;
  }
  return false;
}

std::string Value::type_name() const {
  if (type_ != nullptr) return type_->name;
  switch (kind()) {
    case Kind::kNil:
      return "<nil>";
    case Kind::kBool:
      return "bool";
    case Kind::kInt:
      return "int";
    case Kind::kFloat:
      return "float64";
    case Kind::kString:
      if (safe_ == Safe::kNo) return "string";
      return safe_ == Safe::kHtml ? "template.HTML" : "template.URL";
    case Kind::kList:
      return "[]interface {}";
    case Kind::kMap:
      return "map[string]interface {}";
    case Kind::kStruct:
      return "struct {}";
    case Kind::kTime:
      return "time.Time";
    case Kind::kDuration:
      return "time.Duration";
    case Kind::kFunction:
      return "func()";
  }
  return "";
}

StatusOr<std::string> to_json(const Value& value) {
  std::string out;
  base::JsonWriter json(&out, base::JsonWriter::kGo);
  RETURN_IF_ERROR(write_json(value, &json, &out));
  return out;
}

}  // namespace tocsin::tmpl
