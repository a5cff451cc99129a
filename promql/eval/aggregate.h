// SPDX-License-Identifier: Apache-2.0
//
// Groups of an aggregation, and topk/bottomk, which choose series instead of computing new ones.
//
// Values; pure functions.
#pragma once

#include <span>
#include <vector>

#include "base/status.h"
#include "promql/eval/column.h"

namespace tocsin::promql::eval {

struct Group {
  model::Labels labels;
  bool drop_name = false;
  std::vector<std::size_t> members;  // indexes of series, ascending
};

// Keeps at each step the k[step] largest (kLargest) or smallest samples of each group, NaN only for
// want of others. With one step the result is ordered by value inside each group. Errors:
// as sample_limits().
template <bool kLargest>
StatusOr<VectorSet> choose_extremes(const std::vector<Group>& groups, VectorSet set,
                                    std::span<const double> k);

}  // namespace tocsin::promql::eval
