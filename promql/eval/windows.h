// SPDX-License-Identifier: Apache-2.0
//
// WindowReader: makes the windows of a series for all steps at once.
//
// The bounds of all windows are a function of the timestamps alone, so they are computed once per
// TimestampColumn and kept for the next series that shares it; only a series with gaps or staleness
// markers, or with native histograms, pays for its own. Confined: one per worker.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <vector>

#include "promql/functions/range_kernels.h"
#include "storage/queryable.h"

namespace tocsin::promql::eval {

enum class StaleMarkers { kKeep, kRemove };
// Whether histograms say that they follow a counter reset. The store only says where there is none;
// what a query knows when it needs counts and sums only is more, and upstream warns by it.
enum class ResetHints { kAsStored, kDetected };

class WindowReader {
 public:
  // Window i is (ends[i] - range_ms, ends[i]]. REQUIRES: ends ascending. Borrows: ends.
  WindowReader(std::span<const std::int64_t> ends, std::int64_t range_ms,
               ResetHints hints = ResetHints::kAsStored)
      : ends_(ends), range_ms_(range_ms), hints_(hints) {}

  // The views are valid until the next call and while `column` lives; histograms keep `owner`, which
  // holds the column, alive.
  functions::SeriesWindows windows(const storage::SeriesColumn& column, StaleMarkers stale,
                                   const std::shared_ptr<const storage::ColumnBatch>& owner);
  // Of floats at all of `times`.
  functions::SeriesWindows dense(std::span<const double> values,
                                 const std::shared_ptr<const storage::TimestampColumn>& times);
  // Of the results of a subquery at `times`. Their histograms say nothing of resets, since samples
  // were left out or are there twice.
  functions::SeriesWindows subquery(const Column& column,
                                    const std::shared_ptr<const storage::TimestampColumn>& times);

 private:
  struct Bounds {
    std::shared_ptr<const storage::TimestampColumn>
        times;  // kept so that its address stays its own
    std::vector<std::uint32_t> lo, hi;
  };
  void compute(std::span<const std::int64_t> ms, std::vector<std::uint32_t>* lo,
               std::vector<std::uint32_t>* hi) const;
  const Bounds& bounds_of(const std::shared_ptr<const storage::TimestampColumn>& times);
  functions::SeriesWindows clip(const storage::SeriesColumn& column, const Bounds& bounds);
  functions::SeriesWindows compact(const storage::SeriesColumn& column, StaleMarkers stale,
                                   const std::shared_ptr<const storage::ColumnBatch>& owner);
  void clear();
  void add(std::int64_t ms, double value, HistogramPtr histogram);
  void detect_resets();
  functions::SeriesWindows own_windows();

  std::span<const std::int64_t> ends_;
  const std::int64_t range_ms_;
  const ResetHints hints_;
  std::deque<Bounds> recent_;  // newest first, a few
  std::vector<std::int64_t> ms_;
  std::vector<double> values_;
  std::vector<HistogramPtr> histograms_;
  std::vector<std::int64_t> starts_;
  bool any_histogram_ = false;
  std::vector<std::uint32_t> lo_, hi_;
};

}  // namespace tocsin::promql::eval
