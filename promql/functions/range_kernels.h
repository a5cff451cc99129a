// SPDX-License-Identifier: Apache-2.0
//
// Kernels of the functions over range vectors: one call computes all steps of one series.
//
// A window of step i is the samples [lo[i], hi[i]) of the series, those in the half-open time
// (range_end(i) - range, range_end(i)]; gaps, staleness markers and histograms are gone already.
// Pure functions; threads: any.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "promql/eval/column.h"

namespace tocsin::promql::functions {

struct SeriesWindows {
  std::span<const std::int64_t> ms;
  std::span<const double> values;
  std::span<const std::uint32_t> lo;
  std::span<const std::uint32_t> hi;
};

struct KernelArgs {
  std::span<const std::int64_t> range_end;  // per step
  std::span<const std::int64_t> eval_time;  // per step
  std::int64_t range_ms = 0;
  std::span<const double> first, second;  // scalar arguments per step, in order; may be empty
};

using RangeKernel = void (*)(const SeriesWindows& series, const KernelArgs& args,
                             eval::Column* out);

struct RangeFunction {
  std::string_view name;
  RangeKernel kernel;
  bool keeps_name = false;
  bool counter = false;    // warns when the metric does not look like one
  std::size_t matrix = 0;  // position of the range vector among the arguments
};

// Null for what is no function over range vectors or not built.
const RangeFunction* find_range_function(std::string_view name);

}  // namespace tocsin::promql::functions
