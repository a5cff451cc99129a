// SPDX-License-Identifier: Apache-2.0
#include "tsdb/life/retention.h"

#include <algorithm>
#include <iterator>

#include "base/log.h"
#include "tsdb/life/deletion.h"

namespace tocsin::tsdb {

using storage::SeriesId;

Status retain(Core& core) {
  const Turn::Holder turn(core.maintenance);
  const model::Duration retention = core.options.lock()->retention;
  if (retention.count() == 0) return ok();
  const std::int64_t before_ms = base::to_ms(core.clock.now() - retention);
  const std::size_t runs_before = RunStore::runs(*core.runs->snapshot()).size();
  const auto in_head = [&](SeriesId id) { return core.head.has_samples(id, INT64_MIN, INT64_MAX); };
  ASSIGN_OR_RETURN(const std::vector<SeriesId> gone,
                   core.runs->drop_runs_before(before_ms, in_head));
  const std::size_t runs_after = RunStore::runs(*core.runs->snapshot()).size();
  core.metrics.retention_deletions.inc(
      static_cast<double>(runs_before - std::min(runs_before, runs_after)));
  if (runs_after == runs_before) return ok();
  core.queue->exclusive([&] {
    const std::vector<SeriesId> removed = core.head.remove_series(gone);
    core.index.remove(removed);
    core.metrics.series_removed.inc(static_cast<double>(removed.size()));
    // One that got a sample just now lives on: its row goes back into the store with the next run.
    std::vector<SeriesId> alive;
    std::set_difference(gone.begin(), gone.end(), removed.begin(), removed.end(),
                        std::back_inserter(alive));
    core.queue->give_back_unstored(alive);
  });
  return forget_void_tombstones(core);
}

}  // namespace tocsin::tsdb
