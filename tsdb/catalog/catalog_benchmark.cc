// SPDX-License-Identifier: Apache-2.0
//
// What a million series cost in the catalog: writing them with a run, loading them at start, asking
// for one that left.
#include <benchmark/benchmark.h>

#include "base/check.h"
#include "base/file_system.h"
#include "base/hash.h"
#include "tsdb/catalog/catalog.h"
#include "tsdb/catalog/catalog_keys.h"

namespace tocsin::tsdb {
namespace {

using model::Labels;
using model::Matcher;
using storage::SeriesId;

constexpr int kHosts = 1000;
constexpr int kPerHost = 1000;

Labels labels_of(int host, int series) {
  return Labels::of({{"__name__", "node_metric_" + std::to_string(series / 4)},
                     {"instance", "node-" + std::to_string(host) + ":9100"},
                     {"job", "node"},
                     {"mode", "mode" + std::to_string(series % 4)},
                     {"zone", "eu-west-1" + std::string(1, static_cast<char>('a' + host % 4))}});
}

// A store with all series, sealed on day 0.
struct Store {
  Store() {
    CHECK(base::real_file_system().create_directories(path).ok());
    open();
  }
  ~Store() {
    catalog.reset();
    kv.reset();
    CHECK(base::real_file_system().remove_recursively(path).ok());
  }
  void open() {
    catalog.reset();
    index.reset();
    kv.reset();
    kv = *KvStore::open(path);
    index = std::make_unique<SeriesIndex>(100'000'000);
    catalog = std::make_unique<Catalog>(*kv, *index);
    CHECK(catalog->open(0, [](std::span<const std::uint32_t>) {}).ok());
  }
  void create() {
    for (int host = 0; host < kHosts; ++host) {
      for (int series = 0; series < kPerHost; ++series) {
        ids.push_back(index->resolve(labels_of(host, series))->id);
      }
    }
  }
  void seal(std::int64_t t) {
    auto times = std::make_shared<storage::TimestampColumn>();
    times->ms = {t};
    storage::SeriesColumn column;
    column.times = times;
    column.rows = 1;
    RunDays days;
    for (const SeriesId id : ids) days.add(id, column);
    StatusOr<Catalog::Change> change = catalog->prepare(days, ids);
    CHECK(change.ok());
    CHECK(kv->commit(change->batch).ok());
    catalog->apply(*std::move(change), t);
  }

  const std::string path = "/tmp/tocsin-catalog-" + base::random_uuid();
  std::unique_ptr<KvStore> kv;
  std::unique_ptr<SeriesIndex> index;
  std::unique_ptr<Catalog> catalog;
  std::vector<SeriesId> ids;
};

Store& shared_store() {
  static Store store;
  if (store.ids.empty()) {
    store.create();
    store.seal(1);
  }
  return store;
}

void first_run(benchmark::State& state) {
  Store store;
  store.create();
  for (auto _ : state) store.seal(1);
}
BENCHMARK(first_run)->Unit(benchmark::kMillisecond)->Iterations(1);

void run_of_known_series(benchmark::State& state) {
  Store& store = shared_store();
  RunDays days;
  for (auto _ : state) {
    storage::SeriesColumn column;
    auto times = std::make_shared<storage::TimestampColumn>();
    times->ms = {2};
    column.times = times;
    column.rows = 1;
    RunDays run;
    for (const SeriesId id : store.ids) run.add(id, column);
    benchmark::DoNotOptimize(store.catalog->prepare(run, {}));
  }
}
BENCHMARK(run_of_known_series)->Unit(benchmark::kMillisecond);

void start(benchmark::State& state) {
  Store& store = shared_store();
  for (auto _ : state) store.open();
  CHECK(store.index->size() == static_cast<std::uint64_t>(kHosts) * kPerHost);
}
BENCHMARK(start)->Unit(benchmark::kMillisecond);

void look_up_of_a_new_series(benchmark::State& state) {
  Store& store = shared_store();
  const std::vector<SeriesId> some(store.ids.begin(), store.ids.begin() + 10'000);
  CHECK(store.catalog->let_go(some).ok());
  int i = 0;
  for (auto _ : state) {
    const Labels labels = labels_of(kHosts, ++i);
    benchmark::DoNotOptimize(store.catalog->history().find(series_tag(labels.encoded()), labels));
  }
}
BENCHMARK(look_up_of_a_new_series);

void select_of_a_day(benchmark::State& state, model::Matchers matchers) {
  const History& history = shared_store().catalog->history();
  std::uint64_t found = 0;
  for (auto _ : state) found = history.select(matchers, {0, 0}, nullptr)->count();
  state.counters["found"] = static_cast<double>(found);
}
BENCHMARK_CAPTURE(select_of_a_day, metric, {Matcher::equal("__name__", "node_metric_7")});
BENCHMARK_CAPTURE(select_of_a_day, metric_of_host,
                  {Matcher::equal("__name__", "node_metric_7"),
                   Matcher::equal("instance", "node-77:9100")});
BENCHMARK_CAPTURE(select_of_a_day, regex,
                  {*Matcher::make(Matcher::Type::kRegex, "instance", ".*7:9.*")});

void labels_of_a_series(benchmark::State& state) {
  const History& history = shared_store().catalog->history();
  std::uint32_t id = 0;
  for (auto _ : state) benchmark::DoNotOptimize(history.labels(1 + id++ % 1'000'000));
}
BENCHMARK(labels_of_a_series);

}  // namespace
}  // namespace tocsin::tsdb
