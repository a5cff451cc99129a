// SPDX-License-Identifier: Apache-2.0
//
// Kernels of rate, increase, delta, irate and idelta, for floats and for native histograms. Pure
// functions.
#pragma once

#include <algorithm>

#include "promql/functions/range_kernels.h"

namespace tocsin::promql::functions {

void rate_kernel(const SeriesWindows& series, const KernelArgs& args, eval::Column* out);
void increase_kernel(const SeriesWindows& series, const KernelArgs& args, eval::Column* out);
void delta_kernel(const SeriesWindows& series, const KernelArgs& args, eval::Column* out);
void irate_kernel(const SeriesWindows& series, const KernelArgs& args, eval::Column* out);
void idelta_kernel(const SeriesWindows& series, const KernelArgs& args, eval::Column* out);

enum class RateKind { kRate, kIncrease, kDelta };
template <RateKind kKind>
void rate_mixed(const MixedWindow& window, const KernelArgs& args, std::size_t step,
                HistogramNotes* notes, eval::Column* out);
// irate with kCounter, idelta without.
template <bool kCounter>
void instant_mixed(const MixedWindow& window, const KernelArgs& args, std::size_t step,
                   HistogramNotes* notes, eval::Column* out);

// The samples of a window that a rate looks at.
struct Extent {
  std::int64_t first_ms, last_ms;
  std::size_t samples;        // at least 2, or 1 with start_ms
  double first;               // value or count of the first
  double difference;          // of the last to it, resets added; with start_ms, of the last to zero
  std::int64_t start_ms = 0;  // when the first began to count, inside the window; 0: unknown
};

// What the difference of a window's samples is multiplied with to stand for the whole window.
template <RateKind kKind>
double extrapolation_factor(const Extent& extent, const KernelArgs& args, std::size_t step) {
  constexpr double kBorderFactor = 1.1;
  constexpr bool kCounter = kKind != RateKind::kDelta;
  const std::int64_t start_ms = args.range_end[step] - args.range_ms;
  double sampled = static_cast<double>(extent.last_ms - extent.first_ms) / 1000;
  const double average = extent.samples > 1 ? sampled / static_cast<double>(extent.samples - 1) : 0;
  const double threshold = average * kBorderFactor;
  double to_start = static_cast<double>(extent.first_ms - start_ms) / 1000;
  double to_end = static_cast<double>(args.range_end[step] - extent.last_ms) / 1000;
  if (to_start >= threshold) to_start = average / 2;
  if (extent.start_ms != 0) {
    to_start = 0;
    sampled = static_cast<double>(extent.last_ms - extent.start_ms) / 1000;
  } else if (kCounter) {
    double to_zero = to_start;
    if (extent.difference > 0 && extent.first >= 0) {
      to_zero = sampled * (extent.first / extent.difference);
    }
    to_start = std::min(to_start, to_zero);
  }
  if (to_end >= threshold) to_end = average / 2;
  const double factor = (sampled + to_start + to_end) / sampled;
  return kKind == RateKind::kRate ? factor / (static_cast<double>(args.range_ms) / 1000) : factor;
}

}  // namespace tocsin::promql::functions
