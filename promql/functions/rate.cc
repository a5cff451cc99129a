// SPDX-License-Identifier: Apache-2.0
//
// Extrapolation: the difference of a window's last and first sample covers only the time between
// them, so it is stretched towards the window's borders. A border farther away than 1.1 times the
// average sample distance is taken as the end of the series: half a distance is added there. A
// counter is not stretched below zero; one that is known to have begun inside the window was zero
// then, and is not stretched to that side at all.
//
// Counter resets are found once per series; a window that holds none, nearly every one, costs O(1).
#include "promql/functions/rate.h"

#include <vector>

#include "promql/functions/start_times.h"

namespace tocsin::promql::functions {

namespace {

// Indexes i where the value falls or the counter began anew.
std::vector<std::uint32_t> find_resets(const SeriesWindows& s) {
  std::vector<std::uint32_t> resets;
  for (std::size_t i = 1; i < s.values.size(); ++i) {
    if (s.values[i] < s.values[i - 1] || starts_anew(s.ms, s.starts, i)) {
      resets.push_back(static_cast<std::uint32_t>(i));
    }
  }
  return resets;
}

template <RateKind kKind>
void extrapolated(const SeriesWindows& s, const KernelArgs& args, eval::Column* out) {
  constexpr bool kCounter = kKind != RateKind::kDelta;
  const std::vector<std::uint32_t> resets =
      kCounter ? find_resets(s) : std::vector<std::uint32_t>();
  std::size_t next_reset = 0;
  for (std::size_t i = 0; i < s.lo.size(); ++i) {
    const std::uint32_t lo = s.lo[i];
    const std::uint32_t hi = s.hi[i];
    if (hi == lo) continue;
    const std::int64_t start_ms =
        kCounter ? start_inside(s.ms, s.starts, lo, args.range_end[i] - args.range_ms) : 0;
    if (hi == lo + 1 && start_ms == 0) continue;
    double difference = s.values[hi - 1] - s.values[lo];
    if (kCounter) {
      while (next_reset < resets.size() && resets[next_reset] <= lo) ++next_reset;
      for (std::size_t r = next_reset; r < resets.size() && resets[r] < hi; ++r) {
        difference += s.values[resets[r] - 1];
      }
    }
    if (start_ms != 0) difference += s.values[lo];
    const Extent extent{s.ms[lo], s.ms[hi - 1], hi - lo, s.values[lo], difference, start_ms};
    out->put(i, difference * extrapolation_factor<kKind>(extent, args, i));
  }
}

template <bool kRate>
void instant_change(const SeriesWindows& s, eval::Column* out) {
  for (std::size_t i = 0; i < s.lo.size(); ++i) {
    if (s.hi[i] < s.lo[i] + 2) continue;
    const std::size_t last = s.hi[i] - 1;
    const bool reset =
        kRate && (s.values[last] < s.values[last - 1] || starts_anew(s.ms, s.starts, last));
    double change = reset ? s.values[last] : s.values[last] - s.values[last - 1];
    const std::int64_t interval = s.ms[last] - s.ms[last - 1];
    if (interval == 0) continue;
    if (kRate) change /= static_cast<double>(interval) / 1000;
    out->put(i, change);
  }
}

}  // namespace

void rate_kernel(const SeriesWindows& series, const KernelArgs& args, eval::Column* out) {
  extrapolated<RateKind::kRate>(series, args, out);
}
void increase_kernel(const SeriesWindows& series, const KernelArgs& args, eval::Column* out) {
  extrapolated<RateKind::kIncrease>(series, args, out);
}
void delta_kernel(const SeriesWindows& series, const KernelArgs& args, eval::Column* out) {
  extrapolated<RateKind::kDelta>(series, args, out);
}
void irate_kernel(const SeriesWindows& series, const KernelArgs&, eval::Column* out) {
  instant_change<true>(series, out);
}
void idelta_kernel(const SeriesWindows& series, const KernelArgs&, eval::Column* out) {
  instant_change<false>(series, out);
}

}  // namespace tocsin::promql::functions
