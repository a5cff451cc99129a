// SPDX-License-Identifier: Apache-2.0
//
// The values of string and number tokens.
#include <charconv>
#include <cmath>
#include <limits>
#include <string>

#include "model/labels.h"
#include "model/value.h"
#include "promql/syntax/lexer.h"
#include "promql/syntax/runes.h"

namespace tocsin::promql {
namespace {

// Reads the escape at `*position` (after the backslash) and moves behind it.
void append_escape(std::string_view text, std::size_t* position, std::string* out) {
  const char c = text[*position];
  static constexpr std::string_view kNames = "abfnrtv";
  static constexpr std::string_view kValues = "\a\b\f\n\r\t\v";
  if (const std::size_t i = kNames.find(c); i != std::string_view::npos) {
    out->push_back(kValues[i]);
    ++*position;
    return;
  }
  const bool octal = c >= '0' && c <= '7';
  if (!octal && c != 'x' && c != 'u' && c != 'U') {  // a quote or a backslash
    out->push_back(c);
    ++*position;
    return;
  }
  const int length = octal ? 3 : (c == 'x' ? 2 : (c == 'u' ? 4 : 8));
  if (!octal) ++*position;
  std::uint32_t value = 0;
  for (int i = 0; i < length; ++i, ++*position) {
    value = value * (octal ? 8 : 16) + static_cast<std::uint32_t>(hex_digit(text[*position]));
  }
  if (octal || c == 'x') {
    out->push_back(static_cast<char>(value));  // a byte, not a character
  } else {
    append_rune(value, out);
  }
}

}  // namespace

StatusOr<std::string> unquote_string(std::string_view token_text) {
  const std::string_view body = token_text.substr(1, token_text.size() - 2);
  std::string out;
  out.reserve(body.size());
  if (token_text.front() == '`') {
    for (const char c : body) {
      if (c != '\r') out.push_back(c);
    }
    return out;
  }
  for (std::size_t i = 0; i < body.size();) {
    if (body[i] != '\\') {
      out.push_back(body[i++]);
      continue;
    }
    ++i;
    append_escape(body, &i, &out);
  }
  return out;
}

StatusOr<double> parse_number(std::string_view token_text) {
  std::string digits;
  for (const char c : token_text) {
    if (c != '_') digits.push_back(c);
  }
  int base = 10;
  std::size_t skip = 0;
  if (digits.size() > 1 && digits[0] == '0') {
    const bool hexadecimal = digits[1] == 'x' || digits[1] == 'X';
    const bool octal = digits.find_first_not_of("01234567") == std::string::npos;
    base = hexadecimal ? 16 : (octal ? 8 : 10);
    skip = hexadecimal ? 2 : 0;
  }
  std::int64_t integer = 0;
  const char* begin = digits.data() + skip;
  const char* end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(begin, end, integer, base);
  if (error == std::errc() && stop == end) return static_cast<double>(integer);
  StatusOr<double> value = model::parse_float(digits);
  if (value.ok() && std::isinf(*value) && digits[0] >= '.' && digits[0] <= '9') {
    return invalid_argument(
        "error parsing number: strconv.ParseFloat: parsing {}: value out of range",
        model::go_quote(token_text));
  }
  if (!value.ok()) {
    return invalid_argument("error parsing number: strconv.ParseFloat: parsing {}: {}",
                            model::go_quote(token_text), "value out of range");
  }
  return value;
}

}  // namespace tocsin::promql
