// SPDX-License-Identifier: Apache-2.0
#include "tsdb/core/side_seal.h"

#include <algorithm>

namespace tocsin::tsdb {

using storage::SeriesId;

Status add_side_days(const RunSideInput& series, RunDays* days) {
  for (const SideChunk& chunk : series.chunks) {
    days->add(series.id, chunk.min_ms);
    if (day_of(chunk.min_ms) == day_of(chunk.max_ms)) {
      days->add(series.id, chunk.max_ms);
      continue;
    }
    std::vector<SideSample> samples;
    RETURN_IF_ERROR(decode_side(chunk.bytes, series.id, &samples));
    for (const SideSample& sample : samples) days->add(series.id, sample.time_ms);
  }
  return ok();
}

StatusOr<SideSeal> SideSeal::make(SideStore& store, std::uint64_t epoch) {
  SideSeal seal(store);
  seal.sealed_ = store.close_before(epoch);
  const std::span<const SideStore::Sealed> all(seal.sealed_);
  for (std::size_t begin = 0; begin < all.size();) {
    std::size_t end = begin;
    while (end < all.size() && all[end].id == all[begin].id) ++end;
    RETURN_IF_ERROR(seal.add(all.subspan(begin, end - begin)));
    begin = end;
  }
  return seal;
}

Status SideSeal::add(std::span<const SideStore::Sealed> of_one) {
  const SeriesId id = of_one.front().id;
  RunSideInput input{id, {}};
  if (std::none_of(of_one.begin(), of_one.end(), [](const auto& one) { return one.starts; })) {
    for (const SideStore::Sealed& one : of_one) input.chunks.push_back(*one.chunk);
  } else {
    std::vector<SideSample> samples;
    for (const SideStore::Sealed& one : of_one) {
      RETURN_IF_ERROR(decode_side(one.chunk->bytes, id, &samples));
    }
    starts_.emplace(id, take_starts(&samples));
    input.chunks = make_side_chunks(samples);
  }
  if (!input.chunks.empty()) inputs_.push_back(std::move(input));
  return ok();
}

void SideSeal::fill_starts(SeriesId id, storage::SeriesColumn* column) const {
  if (starts_.empty()) return;
  const auto found = starts_.find(id);
  if (found != starts_.end()) apply_starts(found->second, column);
}

}  // namespace tocsin::tsdb
