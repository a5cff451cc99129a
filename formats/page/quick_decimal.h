// SPDX-License-Identifier: Apache-2.0
//
// read_quick_decimal reads the values that pages are full of, eight digits at a time.
//
// It takes [-]digits[.digits][e[sign]digits] with at most 19 digits whose value is mantissa * or /
// a power of ten where both are exact in a double: then the one multiplication or division rounds
// once, and the result is the nearest double, as with strtod. Everything else is left to
// read_float. A pure function. Errors: nullptr when it is not such a number.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

namespace tocsin::formats::page {

// Bytes that read_quick_decimal may look at.
inline constexpr std::ptrdiff_t kQuickDecimalReach = 48;

// Up to eight digits at the front of `p`: adds them to `*mantissa` and returns how many.
inline unsigned take_digits(const char* p, std::uint64_t* mantissa) {
  constexpr std::array<std::uint64_t, 9> kPowers = {
      1, 10, 100, 1'000, 10'000, 100'000, 1'000'000, 10'000'000, 100'000'000};
  std::uint64_t word = 0;
  std::memcpy(&word, p, sizeof(word));
  if constexpr (std::endian::native == std::endian::big) word = __builtin_bswap64(word);
  const std::uint64_t digits = word ^ 0x3030303030303030ULL;
  // The high bit of each byte above 9; a carry reaches only bytes behind the first of these.
  const std::uint64_t others = ((digits + 0x7676767676767676ULL) | digits) & 0x8080808080808080ULL;
  const unsigned count = others == 0 ? 8 : static_cast<unsigned>(std::countr_zero(others)) / 8;
  if (count == 0) return 0;
  std::uint64_t pairs = digits << (64 - 8 * count);  // right-aligned: leading zeros in front
  pairs = pairs * 10 + (pairs >> 8U);
  constexpr std::uint64_t kMask = 0x000000FF000000FFULL;
  const std::uint64_t value = ((pairs & kMask) * (100 + (1'000'000ULL << 32U)) +
                               ((pairs >> 16U) & kMask) * (1 + (10'000ULL << 32U))) >>
                              32U;
  *mantissa = *mantissa * kPowers[count] + value;
  return count;
}

// All digits at the front of `p`; more than 24 are cut, which is more than anyone may use.
inline unsigned take_all_digits(const char* p, std::uint64_t* mantissa) {
  unsigned count = take_digits(p, mantissa);
  if (count < 8) return count;
  count += take_digits(p + 8, mantissa);
  if (count < 16) return count;
  return count + take_digits(p + 16, mantissa);
}

// Returns the end of the number at `p`. REQUIRES: kQuickDecimalReach readable bytes.
inline const char* read_quick_decimal(const char* p, double* value) {
  constexpr unsigned kMaxDigits = 19;
  constexpr int kMaxPower = 22;
  constexpr std::array<double, kMaxPower + 1> kPowers = {
      1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
      1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
  const bool negative = *p == '-';
  p += negative ? 1 : 0;
  std::uint64_t mantissa = 0;
  unsigned count = take_all_digits(p, &mantissa);
  if (count == 0 || count > kMaxDigits) return nullptr;
  p += count;
  int power = 0;
  if (*p == '.') {
    const unsigned decimals = take_all_digits(p + 1, &mantissa);
    count += decimals;
    if (decimals == 0 || count > kMaxDigits) return nullptr;
    p += 1 + decimals;
    power = -static_cast<int>(decimals);
  }
  if (mantissa > (1ULL << 53U)) return nullptr;
  if (*p == 'e' || *p == 'E') {
    ++p;
    const bool small = *p == '-';
    p += small || *p == '+' ? 1 : 0;
    std::uint64_t exponent = 0;
    const unsigned digits = take_digits(p, &exponent);
    if (digits == 0 || digits > 3) return nullptr;
    p += digits;
    power += small ? -static_cast<int>(exponent) : static_cast<int>(exponent);
  }
  if (power < -kMaxPower || power > kMaxPower) return nullptr;
  double result = static_cast<double>(mantissa);
  if (power < 0) {
    result /= kPowers[static_cast<std::size_t>(-power)];
  } else if (power > 0) {
    result *= kPowers[static_cast<std::size_t>(power)];
  }
  *value = negative ? -result : result;
  return p;
}

}  // namespace tocsin::formats::page
