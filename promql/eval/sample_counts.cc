// SPDX-License-Identifier: Apache-2.0
#include "promql/eval/sample_counts.h"

#include <algorithm>

#include "base/check.h"

namespace tocsin::promql::eval {

SampleCounts::SampleCounts(std::size_t steps, bool by_step) {
  if (!by_step) return;
  total_steps.assign(steps, 0);
  read_steps.assign(steps, 0);
}

void SampleCounts::add(const VectorSet& set) {
  if (total_steps.empty()) {
    const std::uint64_t count = count_samples(set);
    total += count;
    read += count;
    return;
  }
  for (const OutSeries& series : set) {
    series.column.present.for_each([&](std::size_t i) {
      const HistogramPtr& histogram = series.column.histogram(i);
      const std::uint64_t weight = histogram == nullptr ? 1 : weight_of(*histogram);
      add(i, weight, weight);
    });
  }
}

void SampleCounts::add(const SampleCounts& other) {
  total += other.total;
  read += other.read;
  if (total_steps.empty() || other.total_steps.empty()) return;
  DCHECK(total_steps.size() == other.total_steps.size());
  for (std::size_t i = 0; i < total_steps.size(); ++i) {
    total_steps[i] += other.total_steps[i];
    read_steps[i] += other.read_steps[i];
  }
}

void SampleCounts::add_invariant(const SampleCounts& once, std::size_t steps) {
  total += once.total * steps;
  read += once.read;
  for (std::uint64_t& count : total_steps) count += once.total;
  if (!read_steps.empty()) read_steps[0] += once.read;
}

void SampleCounts::add_read_of_subquery(const SampleCounts& inner, const Grid& inner_grid,
                                        const Grid& grid, std::int64_t range_ms) {
  if (grid.count <= 1 || inner.read_steps.empty()) {
    add(0, 0, inner.read);
    return;
  }
  for (std::size_t k = 0; k < inner.read_steps.size(); ++k) {
    const std::int64_t time = inner_grid.time(k);
    std::int64_t step = 0;
    if (time > grid.start_ms) step = (time - grid.start_ms + grid.step_ms - 1) / grid.step_ms;
    const std::size_t at = std::min(static_cast<std::size_t>(step), grid.count - 1);
    if (range_ms > 0 && time <= grid.time(at) - range_ms) continue;
    add(at, 0, inner.read_steps[k]);
  }
}

}  // namespace tocsin::promql::eval
