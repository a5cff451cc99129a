// SPDX-License-Identifier: Apache-2.0
#include "template/exec/builtins.h"

#include <algorithm>
#include <compare>
#include <optional>

#include "base/escape.h"

namespace tocsin::tmpl {
namespace {

using Arguments = std::span<const Value>;
using Kind = Value::Kind;

// Kinds that compare with each other.
enum class Basic { kNone, kBool, kInt, kFloat, kString };

Basic basic_kind(const Value& value) {
  switch (value.kind()) {
    case Kind::kBool:
      return Basic::kBool;
    case Kind::kInt:
    case Kind::kDuration:
      return Basic::kInt;
    case Kind::kFloat:
      return Basic::kFloat;
    case Kind::kString:
      return Basic::kString;
    default:
      return Basic::kNone;
  }
}

std::int64_t as_int(const Value& value) {
  return value.is(Kind::kDuration) ? value.duration().count() * 1000000 : value.integer();
}

Status no_comparison() { return invalid_argument("missing argument for comparison"); }
Status bad_comparison() { return invalid_argument("incompatible types for comparison"); }
Status bad_comparison_type() { return invalid_argument("invalid type for comparison"); }

StatusOr<bool> equal(const Value& a, const Value& b) {
  const Basic kind = basic_kind(a);
  if (a.is_nil() || b.is_nil()) return a.is_nil() && b.is_nil();
  if (kind != basic_kind(b)) return bad_comparison();
  switch (kind) {
    case Basic::kBool:
      return a.boolean() == b.boolean();
    case Basic::kInt:
      return as_int(a) == as_int(b);
    case Basic::kFloat:
      return a.number() == b.number();
    case Basic::kString:
      return a.string() == b.string();
    case Basic::kNone:
      break;
  }
  if (a.is(Kind::kTime) && b.is(Kind::kTime)) {
    return a.time().time == b.time().time && a.time().zone.name() == b.time().zone.name();
  }
  if (a.is(Kind::kList) || a.is(Kind::kMap) || a.is(Kind::kFunction)) {
    return invalid_argument("non-comparable type {}: {}", a.to_text(), a.type_name());
  }
  return bad_comparison();
}

StatusOr<std::partial_ordering> order(const Value& a, const Value& b) {
  const Basic kind = basic_kind(a);
  if (kind != basic_kind(b)) return bad_comparison();
  switch (kind) {
    case Basic::kInt:
      return as_int(a) <=> as_int(b);
    case Basic::kFloat:
      return a.number() <=> b.number();
    case Basic::kString:
      return a.string() <=> b.string();
    case Basic::kBool:
    case Basic::kNone:
      break;
  }
  return bad_comparison_type();
}

template <typename Test>
FunctionSpec comparison(Test test) {
  return {[test](Arguments a) -> StatusOr<Value> {
            ASSIGN_OR_RETURN(const std::partial_ordering result, order(a[0], a[1]));
            return Value::of(bool{test(result)});
          },
          2,
          2,
          {}};
}

StatusOr<Value> eq(Arguments arguments) {
  if (arguments.size() < 2) return no_comparison();
  for (const Value& other : arguments.subspan(1)) {
    ASSIGN_OR_RETURN(const bool same, equal(arguments[0], other));
    if (same) return Value::of(true);
  }
  return Value::of(false);
}

StatusOr<std::int64_t> checked_index(const Value& index, std::size_t size, bool end_allowed) {
  if (index.is_nil()) return invalid_argument("cannot index slice/array with nil");
  if (!index.is(Kind::kInt)) {
    return invalid_argument("cannot index slice/array with type {}", index.type_name());
  }
  const auto limit = static_cast<std::int64_t>(size) + (end_allowed ? 1 : 0);
  if (index.integer() >= 0 && index.integer() < limit) return index.integer();
  return invalid_argument("index out of range: {}", index.integer());
}

StatusOr<Value> index_one(const Value& item, const Value& index) {
  switch (item.kind()) {
    case Kind::kList: {
      ASSIGN_OR_RETURN(const std::int64_t i, checked_index(index, item.list().size(), false));
      return item.list()[static_cast<std::size_t>(i)];
    }
    case Kind::kString: {
      ASSIGN_OR_RETURN(const std::int64_t i, checked_index(index, item.string().size(), false));
      return Value::of(int{static_cast<unsigned char>(item.string()[static_cast<std::size_t>(i)])});
    }
    case Kind::kMap: {
      if (index.is_nil()) return invalid_argument("value is nil; should be of type string");
      if (!index.is(Kind::kString)) {
        return invalid_argument("value has type {}; should be string", index.type_name());
      }
      const auto found = item.map().find(index.string());
      if (found != item.map().end()) return found->second;
      const bool strings = item.type() != nullptr && item.type()->string_elements;
      return strings ? Value::of("") : Value();
    }
    case Kind::kNil:
      return invalid_argument("index of nil pointer");
    default:
      return invalid_argument("can't index item of type {}", item.type_name());
  }
}

StatusOr<Value> index(Arguments arguments) {
  if (arguments[0].is_nil()) return invalid_argument("index of untyped nil");
  Value item = arguments[0];
  for (const Value& key : arguments.subspan(1)) {
    ASSIGN_OR_RETURN(item, index_one(item, key));
  }
  return item;
}

StatusOr<Value> slice(Arguments arguments) {
  const Value& item = arguments[0];
  const bool text = item.is(Kind::kString);
  if (item.is_nil()) return invalid_argument("slice of untyped nil");
  if (!text && !item.is(Kind::kList))
    return invalid_argument("can't slice item of type {}", item.type_name());
  if (arguments.size() > 4)
    return invalid_argument("too many slice indexes: {}", arguments.size() - 1);
  if (text && arguments.size() == 4) return invalid_argument("cannot 3-index slice a string");
  const std::size_t size = text ? item.string().size() : item.list().size();
  std::vector<std::int64_t> bounds = {0, static_cast<std::int64_t>(size)};
  for (std::size_t i = 1; i < std::min<std::size_t>(3, arguments.size()); ++i) {
    ASSIGN_OR_RETURN(bounds[i - 1], checked_index(arguments[i], size, true));
  }
  if (bounds[0] > bounds[1])
    return invalid_argument("invalid slice index: {} > {}", bounds[0], bounds[1]);
  const auto begin = static_cast<std::size_t>(bounds[0]);
  if (text)
    return Value::of(item.string().substr(begin, static_cast<std::size_t>(bounds[1]) - begin));
  return Value::of(List(item.list().begin() + bounds[0], item.list().begin() + bounds[1]));
}

StatusOr<Value> length(Arguments arguments) {
  const Value& item = arguments[0];
  std::size_t size = 0;
  switch (item.kind()) {
    case Kind::kString:
      size = item.string().size();
      break;
    case Kind::kList:
      size = item.list().size();
      break;
    case Kind::kMap:
      size = item.map().size();
      break;
    case Kind::kNil:
      return invalid_argument("len of nil pointer");
    default:
      return invalid_argument("len of type {}", item.type_name());
  }
  return Value::of(static_cast<std::int64_t>(size));
}

StatusOr<Value> call(Arguments arguments) {
  if (arguments[0].is_nil()) return invalid_argument("call of nil");
  if (!arguments[0].is(Kind::kFunction)) {
    return invalid_argument("non-function {} of type {}", arguments[0].to_text(),
                            arguments[0].type_name());
  }
  return arguments[0].function()(arguments.subspan(1));
}

// One string as it is, anything else as print would write it.
StatusOr<std::string> joined(Arguments arguments) {
  if (arguments.size() == 1 && arguments[0].is(Kind::kString)) return arguments[0].string();
  if (arguments.size() == 1 && arguments[0].is_nil()) return std::string("<no value>");
  return go_print(arguments);
}

template <typename Escape>
FunctionSpec escaper(Escape escape) {
  return {[escape](Arguments arguments) -> StatusOr<Value> {
            ASSIGN_OR_RETURN(const std::string text, joined(arguments));
            return Value::of(escape(text));
          },
          0,
          -1,
          {}};
}

std::string js_escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '\\':
        out += "\\\\";
        break;
      case '\'':
        out += "\\'";
        break;
      case '"':
        out += "\\\"";
        break;
      case '<':
      case '>':
      case '&':
      case '=':
        out += fmt::format("\\u{:04X}", static_cast<unsigned>(c));
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          out += fmt::format("\\u{:04X}", static_cast<unsigned>(c));
        } else {
          out += c;
        }
        break;
    }
  }
  return out;
}

template <StatusOr<std::string> (*print)(Arguments)>
StatusOr<Value> printed(Arguments arguments) {
  ASSIGN_OR_RETURN(std::string text, print(arguments));
  return Value::of(std::move(text));
}

FunctionMap make_builtins() {
  FunctionMap m;
  m["and"] = m["or"] = {nullptr, 1, -1, {}};
  m["not"] = {[](Arguments a) -> StatusOr<Value> { return Value::of(!a[0].is_true()); }, 1, 1, {}};
  m["len"] = {length, 1, 1, {}};
  m["index"] = {index, 1, -1, {}};
  m["slice"] = {slice, 1, -1, {}};
  m["call"] = {call, 1, -1, {}};
  m["print"] = {printed<go_print>, 0, -1, {}};
  m["println"] = {printed<go_println>, 0, -1, {}};
  m["printf"] = {[](Arguments a) -> StatusOr<Value> {
                   ASSIGN_OR_RETURN(std::string text, go_printf(a[0].string(), a.subspan(1)));
                   return Value::of(std::move(text));
                 },
                 1,
                 -1,
                 {Kind::kString}};
  m["html"] = escaper(html_escape);
  m["js"] = escaper(js_escape);
  m["urlquery"] = escaper(query_escape);
  m["eq"] = {eq, 1, -1, {}};
  m["ne"] = {[](Arguments a) -> StatusOr<Value> {
               ASSIGN_OR_RETURN(const bool same, equal(a[0], a[1]));
               return Value::of(!same);
             },
             2,
             2,
             {}};
  using Order = std::partial_ordering;
  m["lt"] = comparison([](Order o) { return o < 0; });
  m["le"] = comparison([](Order o) { return o <= 0; });
  m["gt"] = comparison([](Order o) { return o > 0; });
  m["ge"] = comparison([](Order o) { return o >= 0; });
  return m;
}

}  // namespace

// As Go's: a NUL becomes U+FFFD.
std::string html_escape(std::string_view text) {
  std::string out;
  for (;;) {
    const std::size_t nul = text.find('\0');
    out += base::markup_escaped(text.substr(0, nul));
    if (nul == std::string_view::npos) return out;
    out += "\xEF\xBF\xBD";
    text.remove_prefix(nul + 1);
  }
}

std::string query_escape(std::string_view text) { return base::query_encoded(text); }

const FunctionMap& builtin_functions() {
  static const auto* const functions = new FunctionMap(make_builtins());
  return *functions;
}

}  // namespace tocsin::tmpl
