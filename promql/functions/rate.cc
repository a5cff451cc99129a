// SPDX-License-Identifier: Apache-2.0
//
// Extrapolation: the difference of a window's last and first sample covers only the time between
// them, so it is stretched towards the window's borders. A border farther away than 1.1 times the
// average sample distance is taken as the end of the series: half a distance is added there. A
// counter is not stretched below zero.
//
// Counter resets are found once per series; a window that holds none, nearly every one, costs O(1).
#include "promql/functions/rate.h"

#include <algorithm>
#include <vector>

namespace tocsin::promql::functions {

namespace {

enum class Kind { kRate, kIncrease, kDelta };

constexpr double kBorderFactor = 1.1;

// Indexes i with values[i] < values[i - 1].
std::vector<std::uint32_t> find_resets(std::span<const double> values) {
  std::vector<std::uint32_t> resets;
  for (std::size_t i = 1; i < values.size(); ++i) {
    if (values[i] < values[i - 1]) resets.push_back(static_cast<std::uint32_t>(i));
  }
  return resets;
}

struct Borders {
  double to_start, to_end, sampled;  // seconds
  double average;                    // distance of samples
};

double stretch(const Borders& b, double difference, double first, bool counter) {
  const double threshold = b.average * kBorderFactor;
  double to_start = b.to_start >= threshold ? b.average / 2 : b.to_start;
  if (counter) {
    double to_zero = to_start;
    if (difference > 0 && first >= 0) to_zero = b.sampled * (first / difference);
    to_start = std::min(to_start, to_zero);
  }
  const double to_end = b.to_end >= threshold ? b.average / 2 : b.to_end;
  return (b.sampled + to_start + to_end) / b.sampled;
}

template <Kind kKind>
void extrapolated(const SeriesWindows& s, const KernelArgs& args, eval::Column* out) {
  constexpr bool kCounter = kKind != Kind::kDelta;
  const std::vector<std::uint32_t> resets =
      kCounter ? find_resets(s.values) : std::vector<std::uint32_t>();
  std::size_t next_reset = 0;
  for (std::size_t i = 0; i < s.lo.size(); ++i) {
    const std::uint32_t lo = s.lo[i];
    const std::uint32_t hi = s.hi[i];
    if (hi < lo + 2) continue;
    double difference = s.values[hi - 1] - s.values[lo];
    if (kCounter) {
      while (next_reset < resets.size() && resets[next_reset] <= lo) ++next_reset;
      for (std::size_t r = next_reset; r < resets.size() && resets[r] < hi; ++r) {
        difference += s.values[resets[r] - 1];
      }
    }
    const std::int64_t first_ms = s.ms[lo];
    const std::int64_t last_ms = s.ms[hi - 1];
    const std::int64_t start_ms = args.range_end[i] - args.range_ms;
    const double sampled = static_cast<double>(last_ms - first_ms) / 1000;
    const Borders borders{static_cast<double>(first_ms - start_ms) / 1000,
                          static_cast<double>(args.range_end[i] - last_ms) / 1000, sampled,
                          sampled / static_cast<double>(hi - lo - 1)};
    double factor = stretch(borders, difference, s.values[lo], kCounter);
    if (kKind == Kind::kRate) factor /= static_cast<double>(args.range_ms) / 1000;
    out->put(i, difference * factor);
  }
}

template <bool kRate>
void instant_change(const SeriesWindows& s, eval::Column* out) {
  for (std::size_t i = 0; i < s.lo.size(); ++i) {
    if (s.hi[i] < s.lo[i] + 2) continue;
    const std::size_t last = s.hi[i] - 1;
    const bool reset = kRate && s.values[last] < s.values[last - 1];
    double change = reset ? s.values[last] : s.values[last] - s.values[last - 1];
    const std::int64_t interval = s.ms[last] - s.ms[last - 1];
    if (interval == 0) continue;
    if (kRate) change /= static_cast<double>(interval) / 1000;
    out->put(i, change);
  }
}

}  // namespace

void rate_kernel(const SeriesWindows& series, const KernelArgs& args, eval::Column* out) {
  extrapolated<Kind::kRate>(series, args, out);
}
void increase_kernel(const SeriesWindows& series, const KernelArgs& args, eval::Column* out) {
  extrapolated<Kind::kIncrease>(series, args, out);
}
void delta_kernel(const SeriesWindows& series, const KernelArgs& args, eval::Column* out) {
  extrapolated<Kind::kDelta>(series, args, out);
}
void irate_kernel(const SeriesWindows& series, const KernelArgs&, eval::Column* out) {
  instant_change<true>(series, out);
}
void idelta_kernel(const SeriesWindows& series, const KernelArgs&, eval::Column* out) {
  instant_change<false>(series, out);
}

}  // namespace tocsin::promql::functions
