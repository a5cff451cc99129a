// SPDX-License-Identifier: Apache-2.0
#include "promql/functions/range_kernels.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <vector>

#include "promql/functions/mixed_kernels.h"
#include "promql/functions/numbers.h"
#include "promql/functions/rate.h"
#include "promql/functions/start_times.h"

namespace tocsin::promql::functions {

namespace {

struct Window {
  std::span<const std::int64_t> ms;
  std::span<const double> values;
};

Window window_of(const SeriesWindows& s, std::size_t i) {
  const std::size_t count = s.hi[i] - s.lo[i];
  return {s.ms.subspan(s.lo[i], count), s.values.subspan(s.lo[i], count)};
}

// Runs f(values) for every step whose window holds a sample.
template <typename F>
void for_values(const SeriesWindows& s, eval::Column* out, F f) {
  for (std::size_t i = 0; i < s.lo.size(); ++i) {
    if (s.lo[i] < s.hi[i]) out->put(i, f(s.values.subspan(s.lo[i], s.hi[i] - s.lo[i])));
  }
}

double sum_of(std::span<const double> values) {
  KahanSum sum;
  for (double v : values) sum.add(v);
  return sum.value();
}

double mean_of(std::span<const double> values) {
  Mean mean;
  for (double v : values) mean.add(v);
  return mean.value();
}

// The largest (kMax) or smallest number, the first of equal ones; NaN when there is no number.
template <bool kMax>
double extreme_of(std::span<const double> values) {
  double best = values[0];
  for (double v : values) {
    if ((kMax ? v > best : v < best) || std::isnan(best)) best = v;
  }
  return best;
}

// Windows overlap: kept are the samples that may still become the extreme one of a later window, each
// beyond those after it. So a sample is looked at once, not once per window.
template <bool kMax>
void extreme_kernel(const SeriesWindows& s, const KernelArgs&, eval::Column* out) {
  std::vector<std::uint32_t> kept;  // ascending, from `first` on
  std::size_t first = 0;
  std::uint32_t next = 0;
  for (std::size_t i = 0; i < s.lo.size(); ++i) {
    if (s.lo[i] >= s.hi[i]) continue;
    next = std::max(next, s.lo[i]);
    for (; next < s.hi[i]; ++next) {
      const double v = s.values[next];
      if (std::isnan(v)) continue;
      while (kept.size() > first &&
             (kMax ? s.values[kept.back()] < v : s.values[kept.back()] > v)) {
        kept.pop_back();
      }
      kept.push_back(next);
    }
    while (first < kept.size() && kept[first] < s.lo[i]) ++first;
    out->put(i, s.values[first < kept.size() ? kept[first] : s.hi[i] - 1]);
  }
}

// One step needs no more than to look at each sample.
template <bool kMax>
void extremes(const SeriesWindows& s, const KernelArgs& args, eval::Column* out) {
  if (s.lo.size() > 1) return extreme_kernel<kMax>(s, args, out);
  for_values(s, out, extreme_of<kMax>);
}

double changes_of(std::span<const double> values) {
  double count = 0;
  for (std::size_t i = 1; i < values.size(); ++i) {
    const bool both_nan = std::isnan(values[i]) && std::isnan(values[i - 1]);
    if (values[i] != values[i - 1] && !both_nan) count += 1;
  }
  return count;
}

void resets_kernel(const SeriesWindows& s, const KernelArgs&, eval::Column* out) {
  for (std::size_t i = 0; i < s.lo.size(); ++i) {
    if (s.lo[i] >= s.hi[i]) continue;
    double count = 0;
    for (std::size_t k = s.lo[i] + 1; k < s.hi[i]; ++k) {
      if (s.values[k] < s.values[k - 1] || starts_anew(s.ms, s.starts, k)) count += 1;
    }
    out->put(i, count);
  }
}

double median_deviation(std::span<const double> values) {
  if (std::any_of(values.begin(), values.end(), [](double v) { return std::isnan(v); })) {
    return kNan;
  }
  std::vector<double> sorted(values.begin(), values.end());
  const double median = quantile(0.5, &sorted);
  std::vector<double> deviations;
  for (double v : values) deviations.push_back(std::fabs(v - median));
  return quantile(0.5, &deviations);
}

template <double (*F)(std::span<const double>)>
void over_values(const SeriesWindows& s, const KernelArgs&, eval::Column* out) {
  for_values(s, out, F);
}

double count_of(std::span<const double> v) { return static_cast<double>(v.size()); }
double one_of(std::span<const double>) { return 1; }
double first_of(std::span<const double> v) { return v.front(); }
double last_of(std::span<const double> v) { return v.back(); }

// Neighbouring windows of one size, as nearly all are, go together.
template <bool kRoot>
void variance_kernel(const SeriesWindows& s, const KernelArgs&, eval::Column* out) {
  const auto put = [&](std::size_t i, double v) { out->put(i, kRoot ? std::sqrt(v) : v); };
  const auto size = [&](std::size_t i) { return s.hi[i] - s.lo[i]; };
  for (std::size_t i = 0; i < s.lo.size();) {
    const std::size_t count = size(i);
    std::size_t same = 0;
    while (same < kLanes && i + same < s.lo.size() && size(i + same) == count) ++same;
    if (count != 0 && same == kLanes) {
      std::array<const double*, kLanes> values;
      for (std::size_t k = 0; k < kLanes; ++k) values[k] = s.values.data() + s.lo[i + k];
      const std::array<double, kLanes> found = variances(values, count);
      for (std::size_t k = 0; k < kLanes; ++k) put(i + k, found[k]);
      i += kLanes;
      continue;
    }
    if (count != 0) put(i, variance(s.values.subspan(s.lo[i], count)));
    ++i;
  }
}

void quantile_kernel(const SeriesWindows& s, const KernelArgs& args, eval::Column* out) {
  std::vector<double> scratch;
  for (std::size_t i = 0; i < s.lo.size(); ++i) {
    const Window w = window_of(s, i);
    if (w.values.empty()) continue;
    scratch.assign(w.values.begin(), w.values.end());
    out->put(i, quantile(args.first[i], &scratch));
  }
}

// When the extreme value is repeated, the newest of them counts.
template <bool kMax>
void time_of_extreme(const SeriesWindows& s, const KernelArgs&, eval::Column* out) {
  for (std::size_t i = 0; i < s.lo.size(); ++i) {
    const Window w = window_of(s, i);
    if (w.values.empty()) continue;
    std::size_t best = 0;
    for (std::size_t k = 0; k < w.values.size(); ++k) {
      const bool better = kMax ? w.values[k] >= w.values[best] : w.values[k] <= w.values[best];
      if (better || std::isnan(w.values[best])) best = k;
    }
    out->put(i, static_cast<double>(w.ms[best]) / 1000);
  }
}

template <bool kFirst>
void time_of_end(const SeriesWindows& s, const KernelArgs&, eval::Column* out) {
  for (std::size_t i = 0; i < s.lo.size(); ++i) {
    if (s.lo[i] >= s.hi[i]) continue;
    out->put(i, static_cast<double>(s.ms[kFirst ? s.lo[i] : s.hi[i] - 1]) / 1000);
  }
}

struct Line {
  double slope = 0;
  double intercept = 0;  // at the time it was asked for
};

// Least squares over seconds since `origin_ms`; a constant series has slope 0 exactly.
Line fit_line(const Window& w, std::int64_t origin_ms) {
  KahanSum sum_x, sum_y, sum_xy, sum_xx;
  const double first = w.values[0];
  const double n = static_cast<double>(w.values.size());
  bool constant = true;
  for (std::size_t i = 0; i < w.values.size(); ++i) {
    if (w.values[i] != first && i > 0) constant = false;
    const double x = static_cast<double>(w.ms[i] - origin_ms) / 1000;
    sum_x.add(x);
    sum_y.add(w.values[i]);
    sum_xy.add(x * w.values[i]);
    sum_xx.add(x * x);
  }
  if (constant) return std::isinf(first) ? Line{kNan, kNan} : Line{0, first};
  const double sx = sum_x.sum + sum_x.compensation;
  const double sy = sum_y.sum + sum_y.compensation;
  const double covariance = sum_xy.sum + sum_xy.compensation - sx * sy / n;
  const double variance_x = sum_xx.sum + sum_xx.compensation - sx * sx / n;
  const double slope = covariance / variance_x;
  return {slope, sy / n - slope * sx / n};
}

void deriv_kernel(const SeriesWindows& s, const KernelArgs&, eval::Column* out) {
  for (std::size_t i = 0; i < s.lo.size(); ++i) {
    const Window w = window_of(s, i);
    if (w.values.size() >= 2) out->put(i, fit_line(w, w.ms[0]).slope);
  }
}

void predict_kernel(const SeriesWindows& s, const KernelArgs& args, eval::Column* out) {
  for (std::size_t i = 0; i < s.lo.size(); ++i) {
    const Window w = window_of(s, i);
    if (w.values.size() < 2) continue;
    const Line line = fit_line(w, args.eval_time[i]);
    out->put(i, line.slope * args.first[i] + line.intercept);
  }
}

double smooth(std::span<const double> values, double smoothing, double trend_factor) {
  double previous = 0;
  double level = values[0];
  double trend = values[1] - values[0];
  for (std::size_t i = 1; i < values.size(); ++i) {
    if (i > 1) trend = trend_factor * (level - previous) + (1 - trend_factor) * trend;
    const double next = smoothing * values[i] + (1 - smoothing) * (level + trend);
    previous = level;
    level = next;
  }
  return level;
}

// The factors were checked to be inside (0, 1) before.
void smoothing_kernel(const SeriesWindows& s, const KernelArgs& args, eval::Column* out) {
  for (std::size_t i = 0; i < s.lo.size(); ++i) {
    const Window w = window_of(s, i);
    if (w.values.size() >= 2) out->put(i, smooth(w.values, args.first[i], args.second[i]));
  }
}

constexpr RangeFunction kFunctions[] = {
    {"absent_over_time", over_values<one_of>, one_mixed},
    {"avg_over_time", over_values<mean_of>, avg_mixed},
    {"changes", over_values<changes_of>, changes_mixed},
    {"count_over_time", over_values<count_of>, count_mixed},
    {"delta", delta_kernel, rate_mixed<RateKind::kDelta>},
    {"deriv", deriv_kernel, ignore_mixed},
    {"double_exponential_smoothing", smoothing_kernel, ignore_mixed},
    {"first_over_time", over_values<first_of>, first_mixed, true},
    {"idelta", idelta_kernel, instant_mixed<false>},
    {"increase", increase_kernel, rate_mixed<RateKind::kIncrease>, false, true, 0, true},
    {"irate", irate_kernel, instant_mixed<true>, false, false, 0, true},
    {"last_over_time", over_values<last_of>, last_mixed, true},
    {"mad_over_time", over_values<median_deviation>, ignore_mixed},
    {"max_over_time", extremes<true>, ignore_mixed},
    {"min_over_time", extremes<false>, ignore_mixed},
    {"predict_linear", predict_kernel, ignore_mixed},
    {"present_over_time", over_values<one_of>, one_mixed},
    {"quantile_over_time", quantile_kernel, ignore_mixed, false, false, 1},
    {"rate", rate_kernel, rate_mixed<RateKind::kRate>, false, true, 0, true},
    {"resets", resets_kernel, resets_mixed, false, false, 0, true},
    {"stddev_over_time", variance_kernel<true>, ignore_mixed},
    {"stdvar_over_time", variance_kernel<false>, ignore_mixed},
    {"sum_over_time", over_values<sum_of>, sum_mixed},
    {"ts_of_first_over_time", time_of_end<true>, first_time_mixed},
    {"ts_of_last_over_time", time_of_end<false>, last_time_mixed},
    {"ts_of_max_over_time", time_of_extreme<true>, ignore_mixed},
    {"ts_of_min_over_time", time_of_extreme<false>, ignore_mixed},
};

// The floats of a series, and its windows over them.
class FloatsOnly {
 public:
  explicit FloatsOnly(const SeriesWindows& s) {
    for (std::size_t k = 0; k < s.ms.size(); ++k) {
      before_.push_back(static_cast<std::uint32_t>(k - ms_.size()));
      if (s.histograms[k] != nullptr) continue;
      ms_.push_back(s.ms[k]);
      values_.push_back(s.values[k]);
      if (!s.starts.empty()) starts_.push_back(s.starts[k]);
    }
    before_.push_back(static_cast<std::uint32_t>(s.ms.size() - ms_.size()));
    for (std::size_t i = 0; i < s.lo.size(); ++i) {
      lo_.push_back(s.lo[i] - before_[s.lo[i]]);
      hi_.push_back(s.hi[i] - before_[s.hi[i]]);
    }
  }
  SeriesWindows windows() const { return {ms_, values_, lo_, hi_, {}, starts_}; }
  // Histograms among the samples [lo, hi) of the series.
  std::size_t histograms(std::uint32_t lo, std::uint32_t hi) const {
    return before_[hi] - before_[lo];
  }

 private:
  std::vector<std::int64_t> ms_;
  std::vector<double> values_;
  std::vector<std::int64_t> starts_;
  std::vector<std::uint32_t> before_;  // histograms before each sample
  std::vector<std::uint32_t> lo_, hi_;
};

}  // namespace

std::uint64_t count_overlapping(const SeriesWindows& s) {
  std::vector<std::uint32_t> at;  // second samples of pairs
  for (std::size_t i = 1; i < s.ms.size(); ++i) {
    if (overlaps(s.ms, s.starts, i)) at.push_back(static_cast<std::uint32_t>(i));
  }
  if (at.empty()) return 0;
  const auto one_kind = [&s](std::uint32_t lo, std::uint32_t hi) {
    if (s.histograms.empty()) return true;
    const bool first = s.histograms[lo] != nullptr;
    return std::all_of(s.histograms.begin() + lo, s.histograms.begin() + hi,
                       [&](const eval::HistogramPtr& h) { return (h != nullptr) == first; });
  };
  std::uint64_t count = 0;
  for (std::size_t i = 0; i < s.lo.size(); ++i) {
    const auto inside = std::upper_bound(at.begin(), at.end(), s.lo[i]);
    if (inside != at.end() && *inside < s.hi[i] && one_kind(s.lo[i], s.hi[i])) ++count;
  }
  return count;
}

void run_kernels(const RangeFunction& function, const SeriesWindows& s, const KernelArgs& args,
                 HistogramNotes* notes, eval::Column* out) {
  if (s.histograms.empty()) {
    function.kernel(s, args, out);
    return;
  }
  const FloatsOnly floats(s);
  function.kernel(floats.windows(), args, out);
  for (std::size_t i = 0; i < s.lo.size(); ++i) {
    const std::size_t lo = s.lo[i];
    const std::size_t count = s.hi[i] - lo;
    const std::size_t histograms = floats.histograms(s.lo[i], s.hi[i]);
    if (histograms == 0) continue;
    MixedWindow window{s.ms.subspan(lo, count), s.values.subspan(lo, count),
                       s.histograms.subspan(lo, count), histograms};
    if (!s.starts.empty()) window.starts = s.starts.subspan(lo, count);
    function.mixed(window, args, i, notes, out);
  }
}

const RangeFunction* find_range_function(std::string_view name) {
  const auto* it = std::find_if(std::begin(kFunctions), std::end(kFunctions),
                                [&](const RangeFunction& f) { return f.name == name; });
  return it == std::end(kFunctions) ? nullptr : it;
}

}  // namespace tocsin::promql::functions
