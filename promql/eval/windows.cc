// SPDX-License-Identifier: Apache-2.0
#include "promql/eval/windows.h"

#include <algorithm>
#include <utility>

#include "model/histogram_buckets.h"
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

functions::SeriesWindows WindowReader::windows(
    const storage::SeriesColumn& column, StaleMarkers stale,
    const std::shared_ptr<const storage::ColumnBatch>& owner) {
  const bool dense = column.present.empty() && column.histograms.empty();
  if (!dense || (stale == StaleMarkers::kRemove && has_stale(column.floats))) {
    return compact(column, stale, owner);
  }
  return clip(column, bounds_of(column.times));
}

functions::SeriesWindows WindowReader::dense(
    std::span<const double> values, const std::shared_ptr<const storage::TimestampColumn>& times) {
  const Bounds& bounds = bounds_of(times);
  return {times->ms, values, bounds.lo, bounds.hi};
}

functions::SeriesWindows WindowReader::subquery(
    const Column& column, const std::shared_ptr<const storage::TimestampColumn>& times) {
  clear();
  column.present.for_each([&](std::size_t i) {
    HistogramPtr histogram = column.histogram(i);
    if (histogram != nullptr && histogram->reset_hint != model::CounterResetHint::kGauge &&
        histogram->reset_hint != model::CounterResetHint::kUnknown) {
      model::FloatHistogram unknown = *histogram;
      unknown.reset_hint = model::CounterResetHint::kUnknown;
      histogram = std::make_shared<const model::FloatHistogram>(std::move(unknown));
    }
    add(times->ms[i], column.values[i], std::move(histogram));
  });
  return own_windows();
}

void WindowReader::compute(std::span<const std::int64_t> ms, std::vector<std::uint32_t>* lo,
                           std::vector<std::uint32_t>* hi) const {
  lo->resize(ends_.size());
  hi->resize(ends_.size());
  // The first window by halving: a column may begin long before it.
  std::size_t first = 0;
  std::size_t end = 0;
  if (!ends_.empty()) {
    const auto begin = std::upper_bound(ms.begin(), ms.end(), ends_[0] - range_ms_);
    first = static_cast<std::size_t>(begin - ms.begin());
    end = static_cast<std::size_t>(std::upper_bound(begin, ms.end(), ends_[0]) - ms.begin());
  }
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
    return {ms, column.floats, bounds.lo, bounds.hi, {}, column.start_ms};
  }
  const std::uint32_t begin = column.first;
  const std::uint32_t end = column.first + column.rows;
  lo_.resize(ends_.size());
  hi_.resize(ends_.size());
  for (std::size_t i = 0; i < ends_.size(); ++i) {
    lo_[i] = std::clamp(bounds.lo[i], begin, end) - begin;
    hi_[i] = std::clamp(bounds.hi[i], begin, end) - begin;
  }
  return {ms.subspan(begin, column.rows), column.floats, lo_, hi_, {}, column.start_ms};
}

functions::SeriesWindows WindowReader::compact(
    const storage::SeriesColumn& column, StaleMarkers stale,
    const std::shared_ptr<const storage::ColumnBatch>& owner) {
  clear();
  auto next = column.histograms.begin();
  for (std::uint32_t row = 0; row < column.rows; ++row) {
    HistogramPtr histogram;
    if (next != column.histograms.end() && next->first == row) {
      histogram = HistogramPtr(owner, &next->second);
      ++next;
    } else if (!column.has(row)) {
      continue;
    }
    double value = histogram == nullptr ? column.floats[row] : histogram->sum;
    if (model::is_stale(value)) {
      if (stale == StaleMarkers::kRemove) continue;
      histogram = nullptr;
    }
    add(column.times->ms[column.first + row], value, std::move(histogram));
    if (!column.start_ms.empty()) starts_.push_back(column.start_ms[row]);
  }
  if (hints_ == ResetHints::kDetected && any_histogram_) detect_resets();
  return own_windows();
}

void WindowReader::clear() {
  ms_.clear();
  values_.clear();
  histograms_.clear();
  starts_.clear();
  any_histogram_ = false;
}

void WindowReader::add(std::int64_t ms, double value, HistogramPtr histogram) {
  ms_.push_back(ms);
  values_.push_back(value);
  if (histogram == nullptr && !any_histogram_) return;
  any_histogram_ = true;
  histograms_.resize(ms_.size());
  histograms_.back() = std::move(histogram);
}

void WindowReader::detect_resets() {
  HistogramPtr before;
  for (HistogramPtr& histogram : histograms_) {
    if (histogram == nullptr) continue;
    const HistogramPtr stored = histogram;
    if (stored->reset_hint == model::CounterResetHint::kUnknown && before != nullptr) {
      model::FloatHistogram marked = *stored;
      marked.reset_hint = model::detect_reset(*stored, *before)
                              ? model::CounterResetHint::kReset
                              : model::CounterResetHint::kNotReset;
      histogram = std::make_shared<const model::FloatHistogram>(std::move(marked));
    }
    before = stored;
  }
}

functions::SeriesWindows WindowReader::own_windows() {
  compute(ms_, &lo_, &hi_);
  functions::SeriesWindows windows{ms_, values_, lo_, hi_, {}, starts_};
  if (any_histogram_) windows.histograms = histograms_;
  return windows;
}

}  // namespace tocsin::promql::eval
