// SPDX-License-Identifier: Apache-2.0
//
// Engine: evaluates PromQL over a Queryable, series at a time over whole-range columns.
//
// Hides: planning, vectorised kernels, parallelism.
// Borrows: Clock, and per query a Queryable and
// an Executor. Results are deterministic: the same bytes with one thread or eight.
// Threads: shared;
// instant() and range() block the caller and may be called from several threads.
// Errors:
// kInvalidArgument (parse), kFailedPrecondition (execution: upstream's texts such as "vector cannot
// contain metrics with the same labelset"), kResourceExhausted ("query processing would load too
// many samples into memory in query execution"), kDeadlineExceeded, kCancelled, kUnimplemented
// ("not supported yet: ...").
#pragma once

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
  std::uint64_t total_samples = 0;  // counted as upstream's totalQueryableSamples
  std::uint64_t peak_samples = 0;
  double queue_seconds = 0, prepare_seconds = 0, eval_seconds = 0, sort_seconds = 0;
};

struct QueryResult {
  Value value;
  Annotations annotations;
  QueryStats stats;
};

struct EngineOptions {
  base::Duration lookback{300'000};
  base::Duration timeout{120'000};
  std::uint64_t max_samples = 50'000'000;
  std::uint64_t max_memory_bytes = 0;  // of all queries together; 0: no limit
  std::size_t max_concurrent = 20;     // more wait, counted in queue_seconds
  base::Duration default_subquery_step{60'000};
  bool delayed_name_removal = false;
  bool use_start_timestamps = false;  // of counters, where samples have them
  ParserOptions parser;
};

// What one query asks beyond the engine's options.
struct QueryOptions {
  base::Duration lookback{0};                    // 0: the engine's
  base::Duration timeout{0};                     // 0: the engine's; never more than it
  const storage::CancelToken* cancel = nullptr;  // borrowed; null: none
};

class Engine {
 public:
  struct Services {
    const base::Clock& clock;
    base::Executor* workers = nullptr;  // morsels; null: the caller's thread does all
    base::Registry* metrics = nullptr;
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

  const EngineOptions& options() const;
  // Queries running now: text and start, for the status page and the API.
  struct Running {
    std::uint64_t id;
    std::string query;
    base::Timestamp started;
    std::uint64_t memory_bytes;
  };
  std::vector<Running> running() const;
  // False when no such query runs.
  bool kill(std::uint64_t id);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tocsin::promql
