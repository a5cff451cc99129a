// SPDX-License-Identifier: Apache-2.0
//
// Frame: the envelope of every value in the samples column family, and Slots: pieces that are found
// by number.
//
//   frame = magic "TcRn" | version u8 | kind u8 | payload | crc32c u32 of all before
//   slots = count varint | width u8 (2 or 4) | end of each piece, little endian, `width` bytes |
//   pieces
//
// Pure functions and short-lived views: a view borrows the bytes it was parsed from.
// Errors: kDataLoss for a wrong checksum or structure, kUnimplemented for a newer version.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/status.h"
#include "tsdb/tile/coding.h"

namespace tocsin::tsdb {

// In the order of a run's keys: what is known last stands last.
enum class FrameKind : std::uint8_t {
  kTile = 1,
  kTimes = 2,
  kDirectory = 3,
  kNames = 4,
  kSideDirectory = 8,
  kSideBlock = 9
};

inline constexpr std::uint8_t kFrameVersion = 3;

std::string make_frame(FrameKind kind, std::string_view payload);
// Checks the envelope and returns the payload.
StatusOr<std::string_view> open_frame(FrameKind kind, std::string_view frame);

void put_slots(std::span<const std::string> pieces, std::string* out);

class Slots {
 public:
  // Takes the rest of `in`. False when it is damaged or has more than `max_count` pieces.
  bool parse(ByteReader* in, std::uint32_t max_count);
  std::uint32_t count() const { return count_; }
  // REQUIRES: number < count().
  std::string_view piece(std::uint32_t number) const;

 private:
  std::uint32_t end_of(std::uint32_t number) const;

  std::uint32_t count_ = 0;
  unsigned width_ = 4;
  std::string_view ends_;
  std::string_view pieces_;
};

}  // namespace tocsin::tsdb
