// SPDX-License-Identifier: Apache-2.0
#include "promql/eval/windows.h"

#include <algorithm>

#include "model/value.h"

namespace tocsin::promql::eval {

namespace {

// Targets whose series alternate in a batch are few; more would only hold timestamp columns in
// memory.
constexpr std::size_t kRecentBounds = 8;

bool has_stale(std::span<const double> values) {
  return std::any_of(values.begin(), values.end(), [](double v) { return model::is_stale(v); });
}

}  // namespace

StatusOr<functions::SeriesWindows> WindowReader::windows(const storage::SeriesColumn& column,
                                                         StaleMarkers stale) {
  const bool dense = column.present.empty() && column.histograms.empty();
  if (!dense || (stale == StaleMarkers::kRemove && has_stale(column.floats))) {
    return compact(column, stale);
  }
  return clip(column, bounds_of(column.times));
}

void WindowReader::compute(std::span<const std::int64_t> ms, std::vector<std::uint32_t>* lo,
                           std::vector<std::uint32_t>* hi) const {
  lo->resize(ends_.size());
  hi->resize(ends_.size());
  std::size_t first = 0;
  std::size_t end = 0;
  for (std::size_t i = 0; i < ends_.size(); ++i) {
    while (first < ms.size() && ms[first] <= ends_[i] - range_ms_) ++first;
    while (end < ms.size() && ms[end] <= ends_[i]) ++end;
    (*lo)[i] = static_cast<std::uint32_t>(first);
    (*hi)[i] = static_cast<std::uint32_t>(std::max(first, end));
  }
}

const WindowReader::Bounds& WindowReader::bounds_of(
    const std::shared_ptr<const storage::TimestampColumn>& times) {
  for (const Bounds& known : recent_) {
    if (known.times == times) return known;
  }
  if (recent_.size() == kRecentBounds) recent_.pop_back();
  recent_.push_front(Bounds{times, {}, {}});
  compute(times->ms, &recent_.front().lo, &recent_.front().hi);
  return recent_.front();
}

functions::SeriesWindows WindowReader::clip(const storage::SeriesColumn& column,
                                            const Bounds& bounds) {
  const std::span<const std::int64_t> ms(column.times->ms);
  if (column.first == 0 && column.rows == ms.size()) {
    return {ms, column.floats, bounds.lo, bounds.hi};
  }
  const std::uint32_t begin = column.first;
  const std::uint32_t end = column.first + column.rows;
  lo_.resize(ends_.size());
  hi_.resize(ends_.size());
  for (std::size_t i = 0; i < ends_.size(); ++i) {
    lo_[i] = std::clamp(bounds.lo[i], begin, end) - begin;
    hi_[i] = std::clamp(bounds.hi[i], begin, end) - begin;
  }
  return {ms.subspan(begin, column.rows), column.floats, lo_, hi_};
}

StatusOr<functions::SeriesWindows> WindowReader::compact(const storage::SeriesColumn& column,
                                                         StaleMarkers stale) {
  ms_.clear();
  values_.clear();
  histogram_.clear();
  auto next = column.histograms.begin();
  for (std::uint32_t row = 0; row < column.rows; ++row) {
    const bool histogram = next != column.histograms.end() && next->first == row;
    if (histogram) ++next;
    if (!histogram) {
      if (!column.has(row)) continue;
      if (stale == StaleMarkers::kRemove && model::is_stale(column.floats[row])) continue;
    }
    ms_.push_back(column.times->ms[column.first + row]);
    values_.push_back(histogram ? 0 : column.floats[row]);
    histogram_.push_back(histogram);
  }
  compute(ms_, &lo_, &hi_);
  if (!column.histograms.empty()) RETURN_IF_ERROR(refuse_histograms());
  return functions::SeriesWindows{ms_, values_, lo_, hi_};
}

Status WindowReader::refuse_histograms() const {
  for (std::size_t i = 0; i < ends_.size(); ++i) {
    if (lo_[i] >= hi_[i]) continue;
    const std::uint32_t from = use_ == Use::kNewest ? hi_[i] - 1 : lo_[i];
    for (std::uint32_t k = from; k < hi_[i]; ++k) {
      if (histogram_[k]) return unimplemented("not supported yet: native histograms");
    }
  }
  return ok();
}

}  // namespace tocsin::promql::eval
