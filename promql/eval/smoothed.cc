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
    RETURN_IF_ERROR(for_each_index(slots.size(), run_.setup().workers, [&](std::size_t batch) {
      RETURN_IF_ERROR(run_.check());
      RETURN_IF_ERROR(one_batch(batch, &slots[batch]));
      const std::uint64_t samples = count_samples(slots[batch]);
      run_.total_samples += samples;
      base::MutexLock lock(mutex_);
      return charge_.add(samples, slots[batch].size() * times_.size() * (sizeof(double) + 1));
    }));
    VectorSet joined;
    for (VectorSet& slot : slots) {
      std::move(slot.begin(), slot.end(), std::back_inserter(joined));
    }
    return joined;
  }

 private:
  Status one_batch(std::size_t batch, VectorSet* out) {
    ASSIGN_OR_RETURN(auto columns, run_.read(select_.source, batch));
    WindowReader reader(ends_, 2 * lookback_ms_, Use::kAll);
    for (const storage::SeriesColumn& column : columns->series) {
      ASSIGN_OR_RETURN(functions::SeriesWindows windows,
                       reader.windows(column, StaleMarkers::kRemove));
      OutSeries series;
      series.column = Column(times_.size());
      smooth(windows, &series.column);
      if (!series.column.present.any()) continue;
      series.labels = run_.selection(select_.source).labels(column.series);
      out->push_back(std::move(series));
    }
    return ok();
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
  base::Mutex mutex_;
  Charge charge_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

StatusOr<VectorSet> eval_smoothed(Evaluation& run, const plan::Select& select, const Grid& grid) {
  return SmoothedRun(run, select, grid).all();
}

}  // namespace tocsin::promql::eval
