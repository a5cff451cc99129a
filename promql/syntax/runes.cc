// SPDX-License-Identifier: Apache-2.0
#include "promql/syntax/runes.h"

#include "base/status.h"
#include "model/labels.h"

namespace tocsin::promql {

Rune decode_rune(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned lead = byte(0);
  if (lead < 0x80) return {lead, 1, true};
  const std::size_t length = lead >= 0xF0 ? 4 : (lead >= 0xE0 ? 3 : 2);
  if (lead < 0xC2 || lead > 0xF4 || text.size() < length) return {};
  std::uint32_t code = lead & (0xFFU >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0U) != 0x80) return {};
    code = (code << 6U) | (byte(i) & 0x3FU);
  }
  const bool overlong = (length == 3 && code < 0x800) || (length == 4 && code < 0x10000);
  if (overlong || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) return {};
  return {code, length, true};
}

void append_rune(std::uint32_t code, std::string* out) {
  const auto put = [out](std::uint32_t byte) { out->push_back(static_cast<char>(byte)); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xC0U | (code >> 6U));
    put(0x80U | (code & 0x3FU));
  } else if (code < 0x10000) {
    put(0xE0U | (code >> 12U));
    put(0x80U | ((code >> 6U) & 0x3FU));
    put(0x80U | (code & 0x3FU));
  } else {
    put(0xF0U | (code >> 18U));
    put(0x80U | ((code >> 12U) & 0x3FU));
    put(0x80U | ((code >> 6U) & 0x3FU));
    put(0x80U | (code & 0x3FU));
  }
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string quote_rune(std::string_view text) {
  if (text.empty()) return "'\\x00'";
  const Rune rune = decode_rune(text);
  std::string out;
  append_rune(rune.code, &out);
  if (out == "'") return "'\\''";
  if (out == "\"") return "'\"'";
  // The string form differs only in the quotes.
  out = model::go_quote(out);
  out.front() = out.back() = '\'';
  return out;
}

std::string unicode_name(std::string_view text) {
  const Rune rune = decode_rune(text);
  std::string character;
  append_rune(rune.code, &character);
  return fmt::format("U+{:04X} '{}'", rune.code, character);
}

std::string quote_short(std::string_view text, std::size_t limit) {
  std::size_t end = 0;
  for (std::size_t i = 0; i < limit && end < text.size(); ++i) {
    end += decode_rune(text.substr(end)).length;
  }
  std::string out = model::go_quote(text.substr(0, end));
  if (end < text.size()) out += "...";
  return out;
}

}  // namespace tocsin::promql
