// SPDX-License-Identifier: Apache-2.0
//
// Random data, many expressions: the engine and the naive evaluator must agree at every step.
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/executor.h"
#include "base/time.h"
#include "model/value.h"
#include "promql/engine.h"
#include "promql/functions/numbers.h"
#include "promql/parser.h"
#include "promql/testing/naive.h"
#include "storage/testing/mem_store.h"

namespace tocsin::promql {
namespace {

using model::from_ms;
using testing::NaiveSeries;

constexpr std::int64_t kEnd = 1'800'000;

// Counters with resets, gauges, gaps, staleness markers; some series share timestamps, some have
// their own.
std::vector<NaiveSeries> random_data(std::uint32_t seed) {
  std::mt19937 random(seed);
  auto chance = [&](double p) { return std::uniform_real_distribution<>(0, 1)(random) < p; };
  std::vector<NaiveSeries> data;
  for (int job = 0; job < 3; ++job) {
    for (int instance = 0; instance < 3; ++instance) {
      for (const char* name : {"requests_total", "errors_total", "level"}) {
        NaiveSeries series;
        series.labels = model::Labels::of({{"__name__", name},
                                           {"job", std::to_string(job)},
                                           {"instance", std::to_string(instance)}});
        const bool counter = name[0] != 'l';
        const bool jitter = chance(0.3);
        // The fraction keeps values of different series apart, so that topk has no ties.
        double value =
            static_cast<double>(random() % 50) + (counter ? 0 : 0.01 * (3 * job + instance));
        bool down = false;
        for (std::int64_t t = 0; t <= kEnd; t += 15'000) {
          if (chance(down ? 0.2 : 0.02)) {
            down = !down;
            if (down) series.samples.emplace_back(t, model::stale_nan());
          }
          if (counter) {
            value = chance(0.03) ? 0 : value + static_cast<double>(random() % 20);
          } else {
            value += static_cast<double>(random() % 21) / 4 - 2.5;
          }
          const std::int64_t at = t + (jitter ? random() % 9'000 : 0) + (down ? 1 : 0);
          const bool after = series.samples.empty() || at > series.samples.back().first;
          if (!down && after && !chance(0.05)) series.samples.emplace_back(at, value);
        }
        data.push_back(std::move(series));
      }
    }
  }
  // One series of each pair has no partner for some labels.
  data.push_back(
      {model::Labels::of({{"__name__", "lonely"}, {"job", "9"}}), {{30'000, 4}, {600'000, 5}}});
  return data;
}

void load(storage::testing::MemStore* store, const std::vector<NaiveSeries>& data, bool grouped) {
  auto appender = store->appender();
  std::vector<storage::SeriesRef> refs;
  for (const NaiveSeries& series : data) {
    storage::SeriesRef ref;
    for (const auto& [t, v] : series.samples) {
      auto appended = appender->append(ref, series.labels, from_ms(t), v);
      ASSERT_TRUE(appended.ok()) << message(appended.status());
      ref = appended->ref;
    }
    refs.push_back(ref);
  }
  if (grouped) {
    ASSERT_TRUE(appender->define_group({}, refs).ok());
  }
  ASSERT_TRUE(storage::commit_and_wait(*appender).ok());
}

constexpr const char* kExpressions[] = {
    "requests_total",
    "requests_total offset 1m",
    "requests_total offset -90s",
    "level @ 600",
    "level @ start()",
    "level @ end() offset 2m",
    "rate(requests_total[2m])",
    "rate(requests_total[2m] offset 45s)",
    "rate(requests_total[1m] @ 900)",
    "increase(errors_total[5m])",
    "delta(level[3m])",
    "irate(requests_total[2m])",
    "idelta(level[2m])",
    "sum_over_time(level[2m])",
    "avg_over_time(level[5m])",
    "min_over_time(level[5m])",
    "max_over_time(level[1m])",
    "count_over_time(requests_total[1m])",
    "last_over_time(level[40s])",
    "first_over_time(level[40s])",
    "present_over_time(lonely[30s])",
    "stdvar_over_time(level[5m])",
    "quantile_over_time(0.7, level[5m])",
    "changes(level[4m])",
    "resets(requests_total[10m])",
    "deriv(level[5m])",
    "predict_linear(level[5m], 60)",
    "sum(requests_total)",
    "sum by (job) (rate(requests_total[2m]))",
    "avg without (instance) (level)",
    "min by (instance) (level)",
    "max(level)",
    "count by (job) (errors_total)",
    "stdvar by (job) (level)",
    "quantile by (job) (0.3, level)",
    "topk by (job) (1, level)",
    "bottomk(2, level)",
    "-level",
    "abs(level)",
    "clamp_max(level, 3)",
    "level * 2 + 1",
    "2 - level",
    "level > 3",
    "3 < level",
    "level > bool 3",
    "requests_total / ignoring(foo) errors_total",
    "rate(errors_total[2m]) / rate(requests_total[2m])",
    "requests_total > on (job, instance) errors_total",
    "requests_total - on (job, instance) group_left() errors_total",
    "requests_total / on (job) group_left() sum by (job) (requests_total)",
    "sum by (job) (requests_total) - on (job) group_right(instance) errors_total",
    "requests_total + on (job) errors_total",
    "sum(requests_total) + on () count(level)",
    "level and requests_total > 100",
    "level and on (job) lonely",
    "level unless on (job, instance) (requests_total > 60)",
    "lonely or level",
    "level > 2 or requests_total",
    "sum_over_time(level[3m:30s])",
    "max_over_time(rate(requests_total[1m])[5m:1m])",
    "avg_over_time(level[2m:45s] offset 20s)",
    "min_over_time((level > 1)[4m:20s] @ 1200)",
    "rate(sum by (job) (requests_total)[5m:30s])",
    "scalar(lonely) + time()",
    "vector(time()) * 2",
    "sum(level) > bool scalar(lonely)",
    "abs({__name__=~\"requests_total|errors_total\"})",
};

struct Asked {
  const char* query;
  std::int64_t start_ms, end_ms, step_ms;
};

void compare(Engine& engine, const storage::Queryable& store, const std::vector<NaiveSeries>& data,
             const Asked& asked) {
  const auto result = engine.range(store, asked.query, from_ms(asked.start_ms),
                                   from_ms(asked.end_ms), model::Duration(asked.step_ms));
  const auto expr = parse_expr(asked.query);
  ASSERT_TRUE(expr.ok()) << message(expr.status());
  std::map<model::Labels, std::map<std::int64_t, double>> wanted;
  bool wanted_error = false;
  const testing::NaiveQuery query{data, asked.start_ms, asked.end_ms};
  for (std::int64_t t = asked.start_ms; t <= asked.end_ms; t += asked.step_ms) {
    const auto value = testing::evaluate_naively(**expr, query, t);
    if (!value.ok()) {
      ASSERT_EQ(value.status().code(), StatusCode::kFailedPrecondition) << message(value.status());
      wanted_error = true;
      break;
    }
    if (value->scalar) wanted[model::Labels()][t] = value->number;
    for (const auto& [labels, v] : value->vector) wanted[labels][t] = v;
  }
  ASSERT_EQ(result.ok(), !wanted_error) << message(result.status());
  if (!result.ok()) return;
  std::map<model::Labels, std::map<std::int64_t, double>> got;
  for (const Series& series : std::get<Matrix>(result->value)) {
    for (const Point& p : series.floats) got[series.labels][p.time_ms] = p.value;
  }
  ASSERT_EQ(got.size(), wanted.size());
  for (const auto& [labels, points] : wanted) {
    ASSERT_EQ(got[labels].size(), points.size()) << labels.to_series_string();
    for (const auto& [t, v] : points) {
      ASSERT_TRUE(got[labels].contains(t)) << labels.to_series_string() << " at " << t;
      const double g = got[labels][t];
      ASSERT_TRUE(functions::almost_equal(v, g, 1e-9) || std::fabs(v - g) < 1e-9)
          << labels.to_series_string() << " at " << t << ": " << v << " and " << g;
    }
  }
}

class Differential : public ::testing::TestWithParam<std::uint32_t> {};

TEST_P(Differential, EngineAgreesWithTheDefinition) {
  const std::uint32_t seed = GetParam();
  const std::vector<NaiveSeries> data = random_data(seed);
  storage::testing::MemStore store;
  load(&store, data, seed % 2 == 0);
  const base::SystemClock clock;
  base::ThreadPool pool({.name = "queries", .threads = 2});
  Engine engine({}, {clock, seed % 3 == 0 ? &pool : nullptr, nullptr});
  const std::int64_t step = 7'000 + static_cast<std::int64_t>(seed) * 9'000;
  for (const char* query : kExpressions) {
    SCOPED_TRACE(std::string(query) + " seed " + std::to_string(seed));
    compare(engine, store, data, {query, -60'000, kEnd + 400'000, step});
    compare(engine, store, data, {query, 611'000, 611'000, 1'000});
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, Differential, ::testing::Range(std::uint32_t{1}, std::uint32_t{9}));

}  // namespace
}  // namespace tocsin::promql
