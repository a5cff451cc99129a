// SPDX-License-Identifier: Apache-2.0
//
// SampleCounts: how many samples a query looked at, as upstream's statistics count them. A window
// counts in `total` at every step that it covers and in `read` only where it is new; a native
// histogram counts by its size.
//
// A value.
#pragma once

#include <cstdint>
#include <vector>

#include "promql/eval/column.h"

namespace tocsin::promql::eval {

struct SampleCounts {
  SampleCounts() = default;
  // With `by_step` also one number per step.
  SampleCounts(std::size_t steps, bool by_step);

  void add(std::size_t step, std::uint64_t total_count, std::uint64_t read_count) {
    total += total_count;
    read += read_count;
    if (total_steps.empty()) return;
    total_steps[step] += total_count;
    read_steps[step] += read_count;
  }
  // The samples of an instant vector.
  void add(const VectorSet& set);
  // REQUIRES: made for equal grids.
  void add(const SampleCounts& other);

  // Adds what a part that does not depend on the step looked at, once, for all of `steps`.
  void add_invariant(const SampleCounts& once, std::size_t steps);
  // Adds what a subquery read: at the first step of `grid` not before it, unless that step's window
  // of `range_ms` (0: all there is) begins later. Its totals do not count, its windows do.
  void add_read_of_subquery(const SampleCounts& inner, const Grid& inner_grid, const Grid& grid,
                            std::int64_t range_ms);

  std::uint64_t total = 0;
  std::uint64_t read = 0;
  std::vector<std::uint64_t> total_steps, read_steps;
};

}  // namespace tocsin::promql::eval
