// SPDX-License-Identifier: Apache-2.0
//
// What a million series cost in the index: 1000 hosts with 1000 series each, as a node exporter has
// them: 9 labels of the target, and 1 to 4 of the metric.
#include <malloc.h>

#include <memory>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "base/check.h"
#include "tsdb/index/series_index.h"

namespace tocsin::tsdb {
namespace {

using model::Labels;
using model::Matcher;
using model::Matchers;
using storage::SeriesId;
using Pairs = std::vector<std::pair<std::string, std::string>>;

constexpr int kHosts = 1000;
constexpr int kPerHost = 1000;

Labels labels_of(int host, int series) {
  const std::string number = std::to_string(host);
  Pairs pairs = {{"instance", "node-" + number + ":9100"},
                 {"job", "node"},
                 {"zone", "eu-west-1" + std::string(1, static_cast<char>('a' + host % 4))},
                 {"cluster", "production-" + std::to_string(host % 3)},
                 {"environment", "production"},
                 {"region", "eu-west-1"},
                 {"team", "infrastructure"},
                 {"rack", "r" + std::to_string(host / 40)},
                 {"os", "linux"}};
  // A third are buckets of histograms, a third have a mode or a device, a third only a name.
  if (series < 330) {
    pairs.emplace_back("__name__", "http_request_duration_seconds_bucket");
    pairs.emplace_back("handler", "/api/v1/endpoint" + std::to_string(series / 12));
    pairs.emplace_back("le", std::to_string(1 << (series % 12)));
  } else if (series < 700) {
    pairs.emplace_back("__name__", "node_cpu_seconds_total_" + std::to_string(series / 64));
    pairs.emplace_back("cpu", std::to_string(series / 8 % 8));
    pairs.emplace_back("mode", "mode" + std::to_string(series % 8));
  } else {
    pairs.emplace_back("__name__", "node_memory_something_bytes_" + std::to_string(series));
  }
  return Labels::from(std::move(pairs));
}

const std::vector<Labels>& all_labels() {
  static const std::vector<Labels> all = [] {
    std::vector<Labels> result;
    for (int host = 0; host < kHosts; ++host) {
      for (int series = 0; series < kPerHost; ++series) result.push_back(labels_of(host, series));
    }
    return result;
  }();
  return all;
}

std::unique_ptr<SeriesIndex> full_index() {
  auto index = std::make_unique<SeriesIndex>(100'000'000);
  for (const Labels& labels : all_labels()) CHECK(index->resolve(labels).ok());
  return index;
}

const SeriesIndex& shared_index() {
  static const std::unique_ptr<SeriesIndex> index = full_index();
  return *index;
}

void series_created(benchmark::State& state) {
  all_labels();
  for (auto _ : state) {
    const std::size_t before = ::mallinfo2().uordblks + ::mallinfo2().hblkhd;
    const auto index = full_index();
    const std::size_t after = ::mallinfo2().uordblks + ::mallinfo2().hblkhd;
    const auto series = static_cast<double>(index->size());
    state.counters["bytes/series"] = static_cast<double>(after - before) / series;
    state.counters["accounted/series"] = static_cast<double>(index->memory_bytes()) / series;
  }
  state.SetItemsProcessed(state.iterations() * kHosts * kPerHost);
}
BENCHMARK(series_created)->Unit(benchmark::kMillisecond)->Iterations(1);

void resolve_known(benchmark::State& state) {
  auto& index = const_cast<SeriesIndex&>(shared_index());
  const auto count = static_cast<std::size_t>(state.range(0));  // how many take turns
  std::size_t i = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(index.resolve(all_labels()[i]));
    if (++i == count) i = 0;
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(resolve_known)->Arg(1000)->Arg(1'000'000)->ThreadRange(1, 2)->UseRealTime();

void labels_of_series(benchmark::State& state) {
  const SeriesIndex& index = shared_index();
  std::uint64_t id = 0;
  for (auto _ : state) benchmark::DoNotOptimize(index.labels(SeriesId(1 + id++ % 100'000)));
}
BENCHMARK(labels_of_series);

std::vector<SeriesRows> all_rows() {
  std::vector<SeriesRows> blocks;
  const SeriesIndex& index = shared_index();
  for (std::uint64_t first = 0; first <= index.size(); first += 1024) {
    std::vector<SeriesId> ids;
    for (std::uint64_t id = first; id < first + 1024; ++id) ids.emplace_back(id);
    blocks.push_back(index.rows(ids));
  }
  return blocks;
}

void rows_loaded(benchmark::State& state) {
  const std::vector<SeriesRows> blocks = all_rows();
  for (auto _ : state) {
    SeriesIndex index(100'000'000);
    for (const SeriesRows& rows : blocks) CHECK(index.load(rows).ok());
    CHECK(index.size() == shared_index().size());
  }
  state.SetItemsProcessed(state.iterations() * kHosts * kPerHost);
}
BENCHMARK(rows_loaded)->Unit(benchmark::kMillisecond);

void series_removed(benchmark::State& state) {
  for (auto _ : state) {
    state.PauseTiming();
    const auto index = full_index();
    const std::vector<SeriesId> ids = index->select({Matcher::equal("rack", "r3")});
    state.ResumeTiming();
    index->remove(ids);
    state.SetItemsProcessed(static_cast<std::int64_t>(ids.size()));
  }
}
BENCHMARK(series_removed)->Unit(benchmark::kMillisecond)->Iterations(1);

void select(benchmark::State& state, Matchers matchers) {
  const SeriesIndex& index = shared_index();
  std::size_t found = 0;
  for (auto _ : state) found = index.select(matchers).size();
  state.counters["found"] = static_cast<double>(found);
}
BENCHMARK_CAPTURE(select, metric, {Matcher::equal("__name__", "node_cpu_seconds_total_7")});
BENCHMARK_CAPTURE(select, one_host, {Matcher::equal("instance", "node-77:9100")});
BENCHMARK_CAPTURE(select, metric_of_host,
                  {Matcher::equal("__name__", "node_cpu_seconds_total_7"),
                   Matcher::equal("instance", "node-77:9100")});

// Matchers over one label of 100,000 values.
const SeriesIndex& wide_index() {
  static const auto index = [] {
    auto result = std::make_unique<SeriesIndex>(100'000'000);
    for (int i = 0; i < 100'000; ++i) {
      const std::string pod = std::string(1, static_cast<char>('a' + i % 26)) + "-service-" +
                              (i % 100 == 0 ? "foo-" : "bar-") + std::to_string(i * 7919);
      CHECK(result->resolve(Labels::of({{"__name__", "up"}, {"pod", pod}})).ok());
    }
    return result;
  }();
  return *index;
}

// An expression that was asked before.
void select_regex(benchmark::State& state, Matcher::Type type, const std::string& pattern) {
  const SeriesIndex& index = wide_index();
  const Matchers matchers = {*Matcher::make(type, "pod", pattern)};
  std::size_t found = 0;
  for (auto _ : state) found = index.select(matchers).size();
  state.counters["found"] = static_cast<double>(found);
}
using enum Matcher::Type;
BENCHMARK_CAPTURE(select_regex, contains, kRegex, ".*foo.*");
BENCHMARK_CAPTURE(select_regex, prefix, kRegex, "a.*");
BENCHMARK_CAPTURE(select_regex, literals, kRegex, "a-service-foo-0|b-service-bar-7919|c");
BENCHMARK_CAPTURE(select_regex, not_contains, kNotRegex, ".*foo.*");

// The first time: every iteration has an index of its own to ask.
void match_values_once(benchmark::State& state, const std::string& pattern) {
  const Matchers matchers = {*Matcher::make(kRegex, "pod", pattern)};
  std::size_t found = 0;
  for (auto _ : state) {
    state.PauseTiming();
    auto index = std::make_unique<SeriesIndex>(100'000'000);
    for (const SeriesId id : wide_index().select({})) {
      CHECK(index->restore(id, wide_index().labels(id)).ok());
    }
    state.ResumeTiming();
    found = index->select(matchers).size();
    state.PauseTiming();
    index.reset();
    state.ResumeTiming();
  }
  state.counters["found"] = static_cast<double>(found);
}
BENCHMARK_CAPTURE(match_values_once, contains, ".*foo.*")
    ->Unit(benchmark::kMillisecond)
    ->Iterations(5);
BENCHMARK_CAPTURE(match_values_once, contains_two, ".*service.*foo.*")
    ->Unit(benchmark::kMillisecond)
    ->Iterations(5);
BENCHMARK_CAPTURE(match_values_once, suffix, ".*-foo-0")
    ->Unit(benchmark::kMillisecond)
    ->Iterations(5);
BENCHMARK_CAPTURE(match_values_once, prefix, "a.*")->Unit(benchmark::kMillisecond)->Iterations(5);
BENCHMARK_CAPTURE(match_values_once, both_ends, "a-.*0")
    ->Unit(benchmark::kMillisecond)
    ->Iterations(5);
BENCHMARK_CAPTURE(match_values_once, nested, "[a-c]-service-(foo|bar)-7.*")
    ->Unit(benchmark::kMillisecond)
    ->Iterations(5);
BENCHMARK_CAPTURE(match_values_once, re2, "[a-c]-.+-fo+-\\d+")
    ->Unit(benchmark::kMillisecond)
    ->Iterations(5);

}  // namespace
}  // namespace tocsin::tsdb
