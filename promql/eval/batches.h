// SPDX-License-Identifier: Apache-2.0
//
// Batches: the result of a selector, or of a function over one, as many small sets of series.
//
// Who wants all of them joins them; an aggregation takes one after the other and keeps none
// (fold.cc).
// Borrows: the Evaluation and the plan. Owns: the charge for the samples of all batches.
// Threads: make() from any, each batch once; finish() after the last of them.
// Errors: as promql/engine.h says.
#pragma once

#include <memory>
#include <optional>

#include "promql/eval/evaluation.h"

namespace tocsin::promql::eval {

class Batches {
 public:
  virtual ~Batches() = default;
  virtual std::size_t count() const = 0;
  virtual Status make(std::size_t batch, VectorSet* out) = 0;
  // Says what is to be said of the results.
  virtual void finish() {}
  // Whether series of one metric may have become equal when names were removed: so far, and in the end
  // after the last batch.
  virtual bool may_repeat() const { return false; }
};

std::unique_ptr<Batches> select_batches(Evaluation& run, const plan::Select& select,
                                        const Grid& grid);
// REQUIRES: the call is one over a range of a selector.
StatusOr<std::unique_ptr<Batches>> range_batches(Evaluation& run, const plan::CallNode& call,
                                                 const Grid& grid);

// The series of all batches in order.
StatusOr<VectorSet> join_batches(Evaluation& run, Batches& batches);

// An aggregation over a selector or a function over one, without keeping the series that it is
// over. Nothing when that is not possible: eval_aggregate() then does it in the usual way.
StatusOr<std::optional<VectorSet>> fold_aggregate(Evaluation& run, const plan::AggregateNode& node,
                                                  const Grid& grid);

}  // namespace tocsin::promql::eval
