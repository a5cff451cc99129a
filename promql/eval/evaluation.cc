// SPDX-License-Identifier: Apache-2.0
#include "promql/eval/evaluation.h"

#include <map>
#include <utility>

#include "base/check.h"
#include "base/mutex.h"
#include "promql/functions/vector_functions.h"
#include "promql/native/sum.h"

namespace tocsin::promql::eval {

namespace {

std::uint64_t bytes_of(const Result& result) {
  return result.scalar.size() * sizeof(double) + result.text.size() + eval::bytes_of(result.vector);
}

std::uint64_t bytes_of(const storage::ColumnBatch& batch) {
  std::uint64_t bytes = 0;
  for (const storage::SeriesColumn& column : batch.series) {
    bytes += sizeof(column) + column.floats.size() * sizeof(double) +
             column.present.size() * sizeof(std::uint64_t) +
             column.start_ms.size() * sizeof(std::int64_t);
    for (const auto& [row, histogram] : column.histograms) bytes += eval::bytes_of(histogram);
  }
  return bytes;
}

void negate_histograms(Column* column) {
  for (HistogramPtr& histogram : column->histograms) {
    if (histogram == nullptr) continue;
    histogram = std::make_shared<const model::FloatHistogram>(native::multiplied(*histogram, -1));
  }
}

// Whether eval_range_call computes the call.
bool takes_window(const plan::CallNode& call) {
  for (const plan::PlanPtr& argument : call.arguments) {
    if (argument->as<plan::Window>() != nullptr) return true;
  }
  return false;
}

}  // namespace

void broadcast(const Grid& grid, Result* result) {
  if (result->type == ValueType::kScalar) {
    result->scalar.assign(grid.count, result->scalar.at(0));
    return;
  }
  for (OutSeries& series : result->vector) {
    const bool present = series.column.present.test(0);
    series.column.values.assign(grid.count, series.column.values[0]);
    series.column.present = Bitmap(grid.count, present);
    if (!series.column.has_histograms()) continue;
    const HistogramPtr histogram = series.column.histograms[0];
    series.column.histograms.assign(grid.count, histogram);
  }
}

Charge::~Charge() { evaluation_.release(samples_, bytes_); }

Status Charge::add(std::uint64_t samples, std::uint64_t bytes) {
  RETURN_IF_ERROR(evaluation_.charge(samples, bytes));
  samples_ += samples;
  bytes_ += bytes;
  return ok();
}

struct Evaluation::BatchCache {
  using Key = std::pair<std::size_t, std::size_t>;  // source, batch
  base::Mutex mutex;
  std::map<Key, std::shared_ptr<const storage::ColumnBatch>> batches ABSL_GUARDED_BY(mutex);
};

Evaluation::Evaluation(const Setup& setup)
    : setup_(setup),
      cache_(std::make_unique<BatchCache>()),
      counts_(setup.grid.count, setup.count_by_step) {}

Evaluation::~Evaluation() {
  for (const Held& held : held_) release(held.samples, held.bytes);
}

SampleCounts Evaluation::no_counts(std::size_t steps) const {
  base::MutexLock lock(counts_mutex_);
  return {steps, !counts_.total_steps.empty()};
}

void Evaluation::count(const SampleCounts& counts) {
  base::MutexLock lock(counts_mutex_);
  counts_.add(counts);
}

SampleCounts Evaluation::counts() const {
  base::MutexLock lock(counts_mutex_);
  return counts_;
}

SampleCounts Evaluation::begin_counts(std::size_t steps, bool by_step) {
  base::MutexLock lock(counts_mutex_);
  return std::exchange(counts_, SampleCounts(steps, by_step));
}

SampleCounts Evaluation::end_counts(SampleCounts before) {
  base::MutexLock lock(counts_mutex_);
  return std::exchange(counts_, std::move(before));
}

void Evaluation::count_subquery(const SampleCounts& counts, const Grid& inner, const Grid& grid,
                                std::int64_t range_ms) {
  base::MutexLock lock(counts_mutex_);
  counts_.add_read_of_subquery(counts, inner, grid, range_ms);
}

Status Evaluation::prepare() {
  for (const plan::Source& source : setup_.plan.sources) {
    RETURN_IF_ERROR(check());
    storage::SelectHints hints;
    hints.mint = model::from_ms(source.mint_ms);
    hints.maxt = model::from_ms(source.maxt_ms);
    hints.step = model::Duration(is_instant() ? 0 : setup_.grid.step_ms);
    hints.range = model::Duration(source.range_ms);
    hints.function = source.function;
    RETURN_IF_ERROR(add_source(source.matchers, hints).status());
  }
  return ok();
}

StatusOr<std::size_t> Evaluation::add_source(const model::Matchers& matchers,
                                             const storage::SelectHints& hints) {
  ASSIGN_OR_RETURN(auto selection, setup_.source.select(matchers, hints, setup_.context));
  selections_.push_back(std::move(selection));
  return selections_.size() - 1;
}

StatusOr<std::shared_ptr<const storage::ColumnBatch>> Evaluation::read(std::size_t source,
                                                                       std::size_t batch) {
  const auto& planned = setup_.plan.sources;
  const bool shared = source < planned.size() && planned[source].uses > 1;
  if (shared) {
    base::MutexLock lock(cache_->mutex);
    auto it = cache_->batches.find({source, batch});
    if (it != cache_->batches.end()) return it->second;
  }
  // Charged while anybody holds it: at the latest a result whose histograms are in it.
  struct Charged {
    explicit Charged(std::shared_ptr<storage::MemoryAccount> account)
        : memory(std::move(account)) {}
    ~Charged() {
      if (memory != nullptr) memory->release(bytes);
    }
    Charged(const Charged&) = delete;
    Charged& operator=(const Charged&) = delete;
    storage::ColumnBatch columns;
    std::shared_ptr<storage::MemoryAccount> memory;
    std::uint64_t bytes = 0;
  };
  auto charged = std::make_shared<Charged>(setup_.memory);
  RETURN_IF_ERROR(selections_[source]->read(batch, &charged->columns));
  if (setup_.memory != nullptr) {
    const std::uint64_t bytes = bytes_of(charged->columns);
    RETURN_IF_ERROR(setup_.memory->charge(bytes));
    charged->bytes = bytes;
  }
  const storage::ColumnBatch* const columns = &charged->columns;
  std::shared_ptr<const storage::ColumnBatch> read(std::move(charged), columns);
  if (shared) {
    base::MutexLock lock(cache_->mutex);
    cache_->batches[{source, batch}] = read;
  }
  return read;
}

std::vector<std::string> Evaluation::storage_warnings() const {
  std::vector<std::string> warnings;
  for (const auto& selection : selections_) {
    for (std::string& w : selection->warnings()) warnings.push_back(std::move(w));
  }
  return warnings;
}

Status Evaluation::check() const {
  if (setup_.caller_cancel != nullptr) RETURN_IF_ERROR(setup_.caller_cancel->check());
  return setup_.context.cancel == nullptr ? ok() : setup_.context.cancel->check();
}

Status Evaluation::charge(std::uint64_t samples, std::uint64_t bytes) {
  if (setup_.context.memory != nullptr) RETURN_IF_ERROR(setup_.context.memory->charge(bytes));
  const std::uint64_t live = live_samples_.fetch_add(samples, std::memory_order_relaxed) + samples;
  std::uint64_t peak = peak_samples_.load(std::memory_order_relaxed);
  while (live > peak && !peak_samples_.compare_exchange_weak(peak, live)) {
  }
  if (setup_.max_samples == 0 || live <= setup_.max_samples) return ok();
  release(samples, bytes);
  return resource_exhausted(
      "query processing would load too many samples into memory in query execution");
}

void Evaluation::release(std::uint64_t samples, std::uint64_t bytes) {
  live_samples_.fetch_sub(samples, std::memory_order_relaxed);
  if (setup_.context.memory != nullptr) setup_.context.memory->release(bytes);
}

StatusOr<Result> Evaluation::eval(const plan::PlanNode& node, const Grid& grid) {
  if (setup_.profile == nullptr) return eval_node(node, grid);
  const base::SteadyTime begin = setup_.profile->now();
  const std::uint64_t read = counts().read;
  ASSIGN_OR_RETURN(Result result, eval_node(node, grid));
  setup_.profile->add(
      node, {1, setup_.profile->seconds_since(begin), counts().read - read, result.vector.size(),
             result.scalar.size() + count_samples(result.vector), bytes_of(result)});
  return result;
}

StatusOr<Result> Evaluation::eval_node(const plan::PlanNode& node, const Grid& grid) {
  RETURN_IF_ERROR(check());
  const std::size_t mark = held_.size();
  const bool once = node.step_invariant && grid.count > 1 && node.type() != ValueType::kString;
  SampleCounts counted;
  if (once) counted = begin_counts(1, false);
  StatusOr<Result> evaluated = dispatch(node, once ? Grid{grid.start_ms, grid.step_ms, 1} : grid);
  if (once) {
    const SampleCounts invariant = end_counts(std::move(counted));
    base::MutexLock lock(counts_mutex_);
    counts_.add_invariant(invariant, grid.count);
  }
  ASSIGN_OR_RETURN(Result result, std::move(evaluated));
  remove_empty(&result.vector);
  if (once) {
    Charge repeated(*this);  // before it is made: a few series over many steps are much
    RETURN_IF_ERROR(repeated.add(count_samples(result.vector) * grid.count,
                                 result.vector.size() * grid.count * (sizeof(double) + 1)));
    broadcast(grid, &result);
  }
  RETURN_IF_ERROR(settle(mark, result));
  return result;
}

Status Evaluation::settle(std::size_t mark, const Result& result) {
  const Held own{count_samples(result.vector), bytes_of(result)};
  RETURN_IF_ERROR(charge(own.samples, own.bytes));
  while (held_.size() > mark) {
    release(held_.back().samples, held_.back().bytes);
    held_.pop_back();
  }
  held_.push_back(own);
  return ok();
}

StatusOr<VectorSet> Evaluation::eval_vector(const plan::PlanNode& node, const Grid& grid) {
  ASSIGN_OR_RETURN(Result result, eval(node, grid));
  return std::move(result.vector);
}

StatusOr<std::vector<double>> Evaluation::eval_scalar(const plan::PlanNode& node,
                                                      const Grid& grid) {
  ASSIGN_OR_RETURN(Result result, eval(node, grid));
  DCHECK(result.type == ValueType::kScalar);
  return std::move(result.scalar);
}

StatusOr<Result> Evaluation::dispatch(const plan::PlanNode& node, const Grid& grid) {
  Result result;
  result.type = node.type();
  if (const auto* number = node.as<plan::Number>()) {
    result.scalar.assign(grid.count, number->value);
  } else if (const auto* text = node.as<plan::Text>()) {
    result.text = text->value;
  } else if (const auto* select = node.as<plan::Select>()) {
    ASSIGN_OR_RETURN(result.vector, eval_select(*this, *select, grid));
  } else if (const auto* aggregate = node.as<plan::AggregateNode>()) {
    ASSIGN_OR_RETURN(result.vector, eval_aggregate(*this, *aggregate, node, grid));
  } else if (const auto* info = node.as<plan::InfoNode>()) {
    ASSIGN_OR_RETURN(result.vector, eval_info(*this, *info, grid));
  } else if (const auto* binary = node.as<plan::BinaryNode>()) {
    return eval_binary(*this, *binary, node, grid);
  } else if (const auto* negate = node.as<plan::Negate>()) {
    ASSIGN_OR_RETURN(result, eval(*negate->inner, grid));
    for (double& v : result.scalar) v = -v;
    for (OutSeries& series : result.vector) {
      for (double& v : series.column.values) v = -v;
      negate_histograms(&series.column);
      drop_name(&series);
    }
    RETURN_IF_ERROR(merge_names(&result.vector));
  } else if (const auto* call = node.as<plan::CallNode>()) {
    if (!takes_window(*call)) return functions::eval_vector_call(*this, *call, node, grid);
    ASSIGN_OR_RETURN(result.vector, eval_range_call(*this, *call, grid));
  } else {
    return internal("range vector outside a function");
  }
  return result;
}

void Evaluation::drop_name(OutSeries* series) const {
  if (setup_.delayed_name_removal) {
    series->drop_name = true;
  } else {
    series->labels = without_metric(series->labels);
  }
}

Status Evaluation::merge_names(VectorSet* set) const {
  return setup_.delayed_name_removal ? ok() : merge_same_labels(set);
}

Status Evaluation::finish_names(VectorSet* set) const {
  bool changed = false;
  for (OutSeries& series : *set) {
    if (!series.drop_name) continue;
    series.labels = without_metric(series.labels);
    series.drop_name = false;
    changed = true;
  }
  return changed ? merge_same_labels(set) : ok();
}

}  // namespace tocsin::promql::eval
