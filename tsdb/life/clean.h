// SPDX-License-Identifier: Apache-2.0
//
// Cleaning tombstones: what is deleted goes from the disk, and its tombstones are forgotten.
//
// The head is sealed, each run that holds deleted samples is written again without them, and only
// then are the tombstones forgotten, so that a crash at any moment shows nothing that was deleted.
// Borrows: Core. Threads: shared; waits for seals, merges and retention. Errors: of the store; a
// run that is damaged stays as it is, with its tombstones, and is named in kDataLoss.
#pragma once

#include "tsdb/core/core.h"

namespace tocsin::tsdb {

Status clean_tombstones(Core& core);

}  // namespace tocsin::tsdb
