// SPDX-License-Identifier: Apache-2.0
//
// Nanoseconds per sample (the inverse of items per second) and bytes per sample of tiles: one for
// each kind of series, written as a seal and as a merge to the oldest tier does, and read as a query
// and as a merge does.
#include <bit>
#include <random>
#include <string>

#include <benchmark/benchmark.h>

#include "base/check.h"
#include "tsdb/tile/tile.h"

namespace tocsin::tsdb {
namespace {

constexpr std::uint32_t kRows = 480;  // two hours at 15 s

enum Kind : int { kConstant, kSparse, kCounter, kSmooth, kGauge, kRandom, kKinds };
constexpr const char* kNames[kKinds] = {"constant", "sparse", "counter",
                                        "smooth",   "gauge",  "17 digits"};

// Rows of one series.
RowChanges make_rows(Kind kind, std::mt19937_64& random) {
  RowChanges rows;
  double value = static_cast<double>(random() % 1'000'000);
  for (std::uint32_t row = 0; row < kRows; ++row) {
    switch (kind) {
      case kSparse:
        if (random() % 20 == 0) value += static_cast<double>(random() % 100);
        break;
      case kCounter:
        value += static_cast<double>(random() % 1000);
        break;
      case kSmooth:
        value += 1500;
        break;
      case kGauge:
        value = static_cast<double>(random() % 100'000) / 100;
        break;
      case kRandom:
        value = static_cast<double>(random()) / 1.8446744073709552e19;
        break;
      default:
        break;
    }
    rows.append_bits(1, std::bit_cast<std::uint64_t>(value));
  }
  return rows;
}

std::vector<RowChanges> make_series(Kind kind) {
  std::mt19937_64 random(7);
  std::vector<RowChanges> series;
  for (std::uint32_t i = 0; i < kTileSeries; ++i) series.push_back(make_rows(kind, random));
  return series;
}

std::string make_tile(const std::vector<RowChanges>& series, Effort effort) {
  TileBuilder builder(effort);
  for (std::uint32_t i = 0; i < series.size(); ++i) builder.add(i + 1, {0, 0, kRows}, series[i]);
  return builder.finish();
}

Kind kind_of(const benchmark::State& state) { return static_cast<Kind>(state.range(0)); }
Effort effort_of(const benchmark::State& state) {
  return state.range(1) == 0 ? Effort::kSeal : Effort::kCold;
}

void report(benchmark::State& state, const std::string& frame) {
  constexpr double kSamples = static_cast<double>(kRows) * kTileSeries;
  state.SetItemsProcessed(state.iterations() * std::int64_t{kRows} * kTileSeries);
  state.counters["bytes/sample"] = static_cast<double>(frame.size()) / kSamples;
  state.SetLabel(std::string(kNames[kind_of(state)]) +
                 (effort_of(state) == Effort::kSeal ? ", sealed" : ", cold"));
}

void encode(benchmark::State& state) {
  const std::vector<RowChanges> series = make_series(kind_of(state));
  std::string frame;
  for (auto _ : state) frame = make_tile(series, effort_of(state));
  report(state, frame);
}

// As a query reads.
void decode_floats(benchmark::State& state) {
  const std::string frame = make_tile(make_series(kind_of(state)), effort_of(state));
  TileSamples samples;
  for (auto _ : state) {
    const StatusOr<Tile> tile = Tile::parse(frame);
    for (std::uint32_t slot = 0; slot < tile->count(); ++slot) {
      CHECK(tile->decode(slot, &samples).ok());
    }
    benchmark::DoNotOptimize(samples.floats.data());
  }
  report(state, frame);
}

// As a merge reads.
void decode_changes(benchmark::State& state) {
  const std::string frame = make_tile(make_series(kind_of(state)), effort_of(state));
  RowChanges rows;
  for (auto _ : state) {
    const StatusOr<Tile> tile = Tile::parse(frame);
    for (std::uint32_t slot = 0; slot < tile->count(); ++slot) {
      CHECK(tile->decode(slot, &rows).ok());
    }
    benchmark::DoNotOptimize(rows.changes.data());
  }
  report(state, frame);
}

void all(benchmark::internal::Benchmark* benchmark) {
  for (int kind = 0; kind < kKinds; ++kind) {
    for (const int effort : {0, 1}) benchmark->Args({kind, effort});
  }
}

BENCHMARK(encode)->Apply(all);
BENCHMARK(decode_floats)->Apply(all);
BENCHMARK(decode_changes)->Apply(all);

}  // namespace
}  // namespace tocsin::tsdb
