// SPDX-License-Identifier: Apache-2.0
//
// Instant vector selectors: at each step the newest sample of the look-back window, unless it is a
// staleness marker. Batches are read side by side.
#include <span>
#include <utility>

#include "model/value.h"
#include "promql/eval/batches.h"
#include "promql/eval/windows.h"

namespace tocsin::promql::eval {

namespace {

enum class Take { kValue, kTime, kStart };

class SelectRun final : public Batches {
 public:
  SelectRun(Evaluation& run, const plan::Select& select, const Grid& grid, Take take)
      : run_(run),
        select_(select),
        selection_(run.selection(select.source)),
        take_(take),
        charge_(run) {
    for (std::size_t i = 0; i < grid.count; ++i) ends_.push_back(select.shift.apply(grid.time(i)));
  }

  std::size_t count() const override { return selection_.batch_count(); }

  Status make(std::size_t batch, VectorSet* out) override {
    RETURN_IF_ERROR(run_.check());
    RETURN_IF_ERROR(one_batch(batch, out));
    SampleCounts counts = run_.no_counts(ends_.size());
    counts.add(*out);
    run_.count(counts);
    base::MutexLock lock(mutex_);
    return charge_.add(counts.total, 0);
  }

 private:
  Status one_batch(std::size_t batch, VectorSet* out) {
    if (ends_.size() == 1 && take_ != Take::kStart) {
      Status status = last_values(batch, out);
      if (status.code() != StatusCode::kUnimplemented) return status;
    }
    ASSIGN_OR_RETURN(auto columns, run_.read(select_.source, batch));
    WindowReader reader(ends_, run_.setup().lookback_ms,
                        select_.detect_resets ? ResetHints::kDetected : ResetHints::kAsStored);
    for (const storage::SeriesColumn& column : columns->series) {
      const functions::SeriesWindows windows = reader.windows(column, StaleMarkers::kKeep, columns);
      OutSeries series;
      if (!newest(windows, &series.column)) continue;
      series.labels = selection_.labels(column.series);
      out->push_back(std::move(series));
    }
    return ok();
  }

  bool newest(const functions::SeriesWindows& w, Column* out) const {
    bool any = false;
    for (std::size_t i = 0; i < ends_.size(); ++i) {
      if (w.lo[i] >= w.hi[i]) continue;
      const std::size_t last = w.hi[i] - 1;
      if (model::is_stale(w.values[last])) continue;
      if (!any) *out = Column(ends_.size());
      any = true;
      if (take_ == Take::kStart) {
        out->put(i, w.starts.empty() ? 0 : static_cast<double>(w.starts[last]) / 1000);
        continue;
      }
      out->put(i, value(w.values[last], w.ms[last]));
    }
    if (any && !w.histograms.empty() && take_ != Take::kStart) put_histograms(w, out);
    return any;
  }

  static void put_histograms(const functions::SeriesWindows& w, Column* out) {
    Bitmap(out->present).for_each([&](std::size_t i) {
      const HistogramPtr& histogram = w.histograms[w.hi[i] - 1];
      if (histogram != nullptr) out->put(i, histogram);
    });
  }

  Status last_values(std::size_t batch, VectorSet* out) const {
    std::vector<storage::LastValue> values;
    RETURN_IF_ERROR(selection_.last(batch, model::from_ms(ends_[0]),
                                    model::Duration(run_.setup().lookback_ms), &values));
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (!values[i].found || model::is_stale(values[i].value)) continue;
      OutSeries series;
      series.labels = selection_.labels(batch * storage::kBatchSeries + i);
      series.column = Column(1);
      series.column.put(0, value(values[i].value, values[i].time_ms));
      out->push_back(std::move(series));
    }
    return ok();
  }

  double value(double sample, std::int64_t time_ms) const {
    return take_ == Take::kTime ? static_cast<double>(time_ms) / 1000 : sample;
  }

  Evaluation& run_;
  const plan::Select& select_;
  const storage::Selection& selection_;
  const Take take_;
  std::vector<std::int64_t> ends_;
  base::Mutex mutex_;
  Charge charge_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

std::unique_ptr<Batches> select_batches(Evaluation& run, const plan::Select& select,
                                        const Grid& grid) {
  return std::make_unique<SelectRun>(run, select, grid, Take::kValue);
}

StatusOr<VectorSet> eval_select(Evaluation& run, const plan::Select& select, const Grid& grid) {
  if (select.smoothed) return eval_smoothed(run, select, grid);
  SelectRun batches(run, select, grid, Take::kValue);
  return join_batches(run, batches);
}

StatusOr<VectorSet> eval_select_times(Evaluation& run, const plan::Select& select,
                                      const Grid& grid) {
  SelectRun batches(run, select, grid, Take::kTime);
  return join_batches(run, batches);
}

StatusOr<VectorSet> eval_select_starts(Evaluation& run, const plan::Select& select,
                                       const Grid& grid) {
  SelectRun batches(run, select, grid, Take::kStart);
  return join_batches(run, batches);
}

}  // namespace tocsin::promql::eval
