// SPDX-License-Identifier: Apache-2.0
//
// Smoothed instant vector selectors: at each step the value on the line between the samples around
// it, each no farther than the look-back; without a later one, the earlier.
#include <algorithm>
#include <utility>

#include "promql/eval/evaluation.h"
#include "promql/eval/parallel.h"
#include "promql/eval/windows.h"
#include "promql/functions/extended.h"

namespace tocsin::promql::eval {

namespace {

class SmoothedRun {
 public:
  SmoothedRun(Evaluation& run, const plan::Select& select, const Grid& grid)
      : run_(run), select_(select), lookback_ms_(run.setup().lookback_ms), charge_(run) {
    for (std::size_t i = 0; i < grid.count; ++i) {
      times_.push_back(select.shift.apply(grid.time(i)));
      ends_.push_back(times_.back() + lookback_ms_);
    }
  }

  StatusOr<VectorSet> all() {
    std::vector<VectorSet> slots(run_.selection(select_.source).batch_count());
    notes_.resize(slots.size());
    RETURN_IF_ERROR(for_each_index(slots.size(), run_.setup().workers, [&](std::size_t batch) {
      RETURN_IF_ERROR(run_.check());
      RETURN_IF_ERROR(one_batch(batch, &slots[batch]));
      SampleCounts counts = run_.no_counts(times_.size());
      counts.add(slots[batch]);
      run_.count(counts);
      const std::uint64_t bytes = bytes_of(slots[batch]);
      base::MutexLock lock(mutex_);
      return charge_.add(counts.total, bytes);
    }));
    for (const AnnotationSet& notes : notes_) run_.annotations.merge(notes);
    VectorSet joined;
    for (VectorSet& slot : slots) {
      std::move(slot.begin(), slot.end(), std::back_inserter(joined));
    }
    return joined;
  }

 private:
  Status one_batch(std::size_t batch, VectorSet* out) {
    ASSIGN_OR_RETURN(auto columns, run_.read(select_.source, batch));
    WindowReader reader(ends_, 2 * lookback_ms_,
                        select_.detect_resets ? ResetHints::kDetected : ResetHints::kAsStored);
    for (const storage::SeriesColumn& column : columns->series) {
      const functions::SeriesWindows windows =
          reader.windows(column, StaleMarkers::kRemove, columns);
      OutSeries series;
      series.column = Column(times_.size());
      smooth(windows, &series.column);
      if (!windows.histograms.empty()) {
        const model::Labels labels = run_.selection(select_.source).labels(column.series);
        smooth_histograms(windows, labels.metric_name(), &notes_.at(batch), &series.column);
      }
      if (!series.column.present.any()) continue;
      series.labels = run_.selection(select_.source).labels(column.series);
      out->push_back(std::move(series));
    }
    return ok();
  }

  // Does anew the steps whose window has histograms.
  void smooth_histograms(const functions::SeriesWindows& w, std::string_view metric,
                         AnnotationSet* notes, Column* out) const {
    for (std::size_t i = 0; i < times_.size(); ++i) {
      const auto around = w.histograms.subspan(w.lo[i], w.hi[i] - w.lo[i]);
      const auto floats = std::count(around.begin(), around.end(), nullptr);
      if (floats == std::ssize(around)) continue;
      out->present.clear(i);
      if (floats > 0) {
        annotate::mixed_types(metric, select_.position, notes);
        continue;
      }
      const auto ms = w.ms.subspan(w.lo[i], w.hi[i] - w.lo[i]);
      HistogramPtr histogram;
      if (!histogram_at(ms, around, times_[i], notes, &histogram)) {
        annotate::mixed_schemas(metric, select_.position, notes);
      }
      if (histogram != nullptr) out->put(i, std::move(histogram));
    }
  }

  // Null without one before; false when the buckets around do not fit each other.
  bool histogram_at(std::span<const std::int64_t> ms, std::span<const HistogramPtr> histograms,
                    std::int64_t time, AnnotationSet* notes, HistogramPtr* out) const {
    const auto at = std::lower_bound(ms.begin(), ms.end(), time);
    const auto next = static_cast<std::size_t>(at - ms.begin());
    if (at != ms.end() && *at == time) {
      *out = histograms[next];
    } else if (next > 0 && at == ms.end()) {
      // The hint says how it follows the one before, not what it is now.
      auto carried = std::make_shared<model::FloatHistogram>(*histograms[next - 1]);
      carried->reset_hint = model::CounterResetHint::kUnknown;
      *out = std::move(carried);
    } else if (next > 0) {
      const model::FloatHistogram& to = *histograms[next];
      const double part =
          static_cast<double>(time - ms[next - 1]) / static_cast<double>(ms[next] - ms[next - 1]);
      const model::FloatHistogram& from = *histograms[next - 1];
      const bool counter = to.reset_hint != model::CounterResetHint::kGauge ||
                           from.reset_hint != model::CounterResetHint::kGauge;
      const auto value = functions::interpolate(from, to, part, counter);
      if (!value) return false;
      if (value->reconciled()) annotate::reconciled("subtraction", select_.position, notes);
      if (value->reconciled_last()) annotate::reconciled("addition", select_.position, notes);
      *out = std::make_shared<const model::FloatHistogram>(value->value());
    }
    return true;
  }

  void smooth(const functions::SeriesWindows& w, Column* out) const {
    for (std::size_t i = 0; i < times_.size(); ++i) {
      const auto ms = w.ms.subspan(w.lo[i], w.hi[i] - w.lo[i]);
      const auto at = std::lower_bound(ms.begin(), ms.end(), times_[i]);
      const std::size_t next = w.lo[i] + static_cast<std::size_t>(at - ms.begin());
      const bool later = at != ms.end();
      if (later && *at == times_[i]) {
        out->put(i, w.values[next]);
      } else if (at == ms.begin()) {
        continue;  // nothing before
      } else if (later) {
        out->put(i, functions::interpolate({w.ms[next - 1], w.values[next - 1]},
                                           {w.ms[next], w.values[next]}, times_[i], false));
      } else {
        out->put(i, w.values[next - 1]);
      }
    }
  }

  Evaluation& run_;
  const plan::Select& select_;
  const std::int64_t lookback_ms_;
  std::vector<std::int64_t> times_, ends_;
  std::vector<AnnotationSet> notes_;  // of each batch
  base::Mutex mutex_;
  Charge charge_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

StatusOr<VectorSet> eval_smoothed(Evaluation& run, const plan::Select& select, const Grid& grid) {
  return SmoothedRun(run, select, grid).all();
}

}  // namespace tocsin::promql::eval
