// SPDX-License-Identifier: Apache-2.0
//
// Evaluation: one run of a plan: its data, limits, annotations and counters.
//
// eval() dispatches to the operators: selector.cc, range_call.cc, aggregate.cc, binary.cc,
// functions/.
// Borrows: everything in Setup.
// Threads: confined to the calling thread, except charge(), check(), read() and the counts, which
// workers use.
// Errors: as promql/engine.h says.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/executor.h"
#include "base/mutex.h"
#include "promql/eval/annotations.h"
#include "promql/eval/column.h"
#include "promql/eval/profile.h"
#include "promql/eval/sample_counts.h"
#include "promql/plan/plan.h"
#include "storage/queryable.h"

namespace tocsin::promql::eval {

struct Setup {
  const plan::Plan& plan;
  const storage::Queryable& source;
  Grid grid;                // of the whole query
  std::int64_t end_ms = 0;  // as asked for; the last step may be earlier
  bool instant = true;      // an instant query, not a range query of one step
  std::int64_t lookback_ms = 0;
  std::uint64_t max_samples = 0;
  bool delayed_name_removal = false;
  bool use_start_timestamps = false;
  bool type_and_unit_labels = false;
  bool count_by_step = false;
  storage::QueryContext context;
  // Behind context.memory: histograms of a result keep the columns that they were read in.
  std::shared_ptr<storage::MemoryAccount> memory;
  const storage::CancelToken* caller_cancel = nullptr;  // may be null
  base::Executor* workers = nullptr;
  Profile* profile = nullptr;  // null: nobody wants to know
};

class Evaluation;

// Samples and bytes held by a set of columns; given back when it goes.
class Charge {
 public:
  explicit Charge(Evaluation& evaluation) : evaluation_(evaluation) {}
  ~Charge();
  Charge(const Charge&) = delete;
  Charge& operator=(const Charge&) = delete;
  // kResourceExhausted above the limits.
  Status add(std::uint64_t samples, std::uint64_t bytes);

 private:
  Evaluation& evaluation_;
  std::uint64_t samples_ = 0;
  std::uint64_t bytes_ = 0;
};

class Evaluation {
 public:
  explicit Evaluation(const Setup& setup);
  ~Evaluation();
  Evaluation(const Evaluation&) = delete;
  Evaluation& operator=(const Evaluation&) = delete;

  // Resolves every source of the plan to series.
  Status prepare();
  // Evaluates `node` at every step of `grid`.
  StatusOr<Result> eval(const plan::PlanNode& node, const Grid& grid);
  // The same for nodes of a known type.
  StatusOr<VectorSet> eval_vector(const plan::PlanNode& node, const Grid& grid);
  StatusOr<std::vector<double>> eval_scalar(const plan::PlanNode& node, const Grid& grid);

  // Removes names whose removal was delayed and joins what is equal then.
  Status finish_names(VectorSet* set) const;
  // Removes the metric name, now or at the end; call merge_names() after the last of a set.
  void drop_name(OutSeries* series) const;
  Status merge_names(VectorSet* set) const;

  // Cancelled, killed or timed out.
  Status check() const;
  bool is_instant() const { return setup_.instant; }
  std::vector<std::string> storage_warnings() const;

  const Setup& setup() const { return setup_; }
  const storage::Selection& selection(std::size_t source) const { return *selections_[source]; }
  // Reads a batch, from the cache when the source has several uses.
  StatusOr<std::shared_ptr<const storage::ColumnBatch>> read(std::size_t source, std::size_t batch);
  // Adds what only the evaluation could tell to select; gives its number as a source.
  StatusOr<std::size_t> add_source(const model::Matchers& matchers,
                                   const storage::SelectHints& hints);

  // Zeroes for what a batch over `steps` looks at; from any thread, as count().
  SampleCounts no_counts(std::size_t steps) const;
  void count(const SampleCounts& counts);
  SampleCounts counts() const;
  // Counts apart what is evaluated until end_counts() takes the counts and puts `before` back.
  SampleCounts begin_counts(std::size_t steps, bool by_step);
  SampleCounts end_counts(SampleCounts before);
  // A subquery that is being evaluated: `counts` is what its inner steps looked at.
  void count_subquery(const SampleCounts& counts, const Grid& inner, const Grid& grid,
                      std::int64_t range_ms);

  AnnotationSet annotations;
  std::uint64_t peak_samples() const { return peak_samples_.load(std::memory_order_relaxed); }

 private:
  friend class Charge;
  struct BatchCache;
  Status charge(std::uint64_t samples, std::uint64_t bytes);
  void release(std::uint64_t samples, std::uint64_t bytes);
  StatusOr<Result> eval_node(const plan::PlanNode& node, const Grid& grid);
  StatusOr<Result> dispatch(const plan::PlanNode& node, const Grid& grid);
  Status settle(std::size_t mark, const Result& result);

  struct Held {
    std::uint64_t samples = 0;
    std::uint64_t bytes = 0;
  };
  const Setup setup_;
  // Charges of results that a node being evaluated still reads; replaced by its own when it is
  // done.
  std::vector<Held> held_;
  std::vector<std::unique_ptr<storage::Selection>> selections_;
  std::unique_ptr<BatchCache> cache_;
  std::atomic<std::uint64_t> live_samples_{0};
  std::atomic<std::uint64_t> peak_samples_{0};
  mutable base::Mutex counts_mutex_;
  SampleCounts counts_ ABSL_GUARDED_BY(counts_mutex_);
};

// Repeats the only step of each series over `grid`.
void broadcast(const Grid& grid, Result* result);

// Steps of a subquery: the multiples of its step in (first end - range, last end]; may be none.
StatusOr<Grid> inner_grid(const Evaluation& run, const plan::Window& window, const Grid& grid);

// The operators.
StatusOr<VectorSet> eval_select(Evaluation& run, const plan::Select& select, const Grid& grid);
// The part of eval_select for smoothed selectors.
StatusOr<VectorSet> eval_smoothed(Evaluation& run, const plan::Select& select, const Grid& grid);
// As eval_select, with each sample's own time in seconds as its value; histograms stand beside it.
StatusOr<VectorSet> eval_select_times(Evaluation& run, const plan::Select& select,
                                      const Grid& grid);
// With the time since when each sample counts, in seconds, 0 when that is unknown.
StatusOr<VectorSet> eval_select_starts(Evaluation& run, const plan::Select& select,
                                       const Grid& grid);
StatusOr<VectorSet> eval_range_call(Evaluation& run, const plan::CallNode& call, const Grid& grid);
// `whole` is the node that `node` is in.
StatusOr<VectorSet> eval_aggregate(Evaluation& run, const plan::AggregateNode& node,
                                   const plan::PlanNode& whole, const Grid& grid);
StatusOr<VectorSet> eval_info(Evaluation& run, const plan::InfoNode& node, const Grid& grid);
StatusOr<Result> eval_binary(Evaluation& run, const plan::BinaryNode& node,
                             const plan::PlanNode& whole, const Grid& grid);

}  // namespace tocsin::promql::eval
