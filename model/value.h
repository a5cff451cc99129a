// SPDX-License-Identifier: Apache-2.0
//
// Sample values: the staleness marker and the text form of floats.
//
// Values; pure functions.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"

namespace tocsin::model {

// The NaN that marks a series as stale; every other NaN is an ordinary value.
inline constexpr std::uint64_t kStaleNanBits = 0x7ff0000000000002ULL;
// The NaN that our parsers and functions produce for "NaN" (as Go's model.NormalNaN).
inline constexpr std::uint64_t kNormalNanBits = 0x7ff8000000000001ULL;

inline double stale_nan() { return std::bit_cast<double>(kStaleNanBits); }
inline double normal_nan() { return std::bit_cast<double>(kNormalNanBits); }
inline bool is_stale(double v) { return std::bit_cast<std::uint64_t>(v) == kStaleNanBits; }

// Parses as Go's strconv.ParseFloat: decimal, exponent, hexadecimal, underscores excluded, "inf",
// "infinity", "nan" in any case with sign. The whole text must be used.
StatusOr<double> parse_float(std::string_view text);

// Shortest round trip as the HTTP API prints it: 'f' unless |v| < 1e-6 or >= 1e21, then 'e' with at
// least two exponent digits; "NaN", "+Inf", "-Inf".
void append_float(double v, std::string* out);
std::string format_float(double v);
// Go's strconv.FormatFloat(v, 'g'/'e'/'f', -1, 64) shortest forms: exponent as e+06.
std::string format_float_g(double v);
std::string format_float_e(double v);
// Plain decimal without exponent.
std::string format_float_f(double v);

// Go's strconv.ParseBool: 1, t, T, TRUE, true, True and their opposites; nothing for other texts.
std::optional<bool> parse_go_bool(std::string_view text);

}  // namespace tocsin::model
