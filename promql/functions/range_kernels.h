// SPDX-License-Identifier: Apache-2.0
//
// Kernels of the functions over range vectors: one call computes all steps of one series.
//
// A window of step i is the samples [lo[i], hi[i]) of the series, those in the half-open time
// (range_end(i) - range, range_end(i)]; gaps and staleness markers are gone already.
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
  // Empty when there are only floats; else one per sample, null for a float.
  std::span<const eval::HistogramPtr> histograms = {};
  // Since when each sample counts, 0 where that is unknown; empty when no use is to be made of it.
  std::span<const std::int64_t> starts = {};
};

struct KernelArgs {
  std::span<const std::int64_t> range_end;  // per step
  std::span<const std::int64_t> eval_time;  // per step
  std::int64_t range_ms = 0;
  std::span<const double> first, second;  // scalar arguments per step, in order; may be empty
};

using RangeKernel = void (*)(const SeriesWindows& series, const KernelArgs& args,
                             eval::Column* out);

// What is to be said of the histograms that a series' windows held.
struct HistogramNotes {
  bool mixed_types = false;    // with floats, so that there is no result
  bool mixed_schemas = false;  // exponential and custom buckets, so that there is no result
  bool not_counter = false;
  bool not_gauge = false;
  bool ignored = false;  // beside floats
  bool resets_conflict = false;
  bool reconciled_sum = false, reconciled_addition = false, reconciled_subtraction = false;
};

// A window with at least one histogram.
struct MixedWindow {
  std::span<const std::int64_t> ms;
  std::span<const double> values;
  std::span<const eval::HistogramPtr> histograms;
  std::size_t histogram_count = 0;
  std::span<const std::int64_t> starts = {};  // as in SeriesWindows

  std::size_t float_count() const { return ms.size() - histogram_count; }
  const model::FloatHistogram& histogram(std::size_t i) const { return *histograms[i]; }
};
// Computes one step. The kernel has run before, over the floats alone; what it put stays unless this
// changes it.
using MixedKernel = void (*)(const MixedWindow& window, const KernelArgs& args, std::size_t step,
                             HistogramNotes* notes, eval::Column* out);

struct RangeFunction {
  std::string_view name;
  RangeKernel kernel;
  MixedKernel mixed;
  bool keeps_name = false;
  bool counter = false;      // warns when the metric does not look like one
  std::size_t matrix = 0;    // position of the range vector among the arguments
  bool uses_starts = false;  // of samples
};

// The windows of samples of one kind in which two neighbours count the same events.
std::uint64_t count_overlapping(const SeriesWindows& series);

// Runs the function over a series that may hold histograms.
void run_kernels(const RangeFunction& function, const SeriesWindows& series, const KernelArgs& args,
                 HistogramNotes* notes, eval::Column* out);

// Null for what is no function over range vectors or not built.
const RangeFunction* find_range_function(std::string_view name);

}  // namespace tocsin::promql::functions
