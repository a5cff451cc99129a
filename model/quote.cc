// SPDX-License-Identifier: Apache-2.0
//
// Go's quoted strings (strconv) and the validity of names.
#include <cstring>

#include "model/labels.h"
#include "model/unicode/unicode.h"

namespace tocsin::model {
namespace {

constexpr char kHexDigits[] = "0123456789abcdef";

void append_hex(char32_t value, int digits, std::string* out) {
  for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4) {
    out->push_back(kHexDigits[(value >> static_cast<unsigned>(shift)) & 0xfU]);
  }
}

// Returns the letter of a one-letter escape of `c`, or 0.
char escape_letter(char32_t c) {
  switch (c) {
    case '\a':
      return 'a';
    case '\b':
      return 'b';
    case '\f':
      return 'f';
    case '\n':
      return 'n';
    case '\r':
      return 'r';
    case '\t':
      return 't';
    case '\v':
      return 'v';
    case '"':
      return '"';
    case '\\':
      return '\\';
    default:
      return 0;
  }
}

void append_quoted(const unicode::Rune& rune, char first_byte, std::string* out) {
  if (!rune.valid) {
    out->append("\\x");
    append_hex(static_cast<unsigned char>(first_byte), 2, out);
  } else if (const char letter = escape_letter(rune.value); letter != 0) {
    out->push_back('\\');
    out->push_back(letter);
  } else if (unicode::is_printable(rune.value)) {
    unicode::append(rune.value, out);
  } else if (rune.value < 0x20 || rune.value == 0x7f) {
    out->append("\\x");
    append_hex(rune.value, 2, out);
  } else if (rune.value < 0x10000) {
    out->append("\\u");
    append_hex(rune.value, 4, out);
  } else {
    out->append("\\U");
    append_hex(rune.value, 8, out);
  }
}

int digit_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return 16;
}

// Takes exactly `count` digits of `base` off `rest`.
bool take_digits(std::string_view* rest, std::size_t count, int base, char32_t* value) {
  if (rest->size() < count) return false;
  *value = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const int digit = digit_value((*rest)[i]);
    if (digit >= base) return false;
    *value = *value * static_cast<char32_t>(base) + static_cast<char32_t>(digit);
  }
  rest->remove_prefix(count);
  return true;
}

bool take_byte_escape(std::string_view* rest, std::size_t count, int base, std::string* out) {
  char32_t value = 0;
  if (!take_digits(rest, count, base, &value) || value > 0xff) return false;
  out->push_back(static_cast<char>(value));
  return true;
}

bool take_rune_escape(std::string_view* rest, std::size_t count, std::string* out) {
  char32_t value = 0;
  if (!take_digits(rest, count, 16, &value)) return false;
  if (value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff)) return false;
  unicode::append(value, out);
  return true;
}

// Takes the escape after a backslash off `rest`.
bool take_escape(std::string_view* rest, char quote, std::string* out) {
  if (rest->empty()) return false;
  const char c = rest->front();
  if (c >= '0' && c <= '7') return take_byte_escape(rest, 3, 8, out);
  rest->remove_prefix(1);
  switch (c) {
    case 'a':
      out->push_back('\a');
      return true;
    case 'b':
      out->push_back('\b');
      return true;
    case 'f':
      out->push_back('\f');
      return true;
    case 'n':
      out->push_back('\n');
      return true;
    case 'r':
      out->push_back('\r');
      return true;
    case 't':
      out->push_back('\t');
      return true;
    case 'v':
      out->push_back('\v');
      return true;
    case '\\':
      out->push_back('\\');
      return true;
    case 'x':
      return take_byte_escape(rest, 2, 16, out);
    case 'u':
      return take_rune_escape(rest, 4, out);
    case 'U':
      return take_rune_escape(rest, 8, out);
    default:
      break;
  }
  if (c != quote) return false;
  out->push_back(c);
  return true;
}

bool unquote_raw(std::string_view body, std::string* out) {
  for (const char c : body) {
    if (c == '`') return false;
    if (c != '\r') out->push_back(c);
  }
  return true;
}

bool unquote_interpreted(std::string_view body, char quote, std::string* out) {
  while (!body.empty()) {
    const char c = body.front();
    if (c == quote || c == '\n') return false;
    if (c == '\\') {
      body.remove_prefix(1);
      if (!take_escape(&body, quote, out)) return false;
      continue;
    }
    const unicode::Rune rune = unicode::decode(body);
    unicode::append(rune.value, out);
    body.remove_prefix(rune.size);
  }
  return true;
}

bool is_legacy(std::string_view name, bool colon) {
  if (name.empty() || (name[0] >= '0' && name[0] <= '9')) return false;
  for (const char c : name) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    if (!letter && !(c >= '0' && c <= '9') && !(colon && c == ':')) return false;
  }
  return true;
}

}  // namespace

std::string go_quote(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 2);
  out.push_back('"');
  while (!text.empty()) {
    const unicode::Rune rune = unicode::decode(text);
    append_quoted(rune, text[0], &out);
    text.remove_prefix(rune.size);
  }
  out.push_back('"');
  return out;
}

// 'single' quotes may hold any number of characters, as in PromQL; Go's own literals hold one.
StatusOr<std::string> go_unquote(std::string_view quoted) {
  if (quoted.size() < 2 || quoted.front() != quoted.back()) {
    return invalid_argument("invalid syntax");
  }
  const char quote = quoted.front();
  const std::string_view body = quoted.substr(1, quoted.size() - 2);
  std::string out;
  out.reserve(body.size());
  bool good = false;
  if (quote == '`') {
    good = unquote_raw(body, &out);
  } else if (quote == '"' || quote == '\'') {
    good = unquote_interpreted(body, quote, &out);
  }
  if (!good) return invalid_argument("invalid syntax");
  return out;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    std::uint64_t word = 0;
    if (text.size() >= sizeof(word)) {
      std::memcpy(&word, text.data(), sizeof(word));
      if ((word & 0x8080808080808080ULL) == 0) {
        text.remove_prefix(sizeof(word));
        continue;
      }
    }
    const unicode::Rune rune = unicode::decode(text);
    if (!rune.valid) return false;
    text.remove_prefix(rune.size);
  }
  return true;
}

bool is_legacy_metric_name(std::string_view name) { return is_legacy(name, true); }
bool is_legacy_label_name(std::string_view name) { return is_legacy(name, false); }
bool is_metric_name(std::string_view name) { return !name.empty() && is_utf8(name); }
bool is_label_name(std::string_view name) { return !name.empty() && is_utf8(name); }

}  // namespace tocsin::model
