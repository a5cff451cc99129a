// SPDX-License-Identifier: Apache-2.0
#include "base/json.h"

#include <charconv>

#include <nlohmann/json.hpp>

#include "base/utf8.h"

namespace tocsin::base {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

void append_escape(unsigned code, std::string* out) {
  switch (code) {
    case '"':
      *out += "\\\"";
      return;
    case '\\':
      *out += "\\\\";
      return;
    case '\n':
      *out += "\\n";
      return;
    case '\r':
      *out += "\\r";
      return;
    case '\t':
      *out += "\\t";
      return;
    default:
      fmt::format_to(std::back_inserter(*out), "\\u{:04x}", code);
  }
}

// Characters that stand for themselves: ASCII without controls, quotes and backslashes.
constexpr std::array<bool, 256> plain_characters(bool go_escapes) {
  std::array<bool, 256> plain{};
  for (unsigned c = 0x20; c < 0x80; ++c) plain[c] = c != '"' && c != '\\';
  if (go_escapes) plain['<'] = plain['>'] = plain['&'] = false;
  return plain;
}
constexpr std::array<bool, 256> kPlainJson = plain_characters(false);
constexpr std::array<bool, 256> kPlainGo = plain_characters(true);

// Takes one character that does not stand for itself, or is not ASCII, from the front of `text`.
void append_other(bool go_escapes, std::string_view* text, std::string* out) {
  const auto c = static_cast<unsigned char>((*text)[0]);
  const std::size_t length = utf8_length(*text);
  const std::string_view sequence = text->substr(0, std::max<std::size_t>(length, 1));
  text->remove_prefix(sequence.size());
  if (length == 0) {
    *out += kReplacement;
  } else if (c < 0x80) {
    append_escape(c, out);
  } else if (go_escapes && (sequence == "\xE2\x80\xA8" || sequence == "\xE2\x80\xA9")) {
    append_escape(sequence[2] == '\xA8' ? 0x2028 : 0x2029, out);
  } else {
    *out += sequence;
  }
}

void append_string(std::string_view text, bool go_escapes, std::string* out) {
  const std::array<bool, 256>& plain = go_escapes ? kPlainGo : kPlainJson;
  *out += '"';
  while (!text.empty()) {
    std::size_t end = 0;
    while (end < text.size() && plain[static_cast<unsigned char>(text[end])]) ++end;
    out->append(text, 0, end);
    text.remove_prefix(end);
    if (!text.empty()) append_other(go_escapes, &text, out);
  }
  *out += '"';
}

// The shortest digits that read back the same, without an exponent where that stays short, as
// encoding/json and JavaScript write them.
void append_number(double value, std::string* out) {
  constexpr double kExactIntegers = 0x1p53;
  const double magnitude = std::abs(value);
  std::array<char, 64> buffer{};
  char* const begin = buffer.data();
  if (magnitude == 0 || (magnitude >= 1e-6 && magnitude < kExactIntegers)) {
    out->append(begin,
                std::to_chars(begin, begin + buffer.size(), value, std::chars_format::fixed).ptr);
    return;
  }
  // d.ddde+XX
  char* const end =
      std::to_chars(begin, begin + buffer.size(), value, std::chars_format::scientific).ptr;
  std::string text(begin, end);
  const std::size_t e = text.find('e');
  if (magnitude < 1e21 && magnitude >= kExactIntegers) {
    // Plain to_chars would print digits here that the value does not determine.
    const auto exponent = static_cast<std::size_t>(std::stoi(text.substr(e + 1)));
    const std::size_t sign = value < 0 ? 1 : 0;
    text.resize(e);
    std::erase(text, '.');
    text.resize(sign + 1 + exponent, '0');
  } else if (text[e + 2] == '0') {
    text.erase(e + 2, 1);
  }
  *out += text;
}

}  // namespace

JsonWriter& JsonWriter::begin_object() {
  separate();
  out_ += '{';
  need_comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::end_object() {
  out_ += '}';
  need_comma_ = true;
  return *this;
}

JsonWriter& JsonWriter::begin_array() {
  separate();
  out_ += '[';
  need_comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::end_array() {
  out_ += ']';
  need_comma_ = true;
  return *this;
}

JsonWriter& JsonWriter::key(std::string_view name) {
  separate();
  append_string(name, escaping_ == kGo, &out_);
  out_ += ':';
  need_comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::string(std::string_view value) {
  separate();
  append_string(value, escaping_ == kGo, &out_);
  return *this;
}

JsonWriter& JsonWriter::integer(std::int64_t value) {
  separate();
  fmt::format_to(std::back_inserter(out_), "{}", value);
  return *this;
}

JsonWriter& JsonWriter::number(double value) {
  if (!std::isfinite(value)) return null();
  separate();
  append_number(value, &out_);
  return *this;
}

JsonWriter& JsonWriter::boolean(bool value) {
  separate();
  out_ += value ? "true" : "false";
  return *this;
}

JsonWriter& JsonWriter::null() {
  separate();
  out_ += "null";
  return *this;
}

JsonWriter& JsonWriter::raw(std::string_view json) {
  separate();
  out_ += json;
  return *this;
}

const JsonValue* JsonValue::find(std::string_view key) const {
  // Of equal keys the last counts, as in Go and JavaScript.
  for (auto it = entries_.rbegin(); it != entries_.rend(); ++it) {
    if (it->first == key) return &it->second;
  }
  return nullptr;
}

// Builds a JsonValue from the events of nlohmann's parser (whose interface asks for the bool
// results and the parameter types below).
class JsonReader {
 public:
  using Kind = JsonValue::Kind;

  JsonValue take() { return std::move(root_); }
  std::size_t error_position() const { return error_position_; }
  const std::string& error_text() const { return error_text_; }

  bool null() {
    add(Kind::kNull);
    return true;
  }
  bool boolean(bool value) {
    add(Kind::kBoolean).integer_ = value ? 1 : 0;
    return true;
  }
  bool number_integer(std::int64_t value) {
    JsonValue& v = add(Kind::kInteger);
    v.integer_ = value;
    v.number_ = static_cast<double>(value);
    return true;
  }
  bool number_unsigned(std::uint64_t value) {
    if (value <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
      return number_integer(static_cast<std::int64_t>(value));
    }
    return number_float(static_cast<double>(value), {});
  }
  bool number_float(double value, const std::string&) {
    add(Kind::kNumber).number_ = value;
    return true;
  }
  bool string(std::string& value) {
    add(Kind::kString).string_ = std::move(value);
    return true;
  }
  bool binary(std::vector<std::uint8_t>&) { return false; }  // JSON text has none
  bool start_object(std::size_t) {
    open_.push_back(&add(Kind::kObject));
    return true;
  }
  bool start_array(std::size_t) {
    open_.push_back(&add(Kind::kArray));
    return true;
  }
  bool key(std::string& name) {
    key_ = std::move(name);
    return true;
  }
  bool end_object() {
    open_.pop_back();
    return true;
  }
  bool end_array() {
    open_.pop_back();
    return true;
  }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception& error) {
    error_position_ = position;
    error_text_ = error.what();
    return false;
  }

 private:
  JsonValue& add(Kind kind) {
    JsonValue* value = &root_;
    // The pointers in open_ stay valid: only the innermost container grows.
    if (!open_.empty() && open_.back()->is(Kind::kArray)) {
      value = &open_.back()->items_.emplace_back();
    } else if (!open_.empty()) {
      value = &open_.back()->entries_.emplace_back(std::move(key_), JsonValue()).second;
    }
    value->kind_ = kind;
    return *value;
  }

  JsonValue root_;
  std::vector<JsonValue*> open_;
  std::string key_;
  std::size_t error_position_ = 0;
  std::string error_text_;
};

namespace {

// Offset of the first bracket deeper than `max_depth`, or npos.
std::size_t find_too_deep(std::string_view text, std::size_t max_depth) {
  std::size_t depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string && c == '\\') {
      ++i;
    } else if (c == '"') {
      in_string = !in_string;
    } else if (!in_string && (c == '[' || c == '{') && ++depth > max_depth) {
      return i;
    } else if (!in_string && (c == ']' || c == '}') && depth > 0) {
      --depth;
    }
  }
  return std::string_view::npos;
}

Status error_at(std::string_view text, std::size_t offset, std::string_view what) {
  const std::string_view before = text.substr(0, offset);
  const auto line = std::count(before.begin(), before.end(), '\n') + 1;
  const std::size_t newline = before.rfind('\n');
  const std::size_t start = newline == std::string_view::npos ? 0 : newline + 1;
  return invalid_argument("line {}, column {}: {}", line, before.size() - start + 1, what);
}

// The library's texts carry its own name and position in front of what was wrong.
std::string_view without_prefix(std::string_view what) {
  if (const std::size_t bracket = what.find("] "); bracket < 64) what.remove_prefix(bracket + 2);
  if (!what.starts_with("parse error at")) return what;
  if (const std::size_t colon = what.find(": "); colon != std::string_view::npos) {
    what.remove_prefix(colon + 2);
  }
  return what;
}

}  // namespace

StatusOr<JsonValue> parse_json(std::string_view text, std::size_t max_depth) {
  const std::size_t too_deep = find_too_deep(text, max_depth);
  if (too_deep != std::string_view::npos) {
    return error_at(text, too_deep, fmt::format("nested deeper than {} levels", max_depth));
  }
  // nlohmann-json takes a zero byte for the end of the text.
  if (const std::size_t zero = text.find('\0'); zero != std::string_view::npos) {
    return error_at(text, zero, "invalid literal: a zero byte");
  }
  JsonReader reader;
  try {
    if (nlohmann::json::sax_parse(text.begin(), text.end(), &reader)) return reader.take();
  } catch (const std::exception& e) {
    return invalid_argument("{}", without_prefix(e.what()));
  }
  // The position counts what was read, the end of the text included.
  const std::size_t read = std::max<std::size_t>(reader.error_position(), 1);
  return error_at(text, std::min(read - 1, text.size()), without_prefix(reader.error_text()));
}

}  // namespace tocsin::base
