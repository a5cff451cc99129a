// SPDX-License-Identifier: Apache-2.0
//
// Value: what templates compute with, a dynamic value that prints as Go's would.
//
// Lists, maps and structs are immutable and shared, so copying is cheap. A Type names a value,
// gives it methods and may change how it prints: a label set is a map with the type "template.KV".
// Nesting is limited (kMaxValueDepth). A value; shared, read-only. Functions report errors as
// Status without a position; the evaluator adds it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/status.h"
#include "base/time_zone.h"
#include "model/timestamp.h"

namespace tocsin::tmpl {

class Value;
struct Field;
using List = std::vector<Value>;
using Map = std::map<std::string, Value, std::less<>>;
using Fields = std::vector<Field>;
using Function = std::function<StatusOr<Value>(std::span<const Value>)>;
using Method = std::function<StatusOr<Value>(const Value& self, std::span<const Value> arguments)>;

inline constexpr int kMaxValueDepth = 100;

// A named type. Usually of static storage; shared by its values.
struct Type {
  std::string name;  // as Go prints it: "template.KV"
  std::map<std::string, Method, std::less<>> methods;
  std::function<std::string(const Value&)> text;  // Go's String(); empty: printed by kind
  bool string_elements = false;  // of a map: an absent key is "" where zero values are asked for
};

struct Time {
  model::Timestamp time;  // model::kNoTime is Go's zero time
  base::TimeZone zone = base::TimeZone::utc();
};

class Value {
 public:
  enum class Kind {
    kNil,
    kBool,
    kInt,
    kFloat,
    kString,
    kList,
    kMap,
    kStruct,
    kTime,
    kDuration,
    kFunction
  };
  // Text that HTML mode passes on: kHtml in text, kUrl in URLs.
  enum class Safe { kNo, kHtml, kUrl };

  Value() = default;  // nil
  static Value of(bool value);
  static Value of(std::int64_t value);
  static Value of(int value) { return of(std::int64_t{value}); }
  static Value of(double value);
  static Value of(std::string value, Safe safe = Safe::kNo);
  static Value of(std::string_view value) { return of(std::string(value)); }
  static Value of(const char* value) { return of(std::string(value)); }
  static Value of(Time value);
  static Value of(model::Duration value);
  static Value of(List items, std::shared_ptr<const Type> type = nullptr);
  static Value of(Map entries, std::shared_ptr<const Type> type = nullptr);
  static Value of(Fields fields, std::shared_ptr<const Type> type);
  static Value of(Function function);

  Kind kind() const { return static_cast<Kind>(data_.index()); }
  bool is(Kind kind) const { return this->kind() == kind; }
  bool is_nil() const { return is(Kind::kNil); }

  // REQUIRES: the kind of that name.
  bool boolean() const { return std::get<bool>(data_); }
  std::int64_t integer() const { return std::get<std::int64_t>(data_); }
  double number() const { return std::get<double>(data_); }
  const std::string& string() const { return std::get<std::string>(data_); }
  const List& list() const { return *std::get<std::shared_ptr<const List>>(data_); }
  const Map& map() const { return *std::get<std::shared_ptr<const Map>>(data_); }
  const Fields& fields() const { return *std::get<std::shared_ptr<const Fields>>(data_); }
  const Time& time() const { return std::get<Time>(data_); }
  model::Duration duration() const { return std::get<model::Duration>(data_); }
  const Function& function() const { return *std::get<std::shared_ptr<const Function>>(data_); }

  Safe safe() const { return safe_; }
  const Type* type() const { return type_.get(); }
  // Finds a method of its type or of its kind (times and durations have Go's); null when there is
  // none.
  const Method* find_method(std::string_view name) const;
  const Value* find_field(std::string_view name) const;  // of a struct

  bool is_true() const;  // not the zero value and not empty
  // Levels of lists, maps and structs inside; 0 for the others.
  int depth() const { return depth_; }
  std::string type_name() const;  // as %T
  std::string to_text() const;    // as %v; "<nil>" for nil

 private:
  std::variant<std::monostate, bool, std::int64_t, double, std::string, std::shared_ptr<const List>,
               std::shared_ptr<const Map>, std::shared_ptr<const Fields>, Time, model::Duration,
               std::shared_ptr<const Function>>
      data_;
  std::shared_ptr<const Type> type_;
  Safe safe_ = Safe::kNo;
  int depth_ = 0;
};

struct Field {
  std::string name;
  Value value;
  std::string json;  // name in JSON; "" leaves it out
};

// A function that templates may call, with what is checked before it is called.
struct FunctionSpec {
  Function call;
  int min_arguments = 0;
  int max_arguments = -1;          // -1: any number
  std::vector<Value::Kind> kinds;  // of the first arguments; kNil takes anything
};
using FunctionMap = std::map<std::string, FunctionSpec, std::less<>>;

// Formats as Go's fmt: Sprintf, Sprint (spaces between operands that are not strings), Sprintln.
// Error kResourceExhausted when the result would be longer than 4 MiB.
StatusOr<std::string> go_printf(std::string_view format, std::span<const Value> arguments);
StatusOr<std::string> go_print(std::span<const Value> arguments);
StatusOr<std::string> go_println(std::span<const Value> arguments);

// Writes as Go's encoding/json (< > & escaped).
StatusOr<std::string> to_json(const Value& value);

// Formats with a Go layout ("2006-01-02 15:04:05 MST"); parses with one, in `zone` when the text
// names none.
std::string format_time(const Time& time, std::string_view layout);
StatusOr<Time> parse_time(std::string_view layout, std::string_view text,
                          const base::TimeZone& zone);

}  // namespace tocsin::tmpl
