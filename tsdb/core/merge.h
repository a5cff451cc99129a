// SPDX-License-Identifier: Apache-2.0
//
// Merging of runs in the background and on demand: MergePolicy says which, RunStore::merge does it.
//
// A merge yields to queries after each series, seals meanwhile what is due, and ends when the
// database stops. A run in which damage is found is left out from then on: what can be read of it
// can still be read.
// Threads: shared; one merge at a time.
// Errors: of the store; kCancelled when the database stops.
#pragma once

#include "tsdb/core/core.h"

namespace tocsin::tsdb {

// Merges what is due.
Status merge_due(Core& core);
// Seals everything and merges to one run of the cold tier for each day of the data.
Status compact(Core& core);

}  // namespace tocsin::tsdb
