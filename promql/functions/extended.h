// SPDX-License-Identifier: Apache-2.0
//
// Anchored and smoothed range vectors: nothing is extrapolated. Anchored, a window begins with the
// last sample at or before its start; smoothed, the values at both borders are interpolated between
// the samples around them. So the windows given to these kernels are longer than the range: they
// begin a look-back earlier and, smoothed, end a look-back later.
//
// Pure functions; threads: any.
#pragma once

#include <string_view>
#include <vector>

#include "base/status.h"
#include "promql/engine.h"
#include "promql/functions/range_kernels.h"

namespace tocsin::promql::functions {

// Errors: kFailedPrecondition with upstream's text when the function cannot take such a range
// vector.
Status check_range_mode(std::string_view function, RangeMode mode);

// REQUIRES: check_range_mode() was content and the mode is not kPlain.
RangeKernel find_extended_kernel(std::string_view function, RangeMode mode);

// The value at `time` on the line from (t1, v1) to (t2, v2); a counter that fell began at 0.
double interpolate(Point from, Point to, std::int64_t time, bool counter);

// What a range vector selector alone gives: the samples inside (start_ms, end_ms) and values at
// both borders. `samples` reach beyond them as above.
std::vector<Point> extend_samples(std::span<const Point> samples, std::int64_t start_ms,
                                  std::int64_t end_ms, RangeMode mode);

}  // namespace tocsin::promql::functions
