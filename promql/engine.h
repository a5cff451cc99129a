// SPDX-License-Identifier: Apache-2.0
//
// Engine: evaluates PromQL over a Queryable, series at a time over whole-range columns.
//
// Hides: planning, vectorised kernels, parallelism.
// Borrows: its Services, and per query a Queryable. Results are deterministic: the same bytes with one thread or eight.
// Threads: shared;
// instant() and range() block the caller and may be called from several threads.
// Errors:
// kInvalidArgument (parse), kFailedPrecondition (execution: upstream's texts such as "vector cannot
// contain metrics with the same labelset"), kResourceExhausted ("query processing would load too
// many samples into memory in query execution"), kDeadlineExceeded, kCancelled, kUnimplemented
// ("not supported yet: ...").
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/executor.h"
#include "base/metrics.h"
#include "base/status.h"
#include "base/time.h"
#include "model/labels.h"
#include "promql/active_queries.h"
#include "promql/parser.h"
#include "storage/queryable.h"

namespace tocsin::promql {

struct Point {
  std::int64_t time_ms = 0;
  double value = 0;
};
struct HistogramPoint {
  std::int64_t time_ms = 0;
  std::shared_ptr<const model::FloatHistogram> histogram;
};

struct Sample {  // of an instant vector
  model::Labels labels;
  std::int64_t time_ms = 0;
  double value = 0;
  std::shared_ptr<const model::FloatHistogram> histogram;  // set: value is unused
};
struct Series {  // of a matrix
  model::Labels labels;
  std::vector<Point> floats;
  std::vector<HistogramPoint> histograms;
};
struct Scalar {
  std::int64_t time_ms = 0;
  double value = 0;
};
struct StringValue {
  std::int64_t time_ms = 0;
  std::string value;
};
using Vector = std::vector<Sample>;
using Matrix = std::vector<Series>;
using Value = std::variant<Scalar, StringValue, Vector, Matrix>;

// Warnings and infos as clients see them: "PromQL warning: ... (LINE:COLUMN)". Unique, in order of
// first appearance.
struct Annotations {
  std::vector<std::string> warnings;
  std::vector<std::string> infos;
};

struct QueryStats {
  struct StepCount {
    std::int64_t time_ms = 0;
    std::uint64_t samples = 0;
  };
  // As upstream counts them, a native histogram by its size: the samples of all windows, those of
  // them that were new at their step, and the most that were held at a time.
  std::uint64_t total_samples = 0;
  std::uint64_t samples_read = 0;
  std::uint64_t peak_samples = 0;
  std::uint64_t peak_bytes = 0;
  std::vector<StepCount> total_by_step, read_by_step;  // when asked for
  double queue_seconds = 0, prepare_seconds = 0, eval_seconds = 0, sort_seconds = 0;
  double exec_seconds = 0;  // from the call to the result
};

struct QueryResult {
  Value value;
  Annotations annotations;
  QueryStats stats;
  // The query's; the value stays charged to it until the last owner lets go. Whoever makes more of
  // the value, such as a page, may charge that, too. Null for a value without memory.
  std::shared_ptr<storage::MemoryAccount> memory;
  std::string plan;  // JSON, of an analyzed query: see explain()
};

struct EngineOptions {
  base::Duration lookback{300'000};
  base::Duration timeout{120'000};
  std::uint64_t max_samples = 50'000'000;
  std::uint64_t max_memory_bytes = 0;  // of all queries together; 0: no limit
  std::uint64_t max_query_bytes = 0;   // of one query; 0: no limit
  std::size_t max_concurrent = 20;     // more wait, counted in queue_seconds
  base::Duration default_subquery_step{60'000};
  bool delayed_name_removal = false;
  bool use_start_timestamps = false;  // of counters, where samples have them
  bool type_and_unit_labels = false;  // __type__ says what is a counter, not the name
  ParserOptions parser;
};

// Who asks, for the query log and the list of what runs.
struct QueryOrigin {
  std::string client_ip, method, path;  // of an HTTP request
  std::string group_file, group_name;   // of a rule; its queries wait in front of others
};

// What one query asks beyond the engine's options.
struct QueryOptions {
  base::Duration lookback{0};                    // 0: the engine's
  base::Duration timeout{0};                     // 0: the engine's; never more than it
  const storage::CancelToken* cancel = nullptr;  // borrowed; null: none
  const std::atomic<bool>* abandoned = nullptr;  // borrowed; true once nobody waits for the answer
  const QueryOrigin* origin = nullptr;           // borrowed; null: nobody in particular
  bool stats_by_step = false;
  bool analyze = false;  // the result tells what its plan did
};

// A query that has ended, for the query log. Valid during the call.
struct FinishedQuery {
  std::string_view query;
  base::Timestamp start, end;
  base::Duration step;  // 0: an instant query
  const Status& status;
  const QueryStats& stats;
  const QueryOrigin& origin;
};
// Called by the thread that ran the query, from several at once.
using QueryLog = std::function<void(const FinishedQuery&)>;

class Engine {
 public:
  struct Services {
    const base::Clock& clock;
    base::Executor* workers = nullptr;  // morsels; null: the caller's thread does all
    base::Registry* metrics = nullptr;
    ActiveQueries* active = nullptr;  // null: what runs is not written down
  };

  Engine(EngineOptions options, Services services);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Evaluates at one time.
  StatusOr<QueryResult> instant(const storage::Queryable& source, std::string_view query,
                                base::Timestamp at, const QueryOptions& options = {});
  // Evaluates at start, start + step, ... <= end; the result is a Matrix sorted by labels.
  // REQUIRES: step > 0.
  StatusOr<QueryResult> range(const storage::Queryable& source, std::string_view query,
                              base::Timestamp start, base::Timestamp end, base::Duration step,
                              const QueryOptions& options = {});
  // The same for a parsed expression (kept by the caller), for rules.
  StatusOr<QueryResult> instant(const storage::Queryable& source, const Expr& expr,
                                base::Timestamp at, const QueryOptions& options = {});

  // The plan of a query as JSON, without running it: operators, what is shared or evaluated once,
  // what would be read. step 0: an instant query at `start`.
  StatusOr<std::string> explain(std::string_view query, base::Timestamp start, base::Timestamp end,
                                base::Duration step) const;

  const EngineOptions& options() const;
  // Null: queries are not logged. Those that end now may still use the one before.
  void set_query_log(std::shared_ptr<const QueryLog> log);
  // Queries running now: text and start, for the status page and the API.
  struct Running {
    std::uint64_t id = 0;
    std::string query;
    base::Timestamp started;
    base::Timestamp start, end;
    base::Duration step;  // 0: an instant query
    bool waits = false;   // for its turn
    std::uint64_t memory_bytes = 0;
    QueryOrigin origin;
  };
  std::vector<Running> running() const;
  // False when no such query runs.
  bool kill(std::uint64_t id);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tocsin::promql
