// SPDX-License-Identifier: Apache-2.0
#include "tsdb/query/side_merger.h"

#include <algorithm>
#include <bit>
#include <memory>

namespace tocsin::tsdb {

using storage::SeriesColumn;

namespace {

// Puts rows one behind the other into a column of its own timestamps.
class ColumnWriter {
 public:
  explicit ColumnWriter(std::size_t rows) {
    times_->ms.reserve(rows);
    column_.floats.reserve(rows);
  }

  void add_float(std::int64_t ms, double value, std::int64_t start_ms) {
    add(ms, value, start_ms);
    after_histogram_ = false;
  }

  void add_side(SideSample sample) {
    add(sample.time_ms, float_of(sample.value), sample.start_ms);
    if (!is_histogram(sample.value)) {
      after_histogram_ = false;
      return;
    }
    model::FloatHistogram histogram = to_float(std::move(sample.value));
    const bool first = column_.rows == 1;
    if (histogram.reset_hint == model::CounterResetHint::kNotReset && !first && !after_histogram_) {
      histogram.reset_hint = model::CounterResetHint::kUnknown;
    }
    after_histogram_ = !sample.out_of_order;
    column_.histograms.emplace_back(column_.rows - 1, std::move(histogram));
  }

  SeriesColumn finish() && {
    if (!column_.start_ms.empty()) column_.start_ms.resize(column_.rows);
    column_.times = std::move(times_);
    return std::move(column_);
  }

 private:
  void add(std::int64_t ms, double value, std::int64_t start_ms) {
    times_->ms.push_back(ms);
    column_.floats.push_back(value);
    ++column_.rows;
    if (start_ms == 0) return;
    column_.start_ms.resize(column_.rows);
    column_.start_ms.back() = start_ms;
  }

  std::shared_ptr<storage::TimestampColumn> times_ = std::make_shared<storage::TimestampColumn>();
  SeriesColumn column_;
  bool after_histogram_ = false;  // the last row is an in-order histogram
};

bool earlier(const SideSample& a, const SideSample& b) { return a.time_ms < b.time_ms; }

}  // namespace

StartChanges take_starts(std::vector<SideSample>* side) {
  StartChanges changes;
  for (const SideSample& sample : *side) {
    if (std::holds_alternative<StartChange>(sample.value)) {
      changes.emplace_back(sample.time_ms, sample.start_ms);
    }
  }
  if (changes.empty()) return changes;
  std::erase_if(*side, [](const SideSample& sample) {
    return std::holds_alternative<StartChange>(sample.value);
  });
  std::stable_sort(changes.begin(), changes.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  return changes;
}

void apply_starts(const StartChanges& changes, SeriesColumn* column) {
  if (changes.empty()) return;
  auto next = changes.begin();
  std::int64_t start_ms = 0;
  for (std::uint32_t row = 0; row < column->rows; ++row) {
    const std::int64_t ms = column->times->ms[column->first + row];
    for (; next != changes.end() && next->first <= ms; ++next) start_ms = next->second;
    if (next == changes.begin()) continue;
    if (column->start_ms.empty() && start_ms == 0) continue;
    column->start_ms.resize(column->rows);
    column->start_ms[row] = start_ms;
  }
}

SeriesColumn merge_side(SeriesColumn floats, std::vector<SideSample> side, std::int64_t min_ms,
                        std::int64_t max_ms) {
  apply_starts(take_starts(&side), &floats);
  std::erase_if(side, [&](const SideSample& sample) {
    return sample.time_ms < min_ms || sample.time_ms > max_ms;
  });
  if (side.empty()) return floats;
  std::stable_sort(side.begin(), side.end(), earlier);
  side.erase(std::unique(side.begin(), side.end(),
                         [](const auto& a, const auto& b) { return a.time_ms == b.time_ms; }),
             side.end());
  ColumnWriter out(floats.rows + side.size());
  auto next = side.begin();
  for (std::uint32_t row = 0; row < floats.rows; ++row) {
    if (!floats.has(row)) continue;
    const std::int64_t ms = floats.times->ms[floats.first + row];
    for (; next != side.end() && next->time_ms < ms; ++next) out.add_side(std::move(*next));
    if (next != side.end() && next->time_ms == ms) ++next;
    out.add_float(ms, floats.floats[row], floats.start_ms.empty() ? 0 : floats.start_ms[row]);
  }
  for (; next != side.end(); ++next) out.add_side(std::move(*next));
  SeriesColumn column = std::move(out).finish();
  column.series = floats.series;
  return column;
}

}  // namespace tocsin::tsdb
