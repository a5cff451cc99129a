// SPDX-License-Identifier: Apache-2.0
#include "promql/engine.h"

#include <cmath>
#include <functional>
#include <map>
#include <random>
#include <string>

#include <gtest/gtest.h>

#include "base/executor.h"
#include "base/json.h"
#include "base/testing/fake_clock.h"
#include "model/histogram_buckets.h"
#include "model/value.h"
#include "storage/testing/mem_store.h"

namespace tocsin::promql {
namespace {

using model::from_ms;
using model::Labels;

class EngineTest : public ::testing::Test {
 protected:
  EngineTest() { reset({}); }

  void reset(EngineOptions options, base::Executor* workers = nullptr) {
    engine_ =
        std::make_unique<Engine>(std::move(options), Engine::Services{clock_, workers, nullptr});
  }

  void add(const Labels& labels, std::vector<std::pair<std::int64_t, double>> samples) {
    auto appender = store_.appender();
    for (const auto& [t, v] : samples)
      ASSERT_TRUE(appender->append({}, labels, from_ms(t), v).ok());
    ASSERT_TRUE(storage::commit_and_wait(*appender).ok());
  }
  void add_histogram(const Labels& labels, std::int64_t t) {
    auto appender = store_.appender();
    ASSERT_TRUE(appender->append_histogram({}, labels, from_ms(t), model::FloatHistogram()).ok());
    ASSERT_TRUE(storage::commit_and_wait(*appender).ok());
  }

  std::string instant(std::string_view query, std::int64_t at, const QueryOptions& options = {}) {
    return dump(engine_->instant(store_, query, from_ms(at), options));
  }
  std::string range(std::string_view query, std::int64_t start, std::int64_t end,
                    std::int64_t step) {
    return dump(engine_->range(store_, query, from_ms(start), from_ms(end), model::Duration(step)));
  }

  // "series value; ..." or "series t:value t:value; ..."; then annotations; errors as "CODE: text".
  static std::string dump(const StatusOr<QueryResult>& result) {
    if (!result.ok()) {
      return fmt::format("{}: {}", static_cast<int>(result.status().code()),
                         message(result.status()));
    }
    std::string out;
    if (const auto* scalar = std::get_if<Scalar>(&result->value))
      out = model::format_float(scalar->value);
    if (const auto* text = std::get_if<StringValue>(&result->value)) out = text->value;
    if (const auto* vector = std::get_if<Vector>(&result->value)) {
      for (const Sample& s : *vector) {
        out += s.labels.to_series_string() + " " +
               (s.histogram ? model::to_string(*s.histogram) : model::format_float(s.value)) + "; ";
      }
    }
    if (const auto* matrix = std::get_if<Matrix>(&result->value)) {
      for (const Series& s : *matrix) {
        out += s.labels.to_series_string();
        for (const Point& p : s.floats) {
          out += " " + std::to_string(p.time_ms) + ":" + model::format_float(p.value);
        }
        for (const HistogramPoint& p : s.histograms) {
          out += " " + std::to_string(p.time_ms) + ":" + model::to_string(*p.histogram);
        }
        out += "; ";
      }
    }
    for (const std::string& w : result->annotations.warnings) out += "| " + w;
    for (const std::string& i : result->annotations.infos) out += "| " + i;
    return out;
  }

  base::testing::FakeClock clock_;
  storage::testing::MemStore store_;
  std::unique_ptr<Engine> engine_;
};

Labels x(std::string_view value) { return Labels::of({{"__name__", "x"}, {"l", value}}); }

TEST_F(EngineTest, StartTimestampsCountWhenTheyAreAskedFor) {
  auto appender = store_.appender();
  for (const std::int64_t t : {60'000, 120'000, 180'000}) {
    storage::AppendOptions options;
    options.start = from_ms(t - 60'000 + (t == 60'000 ? 1 : 0));
    ASSERT_TRUE(appender->append({}, x("d"), from_ms(t), 6, options).ok());
  }
  ASSERT_TRUE(storage::commit_and_wait(*appender).ok());
  EngineOptions options;
  options.parser.experimental_functions = true;
  reset(options);
  EXPECT_EQ(instant("resets(x[5m])", 180'000), "{l=\"d\"} 0; ");
  EXPECT_EQ(instant("rate(x[5m]) * 0", 60'000), "");
  EXPECT_EQ(instant("start_timestamp(x)", 180'000), "");
  options.use_start_timestamps = true;
  reset(options);
  EXPECT_EQ(instant("resets(x[5m])", 180'000), "{l=\"d\"} 2; ");
  EXPECT_EQ(instant("rate(x[5m]) * 0", 60'000).substr(0, 9), "{l=\"d\"} 0");
  EXPECT_EQ(instant("start_timestamp(x)", 180'000), "{l=\"d\"} 120; ");
}

TEST_F(EngineTest, LookbackIsOpenOnTheLeft) {
  add(x("a"), {{10'000, 1}});
  EXPECT_EQ(instant("x", 9'999), "");
  EXPECT_EQ(instant("x", 10'000), "x{l=\"a\"} 1; ");
  EXPECT_EQ(instant("x", 309'999), "x{l=\"a\"} 1; ");
  EXPECT_EQ(instant("x", 310'000), "");
  QueryOptions options;
  options.lookback = base::Duration(5'000);
  EXPECT_EQ(instant("x", 14'999, options), "x{l=\"a\"} 1; ");
  EXPECT_EQ(instant("x", 15'000, options), "");
}

TEST_F(EngineTest, StaleMarkersEndASeriesAtOnce) {
  add(x("a"), {{10'000, 1}, {20'000, model::stale_nan()}, {30'000, 3}});
  EXPECT_EQ(range("x", 10'000, 30'000, 5'000), "x{l=\"a\"} 10000:1 15000:1 30000:3; ");
  EXPECT_EQ(instant("count_over_time(x[1m])", 30'000), "{l=\"a\"} 2; ");
}

TEST_F(EngineTest, RangeVectorsAndTextAreInstantResults) {
  add(x("a"), {{10'000, 1}, {20'000, 2}, {30'000, 3}});
  EXPECT_EQ(instant("x[20s]", 30'000), "x{l=\"a\"} 20000:2 30000:3; ");
  EXPECT_EQ(instant("x[20s:7s]", 30'000), "x{l=\"a\"} 14000:1 21000:2 28000:2; ");
  EXPECT_EQ(instant("\"text\"", 30'000), "text");
  EXPECT_EQ(range("x[20s]", 0, 10, 1),
            "3: invalid expression type \"range vector\" for range query, must be Scalar or "
            "instant Vector");
}

TEST_F(EngineTest, StepInvariantPartsRepeat) {
  add(x("a"), {{10'000, 1}, {20'000, 2}});
  EXPECT_EQ(range("x @ 10", 0, 4'000, 2'000), "x{l=\"a\"} 0:1 2000:1 4000:1; ");
  EXPECT_EQ(range("sum(x @ 10) * 2", 0, 2'000, 2'000), "{} 0:2 2000:2; ");
  EXPECT_EQ(range("timestamp(x @ 15)", 0, 2'000, 2'000), "{l=\"a\"} 0:10 2000:10; ");
}

TEST_F(EngineTest, NamesGoAtOnceOrAtTheEnd) {
  const Labels a = Labels::of({{"__name__", "a"}, {"l", "1"}});
  const Labels b = Labels::of({{"__name__", "b"}, {"l", "1"}});
  add(a, {{10'000, 1}});
  add(b, {{10'000, 2}});
  const std::string both = "{__name__=~\"a|b\"}";
  const std::string duplicate = "9: vector cannot contain metrics with the same labelset";
  EXPECT_EQ(instant("abs(" + both + ")", 10'000), duplicate);
  EXPECT_EQ(instant("sum(abs(" + both + "))", 10'000), duplicate);
  EngineOptions delayed;
  delayed.delayed_name_removal = true;
  reset(delayed);
  EXPECT_EQ(instant("abs(" + both + ")", 10'000), duplicate);
  EXPECT_EQ(instant("sum(abs(" + both + "))", 10'000), "{} 3; ");
}

TEST_F(EngineTest, AnnotationsCarryPositions) {
  add(x("a"), {{10'000, 1}, {20'000, 2}});
  EXPECT_EQ(instant("rate(x[30s])", 20'000),
            "{l=\"a\"} 0.05; | PromQL info: metric might not be a counter, name does not end in "
            "_total/_sum/_count/_bucket: \"x\" (1:6)");
  EXPECT_EQ(instant("\n quantile(2, x)", 20'000),
            "{} +Inf; | PromQL warning: quantile value should be between 0 and 1, got 2 (2:11)");
}

TEST_F(EngineTest, TypeLabelsSayWhatIsACounter) {
  const auto typed = [](std::string_view name, std::string_view type) {
    return Labels::of({{"__name__", name}, {"__type__", type}});
  };
  add(typed("c", "counter"), {{10'000, 1}, {20'000, 2}});
  add(typed("h", "histogram"), {{10'000, 1}, {20'000, 2}});
  add(typed("g_total", "gauge"), {{10'000, 1}, {20'000, 2}});
  add(typed("u_total", ""), {{10'000, 1}, {20'000, 2}});
  EngineOptions options;
  options.type_and_unit_labels = true;
  reset(options);
  EXPECT_EQ(instant("rate(c[30s])", 20'000), "{} 0.05; ");
  EXPECT_EQ(instant("rate(h[30s])", 20'000), "{} 0.05; ");
  const std::string info =
      "{} 0.05; | PromQL info: metric might not be a counter, __type__ label is not set to "
      "\"counter\" or \"histogram\", got ";
  EXPECT_EQ(instant("rate(g_total[30s])", 20'000), info + "\"gauge\": \"g_total\" (1:6)");
  EXPECT_EQ(instant("rate(u_total[30s])", 20'000), info + "\"\": \"u_total\" (1:6)");
}

TEST_F(EngineTest, MatchingErrorsHaveUpstreamsText) {
  add(Labels::of({{"__name__", "many"}, {"a", "1"}, {"b", "1"}}), {{0, 1}});
  add(Labels::of({{"__name__", "many"}, {"a", "1"}, {"b", "2"}}), {{0, 2}});
  add(Labels::of({{"__name__", "one"}, {"a", "1"}}), {{0, 3}});
  EXPECT_EQ(instant("many + on (a) one", 0),
            "9: multiple matches for labels: many-to-one matching must be explicit "
            "(group_left/group_right)");
  EXPECT_EQ(instant("one + on (a) many", 0),
            "9: found duplicate series for the match group {a=\"1\"} on the right hand-side of the "
            "operation: "
            "[{__name__=\"many\", a=\"1\", b=\"1\"}, {__name__=\"many\", a=\"1\", b=\"2\"}]"
            ";many-to-many matching not allowed: matching labels must be unique on one side");
  EXPECT_EQ(instant("many + on (a) group_left (b) one", 0),
            "9: multiple matches for labels: grouping labels must ensure unique matches");
  EXPECT_EQ(instant("many + on (a) group_left () one", 0),
            "{a=\"1\", b=\"1\"} 4; {a=\"1\", b=\"2\"} 5; ");
}

TEST_F(EngineTest, HistogramsStandBesideFloats) {
  add_histogram(x("h"), 10'000);
  add(x("a"), {{40'000, 1}});
  EXPECT_EQ(instant("x", 20'000), "x{l=\"h\"} {count:0, sum:0}; ");
  EXPECT_EQ(instant("count_over_time(x[5s])", 20'000), "") << "the histogram is outside the window";
  EXPECT_EQ(instant("count_over_time(x[50s])", 40'000), "{l=\"h\"} 1; {l=\"a\"} 1; ");
  EXPECT_EQ(instant("x{l=\"h\"}[50s]", 40'000), "x{l=\"h\"} 10000:{count:0, sum:0}; ");
  add(x("h"), {{30'000, 7}, {50'000, model::stale_nan()}});
  EXPECT_EQ(range("x{l=\"h\"}", 0, 60'000, 20'000), "x{l=\"h\"} 40000:7 20000:{count:0, sum:0}; ");
  EXPECT_EQ(instant("x{l=\"h\"}[50s]", 55'000), "x{l=\"h\"} 30000:7 10000:{count:0, sum:0}; ");
}

TEST_F(EngineTest, HistogramsAreChargedForTheirMemory) {
  model::FloatHistogram h;
  h.positive_spans = {{0, 10'000}};
  h.positive_buckets.assign(10'000, 1);
  auto appender = store_.appender();
  ASSERT_TRUE(appender->append_histogram({}, x("h"), from_ms(10'000), h).ok());
  ASSERT_TRUE(storage::commit_and_wait(*appender).ok());
  EngineOptions options;
  options.max_memory_bytes = 1 << 20;
  reset(options);
  EXPECT_EQ(instant("histogram_count(sum(x))", 10'000), "{} 0; ");
  options.max_memory_bytes = 200 << 10;  // enough to select it, not to sum it up
  reset(options);
  EXPECT_EQ(instant("histogram_count(x)", 10'000), "{l=\"h\"} 0; ");
  EXPECT_EQ(instant("histogram_count(sum(x))", 10'000).substr(0, 3), "8: ");
}

TEST_F(EngineTest, SamplesAreLimited) {
  EngineOptions options;
  options.max_samples = 10;
  reset(options);
  for (int i = 0; i < 6; ++i) add(x(std::to_string(i)), {{10'000, 1}});
  const std::string refused =
      "8: query processing would load too many samples into memory in query execution";
  EXPECT_EQ(instant("count(x)", 10'000), "{} 6; ");
  EXPECT_EQ(instant("x + x", 10'000), refused);
  EXPECT_EQ(range("count(x)", 10'000, 20'000, 10'000), refused);
  EXPECT_EQ(instant("vector(1)[1y:1ms]", 10'000), refused)
      << "a subquery is refused before it is made";
  EXPECT_EQ(instant("count(x)", 10'000), "{} 6; ") << "what was charged is given back";
}

TEST_F(EngineTest, MemoryIsLimitedOverAllQueries) {
  EngineOptions options;
  options.max_memory_bytes = 20'000;
  reset(options);
  add(x("a"), {{0, 1}});
  EXPECT_EQ(range("x", 0, 100, 1).substr(0, 5), "x{l=\"");
  EXPECT_EQ(range("x", 0, 100'000, 1).substr(0, 3), "8: ");
  EXPECT_EQ(range("x", 0, 100, 1).substr(0, 5), "x{l=\"");
  EXPECT_EQ(range("x @ 0", 0, 100'000, 1).substr(0, 3), "8: ");
  EXPECT_EQ(range("x + x", 0, 100'000, 1).substr(0, 3), "8: ");
  EXPECT_EQ(range("x + x", 0, 100, 1).substr(0, 5), "{l=\"a");
}

// A store that calls a function when it is asked, to act while a query runs.
class Hooked final : public storage::Queryable {
 public:
  Hooked(const storage::Queryable& inner, std::function<void()> hook)
      : inner_(inner), hook_(std::move(hook)) {}
  StatusOr<std::unique_ptr<storage::Selection>> select(
      const model::Matchers& matchers, const storage::SelectHints& hints,
      const storage::QueryContext& context) const override {
    hook_();
    return inner_.select(matchers, hints, context);
  }
  StatusOr<storage::LabelResult> label_names(const model::Matchers& matchers,
                                             const storage::LabelHints& hints,
                                             const storage::QueryContext& context) const override {
    return inner_.label_names(matchers, hints, context);
  }
  StatusOr<storage::LabelResult> label_values(std::string_view name,
                                              const model::Matchers& matchers,
                                              const storage::LabelHints& hints,
                                              const storage::QueryContext& context) const override {
    return inner_.label_values(name, matchers, hints, context);
  }
  StatusOr<std::vector<Labels>> series(const std::vector<model::Matchers>& sets,
                                       const storage::LabelHints& hints,
                                       const storage::QueryContext& context) const override {
    return inner_.series(sets, hints, context);
  }

 private:
  const storage::Queryable& inner_;
  std::function<void()> hook_;
};

TEST_F(EngineTest, RunningQueriesAreListedAndKilled) {
  add(x("a"), {{0, 1}});
  std::string seen;
  Hooked hooked(store_, [&] {
    for (const Engine::Running& query : engine_->running()) {
      seen += query.query;
      EXPECT_TRUE(engine_->kill(query.id));
    }
  });
  EXPECT_EQ(dump(engine_->instant(hooked, "sum(x)", from_ms(0))),
            "1: query was canceled in expression evaluation");
  EXPECT_EQ(seen, "sum(x)");
  EXPECT_TRUE(engine_->running().empty());
  EXPECT_FALSE(engine_->kill(1));
}

TEST_F(EngineTest, TimeoutAndTheCallersToken) {
  add(x("a"), {{0, 1}});
  Hooked late(store_, [&] { clock_.advance(std::chrono::seconds(3)); });
  QueryOptions options;
  options.timeout = base::Duration(2'000);
  EXPECT_EQ(dump(engine_->instant(late, "x", from_ms(0), options)),
            "4: query timed out in expression evaluation");
  EXPECT_EQ(dump(engine_->instant(late, "x", from_ms(0))), "x{l=\"a\"} 1; ");
  storage::CancelToken token;
  token.cancel();
  QueryOptions cancelled;
  cancelled.cancel = &token;
  EXPECT_EQ(instant("x", 0, cancelled), "1: query was canceled in query execution");
}

TEST_F(EngineTest, MoreQueriesThanAllowedWait) {
  EngineOptions options;
  options.max_concurrent = 1;
  reset(options);
  add(x("a"), {{0, 1}});
  std::string inner;
  QueryOptions short_wait;
  short_wait.timeout = base::Duration(0);
  Hooked hooked(store_, [&] {
    storage::CancelToken token;
    token.cancel();
    QueryOptions cancelled;
    cancelled.cancel = &token;
    inner = instant("x", 0, cancelled);  // the only place is taken by the outer query
  });
  EXPECT_EQ(dump(engine_->instant(hooked, "x", from_ms(0))), "x{l=\"a\"} 1; ");
  EXPECT_EQ(inner, "1: query was canceled in query queue");
  EXPECT_EQ(instant("x", 0), "x{l=\"a\"} 1; ");
}

TEST_F(EngineTest, AQueryThatWaitsTooLongSaysWhere) {
  EngineOptions options;
  options.max_concurrent = 1;
  reset(options);
  add(x("a"), {{0, 1}});
  std::string inner;
  Hooked hooked(store_, [&] {
    QueryOptions short_wait;
    short_wait.timeout = base::Duration(1);
    const storage::CancelToken spent(&clock_, clock_.steady_now());
    short_wait.cancel = &spent;
    inner = instant("x", 0, short_wait);
  });
  EXPECT_EQ(dump(engine_->instant(hooked, "x", from_ms(0))), "x{l=\"a\"} 1; ");
  EXPECT_EQ(inner, "4: query timed out in query queue");
}

TEST_F(EngineTest, NobodyWaitsForTheAnswer) {
  add(x("a"), {{0, 1}});
  std::atomic<bool> gone = false;
  QueryOptions options;
  options.abandoned = &gone;
  Hooked hooked(store_, [&] { gone = true; });
  EXPECT_EQ(dump(engine_->instant(hooked, "x", from_ms(0), options)),
            "1: query was canceled in expression evaluation");
}

TEST_F(EngineTest, ManyBatchesKeepTheirOrder) {
  for (int i = 0; i < 300; ++i) add(x(std::to_string(1000 + i)), {{0, i}});
  const std::string alone = instant("x", 0);
  const std::string alone_range = range("sum_over_time(x[1m])", 0, 60'000, 20'000);
  base::ThreadPool pool({.name = "queries", .threads = 3});
  reset({}, &pool);
  EXPECT_EQ(instant("x", 0), alone);
  EXPECT_EQ(range("sum_over_time(x[1m])", 0, 60'000, 20'000), alone_range);
}

TEST_F(EngineTest, CountsItself) {
  add(x("a"), {{0, 1}});
  base::Registry registry;
  engine_ = std::make_unique<Engine>(EngineOptions(), Engine::Services{clock_, nullptr, &registry});
  EXPECT_EQ(instant("x", 0), "x{l=\"a\"} 1; ");
  std::map<std::string, double> seen;
  for (const base::MetricFamily& family : registry.gather()) {
    for (const base::MetricSample& sample : family.samples)
      seen[family.name + sample.suffix] += sample.value;
  }
  EXPECT_EQ(seen["prometheus_engine_queries"], 0);
  EXPECT_EQ(seen["prometheus_engine_queries_concurrent_max"], 20);
  EXPECT_EQ(seen["prometheus_engine_query_samples_total"], 1);
  EXPECT_EQ(seen["prometheus_engine_query_duration_seconds_count"], 4);
}

TEST_F(EngineTest, AResultIsChargedWhileItLives) {
  for (int i = 0; i < 100; ++i) add(x(std::string(1000, 'x') + std::to_string(i)), {{0, 1}});
  base::Registry registry;
  engine_ = std::make_unique<Engine>(EngineOptions(), Engine::Services{clock_, nullptr, &registry});
  const auto held = [&registry] {
    for (const base::MetricFamily& family : registry.gather()) {
      if (family.name == "tocsin_engine_memory_bytes") return family.samples.at(0).value;
    }
    return -1.0;
  };
  {
    const auto result = engine_->instant(store_, "x", from_ms(0));
    ASSERT_TRUE(result.ok());
    EXPECT_GT(held(), 100'000) << "labels count";
    EXPECT_GT(result->stats.peak_bytes, 200'000U);
  }
  EXPECT_EQ(held(), 0);
  auto survivor = engine_->instant(store_, "x", from_ms(0));
  engine_.reset();
  ASSERT_TRUE(survivor.ok()) << "a result may outlive its engine";
}

TEST_F(EngineTest, AHistogramCountsByItsSize) {
  model::FloatHistogram h;
  h.positive_spans = {{0, 100}};
  h.positive_buckets.assign(100, 1);
  auto appender = store_.appender();
  for (int i = 1; i <= 3; ++i) {
    ASSERT_TRUE(appender->append_histogram({}, x("h"), from_ms(i * 10'000), h).ok());
  }
  ASSERT_TRUE(storage::commit_and_wait(*appender).ok());
  constexpr std::uint64_t kWeight = (176 + 8 + 800) / 16;
  const auto total = [&](std::string_view query) {
    const auto result = engine_->instant(store_, query, from_ms(30'000));
    return result.ok() ? result->stats.total_samples : 0;
  };
  EXPECT_EQ(total("x"), kWeight);
  EXPECT_EQ(total("histogram_count(sum_over_time(x[1m]))"), 3 * kWeight);
  EXPECT_EQ(total("x[1m]"), 3 * kWeight);
  EngineOptions options;
  options.max_samples = 2 * kWeight;
  reset(options);
  EXPECT_EQ(instant("count(x)", 30'000), "{} 1; ");
  EXPECT_EQ(instant("x[1m]", 30'000).substr(0, 3), "8: ");
  EXPECT_EQ(instant("count_over_time(x[1m])", 30'000).substr(0, 3), "8: ");
}

TEST_F(EngineTest, SamplesAreCountedAsUpstreamDoes) {
  std::vector<std::pair<std::int64_t, double>> samples;
  for (std::int64_t i = 0; i <= 60; ++i) samples.emplace_back(i * 10'000, 1);
  add(x("a"), samples);
  struct Case {
    std::string query;
    std::uint64_t total, read;
  };
  const Case cases[] = {
      {"x", 11, 11},       {"sum_over_time(x[1m])", 11 * 6, 6 + 10 * 1},
      {"x @ 60", 11, 1},   {"sum_over_time(x[1m:20s])", 11 * 3, 8},
      {"vector(1)", 0, 0},
  };
  for (const Case& c : cases) {
    QueryOptions options;
    options.stats_by_step = true;
    const auto result = engine_->range(store_, c.query, from_ms(100'000), from_ms(200'000),
                                       base::Duration(10'000), options);
    ASSERT_TRUE(result.ok()) << c.query << result.status();
    const QueryStats& stats = result->stats;
    EXPECT_EQ(stats.total_samples, c.total) << c.query;
    EXPECT_EQ(stats.samples_read, c.read) << c.query;
    ASSERT_EQ(stats.total_by_step.size(), 11U) << c.query;
    EXPECT_EQ(stats.total_by_step[10].time_ms, 200'000);
    std::uint64_t total = 0;
    std::uint64_t read = 0;
    for (const auto& step : stats.total_by_step) total += step.samples;
    for (const auto& step : stats.read_by_step) read += step.samples;
    EXPECT_EQ(total, c.total) << c.query;
    EXPECT_EQ(read, c.read) << c.query;
  }
}

// More samples in windows than are worked on at once.
TEST_F(EngineTest, LongWindowsEndWhenTheQueryIsToEnd) {
  std::vector<std::pair<std::int64_t, double>> samples;
  for (std::int64_t i = 0; i < 20'000; ++i) samples.emplace_back(i * 1000, static_cast<double>(i));
  add(x("a"), samples);
  const auto sum = engine_->range(store_, "sum_over_time(x[20000s])", from_ms(19'000'000),
                                  from_ms(19'999'000), base::Duration(1000));
  ASSERT_TRUE(sum.ok()) << sum.status();
  const auto& points = std::get<Matrix>(sum->value).at(0).floats;
  ASSERT_EQ(points.size(), 1000U);
  for (std::size_t i = 0; i < points.size(); ++i) {
    const double n = 19'000.0 + static_cast<double>(i);
    ASSERT_EQ(points[i].value, n * (n + 1) / 2) << i;
  }
  // A clock that jumps whenever it is asked: the query ends inside its only series.
  struct Jumping final : base::Clock {
    base::Timestamp now() const override { return base::from_ms(0); }
    base::SteadyTime steady_now() const override {
      return base::SteadyTime(std::chrono::milliseconds(++asked));
    }
    mutable std::atomic<std::int64_t> asked = 0;
  } clock;
  Engine impatient(EngineOptions(), {clock});
  QueryOptions options;
  options.timeout = base::Duration(9);
  const auto late = impatient.range(store_, "sum_over_time(x[20000s])", from_ms(19'000'000),
                                    from_ms(19'999'000), base::Duration(1000), options);
  EXPECT_EQ(dump(late), "4: query timed out in expression evaluation");
  EXPECT_GE(clock.asked, 9);
}

TEST_F(EngineTest, PlansAreExplained) {
  const auto plan = engine_->explain("sum(rate(x[5m])) / sum(rate(x[5m] @ 60)) + 1", from_ms(0),
                                     from_ms(60'000), base::Duration(15'000));
  ASSERT_TRUE(plan.ok()) << plan.status();
  const auto json = base::parse_json(*plan);
  ASSERT_TRUE(json.ok()) << *plan;
  const base::JsonValue& root = *json->find("plan");
  EXPECT_EQ(root.find("operator")->string(), "binary +");
  const base::JsonValue& divide = root.find("children")->items().at(0);
  EXPECT_EQ(divide.find("operator")->string(), "binary /");
  EXPECT_EQ(divide.find("position")->items().at(1).integer(), 40);
  const base::JsonValue& left = divide.find("children")->items().at(0);
  const base::JsonValue& right = divide.find("children")->items().at(1);
  EXPECT_FALSE(left.find("stepInvariant")->boolean());
  EXPECT_TRUE(right.find("hoisted")->boolean());
  const base::JsonValue& rate = left.find("children")->items().at(0);
  EXPECT_EQ(rate.find("operator")->string(), "call rate");
  const base::JsonValue& window = rate.find("children")->items().at(0);
  EXPECT_EQ(window.find("operator")->string(), "select range");
  EXPECT_EQ(window.find("rangeSeconds")->number(), 300);
  EXPECT_TRUE(window.find("shared")->boolean());
  EXPECT_EQ(json->find("sources")->items().at(0).find("uses")->integer(), 2);
  EXPECT_EQ(json->find("sources")->items().at(0).find("matchers")->string(), "{__name__=\"x\"}");
  EXPECT_EQ(window.find("actual"), nullptr);
  EXPECT_EQ(engine_->explain("sum(", from_ms(0), from_ms(0), {}).status().code(),
            StatusCode::kInvalidArgument);
}

TEST_F(EngineTest, PlansAreAnalyzed) {
  for (int i = 0; i < 3; ++i) add(x(std::to_string(i)), {{0, 1}, {10'000, 2}, {20'000, 4}});
  QueryOptions options;
  options.analyze = true;
  const auto result = engine_->range(store_, "sum(rate(x[20s]))", from_ms(0), from_ms(20'000),
                                     base::Duration(10'000), options);
  ASSERT_TRUE(result.ok()) << result.status();
  const auto json = base::parse_json(result->plan);
  ASSERT_TRUE(json.ok()) << result->plan;
  const base::JsonValue& sum = *json->find("plan");
  const base::JsonValue* actual = sum.find("actual");
  ASSERT_NE(actual, nullptr) << result->plan;
  EXPECT_EQ(actual->find("series")->integer(), 1);
  EXPECT_EQ(actual->find("samples")->integer(), 2);
  EXPECT_EQ(actual->find("samplesRead")->integer(), 9);
  EXPECT_GT(actual->find("bytes")->integer(), 0);
  EXPECT_EQ(result->stats.peak_samples, 6U + 2U) << "of the rates and of their sum";
  const base::JsonValue& rate = sum.find("children")->items().at(0);
  EXPECT_EQ(rate.find("actual")->find("calls")->integer(), 1);
  EXPECT_EQ(rate.find("actual")->find("series")->integer(), 3);
  EXPECT_EQ(rate.find("actual")->find("samples")->integer(), 6);
  EXPECT_EQ(rate.find("actual")->find("samplesRead")->integer(), 9);
  EXPECT_GT(rate.find("actual")->find("bytes")->integer(), 0);
  const base::JsonValue& window = rate.find("children")->items().at(0);
  EXPECT_EQ(window.find("actual")->find("calls")->integer(), 1);
  EXPECT_EQ(window.find("actual")->find("series")->integer(), 3);
  EXPECT_EQ(window.find("actual")->find("samplesRead")->integer(), 9);
  EXPECT_EQ(json->find("sources")->items().at(0).find("series")->integer(), 3);
}

// Where a histogram turns up an aggregation starts again, with all series at once.
TEST_F(EngineTest, AnAggregationThatStartsAgainCountsOnce) {
  for (int i = 0; i < 300; ++i) add(x(fmt::format("{:03}", i)), {{0, 1}, {10'000, 2}});
  add_histogram(x("h"), 5'000);
  QueryOptions options;
  options.analyze = true;
  const auto run = [&](std::string_view query) {
    return engine_->range(store_, query, from_ms(0), from_ms(10'000), base::Duration(10'000),
                          options);
  };
  const auto inner = run("last_over_time(x[15s])");
  const auto sum = run("sum by (l) (last_over_time(x[15s]))");
  ASSERT_TRUE(inner.ok() && sum.ok());
  EXPECT_EQ(std::get<Matrix>(sum->value).size(), 301U);
  EXPECT_EQ(sum->stats.total_samples, inner->stats.total_samples);
  EXPECT_EQ(sum->stats.samples_read, inner->stats.samples_read);
  const auto json = base::parse_json(sum->plan);
  ASSERT_TRUE(json.ok()) << sum->plan;
  const base::JsonValue& call = json->find("plan")->find("children")->items().at(0);
  const base::JsonValue& window = call.find("children")->items().at(0);
  EXPECT_EQ(call.find("actual")->find("calls")->integer(), 1);
  EXPECT_EQ(call.find("actual")->find("series")->integer(), 301);
  EXPECT_EQ(window.find("actual")->find("calls")->integer(), 1);
  EXPECT_EQ(window.find("actual")->find("samplesRead")->integer(),
            call.find("actual")->find("samplesRead")->integer());
}

TEST_F(EngineTest, AnAggregationKeepsNoSeries) {
  constexpr int kSeries = 3000;
  for (int i = 0; i < kSeries; ++i) add(x(std::to_string(i)), {{0, 1}});
  const auto run = [&](std::string_view query) {
    return engine_->range(store_, query, from_ms(0), from_ms(99'000), base::Duration(1000));
  };
  const auto all = run("x");
  ASSERT_TRUE(all.ok());
  for (const char* query : {"count(x)", "sum(count_over_time(x[5m]))"}) {
    const auto folded = run(query);
    ASSERT_TRUE(folded.ok());
    EXPECT_EQ(std::get<Matrix>(folded->value).at(0).floats.at(99).value, kSeries) << query;
    EXPECT_LT(folded->stats.peak_bytes, all->stats.peak_bytes / 4) << query;
    EXPECT_EQ(folded->stats.peak_samples, 100U * (kSeries + 1)) << "the limit means the same";
  }
}

// `--` changes no value and makes an aggregation see all series at once.
TEST_F(EngineTest, AddingBatchByBatchGivesTheBitsOfAllAtOnce) {
  std::mt19937_64 random(20);
  std::uniform_real_distribution<double> exponent(-40, 40);
  for (int i = 0; i < 1500; ++i) {
    std::vector<std::pair<std::int64_t, double>> samples;
    for (std::int64_t t = 0; t < 10; ++t) {
      if (random() % 5 == 0) continue;
      samples.emplace_back(t * 400'000, std::exp2(exponent(random)) * (random() % 2 == 0 ? 1 : -1));
    }
    add(Labels::of(
            {{"__name__", "x_total"}, {"l", std::to_string(i)}, {"g", std::to_string(i % 3)}}),
        samples);
  }
  base::ThreadPool workers({.name = "queries", .threads = 4});
  reset({}, &workers);
  for (const std::string op : {"sum", "avg", "count", "min", "max", "stddev", "stdvar", "group"}) {
    for (const std::string by : {"", "by (g) ", "without (l) "}) {
      for (const std::string inner :
           {"x_total", "rate(x_total[20m])", "max_over_time(x_total[20m])"}) {
        const std::string all = range(op + " " + by + "(--" + inner + ")", 0, 4'000'000, 200'000);
        EXPECT_GT(all.size(), 100U);
        EXPECT_EQ(range(op + " " + by + "(" + inner + ")", 0, 4'000'000, 200'000), all)
            << op << " " << by << inner;
      }
    }
  }
}

TEST_F(EngineTest, QueriesThatEndAreLogged) {
  add(x("a"), {{0, 1}});
  std::string seen;
  engine_->set_query_log(std::make_shared<QueryLog>([&](const FinishedQuery& query) {
    seen += fmt::format("{} {}-{}/{} {} {} {}|", query.query, base::to_ms(query.start),
                        base::to_ms(query.end), query.step.count(), message(query.status),
                        query.stats.total_samples, query.origin.path);
  }));
  QueryOrigin origin;
  origin.path = "/here";
  QueryOptions options;
  options.origin = &origin;
  EXPECT_EQ(instant("x", 0, options), "x{l=\"a\"} 1; ");
  EXPECT_EQ(range("x", 0, 1000, 500).substr(0, 1), "x");
  EXPECT_EQ(instant("sum(", 0).substr(0, 3), "3: ") << "not run, not logged";
  EXPECT_EQ(instant("x * on(q) x[1m:1s]", 0).substr(0, 3), "3: ");
  engine_->set_query_log(nullptr);
  EXPECT_EQ(instant("x", 0), "x{l=\"a\"} 1; ");
  EXPECT_EQ(seen, "x 0-0/0  1 /here|x 0-1000/500  3 |");
}

TEST_F(EngineTest, ParsedExpressionsAndStatistics) {
  add(x("a"), {{0, 1}, {10'000, 2}});
  const auto expr = parse_expr("sum_over_time(x[1m])");
  ASSERT_TRUE(expr.ok());
  const auto result = engine_->instant(store_, **expr, from_ms(10'000));
  EXPECT_EQ(dump(result), "{l=\"a\"} 3; ");
  EXPECT_EQ(result->stats.total_samples, 2U);
  EXPECT_GE(result->stats.peak_samples, 2U);
  EXPECT_EQ(instant("sum(", 0).substr(0, 3), "3: ");
}

}  // namespace
}  // namespace tocsin::promql
