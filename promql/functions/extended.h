// SPDX-License-Identifier: Apache-2.0
//
// Anchored and smoothed range vectors: nothing is extrapolated. Anchored, a window begins with the
// last sample at or before its start; smoothed, the values at both borders are interpolated between
// the samples around them. So the windows given to these kernels are longer than the range: they
// begin a look-back earlier and, smoothed, end a look-back later.
//
// Pure functions; threads: any.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "promql/engine.h"
#include "promql/functions/range_kernels.h"
#include "promql/native/sum.h"

namespace tocsin::promql::functions {

// Errors: kFailedPrecondition with upstream's text when the function cannot take such a range
// vector.
Status check_range_mode(std::string_view function, RangeMode mode);

// REQUIRES: check_range_mode() was content and the mode is not kPlain.
RangeKernel find_extended_kernel(std::string_view function, RangeMode mode);
// For the steps whose longer window holds native histograms; see MixedKernel.
MixedKernel find_extended_mixed(std::string_view function, RangeMode mode);

// Index of the sample that stands at the left border: the last at or before it, or the first of
// all; never the last one when there are two. REQUIRES: !ms.empty().
std::size_t left_sample(std::span<const std::int64_t> ms, std::int64_t start_ms);
// The samples at the borders of a range: the left one, and the last, or smoothed the first at or
// after the end. Nothing when no sample tells anything about the range.
struct Borders {
  std::size_t first = 0;
  std::size_t last = 0;
};
std::optional<Borders> borders_of(std::span<const std::int64_t> ms, std::int64_t start_ms,
                                  std::int64_t end_ms, RangeMode mode);

// The value at `time` on the line from (t1, v1) to (t2, v2); a counter that fell began at 0.
double interpolate(Point from, Point to, std::int64_t time, bool counter);

// The same of histograms, `part` of the way; nothing between exponential and custom buckets.
std::optional<native::HistogramSum> interpolate(const model::FloatHistogram& from,
                                                const model::FloatHistogram& to, double part,
                                                bool counter);

// What a range vector selector alone gives: the samples inside (start_ms, end_ms) and values at
// both borders. `samples` reach beyond them as above.
std::vector<Point> extend_samples(std::span<const Point> samples, std::int64_t start_ms,
                                  std::int64_t end_ms, RangeMode mode);

}  // namespace tocsin::promql::functions
