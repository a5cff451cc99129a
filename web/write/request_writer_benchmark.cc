// SPDX-License-Identifier: Apache-2.0
//
// What a sample of remote write 1.0 costs before the store sees it: a request of 2000 series of a
// node exporter (6 labels of 150 bytes together, one sample each), read, and looked up in a cache
// of as many series as the argument says.
#include <benchmark/benchmark.h>

#include "base/check.h"
#include "formats/remote_write.h"
#include "formats/testing/remote_write_writer.h"
#include "web/write/series_cache.h"

namespace tocsin::web {
namespace {

using formats::WriteProtocol;
using formats::WriteRequestReader;
using formats::testing::WireWriter;

constexpr std::int64_t kSeries = 2000;
constexpr std::size_t kTogether = 64;
constexpr base::Hash128 kSeed{1, 2};

std::string request(std::int64_t first) {
  WireWriter out;
  for (std::int64_t n = first; n < first + kSeries; ++n) {
    const std::string host = "node-" + std::to_string(n / 1000) + ":9100";
    const std::string device = "device-" + std::to_string(n % 1000);
    out.message(1, formats::testing::v1_series({{"__name__", "node_network_receive_bytes_total"},
                                                {"device", device},
                                                {"instance", host},
                                                {"job", "node"},
                                                {"region", "eu-west-1"},
                                                {"zone", "eu-west-1a"}},
                                               static_cast<double>(n), 1'700'000'000'000));
  }
  return out.text();
}

void BM_ReadRequest(benchmark::State& state) {
  const std::string text = request(0);
  WriteRequestReader reader;
  for (auto _ : state) {
    CHECK(reader.open(WriteProtocol::kV1, text, kSeed).ok());
    while (*reader.next()) benchmark::DoNotOptimize(reader.key());
  }
  state.SetItemsProcessed(state.iterations() * kSeries);
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
}
BENCHMARK(BM_ReadRequest);

void BM_ReadRequestAndLabels(benchmark::State& state) {
  const std::string text = request(0);
  WriteRequestReader reader;
  std::vector<model::LabelView> views;
  model::Labels labels;
  for (auto _ : state) {
    CHECK(reader.open(WriteProtocol::kV1, text, kSeed).ok());
    while (*reader.next()) {
      CHECK(reader.labels(&views).ok());
      labels.assign_sorted(views);
      benchmark::DoNotOptimize(labels.hash());
    }
  }
  state.SetItemsProcessed(state.iterations() * kSeries);
}
BENCHMARK(BM_ReadRequestAndLabels);

// Look-ups of a request's series among many, fetched 64 ahead as the receiver does.
void BM_FindSeries(benchmark::State& state) {
  SeriesCache cache({}, [](storage::SeriesRef) { return true; });
  std::vector<SeriesCache::Entry> entries;
  for (std::uint64_t n = 1; n <= static_cast<std::uint64_t>(state.range(0)); ++n) {
    entries.push_back({base::hash128(std::to_string(n), kSeed), storage::SeriesRef(n)});
  }
  cache.put(entries, base::SteadyTime());
  std::size_t first = 0;
  for (auto _ : state) {
    SeriesCache::View view(cache);
    for (std::size_t n = first; n < first + kSeries; n += kTogether) {
      const std::size_t end = std::min<std::size_t>(n + kTogether, first + kSeries);
      for (std::size_t i = n; i < end; ++i) view.prefetch(entries[i].key);
      for (std::size_t i = n; i < end; ++i) benchmark::DoNotOptimize(view.find(entries[i].key));
    }
    first = (first + kSeries) % entries.size();
  }
  state.SetItemsProcessed(state.iterations() * kSeries);
  state.counters["bytes/series"] =
      static_cast<double>(cache.memory_bytes()) / static_cast<double>(entries.size());
}
BENCHMARK(BM_FindSeries)->Arg(40'000)->Arg(1'000'000);

}  // namespace
}  // namespace tocsin::web
