// SPDX-License-Identifier: Apache-2.0
//
// Deleting samples of series, and what that means for readers.
//
// A deletion is a tombstone per series; samples go when their run is rewritten. It ends at the
// newest sample that the series has at that moment, so that later samples live on even when the
// given interval reaches into the future, as in Prometheus.
// Borrows: Core. Threads: shared.
// Errors: kResourceExhausted above the limit of intervals; of the files, and then nothing changed.
#pragma once

#include <cstdint>
#include <vector>

#include "model/matcher.h"
#include "tsdb/core/core.h"
#include "tsdb/life/tombstones.h"

namespace tocsin::tsdb {

// Deletes what series that match one of `matcher_sets` have in `interval`; on the disk when it
// returns OK.
Status delete_series(Core& core, const std::vector<model::Matchers>& matcher_sets,
                     Interval interval);

// Whether the series has a sample in `interval` that is not in `deleted`. Damaged data counts as
// none.
bool has_undeleted(const Core& core, storage::SeriesId id, Interval interval,
                   std::span<const Interval> deleted);

// What of the tombstone must stay even when no run has the samples: the newest sample of its series,
// which the head knows by value.
std::optional<Interval> known_to_head(const Core& core, const Tombstone& stone);

// Forgets tombstones of series that are gone and those older than every sample, but for what the
// head knows.
Status forget_void_tombstones(Core& core);

// Reads the tombstones at start. REQUIRES: all series are known.
Status recover_tombstones(Core& core);

}  // namespace tocsin::tsdb
