// SPDX-License-Identifier: Apache-2.0
//
// Bit-packed blocks of up to 64 unsigned integers with patched exceptions.
//
// A block of n values: width u8 | exceptions u8 | n values of width bits, little endian | position
// u8 of each exception | varint of each exception's bits above width. Pure functions; the decoder
// takes hostile bytes.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "tsdb/tile/coding.h"

namespace tocsin::tsdb {

inline constexpr std::size_t kPackBlock = 64;

// REQUIRES: values.size() <= kPackBlock.
void pack_block(std::span<const std::uint64_t> values, std::string* out);
// Fills `values`; false on damaged bytes. REQUIRES: values.size() <= kPackBlock.
bool unpack_block(ByteReader* in, std::span<std::uint64_t> values);

}  // namespace tocsin::tsdb
