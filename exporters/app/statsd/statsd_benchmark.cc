// SPDX-License-Identifier: Apache-2.0
//
// Lines of StatsD on one core: those of series that were there before, which nearly all are, and
// those that nobody has seen.
#include <benchmark/benchmark.h>

#include "exporters/app/statsd/statsd_store.h"

namespace tocsin::exporters::app {
namespace {

constexpr std::size_t kLinesPerPacket = 20;

// Packets of lines of `series` series.
std::vector<std::string> make_packets(std::size_t series, std::string_view line) {
  std::vector<std::string> packets;
  for (std::size_t i = 0; i < series; ++i) {
    if (i % kLinesPerPacket == 0) packets.emplace_back();
    packets.back() += fmt::format(fmt::runtime(line), i % 1000, i) + "\n";
  }
  return packets;
}

StatsdStore::Options options(std::string_view yaml) {
  const StatusOr<base::YamlNode> node = base::parse_yaml(yaml, "app.yml");
  return {.mapper = *StatsdMapper::read(node->find("defaults"), node->find("mappings"),
                                        base::Duration(0)),
          .max_series = 10'000};
}

void run(benchmark::State& state, std::string_view line, std::string_view yaml) {
  StatsdStore store(options(yaml));
  const std::vector<std::string> packets = make_packets(2'000, line);
  const base::SteadyTime now{std::chrono::hours(1)};
  for (auto _ : state) {
    for (const std::string& packet : packets) store.take(packet, now);
  }
  state.SetItemsProcessed(
      static_cast<std::int64_t>(state.iterations() * packets.size() * kLinesPerPacket));
}

void counters(benchmark::State& state) { run(state, "web.requests.{1}:1|c", "{}"); }
BENCHMARK(counters);

void tagged_counters(benchmark::State& state) {
  run(state, "web.requests:1|c|@0.5|#env:prod,route:r{1},status:200", "{}");
}
BENCHMARK(tagged_counters);

void timers(benchmark::State& state) {
  run(state, "web.time.{1}:{0}|ms", "defaults: {observer_type: histogram}");
}
BENCHMARK(timers);

void summaries(benchmark::State& state) { run(state, "web.time.{1}:{0}|ms", "{}"); }
BENCHMARK(summaries);

// Every line is of a series that has to be taken apart, mapped and, as there is no room, folded.
void strangers(benchmark::State& state) {
  StatsdStore store(
      options("mappings: [{match: 'web.*.count', name: web_total, "
              "labels: {route: $1}}]"));
  const base::SteadyTime now{std::chrono::hours(1)};
  std::size_t next = 0;
  for (auto _ : state) {
    store.take(fmt::format("web.r{}.count:1|c|#env:prod", ++next), now);
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()));
}
BENCHMARK(strangers);

}  // namespace
}  // namespace tocsin::exporters::app
