// SPDX-License-Identifier: Apache-2.0
#include "tsdb/catalog/catalog_keys.h"

namespace tocsin::tsdb {
namespace {

constexpr std::size_t kDayKeyBytes = 9;
// Ends a name. A zero byte in a name is followed by kEscape, so that names sort as their texts and
// none is the beginning of another.
constexpr char kEnd = '\1';
constexpr char kEscape = '\2';

// Big-endian, so that keys sort as their numbers do.
template <typename T>
void put_big(std::string* out, T value) {
  for (unsigned shift = sizeof(T) * 8; shift > 0; shift -= 8) {
    out->push_back(static_cast<char>(value >> (shift - 8)));
  }
}

std::string number_key(char kind, std::uint32_t number) {
  std::string key(1, kind);
  put_big(&key, number);
  return key;
}

std::string day_number_key(char kind, Day day) {
  std::string key(1, kind);
  put_big(&key, static_cast<std::uint64_t>(day) ^ (1ULL << 63U));  // negative days come first
  return key;
}

}  // namespace

std::string rows_key(std::uint32_t block) { return number_key(kRowsKind, block); }
std::string tag_key(std::uint32_t tag) { return number_key(kTagKind, tag); }
std::string day_key(Day day) { return day_number_key(kDayKind, day); }
std::string pairs_prefix(Day day) { return day_number_key(kPairKind, day); }

std::string pairs_prefix(Day day, std::string_view name) {
  std::string key = pairs_prefix(day);
  for (const char c : name) {
    key.push_back(c);
    if (c == '\0') key.push_back(kEscape);
  }
  key.push_back('\0');
  key.push_back(kEnd);
  return key;
}

std::string pair_key(Day day, std::string_view name, std::string_view value) {
  return pairs_prefix(day, name).append(value);
}

std::optional<Day> day_in_key(std::string_view key) {
  if (key.size() < kDayKeyBytes) return std::nullopt;
  std::uint64_t value = 0;
  for (std::size_t i = 1; i < kDayKeyBytes; ++i) {
    value = (value << 8U) | static_cast<std::uint8_t>(key[i]);
  }
  return static_cast<Day>(value ^ (1ULL << 63U));
}

std::optional<PairText> pair_in_key(std::string_view key) {
  if (key.size() < kDayKeyBytes) return std::nullopt;
  PairText pair;
  for (std::size_t i = kDayKeyBytes; i + 1 < key.size(); ++i) {
    if (key[i] != '\0') {
      pair.name.push_back(key[i]);
    } else if (key[++i] == kEscape) {
      pair.name.push_back('\0');
    } else {
      pair.value = key.substr(i + 1);
      return pair;
    }
  }
  return std::nullopt;
}

}  // namespace tocsin::tsdb
