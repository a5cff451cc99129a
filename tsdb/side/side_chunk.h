// SPDX-License-Identifier: Apache-2.0
//
// SideChunk: coded side samples of one series. Chunks of a series may overlap in time.
//
// A value; a closed one is immutable and shared.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>

#include "storage/types.h"

namespace tocsin::tsdb {

struct SideChunk {
  std::int64_t min_ms = INT64_MAX;  // closed; of samples, not of start changes
  std::int64_t max_ms = INT64_MIN;  // closed
  std::uint32_t samples = 0;        // start changes not counted
  std::string bytes;                // tsdb/side/side_codec.h

  void take_in(std::int64_t ms) {
    min_ms = std::min(min_ms, ms);
    max_ms = std::max(max_ms, ms);
    ++samples;
  }
  bool overlaps(std::int64_t from_ms, std::int64_t until_ms) const {
    return samples != 0 && min_ms <= until_ms && max_ms >= from_ms;
  }
  friend bool operator==(const SideChunk&, const SideChunk&) = default;
};

}  // namespace tocsin::tsdb
