// SPDX-License-Identifier: Apache-2.0
#include "promql/functions/extended.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <optional>

#include "promql/functions/start_times.h"

namespace tocsin::promql::functions {

namespace {

struct Extended {
  std::string_view name;
  RangeKernel anchored;
  RangeKernel smoothed;  // null: cannot be smoothed
};

// The samples of one longer window and the borders of the range inside it.
struct Stretch {
  std::span<const std::int64_t> ms;
  std::span<const double> values;
  std::int64_t start_ms = 0;
  std::int64_t end_ms = 0;
  std::span<const std::int64_t> starts = {};

  Point at(std::size_t i) const { return {ms[i], values[i]}; }
};

// The values at both borders and the samples that lie between them, [first, end).
struct Ends {
  double left = 0;
  double right = 0;
  std::size_t first = 0;
  std::size_t end = 0;
};

Stretch stretch_of(const SeriesWindows& s, const KernelArgs& args, std::size_t i) {
  const std::size_t count = s.hi[i] - s.lo[i];
  return {s.ms.subspan(s.lo[i], count), s.values.subspan(s.lo[i], count),
          args.range_end[i] - args.range_ms, args.range_end[i],
          s.starts.empty() ? s.starts : s.starts.subspan(s.lo[i], count)};
}

// Nothing when no sample tells anything about the range.
std::optional<Ends> ends_of(const Stretch& s, bool smoothed, bool counter) {
  const auto borders = borders_of(s.ms, s.start_ms, s.end_ms,
                                  smoothed ? RangeMode::kSmoothed : RangeMode::kAnchored);
  if (!borders) return std::nullopt;
  const auto [first, last] = *borders;
  Ends ends;
  const bool before = s.ms[first] < s.start_ms;
  ends.left = smoothed && before ? interpolate(s.at(first), s.at(first + 1), s.start_ms, counter)
                                 : s.values[first];
  const bool beyond = last > 0 && s.ms[last] > s.end_ms;
  ends.right = smoothed && beyond ? interpolate(s.at(last - 1), s.at(last), s.end_ms, counter)
                                  : s.values[last];
  ends.first = s.ms[first] <= s.start_ms ? first + 1 : first;
  ends.end = s.ms[last] >= s.end_ms ? last : last + 1;
  return ends;
}

// What a counter lost by its resets from the left border to the right one.
double lost_by_resets(const Stretch& s, const Ends& ends) {
  double lost = 0;
  double before = ends.left;
  for (std::size_t i = ends.first; i < ends.end; ++i) {
    if (s.values[i] < before) lost += before;
    before = s.values[i];
  }
  return ends.right < before ? lost + before : lost;
}

template <bool kSmoothed, bool kCounter, bool kPerSecond>
void change_kernel(const SeriesWindows& series, const KernelArgs& args, eval::Column* out) {
  for (std::size_t i = 0; i < series.lo.size(); ++i) {
    const Stretch s = stretch_of(series, args, i);
    const std::optional<Ends> ends = ends_of(s, kSmoothed, kCounter);
    if (!ends) continue;
    double change = ends->right - ends->left;
    if (kCounter) change += lost_by_resets(s, *ends);
    if (kPerSecond) change /= static_cast<double>(args.range_ms) / 1000;
    out->put(i, change);
  }
}

bool falls(const Stretch& s, std::size_t i) {
  return s.values[i] < s.values[i - 1] || starts_anew(s.ms, s.starts, i);
}
bool changes(const Stretch& s, std::size_t i) {
  const double now = s.values[i];
  const double before = s.values[i - 1];
  return now != before && !(std::isnan(now) && std::isnan(before));
}

// Counts the pairs of neighbours, from the anchor on, of which F holds.
template <bool (*F)(const Stretch&, std::size_t)>
void count_kernel(const SeriesWindows& series, const KernelArgs& args, eval::Column* out) {
  for (std::size_t i = 0; i < series.lo.size(); ++i) {
    const Stretch s = stretch_of(series, args, i);
    if (s.ms.empty() || s.ms.back() <= s.start_ms) continue;
    double count = 0;
    for (std::size_t k = left_sample(s.ms, s.start_ms) + 1; k < s.ms.size(); ++k) {
      if (F(s, k)) count += 1;
    }
    out->put(i, count);
  }
}

constexpr Extended kExtended[] = {
    {"changes", count_kernel<changes>, nullptr},
    {"delta", change_kernel<false, false, false>, change_kernel<true, false, false>},
    {"increase", change_kernel<false, true, false>, change_kernel<true, true, false>},
    {"rate", change_kernel<false, true, true>, change_kernel<true, true, true>},
    {"resets", count_kernel<falls>, nullptr},
};

}  // namespace

Status check_range_mode(std::string_view function, RangeMode mode) {
  if (mode == RangeMode::kPlain || find_extended_kernel(function, mode) != nullptr) return ok();
  std::string names;
  for (const Extended& extended : kExtended) {
    if (find_extended_kernel(extended.name, mode) == nullptr) continue;
    if (!names.empty()) names += ", ";
    names += extended.name;
  }
  return failed_precondition("{} modifier can only be used with: {} - not with {}",
                             mode == RangeMode::kAnchored ? "anchored" : "smoothed", names,
                             function);
}

RangeKernel find_extended_kernel(std::string_view function, RangeMode mode) {
  const auto* it = std::find_if(std::begin(kExtended), std::end(kExtended),
                                [&](const Extended& e) { return e.name == function; });
  if (it == std::end(kExtended)) return nullptr;
  return mode == RangeMode::kAnchored ? it->anchored : it->smoothed;
}

std::size_t left_sample(std::span<const std::int64_t> ms, std::int64_t start_ms) {
  const auto last = ms.end() - 1;
  const auto after = std::upper_bound(ms.begin(), last, start_ms);
  return after == ms.begin() ? 0 : static_cast<std::size_t>(after - ms.begin()) - 1;
}

std::optional<Borders> borders_of(std::span<const std::int64_t> ms, std::int64_t start_ms,
                                  std::int64_t end_ms, RangeMode mode) {
  if (ms.empty()) return std::nullopt;
  const bool smoothed = mode == RangeMode::kSmoothed;
  Borders borders{left_sample(ms, start_ms), ms.size() - 1};
  if (smoothed) {
    borders.last =
        static_cast<std::size_t>(std::lower_bound(ms.begin(), ms.end() - 1, end_ms) - ms.begin());
  }
  if (ms[borders.last] <= start_ms || (smoothed && ms[borders.first] > end_ms)) {
    return std::nullopt;
  }
  return borders;
}

double interpolate(Point from, Point to, std::int64_t time, bool counter) {
  const double begin = counter && to.value < from.value ? 0 : from.value;
  return begin + (to.value - begin) * static_cast<double>(time - from.time_ms) /
                     static_cast<double>(to.time_ms - from.time_ms);
}

std::vector<Point> extend_samples(std::span<const Point> samples, std::int64_t start_ms,
                                  std::int64_t end_ms, RangeMode mode) {
  std::vector<std::int64_t> ms;
  std::vector<double> values;
  for (const Point& p : samples) {
    ms.push_back(p.time_ms);
    values.push_back(p.value);
  }
  const Stretch s{ms, values, start_ms, end_ms};
  const std::optional<Ends> ends = ends_of(s, mode == RangeMode::kSmoothed, false);
  if (!ends) return {};
  std::vector<Point> out = {{start_ms, ends->left}};
  for (std::size_t i = ends->first; i < ends->end; ++i) out.push_back(s.at(i));
  out.push_back({end_ms, ends->right});
  return out;
}

}  // namespace tocsin::promql::functions
