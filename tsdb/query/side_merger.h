// SPDX-License-Identifier: Apache-2.0
//
// merge_side: the column of a series' in-order floats and its side samples -> one column by time.
//
// At one time there is one sample: the in-order float, else the side sample that came first. A
// histogram whose predecessor in order is not the sample before it in the result loses the hint
// that it is no reset. Pure functions.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "storage/queryable.h"
#include "tsdb/side/side_sample.h"

namespace tocsin::tsdb {

// `side` in the order of its coming; samples outside [min_ms, max_ms] are left out. The result's
// last row holds a sample.
storage::SeriesColumn merge_side(storage::SeriesColumn floats, std::vector<SideSample> side,
                                 std::int64_t min_ms, std::int64_t max_ms);

// Start changes of in-order floats: (from this time on, start timestamp).
using StartChanges = std::vector<std::pair<std::int64_t, std::int64_t>>;
// Takes them out of `side`, ascending by time.
StartChanges take_starts(std::vector<SideSample>* side);
// Sets the start timestamps of rows from the first change on.
void apply_starts(const StartChanges& changes, storage::SeriesColumn* column);

}  // namespace tocsin::tsdb
