// SPDX-License-Identifier: Apache-2.0
#include "model/unicode/unicode.h"

#include <algorithm>
#include <cstdint>

#include "model/unicode/tables.h"

namespace tocsin::model::unicode {
namespace {

std::uint32_t byte(char c) { return static_cast<unsigned char>(c); }

struct Lead {
  std::size_t size;  // 0: begins no character
  std::uint32_t bits;
  std::uint32_t smallest;  // below it the encoding is overlong
};

Lead lead(std::uint32_t b) {
  if (b < 0xc2 || b > 0xf4) return {0, 0, 0};
  if (b < 0xe0) return {2, b & 0x1fU, 0x80};
  if (b < 0xf0) return {3, b & 0x0fU, 0x800};
  return {4, b & 0x07U, 0x10000};
}

bool is_scalar(std::uint32_t v) { return v <= 0x10ffff && (v < 0xd800 || v > 0xdfff); }

bool contains(std::span<const Range> ranges, std::uint32_t v) {
  const auto it = std::lower_bound(ranges.begin(), ranges.end(), v,
                                   [](const Range& r, std::uint32_t x) { return r.last < x; });
  return it != ranges.end() && it->first <= v;
}

char32_t map(std::span<const CaseRange> ranges, char32_t c) {
  const std::uint32_t v = c;
  const auto it = std::lower_bound(ranges.begin(), ranges.end(), v,
                                   [](const CaseRange& r, std::uint32_t x) { return r.last < x; });
  if (it == ranges.end() || v < it->first || (v - it->first) % it->stride != 0) return c;
  return static_cast<char32_t>(static_cast<std::int64_t>(v) + it->delta);
}

// Maps ASCII letters in [first, first + 25] by flipping the case bit and all else by `ranges`.
std::string map_all(std::string_view text, char first, std::span<const CaseRange> ranges) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const char c = text[0];
    if (byte(c) < 0x80) {
      out.push_back(byte(c) - byte(first) < 26 ? static_cast<char>(c ^ 0x20) : c);
      text.remove_prefix(1);
      continue;
    }
    const Rune rune = decode(text);
    append(map(ranges, rune.value), &out);
    text.remove_prefix(rune.size);
  }
  return out;
}

}  // namespace

Rune decode(std::string_view text) {
  const std::uint32_t first = byte(text[0]);
  if (first < 0x80) return {first, 1, true};
  const Lead head = lead(first);
  if (head.size == 0 || text.size() < head.size) return {};
  std::uint32_t value = head.bits;
  for (std::size_t i = 1; i < head.size; ++i) {
    const std::uint32_t b = byte(text[i]);
    if ((b & 0xc0U) != 0x80) return {};
    value = (value << 6U) | (b & 0x3fU);
  }
  if (value < head.smallest || !is_scalar(value)) return {};
  return {value, head.size, true};
}

void append(char32_t value, std::string* out) {
  std::uint32_t v = is_scalar(value) ? value : kReplacement;
  const auto push = [out](std::uint32_t b) { out->push_back(static_cast<char>(b)); };
  if (v < 0x80) return push(v);
  if (v < 0x800) {
    push(0xc0U | (v >> 6U));
  } else if (v < 0x10000) {
    push(0xe0U | (v >> 12U));
    push(0x80U | ((v >> 6U) & 0x3fU));
  } else {
    push(0xf0U | (v >> 18U));
    push(0x80U | ((v >> 12U) & 0x3fU));
    push(0x80U | ((v >> 6U) & 0x3fU));
  }
  push(0x80U | (v & 0x3fU));
}

bool is_printable(char32_t value) {
  if (value < 0x80) return value >= 0x20 && value != 0x7f;
  return contains(printable(), value);
}

bool is_letter_or_digit(char32_t value) {
  if (value >= 0x80) return contains(letters_and_digits(), value);
  const std::uint32_t v = value;
  return v - '0' < 10 || (v | 0x20U) - 'a' < 26;
}

std::string to_lower(std::string_view text) { return map_all(text, 'A', lower_mappings()); }
std::string to_upper(std::string_view text) { return map_all(text, 'a', upper_mappings()); }

}  // namespace tocsin::model::unicode
