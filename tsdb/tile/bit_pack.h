// SPDX-License-Identifier: Apache-2.0
//
// Bit-packed blocks of up to 64 integers with patched exceptions.
//
// A block of n numbers: head u8 (bits 0-6 width; bit 7: from a base) | exceptions u8 | base zigzag,
// if from a base | n numbers of width bits, lowest first, padded to a byte | position u8 of each
// exception | varint of each exception's bits above width. Without a base the numbers are zigzag.
// Pure functions; the decoder takes hostile bytes.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "tsdb/tile/coding.h"

namespace tocsin::tsdb {

inline constexpr std::size_t kPackBlock = 64;

// `values` are signed numbers as two's complement. REQUIRES: values.size() <= kPackBlock.
void pack_block(std::span<const std::uint64_t> values, std::string* out);
// Fills the first `count` of `values`; false on damaged bytes. REQUIRES: count <= kPackBlock.
bool unpack_block(ByteReader* in, std::size_t count, std::uint64_t (&values)[kPackBlock]);

}  // namespace tocsin::tsdb
