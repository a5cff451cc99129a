// SPDX-License-Identifier: Apache-2.0
//
// What runs cost: writing one, merging several, reading batches of series of them. Items are samples,
// bytes those of the runs' files.
#include <algorithm>
#include <random>
#include <string>

#include <benchmark/benchmark.h>

#include "base/check.h"
#include "base/file_system.h"
#include "base/hash.h"
#include "tsdb/run/run_store.h"

namespace tocsin::tsdb {
namespace {

using storage::SeriesId;

constexpr std::uint64_t kHosts = 20;
constexpr std::uint64_t kPerHost = 500;
constexpr std::uint32_t kRows = 120;  // half an hour at 15 s
constexpr std::uint64_t kSamples = kHosts * kPerHost * kRows;

// Two thirds of the series never change, a fifth are counters, the rest gauges.
RowChanges make_rows(std::uint64_t id, std::uint64_t run) {
  std::mt19937_64 random(id * 1000 + run);
  RowChanges rows;
  auto word = id * 1000 + run * kRows * 500;
  for (std::uint32_t row = 0; row < kRows; ++row) {
    const std::uint64_t kind = id % 15;
    if (kind > 12) word = random() % 100'000;
    if (kind == 10 || kind == 11 || kind == 12) word += random() % 1000;
    rows.append(1, kind > 12 ? 2 : 0, word);
  }
  return rows;
}

class Store {
 public:
  Store() : store_(*RunStore::open(path_)) {}
  ~Store() {
    store_.reset();
    CHECK(base::real_file_system().remove_recursively(path_).ok());
  }
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  RunStore& operator*() { return *store_; }

  // A half hour of all hosts.
  RunInfo write(std::uint64_t run) {
    std::vector<std::shared_ptr<const storage::TimestampColumn>> times;
    for (std::uint64_t host = 0; host < kHosts; ++host) {
      auto column = std::make_shared<storage::TimestampColumn>();
      for (std::uint32_t row = 0; row < kRows; ++row) {
        const std::uint64_t ms = (run * kRows + row) * 15'000 + host * 131;
        column->ms.push_back(static_cast<std::int64_t>(ms));
      }
      times.push_back(std::move(column));
    }
    RunPlan plan;
    for (std::uint64_t i = 0; i < kHosts * kPerHost; ++i) {
      plan.series.push_back({SeriesId(i + 1), names_[i % kPerHost / 4], 0});
    }
    plan.read = [&](const RunPlan::Series& series, RunRows* out) {
      out->times = times[(series.id.value() - 1) / kPerHost];
      out->first = 0;
      out->rows = make_rows(series.id.value(), run);
      return ok();
    };
    return *store_->write_run(std::move(plan), {});
  }
  std::vector<RunId> runs() const {
    std::vector<RunId> ids;
    for (const RunInfo& run : RunStore::runs(*store_->snapshot())) ids.push_back(run.id);
    return ids;
  }
  void merge(std::uint8_t tier) {
    RunStore::Merge merge;
    merge.inputs = runs();
    merge.tier = tier;
    CHECK(store_->merge(merge).ok());
  }

 private:
  static std::vector<std::string> make_names() {
    std::vector<std::string> names;
    for (std::uint64_t i = 0; i < kPerHost; ++i)
      names.push_back("node_metric_" + std::to_string(i));
    return names;
  }

  const std::vector<std::string> names_ = make_names();
  const std::string path_ = "/tmp/tocsin-merge-benchmark-" + base::random_uuid();
  std::unique_ptr<RunStore> store_;
};

void seal(benchmark::State& state) {
  Store store;
  std::uint64_t run = 0;
  std::uint64_t bytes = 0;
  for (auto _ : state) bytes += store.write(run++).bytes;
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kSamples));
  state.SetBytesProcessed(static_cast<std::int64_t>(bytes));
}
BENCHMARK(seal)->Unit(benchmark::kMillisecond);

void merge(benchmark::State& state) {
  const auto inputs = static_cast<std::uint64_t>(state.range(0));
  std::uint64_t bytes = 0;
  for (auto _ : state) {
    state.PauseTiming();
    {
      Store store;
      for (std::uint64_t run = 0; run < inputs; ++run) bytes += store.write(run).bytes;
      state.ResumeTiming();
      store.merge(static_cast<std::uint8_t>(state.range(1)));
      state.PauseTiming();
    }
    state.ResumeTiming();
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(inputs * kSamples));
  state.SetBytesProcessed(static_cast<std::int64_t>(bytes));
  state.SetLabel(state.range(1) == 1 ? "to two hours" : "to the oldest tier");
}
BENCHMARK(merge)->Args({4, 1})->Args({12, 1})->Args({12, 2})->Unit(benchmark::kMillisecond);

// All series of the runs, 64 at a time, as queries do. range(1): merged to this tier before.
void read(benchmark::State& state) {
  const auto inputs = static_cast<std::uint64_t>(state.range(0));
  Store store;
  for (std::uint64_t run = 0; run < inputs; ++run) static_cast<void>(store.write(run));
  if (state.range(1) != 0) store.merge(static_cast<std::uint8_t>(state.range(1)));
  const auto snapshot = (*store).snapshot();
  for (auto _ : state) {
    for (std::uint64_t first = 1; first <= kHosts * kPerHost; first += storage::kBatchSeries) {
      std::vector<SeriesId> ids;
      const std::uint64_t end = std::min(first + storage::kBatchSeries, kHosts * kPerHost + 1);
      for (std::uint64_t id = first; id < end; ++id) ids.emplace_back(id);
      std::vector<std::vector<storage::SeriesColumn>> columns(ids.size());
      std::vector<std::string> warnings;
      CHECK(RunStore::read(*snapshot, ids, INT64_MIN, INT64_MAX, &columns, &warnings).ok());
      CHECK(warnings.empty());
    }
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(inputs * kSamples));
}
BENCHMARK(read)->Args({12, 0})->Args({12, 1})->Args({12, 2})->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace tocsin::tsdb
