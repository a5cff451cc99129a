// SPDX-License-Identifier: Apache-2.0
//
// WindowReader: makes the windows of a series for all steps at once.
//
// The bounds of all windows are a function of the timestamps alone, so they are computed once per
// TimestampColumn and kept for the next series that shares it; only a series with gaps or staleness
// markers pays for its own. Confined: one per worker.
// Errors: kUnimplemented when a window holds a
// native histogram.
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
// Which samples of a window count: the newest for instant vectors, all for range vectors.
enum class Use { kNewest, kAll };

class WindowReader {
 public:
  // Window i is (ends[i] - range_ms, ends[i]]. REQUIRES: ends ascending. Borrows: ends.
  WindowReader(std::span<const std::int64_t> ends, std::int64_t range_ms, Use use)
      : ends_(ends), range_ms_(range_ms), use_(use) {}

  // The views are valid until the next call and while `column` lives.
  StatusOr<functions::SeriesWindows> windows(const storage::SeriesColumn& column,
                                             StaleMarkers stale);

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
  StatusOr<functions::SeriesWindows> compact(const storage::SeriesColumn& column,
                                             StaleMarkers stale);
  Status refuse_histograms() const;

  std::span<const std::int64_t> ends_;
  const std::int64_t range_ms_;
  const Use use_;
  std::deque<Bounds> recent_;  // newest first, a few
  std::vector<std::int64_t> ms_;
  std::vector<double> values_;
  std::vector<bool> histogram_;
  std::vector<std::uint32_t> lo_, hi_;
};

}  // namespace tocsin::promql::eval
