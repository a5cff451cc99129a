// SPDX-License-Identifier: Apache-2.0
#include "template/syntax/constants.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "model/labels.h"
#include "model/value.h"

namespace tocsin::tmpl {
namespace {

// The code of the one character of `text`; -1 unless there is exactly one.
std::int64_t only_character(std::string_view text) {
  if (text.empty()) return -1;
  const auto byte = [&](std::size_t i) {
    return static_cast<std::int64_t>(static_cast<unsigned char>(text[i]));
  };
  const std::int64_t lead = byte(0);
  const std::size_t length = lead < 0x80 ? 1 : (lead >= 0xF0 ? 4 : (lead >= 0xE0 ? 3 : 2));
  if (text.size() != length) return -1;
  if (length == 1) return lead;
  std::int64_t code = lead & (0xFF >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) code = code * 64 + (byte(i) & 0x3F);
  return code;
}

StatusOr<Value> character_value(const std::string& literal) {
  // Read as a string, where a single quote needs no escape and a double quote does.
  std::string body = literal.substr(1, literal.size() - 2);
  if (body == "\\'") body = "'";
  if (body == "\"") body = "\\\"";
  const StatusOr<std::string> text = unquote("\"" + body + "\"");
  const std::int64_t code = text.ok() ? only_character(*text) : -1;
  if (code < 0) return invalid_argument("malformed character constant: {}", literal);
  return Value::of(code);
}

StatusOr<Value> number_value(const std::string& literal) {
  std::string digits = literal;
  std::erase(digits, '_');
  const bool negative = digits[0] == '-';
  if (negative || digits[0] == '+') digits.erase(0, 1);
  int base = 10;
  std::size_t skip = 0;
  if (digits.size() > 1 && digits[0] == '0') {
    const char kind = digits[1];
    base = kind == 'x' || kind == 'X' ? 16 : (kind == 'b' || kind == 'B' ? 2 : 8);
    skip = base == 8 && kind != 'o' && kind != 'O' ? 1 : 2;
  }
  std::uint64_t magnitude = 0;
  const char* end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data() + skip, end, magnitude, base);
  if (error == std::errc() && stop == end) {
    const std::uint64_t limit = static_cast<std::uint64_t>(INT64_MAX) + (negative ? 1 : 0);
    if (magnitude > limit)
      return invalid_argument("integer overflow: {}", model::go_quote(literal));
    return Value::of(static_cast<std::int64_t>(negative ? 0 - magnitude : magnitude));
  }
  const bool readable =
      !digits.empty() &&
      digits.find_first_not_of("0123456789abcdefABCDEFxXpP.+-") == std::string::npos;
  const StatusOr<double> value = model::parse_float(digits);
  if (!readable || !value.ok() || std::isinf(*value)) {
    return invalid_argument("bad number syntax: {}", model::go_quote(literal));
  }
  return Value::of(negative ? -*value : *value);
}

}  // namespace

StatusOr<std::string> unquote(std::string_view literal) {
  if (literal.size() >= 2 && literal.front() == '`') {
    std::string raw(literal.substr(1, literal.size() - 2));
    std::erase(raw, '\r');
    return raw;
  }
  return model::go_unquote(literal);
}

StatusOr<Value> constant_value(const Token& token) {
  switch (token.type) {
    case TokenType::kBool:
      return Value::of(token.text == "true");
    case TokenType::kCharacter:
      return character_value(token.text);
    case TokenType::kNumber:
      return number_value(token.text);
    default:
      break;
  }
  ASSIGN_OR_RETURN(std::string text, unquote(token.text));
  return Value::of(std::move(text));
}

}  // namespace tocsin::tmpl
