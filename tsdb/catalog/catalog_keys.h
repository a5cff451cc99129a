// SPDX-License-Identifier: Apache-2.0
//
// Keys of the series family. Pure functions; docs/formats/tsdb_series.md has every byte.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tocsin::tsdb {

// A day of samples: floor(ms / 86,400,000). Days are of UTC.
using Day = std::int64_t;
inline constexpr std::int64_t kDayMs = 86'400'000;
inline Day day_of(std::int64_t ms) { return ms / kDayMs - (ms % kDayMs < 0 ? 1 : 0); }

inline constexpr char kRowsKind = 'r';  // blocks of label sets
inline constexpr char kTagKind = 't';   // tag of a label set -> ids that left memory
inline constexpr char kDayKind = 'd';   // day -> ids
inline constexpr char kPairKind = 'p';  // day, name, value -> ids
inline constexpr std::string_view kResidentKey = "active";
inline constexpr std::string_view kNextIdKey = "next_id";
inline constexpr std::string_view kLeftKey = "left";

std::string rows_key(std::uint32_t block);  // block = id / kBlockIds
std::string tag_key(std::uint32_t tag);
std::string day_key(Day day);
// Begins the keys of all pairs of a day; with a name, of that name.
std::string pairs_prefix(Day day);
std::string pairs_prefix(Day day, std::string_view name);
std::string pair_key(Day day, std::string_view name, std::string_view value);

std::optional<Day> day_in_key(std::string_view key);
struct PairText {
  std::string name;
  std::string_view value;  // in the key
};
std::optional<PairText> pair_in_key(std::string_view key);

}  // namespace tocsin::tsdb
