// SPDX-License-Identifier: Apache-2.0
#include "promql/engine.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/mutex.h"
#include "promql/eval/evaluation.h"
#include "promql/plan/plan.h"
#include "promql/run/explain.h"
#include "promql/run/gate.h"
#include "promql/run/results.h"

namespace tocsin::promql {

namespace {

// More steps than any API allows; a bound on the size of one column.
constexpr std::int64_t kMaxSteps = 50'000'000;

double seconds_between(base::SteadyTime from, base::SteadyTime to) {
  return std::chrono::duration<double>(to - from).count();
}

struct Times {
  std::int64_t start_ms = 0;
  std::int64_t end_ms = 0;
  std::int64_t step_ms = 1;
  bool instant = true;
};

}  // namespace

// The engine's own metrics; all null without a registry.
struct EngineMetrics {
  EngineMetrics(base::Registry* registry, const EngineOptions& options,
                std::shared_ptr<storage::MemoryAccount> memory) {
    if (registry == nullptr) return;
    queries = &registry->gauge("prometheus_engine_queries",
                               "The current number of queries being executed or waiting.");
    registry
        ->gauge("prometheus_engine_queries_concurrent_max", "The max number of concurrent queries.")
        .set(static_cast<double>(options.max_concurrent));
    samples = &registry->counter("prometheus_engine_query_samples_total",
                                 "The total number of samples loaded by all queries.");
    samples_read = &registry->counter("prometheus_engine_query_samples_read_total",
                                      "The total number of samples read by all queries.");
    durations = &registry->summary("prometheus_engine_query_duration_seconds", "Query timings.",
                                   {"slice"}, {0.5, 0.9, 0.99});
    logged = &registry->gauge("prometheus_engine_query_log_enabled",
                              "State of the query log: 1 when queries are logged.");
    ended = &registry->counter("tocsin_engine_queries_ended_early_total",
                               "Queries that got no result because of a limit, or were canceled.",
                               {"reason"});
    for (const char* reason : {"samples", "memory", "timeout", "canceled"}) ended->with({reason});
    registry->gauge("tocsin_engine_memory_limit_bytes", "Memory that all queries may hold; 0: any.")
        .set(static_cast<double>(options.max_memory_bytes));
    registry->collector([memory = std::move(memory)](std::vector<base::MetricFamily>* out) {
      out->push_back({"tocsin_engine_memory_bytes",
                      "Memory that queries and their results hold.",
                      base::MetricType::kGauge,
                      {{"", {}, static_cast<double>(memory->used())}}});
    });
  }

  void add_queries(double by) {
    if (queries != nullptr) queries->add(by);
  }

  void finish(const QueryStats& stats, const Status& status, bool out_of_memory) {
    if (queries == nullptr) return;
    samples->inc(static_cast<double>(stats.total_samples));
    samples_read->inc(static_cast<double>(stats.samples_read));
    const StatusCode code = status.code();
    if (code == StatusCode::kResourceExhausted) {
      ended->with({out_of_memory ? "memory" : "samples"}).inc();
    }
    if (code == StatusCode::kDeadlineExceeded) ended->with({"timeout"}).inc();
    if (code == StatusCode::kCancelled) ended->with({"canceled"}).inc();
    durations->with({"queue_time"}).observe(stats.queue_seconds);
    if (!status.ok()) return;
    durations->with({"prepare_time"}).observe(stats.prepare_seconds);
    durations->with({"inner_eval"}).observe(stats.eval_seconds);
    durations->with({"result_sort"}).observe(stats.sort_seconds);
  }

  base::Gauge* queries = nullptr;
  base::Gauge* logged = nullptr;
  base::Counter* samples = nullptr;
  base::Counter* samples_read = nullptr;
  base::CounterVec* ended = nullptr;
  base::SummaryVec* durations = nullptr;
};

// What the queries of an engine hold together. Outlives the engine when a result does.
using TotalMemory = std::shared_ptr<storage::MemoryAccount>;

struct Engine::Impl {
  Impl(EngineOptions engine_options, Services engine_services)
      : options(std::move(engine_options)),
        services(engine_services),
        memory(std::make_shared<storage::MemoryAccount>(options.max_memory_bytes)),
        metrics(services.metrics, options, memory),
        gate(options.max_concurrent, services.clock) {}

  struct Query {
    Query(std::string_view query_text, const Times& query_times, const QueryOptions& asked)
        : text(query_text),
          times(query_times),
          origin(asked.origin == nullptr ? QueryOrigin() : *asked.origin) {}
    const std::string text;
    const Times times;
    const QueryOrigin origin;
    base::Timestamp started;
    storage::CancelToken* token = nullptr;
    std::shared_ptr<storage::MemoryAccount> memory;
    std::atomic<bool> waits{true};
    QueryStats stats;
  };

  StatusOr<QueryResult> run(const storage::Queryable& source, std::string_view text,
                            const Expr& expr, const Times& times,
                            const QueryOptions& query_options);
  StatusOr<QueryResult> run_in_turn(const storage::Queryable& source, const Expr& expr,
                                    const QueryOptions& asked, Query* query);
  // Resolves the durations of `expr`, which has to outlive the plan.
  StatusOr<plan::Plan> make_plan(Expr* expr, const Times& times, std::int64_t lookback_ms) const;
  StatusOr<QueryResult> evaluate(const storage::Queryable& source, const Expr& expr,
                                 const QueryOptions& asked, Query* query);
  std::shared_ptr<storage::MemoryAccount> query_memory() const;
  void finish(const Query& query, const Status& status);

  const EngineOptions options;
  const Services services;
  const TotalMemory memory;
  EngineMetrics metrics;
  run::Gate gate;
  base::Guarded<std::shared_ptr<const QueryLog>> log;

  mutable base::Mutex mutex;
  std::map<std::uint64_t, Query*> queries ABSL_GUARDED_BY(mutex);
  std::uint64_t next_id ABSL_GUARDED_BY(mutex) = 1;
};

// An account that keeps the one above it alive.
std::shared_ptr<storage::MemoryAccount> Engine::Impl::query_memory() const {
  struct Accounts {
    Accounts(TotalMemory all, std::uint64_t limit)
        : total(std::move(all)), own(limit, total.get()) {}
    const TotalMemory total;
    storage::MemoryAccount own;
  };
  auto accounts = std::make_shared<Accounts>(memory, options.max_query_bytes);
  return {accounts, &accounts->own};
}

void Engine::Impl::finish(const Query& query, const Status& status) {
  metrics.finish(query.stats, status, query.memory->refused());
  const std::shared_ptr<const QueryLog> query_log = *log.lock();
  if (query_log == nullptr) return;
  const Times& times = query.times;
  (*query_log)({query.text, base::from_ms(times.start_ms), base::from_ms(times.end_ms),
                base::Duration(times.instant ? 0 : times.step_ms), status, query.stats,
                query.origin});
}

StatusOr<QueryResult> Engine::Impl::run(const storage::Queryable& source, std::string_view text,
                                        const Expr& expr, const Times& times,
                                        const QueryOptions& asked) {
  base::Duration timeout = options.timeout;
  if (asked.timeout.count() > 0) timeout = std::min(timeout, asked.timeout);
  const base::SteadyTime begin = services.clock.steady_now();
  Query query(text, times, asked);
  storage::CancelToken token(&services.clock, begin + timeout, asked.abandoned);
  query.started = services.clock.now();
  query.token = &token;
  query.memory = query_memory();
  std::uint64_t id = 0;
  {
    base::MutexLock lock(mutex);
    id = next_id++;
    queries.emplace(id, &query);
  }
  metrics.add_queries(1);
  StatusOr<QueryResult> result = run_in_turn(source, expr, asked, &query);
  {
    base::MutexLock lock(mutex);
    queries.erase(id);
  }
  metrics.add_queries(-1);
  query.stats.peak_bytes = query.memory->peak();
  query.stats.exec_seconds = seconds_between(begin, services.clock.steady_now());
  finish(query, result.status());
  if (!result.ok()) return result;
  result->stats = std::move(query.stats);
  result->memory = std::move(query.memory);
  return result;
}

StatusOr<QueryResult> Engine::Impl::run_in_turn(const storage::Queryable& source, const Expr& expr,
                                                const QueryOptions& asked, Query* query) {
  const base::SteadyTime begin = services.clock.steady_now();
  const auto check = [&](std::string_view where) -> Status {
    if (asked.cancel != nullptr) RETURN_IF_ERROR(asked.cancel->check(where));
    return query->token->check(where);
  };
  const auto line =
      query->origin.group_name.empty() ? run::Gate::Line::kOthers : run::Gate::Line::kRules;
  const Status entered = gate.enter(line, [&] { return check("query queue"); });
  query->stats.queue_seconds = seconds_between(begin, services.clock.steady_now());
  RETURN_IF_ERROR(entered);
  query->waits = false;
  std::size_t slot = 0;
  if (services.active != nullptr) slot = services.active->add(query->text, query->started);
  const Status wanted = check("query execution");
  StatusOr<QueryResult> result =
      wanted.ok() ? evaluate(source, expr, asked, query) : StatusOr<QueryResult>(wanted);
  if (services.active != nullptr) services.active->remove(slot);
  gate.leave();
  return result;
}

std::vector<QueryStats::StepCount> by_step(const std::vector<std::uint64_t>& counts,
                                           const eval::Grid& grid) {
  std::vector<QueryStats::StepCount> steps;
  for (std::size_t i = 0; i < counts.size(); ++i) steps.push_back({grid.time(i), counts[i]});
  return steps;
}

StatusOr<plan::Plan> Engine::Impl::make_plan(Expr* expr, const Times& times,
                                             std::int64_t lookback_ms) const {
  RETURN_IF_ERROR(resolve_durations(expr, model::Duration(times.instant ? 0 : times.step_ms),
                                    model::Duration(times.end_ms - times.start_ms)));
  return plan::make_plan(
      *expr, {times.start_ms, times.end_ms, lookback_ms, options.default_subquery_step.count()});
}

StatusOr<QueryResult> Engine::Impl::evaluate(const storage::Queryable& source, const Expr& expr,
                                             const QueryOptions& asked, Query* query) {
  const base::SteadyTime begin = services.clock.steady_now();
  const Times& times = query->times;
  QueryStats& stats = query->stats;
  // The text, the tree, its copy and the plan.
  RETURN_IF_ERROR(query->memory->charge(query->text.size() + 3 * memory_bytes(expr)));
  const std::int64_t lookback =
      asked.lookback.count() > 0 ? asked.lookback.count() : options.lookback.count();
  const ExprPtr resolved = expr.clone();
  ASSIGN_OR_RETURN(const plan::Plan plan, make_plan(resolved.get(), times, lookback));
  eval::Profile profile(services.clock);
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
                                   options.type_and_unit_labels,
                                   asked.stats_by_step,
                                   {query->memory.get(), query->token},
                                   query->memory,
                                   asked.cancel,
                                   services.workers,
                                   asked.analyze ? &profile : nullptr});
  RETURN_IF_ERROR(run.prepare());
  const base::SteadyTime prepared = services.clock.steady_now();
  stats.prepare_seconds = seconds_between(begin, prepared);
  QueryResult result;
  StatusOr<Value> value = run::evaluate_root(run, plan);
  const eval::SampleCounts counts = run.counts();
  stats.total_samples = counts.total;
  stats.samples_read = counts.read;
  stats.total_by_step = by_step(counts.total_steps, grid);
  stats.read_by_step = by_step(counts.read_steps, grid);
  stats.peak_samples = run.peak_samples();
  const base::SteadyTime evaluated = services.clock.steady_now();
  stats.eval_seconds = seconds_between(prepared, evaluated);
  ASSIGN_OR_RETURN(result.value, std::move(value));
  RETURN_IF_ERROR(query->memory->charge(run::bytes_of(result.value)));
  if (auto* matrix = std::get_if<Matrix>(&result.value)) {
    run::sort_by_labels(matrix);
    stats.sort_seconds = seconds_between(evaluated, services.clock.steady_now());
  }
  if (asked.analyze) {
    base::JsonWriter json(&result.plan);
    run::write_plan(plan, &run, &profile, &json);
  }
  result.annotations = run::render(run.annotations, query->text);
  for (std::string& warning : run.storage_warnings()) {
    result.annotations.warnings.push_back(std::move(warning));
  }
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
  if (end < start) return QueryResult{Matrix(), {}, {}, nullptr, {}};
  if ((end - start) / step >= kMaxSteps) return resource_exhausted("too many steps");
  const Times times{base::to_ms(start), base::to_ms(end), step.count(), false};
  return impl_->run(source, query, *expr, times, options);
}

StatusOr<std::string> Engine::explain(std::string_view query, base::Timestamp start,
                                      base::Timestamp end, base::Duration step) const {
  ASSIGN_OR_RETURN(const ExprPtr expr, parse_expr(query, impl_->options.parser));
  const bool instant = step.count() == 0;
  const Times times{base::to_ms(start), base::to_ms(end), instant ? 1 : step.count(), instant};
  ASSIGN_OR_RETURN(const plan::Plan plan,
                   impl_->make_plan(expr.get(), times, impl_->options.lookback.count()));
  std::string text;
  base::JsonWriter json(&text);
  run::write_plan(plan, nullptr, nullptr, &json);
  return text;
}

const EngineOptions& Engine::options() const { return impl_->options; }

void Engine::set_query_log(std::shared_ptr<const QueryLog> log) {
  if (impl_->metrics.logged != nullptr) impl_->metrics.logged->set(log == nullptr ? 0 : 1);
  *impl_->log.lock() = std::move(log);
}

std::vector<Engine::Running> Engine::running() const {
  base::MutexLock lock(impl_->mutex);
  std::vector<Running> list;
  for (const auto& [id, query] : impl_->queries) {
    const Times& times = query->times;
    list.push_back({id, query->text, query->started, base::from_ms(times.start_ms),
                    base::from_ms(times.end_ms), base::Duration(times.instant ? 0 : times.step_ms),
                    query->waits, query->memory->used(), query->origin});
  }
  return list;
}

bool Engine::kill(std::uint64_t id) {
  {
    base::MutexLock lock(impl_->mutex);
    auto it = impl_->queries.find(id);
    if (it == impl_->queries.end()) return false;
    it->second->token->cancel();
  }
  impl_->gate.wake();
  return true;
}

}  // namespace tocsin::promql
