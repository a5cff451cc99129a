// SPDX-License-Identifier: Apache-2.0
//
// Which series of two vectors match: the labels compared (on, ignoring) become dense numbers once,
// so the work per step is on bitmaps and columns only.
//
// Values; pure functions.
#pragma once

#include <vector>

#include "promql/eval/column.h"

namespace tocsin::promql::eval {

struct Signatures {
  std::vector<std::uint32_t> left, right;                   // of each series
  std::vector<std::vector<std::size_t>> of_left, of_right;  // series of each signature
};

class LabelMatching {
 public:
  explicit LabelMatching(const VectorMatching& matching);

  Signatures signatures(const VectorSet& left, const VectorSet& right) const;
  // The labels that are compared, for messages.
  model::Labels compared(const model::Labels& labels) const;
  // Labels of a result; `one` is the other side of group_left or group_right.
  model::Labels result(const model::Labels& many, const model::Labels& one, bool drop_name) const;

 private:
  const VectorMatching& matching_;
  std::vector<std::string> names_;        // sorted
  std::vector<std::string> with_metric_;  // and __name__
};

// The union of the samples of some series.
Bitmap present_in(const VectorSet& set, const std::vector<std::size_t>& members, std::size_t steps);

}  // namespace tocsin::promql::eval
