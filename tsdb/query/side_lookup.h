// SPDX-License-Identifier: Apache-2.0
//
// Side samples of head and runs together.
//
// As with floats the head is read before the snapshot of runs is taken, so that what is sealed in
// between is seen twice and never not at all.
// Threads: functions. Errors: of runs; damaged pieces are warnings and left out.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"
#include "tsdb/core/core.h"

namespace tocsin::tsdb {

using SideColumns = std::vector<std::vector<SideSample>>;

// What the head has of each of `ids` in [min_ms, max_ms] and around it, by series. Empty when it
// has nothing of any.
StatusOr<SideColumns> side_of_head(const Core& core, std::span<const storage::SeriesId> ids,
                                   std::int64_t min_ms, std::int64_t max_ms);
// Puts what runs have before what the head has. REQUIRES: ids ascending.
Status add_side_of_runs(const RunStore::Snapshot& runs, std::span<const storage::SeriesId> ids,
                        std::int64_t min_ms, std::int64_t max_ms, SideColumns* columns,
                        std::vector<std::string>* warnings);

// The stored sample of a series at exactly `t_ms`.
StatusOr<std::optional<SideValue>> sample_at(const Core& core, storage::SeriesId id,
                                             std::int64_t t_ms);

}  // namespace tocsin::tsdb
