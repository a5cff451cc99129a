// SPDX-License-Identifier: Apache-2.0
//
// Codecs of what rows share: timestamp columns, presence bitmaps, start timestamps.
//
// Timestamps are deltas of deltas with run lengths, so a regular column is a handful of bytes.
// Pure functions; decoders take hostile bytes.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tsdb/tile/coding.h"

namespace tocsin::tsdb {

// Rows of one column, and of one series in a tile. 12 days at one per second.
inline constexpr std::uint32_t kMaxRows = 1U << 20U;

// REQUIRES: strictly ascending, at most kMaxRows.
void encode_times(std::span<const std::int64_t> times, std::string* out);
// False on damaged bytes, also when the result is not ascending.
bool decode_times(ByteReader* in, std::vector<std::int64_t>* out);

// A bitmap of `rows` bits (bit i of word i/64), as run lengths or as it is, whichever is shorter.
void encode_presence(std::span<const std::uint64_t> bitmap, std::uint32_t rows, std::string* out);
bool decode_presence(ByteReader* in, std::uint32_t rows, std::vector<std::uint64_t>* out);
std::uint32_t count_present(std::span<const std::uint64_t> bitmap, std::uint32_t rows);

// Integers that rarely change.
void encode_changes(std::span<const std::int64_t> values, std::string* out);
bool decode_changes(ByteReader* in, std::uint32_t count, std::vector<std::int64_t>* out);

}  // namespace tocsin::tsdb
