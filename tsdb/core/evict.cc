// SPDX-License-Identifier: Apache-2.0
//
// Series without samples for a while leave memory: index and head. Their samples, labels and days
// are in the store; SeriesIndex finds their old ids there when they come back.
#include <algorithm>

#include "base/log.h"
#include "tsdb/core/core.h"

namespace tocsin::tsdb {
namespace {

using storage::SeriesId;

// Commits wait while so many are removed: a fraction of a millisecond.
constexpr std::size_t kAtOnce = 256;
// With more than one idle series in so many, memory is crowded.
constexpr std::uint64_t kCrowdedShare = 5;

std::uint64_t remove_from_memory(Core& core, std::span<const SeriesId> ids) {
  std::uint64_t count = 0;
  core.queue->exclusive([&] {
    const std::vector<SeriesId> removed = core.head.remove_series(ids);
    core.index.remove_part(removed);
    core.catalog->note_left(removed);
    count = removed.size();
  });
  return count;
}

}  // namespace

Status evict_idle(Core& core) {
  const Options options = *core.options.lock();
  const std::int64_t crowded_ms = options.head_keep_crowded.count();
  const bool crowded =
      core.catalog->count_idle(crowded_ms) * kCrowdedShare > core.catalog->count_resident();
  const std::int64_t keep_ms = options.head_keep.count();
  const std::vector<SeriesId> idle =
      core.catalog->idle(crowded ? std::min(keep_ms, crowded_ms) : keep_ms);
  if (idle.empty()) return ok();
  RETURN_IF_ERROR(annotate(core.catalog->let_go(idle), "letting series go"));
  // Appends look at runs for samples that old: what they knew of these series is forgotten.
  std::int64_t searched = core.sealed_max_ms.load();
  while (searched < core.catalog->left_max_ms() &&
         !core.sealed_max_ms.compare_exchange_weak(searched, core.catalog->left_max_ms())) {
  }
  std::uint64_t count = 0;
  for (std::size_t begin = 0; begin < idle.size(); begin += kAtOnce) {
    const std::size_t size = std::min(kAtOnce, idle.size() - begin);
    count += remove_from_memory(core, std::span(idle).subspan(begin, size));
  }
  core.index.sweep();
  core.metrics.series_removed.inc(static_cast<double>(count));
  return ok();
}

void forget_unkept(Core& core) {
  // One that is not in memory was kept and has left since.
  const std::vector<SeriesId> unkept = core.unkept.take_overdue(
      [&](SeriesId id) { return core.head.is_durable(id) || !core.head.has_series(id); });
  if (unkept.empty()) return;
  for (std::size_t begin = 0; begin < unkept.size(); begin += kAtOnce) {
    const std::size_t size = std::min(kAtOnce, unkept.size() - begin);
    core.queue->exclusive([&] {
      std::vector<SeriesId> ids;
      for (const SeriesId id : std::span(unkept).subspan(begin, size)) {
        if (!core.head.is_durable(id)) ids.push_back(id);
      }
      const std::vector<SeriesId> removed = core.head.remove_series(ids);
      core.index.remove_part(removed);
      core.metrics.series_removed.inc(static_cast<double>(removed.size()));
    });
  }
  core.index.sweep();
}

}  // namespace tocsin::tsdb
