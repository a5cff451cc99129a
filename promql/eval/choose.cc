// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <utility>

#include "promql/eval/limit.h"

namespace tocsin::promql::eval {

namespace {

// Whether sample a goes before b; equal samples keep the order of their series.
template <bool kLargest>
bool before(double a, double b) {
  if (std::isnan(a) || std::isnan(b)) return !std::isnan(a) && std::isnan(b);
  return kLargest ? a > b : a < b;
}

}  // namespace

template <bool kLargest>
StatusOr<VectorSet> choose_extremes(const std::vector<Group>& groups, VectorSet set,
                                    std::span<const double> k) {
  ASSIGN_OR_RETURN(const std::vector<std::size_t> limit, sample_limits(k, set.size()));
  std::vector<Bitmap> kept(set.size(), Bitmap(k.size()));
  std::vector<std::size_t> order;  // of the last step
  std::vector<std::size_t> candidates;
  for (const Group& group : groups) {
    for (std::size_t i = 0; i < k.size(); ++i) {
      candidates.clear();
      for (std::size_t member : group.members) {
        if (set[member].column.present.test(i)) candidates.push_back(member);
      }
      std::stable_sort(candidates.begin(), candidates.end(), [&](std::size_t a, std::size_t b) {
        return before<kLargest>(set[a].column.values[i], set[b].column.values[i]);
      });
      candidates.resize(std::min(candidates.size(), limit[i]));
      for (std::size_t member : candidates) kept[member].set(i);
      if (k.size() == 1) order.insert(order.end(), candidates.begin(), candidates.end());
    }
  }
  for (std::size_t s = 0; s < set.size(); ++s) set[s].column.present = std::move(kept[s]);
  if (k.size() != 1) return set;
  VectorSet ordered;
  for (std::size_t s : order) ordered.push_back(std::move(set[s]));
  return ordered;
}

template StatusOr<VectorSet> choose_extremes<true>(const std::vector<Group>&, VectorSet,
                                                   std::span<const double>);
template StatusOr<VectorSet> choose_extremes<false>(const std::vector<Group>&, VectorSet,
                                                    std::span<const double>);

}  // namespace tocsin::promql::eval
