// SPDX-License-Identifier: Apache-2.0
//
// The bytes of a journal segment: file names, the header, record frames. Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"

namespace tocsin::tsdb {

inline constexpr std::uint32_t kSegmentVersion = 2;
inline constexpr std::size_t kSegmentHeaderBytes = 36;
inline constexpr std::size_t kFrameBytes = 9;

std::string segment_name(std::uint64_t number);
std::optional<std::uint64_t> parse_segment_name(std::string_view name);

std::string segment_header(std::uint64_t number, std::int64_t created_ms);
struct SegmentHeader {
  std::uint64_t number = 0;
  std::int64_t created_ms = 0;
};
// kDataLoss for a torn or damaged header, kFailedPrecondition for a newer version.
StatusOr<SegmentHeader> parse_segment_header(std::string_view bytes);

// What stands before the payload.
std::string record_frame(std::uint8_t type, std::string_view payload);
struct Record {
  std::uint8_t type = 0;
  std::string_view payload;
};
// Takes the first record off `bytes`; nothing, `bytes` unchanged, when it is torn or damaged.
std::optional<Record> take_record(std::string_view* bytes);

}  // namespace tocsin::tsdb
