// SPDX-License-Identifier: Apache-2.0
//
// UTF-8 decoding and the few Unicode 15.0 properties that the text forms of this folder depend on.
//
// Independent of the process's locale, so a page or a relabelled value is the same on every
// machine. Pure functions of values.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace tocsin::model::unicode {

inline constexpr char32_t kReplacement = 0xfffd;

struct Rune {
  char32_t value = kReplacement;
  std::size_t size = 1;  // bytes; 1 with kReplacement for a byte that begins no character
  bool valid = false;
};

// Decodes the first character of `text`. REQUIRES: text is not empty.
Rune decode(std::string_view text);
// Appends `value` as UTF-8; surrogates and values above U+10FFFF as U+FFFD.
void append(char32_t value, std::string* out);

// True for what Go prints unescaped: letters, marks, numbers, punctuation, symbols and the space.
bool is_printable(char32_t value);
// True for letters and decimal digits.
bool is_letter_or_digit(char32_t value);

// Simple (one to one) case mapping; invalid bytes become U+FFFD.
std::string to_lower(std::string_view text);
std::string to_upper(std::string_view text);

}  // namespace tocsin::model::unicode
