// SPDX-License-Identifier: Apache-2.0
#include "model/text.h"

#include "model/unicode/unicode.h"

namespace tocsin::model {
namespace {

bool is_word_character(char32_t c) { return c == '_' || unicode::is_letter_or_digit(c); }

bool joins_words(char32_t c) { return c == '\'' || c == '.' || c == ':' || c == 0x2019; }

// Go ends a word only at ASCII punctuation and at spaces.
bool ends_word(char32_t c) {
  if (is_word_character(c)) return false;
  return c < 0x80 || c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) ||
         c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

}  // namespace

std::string to_lower(std::string_view text) { return unicode::to_lower(text); }
std::string to_upper(std::string_view text) { return unicode::to_upper(text); }

std::string to_title(std::string_view text, TitleRest rest) {
  std::string out;
  bool in_word = false;
  for (std::size_t i = 0; i < text.size();) {
    const unicode::Rune rune = unicode::decode(text.substr(i));
    const std::string_view character = text.substr(i, rune.size);
    i += rune.size;
    if (!in_word) {
      out += unicode::to_upper(character);
    } else {
      out += rest == TitleRest::kKept ? std::string(character) : unicode::to_lower(character);
    }
    if (rest == TitleRest::kKept) {
      in_word = !ends_word(rune.value);
    } else {
      const bool joined = in_word && joins_words(rune.value) && i < text.size() &&
                          is_word_character(unicode::decode(text.substr(i)).value);
      in_word = is_word_character(rune.value) || joined;
    }
  }
  return out;
}

}  // namespace tocsin::model
