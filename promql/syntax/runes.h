// SPDX-License-Identifier: Apache-2.0
//
// Single characters of a query text: decoding UTF-8 and showing characters in error messages.
// Pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace tocsin::promql {

struct Rune {
  std::uint32_t code = 0xFFFD;
  std::size_t length = 1;  // in bytes; 1 when invalid
  bool valid = false;
};
// The first character of `text`. REQUIRES: not empty.
Rune decode_rune(std::string_view text);
void append_rune(std::uint32_t code, std::string* out);

int hex_digit(char c);  // -1 when it is none

// The first character of `text` between single quotes; '\x00' at the end of input.
std::string quote_rune(std::string_view text);
// "U+0071 'q'" of the first character.
std::string unicode_name(std::string_view text);
// Double quotes around at most `limit` characters, "..." after them when there are more.
std::string quote_short(std::string_view text, std::size_t limit);

}  // namespace tocsin::promql
