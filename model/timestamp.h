// SPDX-License-Identifier: Apache-2.0
//
// Timestamps and durations as Prometheus writes them.
//
// Values; pure functions.
// Errors: kInvalidArgument with upstream's text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"
#include "base/time.h"

namespace tocsin::model {

using base::Duration;
using base::from_ms;
using base::Timestamp;
using base::to_ms;
using base::to_seconds;

// The earliest and latest time a sample or a query may name.
inline constexpr Timestamp kMinTime = from_ms(INT64_MIN / 4);
inline constexpr Timestamp kMaxTime = from_ms(INT64_MAX / 4);

// Parses "1y2w3d4h5m6s7ms" (each unit once, in this order) or "0"; error
// `not a valid duration string: "x"`, `empty duration string` or `duration out of range`.
StatusOr<Duration> parse_duration(std::string_view text);
// Prints the shortest form that parses back, as Prometheus does: 90m is "1h30m", 0 is "0s".
std::string format_duration(Duration duration);

// Parses Go's time.ParseDuration syntax ("1.5h", "300ms", "-2m").
StatusOr<Duration> parse_go_duration(std::string_view text);
// Prints as Go's Duration.String with millisecond resolution: "1h0m0s", "300ms", "1.5s", "0s".
std::string format_go_duration(Duration duration);

// Parses RFC 3339 ("2026-01-02T03:04:05.678+01:00") or seconds since the epoch with a fraction.
StatusOr<Timestamp> parse_timestamp(std::string_view text);
// Go's zero time, 0001-01-01T00:00:00Z, is Timestamp::min(), and prints as that (model::kNoTime).
StatusOr<Timestamp> parse_rfc3339(std::string_view text);
// UTC: "2026-01-02T03:04:05.678Z"; without a fraction when it is zero, unless kMillis.
enum class Fraction { kShortest, kMillis };
std::string format_rfc3339(Timestamp t, Fraction fraction = Fraction::kShortest);

// Parses "512MB" and the like, base 2, units B KB MB GB TB PB EB (also KiB ...); a unit is
// required.
StatusOr<std::uint64_t> parse_size(std::string_view text);
std::string format_size(std::uint64_t bytes);

}  // namespace tocsin::model
