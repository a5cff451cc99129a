// SPDX-License-Identifier: Apache-2.0
//
// Retention: which sealed data goes because it is too old or too much.
//
// Whole runs go, the oldest first; what is in the head and its journal stays.
// Borrows: Core. Threads: shared; waits for seals and merges. Errors: of the store.
#pragma once

#include <cstdint>
#include <vector>

#include "tsdb/core/core.h"

namespace tocsin::tsdb {

// How much runs and journal may take together; 0 without a limit.
StatusOr<std::uint64_t> retention_limit_bytes(const Core& core);

// Forgets series of which nothing is left in runs, unless they have samples again, and days without
// runs. REQUIRES: ascending; the maintenance turn is held.
Status forget_series(Core& core, const std::vector<storage::SeriesId>& gone);

// Drops runs past retention and forgets series without samples.
Status retain(Core& core);

}  // namespace tocsin::tsdb
