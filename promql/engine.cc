// SPDX-License-Identifier: Apache-2.0
#include "promql/engine.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/mutex.h"
#include "model/value.h"
#include "promql/eval/evaluation.h"
#include "promql/functions/extended.h"
#include "promql/plan/plan.h"

namespace tocsin::promql {

namespace {

// More steps than any API allows; a bound on the size of one column.
constexpr std::int64_t kMaxSteps = 50'000'000;
// How often a waiting query looks whether it was cancelled meanwhile.
constexpr std::chrono::milliseconds kQueuePoll{50};

double seconds_between(base::SteadyTime from, base::SteadyTime to) {
  return std::chrono::duration<double>(to - from).count();
}

struct Times {
  std::int64_t start_ms = 0;
  std::int64_t end_ms = 0;
  std::int64_t step_ms = 1;
  bool instant = true;
};

// The raw samples of a range vector selector, for an instant query that is nothing else.
StatusOr<Matrix> raw_samples(eval::Evaluation& run, const plan::Window& window,
                             std::int64_t at_ms) {
  const std::int64_t end = window.shift.apply(at_ms);
  const std::int64_t after = end - window.range_ms;
  const bool extended = window.mode != RangeMode::kPlain;
  const std::int64_t lookback = extended ? run.setup().lookback_ms : 0;
  const std::int64_t ahead = window.mode == RangeMode::kSmoothed ? lookback : 0;
  const storage::Selection& selection = run.selection(window.source);
  Matrix matrix;
  for (std::size_t b = 0; b < selection.batch_count(); ++b) {
    RETURN_IF_ERROR(run.check());
    ASSIGN_OR_RETURN(auto columns, run.read(window.source, b));
    for (const storage::SeriesColumn& column : columns->series) {
      Series series;
      auto next = column.histograms.begin();
      for (std::uint32_t row = 0; row < column.rows; ++row) {
        while (next != column.histograms.end() && next->first < row) ++next;
        const std::int64_t t = column.times->ms[column.first + row];
        if (t <= after - lookback || t > end + ahead) continue;
        if (next != column.histograms.end() && next->first == row) {
          series.histograms.push_back({t, eval::HistogramPtr(columns, &next->second)});
        } else if (column.has(row) && !model::is_stale(column.floats[row])) {
          series.floats.push_back({t, column.floats[row]});
        }
      }
      std::erase_if(series.histograms,
                    [](const HistogramPoint& p) { return model::is_stale(p.histogram->sum); });
      if (extended) {
        if (!series.histograms.empty()) {
          return failed_precondition("{} modifier is not supported with histograms",
                                     ahead == 0 ? "anchored" : "smoothed");
        }
        series.floats = functions::extend_samples(series.floats, after, end, window.mode);
      }
      if (series.floats.empty() && series.histograms.empty()) continue;
      run.total_samples += series.floats.size() + series.histograms.size();
      series.labels = selection.labels(column.series);
      matrix.push_back(std::move(series));
    }
  }
  return matrix;
}

std::vector<Point> points_of(const eval::Column& column, const eval::Bitmap& steps,
                             const eval::Grid& grid) {
  std::vector<Point> points;
  points.reserve(steps.count());
  steps.for_each([&](std::size_t i) { points.push_back({grid.time(i), column.values[i]}); });
  return points;
}

// Splits a column into its floats and histograms.
void fill_points(const eval::Column& column, const eval::Grid& grid, Series* out) {
  if (!column.has_histograms()) {
    out->floats = points_of(column, column.present, grid);
    return;
  }
  const eval::Bitmap histograms = column.histogram_steps();
  eval::Bitmap floats = column.present;
  out->floats = points_of(column, floats.subtract(histograms), grid);
  histograms.for_each(
      [&](std::size_t i) { out->histograms.push_back({grid.time(i), column.histograms[i]}); });
}

Matrix to_matrix(eval::VectorSet set, const eval::Grid& grid) {
  Matrix matrix;
  for (eval::OutSeries& series : set) {
    Series out;
    out.labels = std::move(series.labels);
    fill_points(series.column, grid, &out);
    if (!out.floats.empty() || !out.histograms.empty()) matrix.push_back(std::move(out));
  }
  return matrix;
}

Vector to_vector(eval::VectorSet set, std::int64_t at_ms) {
  Vector vector;
  for (eval::OutSeries& series : set) {
    if (!series.column.present.test(0)) continue;
    const eval::HistogramPtr& histogram = series.column.histogram(0);
    const double value = histogram == nullptr ? series.column.values[0] : 0;
    vector.push_back({std::move(series.labels), at_ms, value, histogram});
  }
  return vector;
}

void sort_by_labels(Matrix* matrix) {
  std::sort(matrix->begin(), matrix->end(),
            [](const Series& a, const Series& b) { return a.labels < b.labels; });
}

Annotations render(const eval::AnnotationSet& set, std::string_view query) {
  Annotations out;
  for (const auto& entry : set.entries()) {
    std::vector<std::string>& list = entry.warning ? out.warnings : out.infos;
    const std::string times =
        entry.times > 1 ? fmt::format(" ({} occurrences)", entry.times) : std::string();
    list.push_back(fmt::format("PromQL {}: {}{} ({})", entry.warning ? "warning" : "info",
                               entry.text, times, line_column(query, entry.position.start)));
  }
  return out;
}

}  // namespace

// The engine's own metrics; all null without a registry.
struct EngineMetrics {
  EngineMetrics(base::Registry* registry, std::size_t max_concurrent) {
    if (registry == nullptr) return;
    queries = &registry->gauge("prometheus_engine_queries",
                               "The current number of queries being executed or waiting.");
    registry
        ->gauge("prometheus_engine_queries_concurrent_max", "The max number of concurrent queries.")
        .set(static_cast<double>(max_concurrent));
    samples = &registry->counter("prometheus_engine_query_samples_total",
                                 "The total number of samples loaded by all queries.");
    durations = &registry->summary("prometheus_engine_query_duration_seconds", "Query timings.",
                                   {"slice"}, {0.5, 0.9, 0.99});
  }

  void finish(const QueryStats& stats) {
    if (queries == nullptr) return;
    samples->inc(static_cast<double>(stats.total_samples));
    durations->with({"queue_time"}).observe(stats.queue_seconds);
    durations->with({"prepare_time"}).observe(stats.prepare_seconds);
    durations->with({"inner_eval"}).observe(stats.eval_seconds);
    durations->with({"result_sort"}).observe(stats.sort_seconds);
  }

  base::Gauge* queries = nullptr;
  base::Counter* samples = nullptr;
  base::SummaryVec* durations = nullptr;
};

struct Engine::Impl {
  Impl(EngineOptions engine_options, Services engine_services)
      : options(std::move(engine_options)),
        services(engine_services),
        memory(options.max_memory_bytes),
        metrics(services.metrics, options.max_concurrent) {}

  struct Query {
    Query(const base::Clock* clock, base::SteadyTime deadline, storage::MemoryAccount* parent)
        : token(clock, deadline), memory(0, parent) {}
    std::string text;
    base::Timestamp started;
    storage::CancelToken token;
    storage::MemoryAccount memory;
  };

  StatusOr<QueryResult> run(const storage::Queryable& source, std::string_view text,
                            const Expr& expr, const Times& times,
                            const QueryOptions& query_options);
  StatusOr<QueryResult> evaluate(const storage::Queryable& source, std::string_view text,
                                 const Expr& expr, const Times& times, const QueryOptions& asked,
                                 Query* query);
  Status enter(Query* query, const QueryOptions& asked, base::SteadyTime deadline);
  StatusOr<Value> result_value(eval::Evaluation& run, const plan::Plan& plan, const Times& times,
                               QueryStats* stats);
  Value sorted(Matrix matrix, QueryStats* stats) const;

  const EngineOptions options;
  const Services services;
  storage::MemoryAccount memory;
  EngineMetrics metrics;

  mutable base::Mutex mutex;
  base::CondVar changed;
  std::map<std::uint64_t, std::shared_ptr<Query>> queries ABSL_GUARDED_BY(mutex);
  std::uint64_t next_id ABSL_GUARDED_BY(mutex) = 1;
  std::size_t active ABSL_GUARDED_BY(mutex) = 0;
};

Status Engine::Impl::enter(Query* query, const QueryOptions& asked, base::SteadyTime deadline) {
  base::MutexLock lock(mutex);
  while (active >= options.max_concurrent) {
    RETURN_IF_ERROR(query->token.check());
    if (asked.cancel != nullptr) RETURN_IF_ERROR(asked.cancel->check());
    const base::SteadyTime now = services.clock.steady_now();
    changed.wait_until(mutex, std::min(deadline, now + kQueuePoll));
  }
  ++active;
  return ok();
}

StatusOr<QueryResult> Engine::Impl::run(const storage::Queryable& source, std::string_view text,
                                        const Expr& expr, const Times& times,
                                        const QueryOptions& asked) {
  base::Duration timeout = options.timeout;
  if (asked.timeout.count() > 0) timeout = std::min(timeout, asked.timeout);
  const base::SteadyTime begin = services.clock.steady_now();
  auto query = std::make_shared<Query>(&services.clock, begin + timeout, &memory);
  query->text = std::string(text);
  query->started = services.clock.now();
  std::uint64_t id = 0;
  {
    base::MutexLock lock(mutex);
    id = next_id++;
    queries.emplace(id, query);
    if (metrics.queries != nullptr) metrics.queries->add(1);
  }
  Status entered = enter(query.get(), asked, begin + timeout);
  const double waited = seconds_between(begin, services.clock.steady_now());
  StatusOr<QueryResult> result =
      entered.ok() ? evaluate(source, text, expr, times, asked, query.get()) : entered;
  if (result.ok()) {
    result->stats.queue_seconds = waited;
    metrics.finish(result->stats);
  }
  {
    base::MutexLock lock(mutex);
    queries.erase(id);
    if (metrics.queries != nullptr) metrics.queries->add(-1);
    if (entered.ok()) --active;
    changed.notify_all();
  }
  return result;
}

Value Engine::Impl::sorted(Matrix matrix, QueryStats* stats) const {
  const base::SteadyTime begin = services.clock.steady_now();
  sort_by_labels(&matrix);
  stats->sort_seconds = seconds_between(begin, services.clock.steady_now());
  return Value(std::move(matrix));
}

StatusOr<Value> Engine::Impl::result_value(eval::Evaluation& run, const plan::Plan& plan,
                                           const Times& times, QueryStats* stats) {
  const eval::Grid grid = run.setup().grid;
  const plan::PlanNode& root = *plan.root;
  if (const auto* window = root.as<plan::Window>()) {
    if (window->inner == nullptr) {
      ASSIGN_OR_RETURN(Matrix matrix, raw_samples(run, *window, times.start_ms));
      return sorted(std::move(matrix), stats);
    }
    ASSIGN_OR_RETURN(const eval::Grid inner, eval::inner_grid(run, *window, grid));
    if (inner.count == 0) return Value(Matrix());
    ASSIGN_OR_RETURN(eval::VectorSet set, run.eval_vector(*window->inner, inner));
    RETURN_IF_ERROR(run.finish_names(&set));
    return sorted(to_matrix(std::move(set), inner), stats);
  }
  ASSIGN_OR_RETURN(eval::Result result, run.eval(root, grid));
  if (result.type == ValueType::kString) {
    return Value(StringValue{times.start_ms, std::move(result.text)});
  }
  if (result.type == ValueType::kScalar) {
    if (times.instant) return Value(Scalar{times.start_ms, result.scalar.at(0)});
    Series series;
    for (std::size_t i = 0; i < grid.count; ++i) {
      series.floats.push_back({grid.time(i), result.scalar[i]});
    }
    Matrix matrix;
    matrix.push_back(std::move(series));
    return Value(std::move(matrix));
  }
  RETURN_IF_ERROR(run.finish_names(&result.vector));
  if (times.instant) {
    RETURN_IF_ERROR(eval::merge_same_labels(&result.vector));
    return Value(to_vector(std::move(result.vector), times.start_ms));
  }
  return sorted(to_matrix(std::move(result.vector), grid), stats);
}

StatusOr<QueryResult> Engine::Impl::evaluate(const storage::Queryable& source,
                                             std::string_view text, const Expr& expr,
                                             const Times& times, const QueryOptions& asked,
                                             Query* query) {
  const base::SteadyTime begin = services.clock.steady_now();
  const ExprPtr resolved = expr.clone();
  RETURN_IF_ERROR(resolve_durations(resolved.get(),
                                    model::Duration(times.instant ? 0 : times.step_ms),
                                    model::Duration(times.end_ms - times.start_ms)));
  const std::int64_t lookback =
      asked.lookback.count() > 0 ? asked.lookback.count() : options.lookback.count();
  ASSIGN_OR_RETURN(const plan::Plan plan,
                   plan::make_plan(*resolved, {times.start_ms, times.end_ms, lookback,
                                               options.default_subquery_step.count()}));
  eval::Grid grid{times.start_ms, times.step_ms, 1};
  grid.count = static_cast<std::size_t>((times.end_ms - times.start_ms) / times.step_ms) + 1;
  eval::Evaluation run(eval::Setup{plan,
                                   source,
                                   grid,
                                   times.end_ms,
                                   times.instant,
                                   lookback,
                                   options.max_samples,
                                   options.delayed_name_removal,
                                   options.use_start_timestamps,
                                   {&query->memory, &query->token},
                                   asked.cancel,
                                   services.workers});
  RETURN_IF_ERROR(run.prepare());
  const base::SteadyTime prepared = services.clock.steady_now();
  QueryResult result;
  ASSIGN_OR_RETURN(result.value, result_value(run, plan, times, &result.stats));
  result.annotations = render(run.annotations, text);
  for (std::string& warning : run.storage_warnings()) {
    result.annotations.warnings.push_back(std::move(warning));
  }
  result.stats.total_samples = run.total_samples;
  result.stats.peak_samples = run.peak_samples();
  result.stats.prepare_seconds = seconds_between(begin, prepared);
  result.stats.eval_seconds = seconds_between(prepared, services.clock.steady_now());
  return result;
}

Engine::Engine(EngineOptions options, Services services)
    : impl_(std::make_unique<Impl>(std::move(options), services)) {}
Engine::~Engine() = default;

StatusOr<QueryResult> Engine::instant(const storage::Queryable& source, std::string_view query,
                                      base::Timestamp at, const QueryOptions& options) {
  ASSIGN_OR_RETURN(const ExprPtr expr, parse_expr(query, impl_->options.parser));
  const std::int64_t ms = base::to_ms(at);
  return impl_->run(source, query, *expr, Times{ms, ms, 1, true}, options);
}

StatusOr<QueryResult> Engine::instant(const storage::Queryable& source, const Expr& expr,
                                      base::Timestamp at, const QueryOptions& options) {
  const std::int64_t ms = base::to_ms(at);
  return impl_->run(source, to_string(expr), expr, Times{ms, ms, 1, true}, options);
}

StatusOr<QueryResult> Engine::range(const storage::Queryable& source, std::string_view query,
                                    base::Timestamp start, base::Timestamp end, base::Duration step,
                                    const QueryOptions& options) {
  ASSIGN_OR_RETURN(const ExprPtr expr, parse_expr(query, impl_->options.parser));
  if (expr->type() != ValueType::kVector && expr->type() != ValueType::kScalar) {
    return invalid_argument(
        "invalid expression type \"{}\" for range query, must be Scalar or instant Vector",
        value_type_text(expr->type()));
  }
  if (step.count() <= 0) return invalid_argument("step must be positive");
  if (end < start) return QueryResult{Matrix(), {}, {}};
  if ((end - start) / step >= kMaxSteps) return resource_exhausted("too many steps");
  const Times times{base::to_ms(start), base::to_ms(end), step.count(), false};
  return impl_->run(source, query, *expr, times, options);
}

const EngineOptions& Engine::options() const { return impl_->options; }

std::vector<Engine::Running> Engine::running() const {
  base::MutexLock lock(impl_->mutex);
  std::vector<Running> list;
  for (const auto& [id, query] : impl_->queries) {
    list.push_back({id, query->text, query->started, query->memory.used()});
  }
  return list;
}

bool Engine::kill(std::uint64_t id) {
  base::MutexLock lock(impl_->mutex);
  auto it = impl_->queries.find(id);
  if (it == impl_->queries.end()) return false;
  it->second->token.cancel();
  impl_->changed.notify_all();
  return true;
}

}  // namespace tocsin::promql
