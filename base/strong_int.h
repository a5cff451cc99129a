// SPDX-License-Identifier: Apache-2.0
//
// StrongInt<Tag, Int>: an integer that does not mix with others, e.g.
//   using SeriesRef = base::StrongInt<struct SeriesRefTag, uint64_t>;
// A value. Zero-initialised; the owner of the type says what zero means.
#pragma once

#include <compare>
#include <cstddef>
#include <functional>

namespace tocsin::base {

template <typename Tag, typename Int>
class StrongInt {
 public:
  using Underlying = Int;

  constexpr StrongInt() = default;
  constexpr explicit StrongInt(Int value) : value_(value) {}

  constexpr Int value() const { return value_; }
  constexpr explicit operator bool() const { return value_ != 0; }
  friend constexpr auto operator<=>(StrongInt, StrongInt) = default;

 private:
  Int value_ = 0;
};

}  // namespace tocsin::base

template <typename Tag, typename Int>
struct std::hash<tocsin::base::StrongInt<Tag, Int>> {
  std::size_t operator()(tocsin::base::StrongInt<Tag, Int> id) const noexcept {
    return std::hash<Int>{}(id.value());
  }
};
