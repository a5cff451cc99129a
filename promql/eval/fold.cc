// SPDX-License-Identifier: Apache-2.0
//
// Aggregations that take the series of a selector, or of a function over one, batch by batch, add each
// to the accumulators of its group and forget it. Batches are made side by side and added in order, so
// that sums have the bits that adding up all series one after the other gives.
//
// What may need two series at once is left to eval_aggregate(): histograms, and metric names whose
// removal makes series equal.
#include <algorithm>
#include <atomic>
#include <deque>
#include <optional>
#include <unordered_map>
#include <utility>

#include "promql/eval/accumulators.h"
#include "promql/eval/batches.h"
#include "promql/eval/parallel.h"

namespace tocsin::promql::eval {

namespace {

// Of one group, at every step.
class Totals {
 public:
  virtual ~Totals() = default;
  virtual void add(const Column& column) = 0;
  virtual Column take() = 0;
};

template <typename Accumulator>
class TotalsOf final : public Totals {
 public:
  explicit TotalsOf(std::size_t steps) : accumulators_(steps), present_(steps) {}
  void add(const Column& column) override {
    column.present.for_each([&](std::size_t i) { accumulators_[i].add(column.values[i]); });
    present_ |= column.present;
  }
  Column take() override {
    Column out(accumulators_.size());
    present_.for_each([&](std::size_t i) { out.values[i] = accumulators_[i].value(); });
    out.present = std::move(present_);
    return out;
  }

 private:
  std::vector<Accumulator> accumulators_;
  Bitmap present_;
};

// What counts as seen before a fold, for when it has to be done in another way.
class Undo {
 public:
  explicit Undo(Evaluation& run) : run_(run), counts_(run.counts()), notes_(run.annotations) {
    if (run.setup().profile != nullptr) nodes_ = run.setup().profile->nodes();
  }
  std::uint64_t samples_read() const { return counts_.read; }
  void undo() {
    run_.end_counts(std::move(counts_));
    run_.annotations = std::move(notes_);
    if (run_.setup().profile != nullptr) run_.setup().profile->restore(std::move(nodes_));
  }

 private:
  Evaluation& run_;
  SampleCounts counts_;
  AnnotationSet notes_;
  Profile::Nodes nodes_;
};

class FoldRun {
 public:
  FoldRun(Evaluation& run, const plan::AggregateNode& node, const Grid& grid, bool drops_names)
      : run_(run),
        op_(node.syntax->op),
        grouping_(node.syntax->grouping, node.syntax->without),
        steps_(grid.count),
        drops_names_(drops_names),
        charge_(run) {}

  StatusOr<std::optional<VectorSet>> all(Batches& batches) {
    made_.resize(batches.count());
    const Status status = for_each_in_order(
        batches.count(), run_.setup().workers,
        [&](std::size_t i) -> Status {
          RETURN_IF_ERROR(batches.make(i, &made_[i].set));
          if (drops_names_ && batches.may_repeat()) return give_up();
          return group(&made_[i]);
        },
        [&](std::size_t i) { return take(std::move(made_[i])); });
    if (unfit_.load(std::memory_order_relaxed)) return std::optional<VectorSet>();
    RETURN_IF_ERROR(status);
    batches.finish();
    return result();
  }

  // Of the series that were added: how many, their samples and bytes.
  const NodeProfile& seen() const { return seen_; }

 private:
  struct Made {
    VectorSet set;
    std::vector<model::Labels> keys;    // of the groups, each differing from the one before
    std::vector<std::uint32_t> key_of;  // of each series
    NodeProfile seen;
    std::unique_ptr<Charge> charge;
  };
  struct GroupTotals {
    model::Labels labels;
    bool drop_name = false;
    std::unique_ptr<Totals> totals;
    std::unique_ptr<Charge> charge;
  };

  // Stops the fold.
  Status give_up() {
    unfit_.store(true, std::memory_order_relaxed);
    return unimplemented("not to be folded");
  }

  // What can be done of a batch beside others: names its groups.
  Status group(Made* made) {
    made->charge = std::make_unique<Charge>(run_);
    made->seen.series = made->set.size();
    made->seen.bytes = bytes_of(made->set);
    RETURN_IF_ERROR(made->charge->add(0, made->seen.bytes));
    for (const OutSeries& series : made->set) {
      if (series.column.has_histograms()) return give_up();
      made->seen.samples += series.column.present.count();
      model::Labels key = grouping_.labels(series.labels);
      if (made->keys.empty() || !(made->keys.back() == key)) made->keys.push_back(std::move(key));
      made->key_of.push_back(static_cast<std::uint32_t>(made->keys.size() - 1));
    }
    return ok();
  }

  Status take(Made made) {
    RETURN_IF_ERROR(run_.check());
    std::vector<GroupTotals*> groups;
    for (model::Labels& key : made.keys) {
      ASSIGN_OR_RETURN(GroupTotals * group, group_of(std::move(key)));
      groups.push_back(group);
    }
    for (std::size_t i = 0; i < made.set.size(); ++i) {
      GroupTotals& group = *groups[made.key_of[i]];
      group.drop_name = group.drop_name || made.set[i].drop_name;
      group.totals->add(made.set[i].column);
    }
    seen_ += made.seen;
    return ok();
  }

  // Charged beside what the batches count for, as results are beside what they are made of.
  StatusOr<std::optional<VectorSet>> result() {
    places_.clear();
    VectorSet out;
    out.reserve(groups_.size());
    for (GroupTotals& group : groups_) {
      OutSeries& series = out.emplace_back();
      series.labels = std::move(group.labels);
      series.drop_name = group.drop_name;
      series.column = group.totals->take();
      group.totals.reset();
      group.charge.reset();
      RETURN_IF_ERROR(
          charge_.add(series.column.present.count(),
                      sizeof(series) + series.labels.bytes() + bytes_of(series.column)));
    }
    return out;
  }

  StatusOr<GroupTotals*> group_of(model::Labels key) {
    const auto it = places_.find(key);
    if (it != places_.end()) return &groups_[it->second];
    auto charge = std::make_unique<Charge>(run_);
    RETURN_IF_ERROR(charge->add(0, 2 * key.bytes() + steps_ * accumulator_bytes()));
    places_.emplace(key, groups_.size());
    return &groups_.emplace_back(
        GroupTotals{std::move(key), false, make_totals(), std::move(charge)});
  }

  std::uint64_t accumulator_bytes() const {
    return with_accumulator(
        op_, []<typename Accumulator>(Accumulator) { return std::uint64_t{sizeof(Accumulator)}; });
  }

  std::unique_ptr<Totals> make_totals() const {
    return with_accumulator(op_, [&]<typename Accumulator>(Accumulator) -> std::unique_ptr<Totals> {
      return std::make_unique<TotalsOf<Accumulator>>(steps_);
    });
  }

  Evaluation& run_;
  const AggregateOp op_;
  const Grouping grouping_;
  const std::size_t steps_;
  const bool drops_names_;
  std::atomic<bool> unfit_{false};
  std::vector<Made> made_;
  NodeProfile seen_;
  Charge charge_;                   // of the result
  std::deque<GroupTotals> groups_;  // in the order of their first series
  std::unordered_map<model::Labels, std::size_t, model::LabelsHash> places_;
};

bool folds(AggregateOp op) {
  return op == AggregateOp::kSum || op == AggregateOp::kAvg || op == AggregateOp::kCount ||
         op == AggregateOp::kMin || op == AggregateOp::kMax || op == AggregateOp::kStddev ||
         op == AggregateOp::kStdvar || op == AggregateOp::kGroup;
}

// Whether all series of the source have one metric name.
bool has_one_name(const plan::Source& source) {
  return std::ranges::any_of(source.matchers, [](const model::Matcher& matcher) {
    return matcher.name() == model::kMetricName && matcher.type() == model::Matcher::Type::kEqual &&
           !matcher.value().empty();
  });
}

// The window of a call over a range of a selector; null for other nodes.
const plan::Window* window_of(const plan::PlanNode& node) {
  const auto* call = node.as<plan::CallNode>();
  if (call == nullptr || call->function->name == "absent_over_time") return nullptr;
  for (const plan::PlanPtr& argument : call->arguments) {
    const auto* window = argument->as<plan::Window>();
    if (window != nullptr) return window->inner == nullptr ? window : nullptr;
  }
  return nullptr;
}

}  // namespace

StatusOr<std::optional<VectorSet>> fold_aggregate(Evaluation& run, const plan::AggregateNode& node,
                                                  const Grid& grid) {
  const plan::PlanNode& inner = *node.inner;
  if (!folds(node.syntax->op) || (inner.step_invariant && grid.count > 1)) {
    return std::optional<VectorSet>();
  }
  const auto* select = inner.as<plan::Select>();
  const plan::Window* window = window_of(inner);
  const bool fits = (select != nullptr && !select->smoothed) || window != nullptr;
  if (!fits) return std::optional<VectorSet>();
  const bool drops_names = window != nullptr && !run.setup().delayed_name_removal;
  if (drops_names && !has_one_name(run.setup().plan.sources[window->source])) {
    return std::optional<VectorSet>();
  }
  Undo before(run);
  Profile* const profile = run.setup().profile;
  const base::SteadyTime begin = profile == nullptr ? base::SteadyTime() : profile->now();
  std::unique_ptr<Batches> batches;
  if (select != nullptr) {
    batches = select_batches(run, *select, grid);
  } else {
    ASSIGN_OR_RETURN(batches, range_batches(run, *inner.as<plan::CallNode>(), grid));
  }
  FoldRun fold(run, node, grid, drops_names);
  ASSIGN_OR_RETURN(std::optional<VectorSet> out, fold.all(*batches));
  if (!out) {
    before.undo();  // all of it comes again
  } else if (profile != nullptr) {
    NodeProfile seen = fold.seen();
    seen.calls = 1;
    seen.seconds = profile->seconds_since(begin);  // adding them up is in it
    seen.samples_read = run.counts().read - before.samples_read();
    profile->add(inner, seen);
  }
  return out;
}

}  // namespace tocsin::promql::eval
