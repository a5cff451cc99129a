// SPDX-License-Identifier: Apache-2.0
//
// Verification: reads everything that is stored and says what is damaged.
//
// Tiles, timestamp columns and directories of every run, the label sets of their series, finished
// journal segments, the tombstones. Nothing is changed or repaired.
// Borrows: Core. Threads: shared; runs beside everything else and yields to nobody.
// Errors: what is damaged is in the report; an error is that the disk cannot be read at all.
#pragma once

#include "tsdb/core/core.h"
#include "tsdb/report.h"

namespace tocsin::tsdb {

StatusOr<VerifyReport> verify(const Core& core, const VerifyProgress& progress);

}  // namespace tocsin::tsdb
