// SPDX-License-Identifier: Apache-2.0
//
// What a sample costs on its way from an appender into the head: applying and coding batches of
// 1000 series, by the kind of group that the head keeps them in, and whole commits by several
// threads. A third of the values changes with each row.
#include <array>
#include <atomic>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "base/check.h"
#include "base/file_system.h"
#include "base/metrics.h"
#include "base/time.h"
#include "tsdb/db.h"
#include "tsdb/head/head.h"
#include "tsdb/journal/batch_codec.h"

namespace tocsin::tsdb {
namespace {

using storage::GroupId;
using storage::SeriesId;

constexpr std::uint32_t kSeries = 1000;
constexpr std::uint32_t kRows = 240;  // of a chunk; then it is closed and dropped

enum Kind { kShared, kPool, kDefined };

std::uint64_t value_of(std::uint32_t series, std::int64_t step) {
  const auto changes = series % 3 == 0 ? step : 0;
  return std::bit_cast<std::uint64_t>(static_cast<double>(series * 1000 + changes * 7) / 10);
}

// A head with batches made as an appender makes them.
class Bench {
 public:
  explicit Bench(Kind kind) : kind_(kind), head_(kRows) {
    codec_.set_shared_members([this](GroupId group) { return head_.shared_members(group); });
    for (std::uint32_t i = 1; i <= kSeries; ++i) head_.add_durable(SeriesId(i));
    if (kind == kDefined) {
      Batch batch;
      Batch::Definition definition{GroupId(1), {}};
      for (std::uint32_t i = 1; i <= kSeries; ++i) definition.members.push_back(SeriesId(i));
      batch.definitions.push_back(std::move(definition));
      batch.ops.push_back({Batch::OpKind::kDefine, 0, 1});
      CHECK(codec_.encode(&batch, 1, 1).ok());
      head_.apply(batch);
    }
    for (int i = 0; i < 3; ++i) head_.apply(next());
  }

  Batch next() {
    Batch batch;
    const std::int64_t t_ms = ++step_ * 15'000;
    if (kind_ == kDefined) {
      Batch::Row row{GroupId(1), t_ms, false, kSeries, 0, 0};
      batch.set.resize((kSeries + 63) / 64);
      for (std::uint32_t i = 0; i < kSeries; ++i) batch.values.push_back(value_of(i, step_));
      batch.rows.push_back(row);
      batch.mark_set(row, 0, kSeries);
      batch.ops.push_back({Batch::OpKind::kRow, 0, 1});
      return batch;
    }
    for (std::uint32_t i = 0; i < kSeries; ++i) {
      const SeriesId id(i + 1);
      const std::int64_t own_ms = kind_ == kPool ? t_ms + i * 7 % 5003 : t_ms;
      const Head::Look look = *head_.look(id);
      batch.samples.push_back(
          {id, own_ms, value_of(i, step_), look.group, look.slot, look.home, look.newest.time_ms});
    }
    batch.ops.push_back({Batch::OpKind::kSamples, 0, kSeries});
    head_.arrange(&batch);
    return batch;
  }

  // Forgets full chunks, as a seal does.
  void seal_when_full() {
    if (step_ % kRows == 0) head_.drop_chunks(head_.close_before(head_.begin_epoch()));
  }
  Head& head() { return head_; }
  BatchCodec& codec() { return codec_; }

 private:
  const Kind kind_;
  Head head_;
  BatchCodec codec_;
  std::int64_t step_ = 0;
};

// Calls work(batch) with the clock running for it alone.
template <typename Work>
void each_batch(benchmark::State& state, Bench& bench, Work work) {
  constexpr int kAtOnce = 60;
  std::vector<Batch> batches;
  std::size_t next = 0;
  for (auto _ : state) {
    if (next == batches.size()) {
      state.PauseTiming();
      batches.clear();
      next = 0;
      bench.seal_when_full();
      for (int i = 0; i < kAtOnce; ++i) batches.push_back(bench.next());
      state.ResumeTiming();
    }
    work(batches[next++]);
  }
  state.SetItemsProcessed(state.iterations() * kSeries);
}

void apply(benchmark::State& state) {
  Bench bench(static_cast<Kind>(state.range(0)));
  each_batch(state, bench,
             [&](const Batch& batch) { CHECK(bench.head().apply(batch).samples == kSeries); });
}
BENCHMARK(apply)->ArgName("0 shared 1 pool 2 defined")->DenseRange(kShared, kDefined);

void encode(benchmark::State& state) {
  Bench bench(static_cast<Kind>(state.range(0)));
  std::uint64_t sequence = 1;
  std::uint64_t bytes = 0;
  each_batch(state, bench,
             [&](Batch& batch) { bytes += bench.codec().encode(&batch, ++sequence, 1)->size(); });
  state.counters["bytes per sample"] =
      static_cast<double>(bytes) / static_cast<double>(state.iterations()) / kSeries;
}
BENCHMARK(encode)->ArgName("0 shared 1 pool 2 defined")->DenseRange(kShared, kDefined);

void decode(benchmark::State& state) {
  Bench bench(static_cast<Kind>(state.range(0)));
  std::vector<std::string> payloads;
  constexpr std::uint64_t kPayloads = 200;
  for (std::uint64_t i = 1; i <= kPayloads; ++i) {
    // In a segment of their own, so that the first has the definition.
    Batch batch = bench.next();
    payloads.push_back(*bench.codec().encode(&batch, i, 2));
  }
  BatchCodec reader;
  std::size_t next = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(reader.decode(payloads[next++ % kPayloads]));
  }
  CHECK(reader.lost_rows() == 0);
  state.SetItemsProcessed(state.iterations() * kSeries);
}
BENCHMARK(decode)->ArgName("0 shared 1 pool 2 defined")->DenseRange(kShared, kDefined);

// Pages -----------------------------------------------------------------------------------------

// Rows of many targets in turn, as scrapes bring them: more than caches of the processor hold.
void scrape(benchmark::State& state) {
  constexpr std::size_t kTargets = 300;
  std::vector<std::unique_ptr<Bench>> targets;
  for (std::size_t i = 0; i < kTargets; ++i) targets.push_back(std::make_unique<Bench>(kDefined));
  std::vector<Batch> batches;
  std::size_t next = kTargets;
  std::uint64_t sequence = 1;
  for (auto _ : state) {
    if (next == kTargets) {
      state.PauseTiming();
      next = 0;
      batches.clear();
      for (const auto& target : targets) {
        target->seal_when_full();
        batches.push_back(target->next());
      }
      state.ResumeTiming();
    }
    Bench& target = *targets[next];
    Batch& batch = batches[next++];
    CHECK(target.codec().encode(&batch, ++sequence, 1).ok());
    CHECK(target.head().apply(batch).samples == kSeries);
  }
  state.SetItemsProcessed(state.iterations() * kSeries);
}
BENCHMARK(scrape);

// Whole commits ---------------------------------------------------------------------------------

// A database with the series of several writers, each with requests of 2000 samples.
class Writers {
 public:
  static constexpr std::size_t kMost = 4;
  static constexpr std::size_t kPerWriter = 10'000;
  static constexpr std::size_t kRequest = 2000;

  Writers() : directory_(std::filesystem::temp_directory_path() / "tocsin_ingest_benchmark") {
    std::filesystem::remove_all(directory_);
    db_ = *Db::open(directory_, {}, {clock_, base::real_file_system(), metrics_});
    for (std::size_t writer = 0; writer < kMost; ++writer) {
      for (std::size_t i = 0; i < kPerWriter; i += kRequest) create(writer, i);
    }
  }
  ~Writers() {
    db_.reset();
    std::filesystem::remove_all(directory_);
  }

  // Commits one request of the writer.
  void write(std::size_t writer) {
    State& state = states_[writer];
    const std::size_t first = state.requests++ * kRequest % kPerWriter;
    if (first == 0) ++state.step;
    state.samples.clear();
    for (std::size_t i = first; i < first + kRequest; ++i) {
      const auto value = std::bit_cast<double>(value_of(static_cast<std::uint32_t>(i), state.step));
      state.samples.push_back({state.refs[i], base::from_ms(state.step * 15'000), value, 0});
    }
    const auto appender = db_->appender();
    appender->append_known(state.samples, [](std::size_t, const Status&) { CHECK(false); });
    CHECK(commit_and_wait(*appender).ok());
  }

 private:
  struct alignas(64) State {
    std::vector<storage::SeriesRef> refs;
    std::vector<storage::KnownSample> samples;
    std::size_t requests = 0;
    std::int64_t step = 1;
  };

  void create(std::size_t writer, std::size_t first) {
    const auto appender = db_->appender();
    for (std::size_t i = first; i < first + kRequest; ++i) {
      const auto labels = model::Labels::of({{"__name__", "m" + std::to_string(i % 1000)},
                                             {"instance", std::to_string(i / 1000)},
                                             {"writer", std::to_string(writer)}});
      states_[writer].refs.push_back(appender->append({}, labels, base::from_ms(1), 0)->ref);
    }
    CHECK(commit_and_wait(*appender).ok());
  }

  const std::string directory_;
  base::SystemClock clock_;
  base::Registry metrics_;
  std::unique_ptr<Db> db_;
  std::array<State, kMost> states_;
};

std::unique_ptr<Writers> writers;

void commit(benchmark::State& state) {
  for (auto _ : state) writers->write(static_cast<std::size_t>(state.thread_index()));
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(Writers::kRequest));
}
BENCHMARK(commit)
    ->Setup([](const benchmark::State&) { writers = std::make_unique<Writers>(); })
    ->Teardown([](const benchmark::State&) { writers.reset(); })
    ->Threads(1)
    ->Threads(2)
    ->Threads(4)
    ->MeasureProcessCPUTime()
    ->UseRealTime();

}  // namespace
}  // namespace tocsin::tsdb
