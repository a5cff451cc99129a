// SPDX-License-Identifier: Apache-2.0
//
// remove_deleted: takes deleted samples out of the chunks of a series: for cleaning and merging.
//
// A pure function.
// Errors: kDataLoss for damaged chunks.
#pragma once

#include <span>
#include <vector>

#include "base/status.h"
#include "storage/types.h"
#include "tsdb/life/tombstones.h"
#include "tsdb/side/side_chunk.h"

namespace tocsin::tsdb {

// Chunks that touch nothing of `deleted` stay as they are; none may be left.
Status remove_deleted(std::span<const Interval> deleted, storage::SeriesId id,
                      std::vector<SideChunk>* chunks);

}  // namespace tocsin::tsdb
