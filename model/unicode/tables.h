// SPDX-License-Identifier: Apache-2.0
//
// Tables of Unicode 15.0 properties above U+007F, in ascending order, generated from the Unicode
// Character Database. Constant data.
#pragma once

#include <cstdint>
#include <span>

namespace tocsin::model::unicode {

struct Range {
  std::uint32_t first;
  std::uint32_t last;  // inclusive
};

// Every `stride`-th character of [first, last] maps to itself plus `delta`.
struct CaseRange {
  std::uint32_t first;
  std::uint32_t last;  // inclusive
  std::uint32_t stride;
  std::int32_t delta;
};

std::span<const Range> printable();
std::span<const Range> letters_and_digits();
std::span<const CaseRange> lower_mappings();
std::span<const CaseRange> upper_mappings();

}  // namespace tocsin::model::unicode
