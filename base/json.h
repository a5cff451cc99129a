// SPDX-License-Identifier: Apache-2.0
//
// JSON: a streaming writer of our own and a document reader (the one door to nlohmann-json).
//
// JsonWriter appends to a string that it borrows; it inserts commas and escapes strings, and writes
// invalid UTF-8 as U+FFFD. JsonValue is a value.
// Threads: confined. Nothing throws.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"

namespace tocsin::base {

class JsonWriter {
 public:
  enum Escaping { kPlain, kGo };  // kGo also writes < > & U+2028 U+2029 as \u escapes, as Go does

  explicit JsonWriter(std::string* out, Escaping escaping = kPlain)
      : out_(*out), escaping_(escaping) {}

  JsonWriter& begin_object();
  JsonWriter& end_object();
  JsonWriter& begin_array();
  JsonWriter& end_array();
  JsonWriter& key(std::string_view name);
  JsonWriter& string(std::string_view value);
  JsonWriter& integer(std::int64_t value);
  JsonWriter& number(double value);  // shortest round trip; NaN and infinities as null
  JsonWriter& boolean(bool value);
  JsonWriter& null();
  JsonWriter& raw(std::string_view json);  // one complete value, already JSON
  // The same, which `write` appends to the std::string that it is given.
  template <typename Write>
  JsonWriter& raw_by(Write&& write) {
    separate();
    std::forward<Write>(write)(out_);
    return *this;
  }

  // key(name).string(value) and so on.
  JsonWriter& field(std::string_view name, std::string_view value) {
    return key(name).string(value);
  }
  JsonWriter& field(std::string_view name, const char* value) { return key(name).string(value); }
  JsonWriter& field(std::string_view name, const std::string& value) {
    return key(name).string(value);
  }
  JsonWriter& field(std::string_view name, bool value) { return key(name).boolean(value); }

 private:
  void separate() {
    if (need_comma_) out_ += ',';
    need_comma_ = true;
  }
  std::string& out_;
  const Escaping escaping_;
  bool need_comma_ = false;
};

class JsonValue {
 public:
  enum class Kind { kNull, kBoolean, kInteger, kNumber, kString, kArray, kObject };

  Kind kind() const { return kind_; }
  bool is(Kind kind) const { return kind_ == kind; }
  bool boolean() const { return is(Kind::kBoolean) && integer_ != 0; }  // false unless kBoolean
  std::int64_t integer() const { return is(Kind::kInteger) ? integer_ : 0; }  // 0 unless kInteger
  double number() const { return number_; }  // kInteger and kNumber; else 0
  const std::string& string() const { return string_; }
  const std::vector<JsonValue>& items() const { return items_; }
  const std::vector<std::pair<std::string, JsonValue>>& entries() const { return entries_; }
  const JsonValue* find(std::string_view key) const;  // nullptr when absent

 private:
  friend class JsonReader;
  Kind kind_ = Kind::kNull;
  std::int64_t integer_ = 0;
  double number_ = 0;
  std::string string_;
  std::vector<JsonValue> items_;
  std::vector<std::pair<std::string, JsonValue>> entries_;
};

// Parses one document; depth is limited to `max_depth`. The error names line and column.
StatusOr<JsonValue> parse_json(std::string_view text, std::size_t max_depth = 64);

}  // namespace tocsin::base
