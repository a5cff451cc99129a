// SPDX-License-Identifier: Apache-2.0
//
// JSON text: what was read and is written again reads as the same.
#include "base/json.h"

#include "base/check.h"
#include "base/testing/fuzz.h"

namespace tocsin::base {
namespace {

void write(const JsonValue& value, JsonWriter& json) {
  switch (value.kind()) {
    case JsonValue::Kind::kNull:
      json.null();
      break;
    case JsonValue::Kind::kBoolean:
      json.boolean(value.boolean());
      break;
    case JsonValue::Kind::kInteger:
      json.integer(value.integer());
      break;
    case JsonValue::Kind::kNumber:
      json.number(value.number());
      break;
    case JsonValue::Kind::kString:
      json.string(value.string());
      break;
    case JsonValue::Kind::kArray:
      json.begin_array();
      for (const JsonValue& item : value.items()) write(item, json);
      json.end_array();
      break;
    case JsonValue::Kind::kObject:
      json.begin_object();
      for (const auto& [key, item] : value.entries()) {
        json.key(key);
        write(item, json);
      }
      json.end_object();
      break;
  }
}

std::string text_of(const JsonValue& value) {
  std::string text;
  JsonWriter json(&text);
  write(value, json);
  return text;
}

void fuzz(std::string_view bytes) {
  const StatusOr<JsonValue> value = parse_json(bytes);
  if (!value.ok()) return;
  CHECK(bytes.find('\0') == std::string_view::npos);
  // Not the first text: the number -0 is written as the integer 0.
  const StatusOr<JsonValue> written = parse_json(text_of(*value));
  CHECK(written.ok());
  const std::string text = text_of(*written);
  const StatusOr<JsonValue> again = parse_json(text);
  CHECK(again.ok());
  CHECK(text_of(*again) == text);
}

}  // namespace

TOCSIN_FUZZ_TARGET(json, fuzz)

}  // namespace tocsin::base
