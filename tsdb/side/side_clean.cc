// SPDX-License-Identifier: Apache-2.0
#include "tsdb/side/side_clean.h"

#include <algorithm>
#include <iterator>

#include "tsdb/side/side_store.h"

namespace tocsin::tsdb {

Status remove_deleted(std::span<const Interval> deleted, storage::SeriesId id,
                      std::vector<SideChunk>* chunks) {
  if (deleted.empty()) return ok();
  std::vector<SideChunk> left;
  for (SideChunk& chunk : *chunks) {
    const bool touched = std::any_of(deleted.begin(), deleted.end(), [&](const Interval& interval) {
      return chunk.overlaps(interval.min_ms, interval.max_ms);
    });
    if (!touched) {
      left.push_back(std::move(chunk));
      continue;
    }
    std::vector<SideSample> samples;
    RETURN_IF_ERROR(decode_side(chunk.bytes, id, &samples));
    std::erase_if(samples, [&](const SideSample& sample) {
      return std::any_of(deleted.begin(), deleted.end(), [&](const Interval& interval) {
        return interval.contains(sample.time_ms);
      });
    });
    std::vector<SideChunk> made = make_side_chunks(samples);
    std::move(made.begin(), made.end(), std::back_inserter(left));
  }
  *chunks = std::move(left);
  return ok();
}

}  // namespace tocsin::tsdb
