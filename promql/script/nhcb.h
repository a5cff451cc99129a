// SPDX-License-Identifier: Apache-2.0
//
// load_with_nhcb: builds a native histogram with custom buckets from loaded classic histogram
// series.
//
// Values; pure functions.
#pragma once

#include <vector>

#include "promql/script/commands.h"

namespace tocsin::promql::script {

// One series per classic histogram among `loaded`; points where it has no bucket are gaps.
std::vector<SeriesLine> make_nhcb_series(const std::vector<LoadedSeries>& loaded);

}  // namespace tocsin::promql::script
