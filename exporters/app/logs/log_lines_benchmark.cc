// SPDX-License-Identifier: Apache-2.0
//
// What a line costs, from its text to the counts of known label sets, and what it allocates.
#include <atomic>
#include <cstdlib>
#include <new>

#include <benchmark/benchmark.h>

#include "base/check.h"
#include "exporters/app/logs/access_metrics.h"
#include "exporters/app/logs/pattern_metrics.h"

namespace {

std::atomic<std::size_t> allocations = 0;

}  // namespace

[[gnu::noinline]] void* operator new(std::size_t size) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  if (void* memory = std::malloc(size)) return memory;
  std::abort();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace tocsin::exporters::app {
namespace {

constexpr std::string_view kEdgeFormat =
    R"($remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent )"
    R"("$http_referer" "$http_user_agent" $request_time $upstream_addr $upstream_response_time)";

std::vector<std::string> edge_lines() {
  constexpr std::string_view kPaths[] = {"/api/users/1234?page=2", "/api/orders/17/items",
                                         "/static/app.js", "/"};
  constexpr std::string_view kStatuses[] = {"200", "200", "304", "404", "502"};
  std::vector<std::string> lines;
  for (int i = 0; i < 1000; ++i) {
    lines.push_back(fmt::format(
        R"(10.0.{}.{} - - [21/Nov/2026:18:16:26 +0000] "GET {} HTTP/1.1" {} {} )"
        R"("https://shop.example/cart" "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 )"
        R"((KHTML, like Gecko) Chrome/119.0.0.0 Safari/537.36" 0.{:03} 10.0.0.{}:8000 0.{:03})",
        i % 7, i % 250, kPaths[i % 4], kStatuses[i % 5], i * 37, i % 900, i % 3, i % 900));
  }
  return lines;
}

// Counts `lines` again and again, after they are known.
template <typename Count>
void run(benchmark::State& state, const std::vector<std::string>& lines, const Count& count) {
  for (const std::string& line : lines) count(line);
  const std::size_t before = allocations.load();
  std::size_t bytes = 0;
  for (auto _ : state) {
    for (const std::string& line : lines) {
      count(line);
      bytes += line.size();
    }
  }
  const auto total = static_cast<double>(state.iterations() * lines.size());
  state.SetItemsProcessed(static_cast<std::int64_t>(total));
  state.SetBytesProcessed(static_cast<std::int64_t>(bytes));
  state.counters["allocations/line"] = static_cast<double>(allocations.load() - before) / total;
}

void run_access(benchmark::State& state, const LineParser& parser, const AccessOptions& options,
                const std::vector<std::string>& lines) {
  SeriesBudget budget;
  AccessMetrics metrics(parser, options, budget);
  run(state, lines, [&](std::string_view line) { metrics.add_line(line, {}); });
}

void edge_format(benchmark::State& state) {
  run_access(state, LineParser(*LineFormat::compile(kEdgeFormat, {})), {}, edge_lines());
}
BENCHMARK(edge_format);

void edge_format_with_routes(benchmark::State& state) {
  AccessOptions options;
  for (const auto& [match, route] : {std::pair{R"(^/api/users/\d+)", "/api/users/:id"},
                                     {R"(^/api/orders/\d+)", "/api/orders/:id"},
                                     {"^/static/", "/static"}}) {
    options.routes.push_back({*model::Regex::unanchored(match), route});
  }
  run_access(state, LineParser(*LineFormat::compile(kEdgeFormat, {})), options, edge_lines());
}
BENCHMARK(edge_format_with_routes);

void combined(benchmark::State& state) {
  std::vector<std::string> lines = edge_lines();
  for (std::string& line : lines) line.resize(line.rfind('"') + 1);
  run_access(state, LineParser(*LineFormat::compile(kCombinedLogFormat, {})), {}, lines);
}
BENCHMARK(combined);

void parse_only(benchmark::State& state) {
  const LineFormat format = *LineFormat::compile(kEdgeFormat, {});
  LogRecord record;
  run(state, edge_lines(), [&](std::string_view line) { CHECK(format.match(line, &record)); });
}
BENCHMARK(parse_only);

void haproxy_http(benchmark::State& state) {
  std::vector<std::string> lines;
  for (int i = 0; i < 1000; ++i) {
    lines.push_back(fmt::format(
        R"(Feb  6 12:14:14 lb haproxy[14389]: 10.0.1.2:33317 [06/Feb/2009:12:14:14.655] http-in )"
        R"(static/srv{} 10/0/30/69/{} 200 2750 - - ---- 1/1/1/1/0 0/0 "GET /index.html HTTP/1.1")",
        i % 4, 100 + i));
  }
  run_access(state, LineParser(HaproxyHttpFormat{}), {}, lines);
}
BENCHMARK(haproxy_http);

void json(benchmark::State& state) {
  std::vector<std::string> lines;
  for (int i = 0; i < 1000; ++i) {
    lines.push_back(fmt::format(
        R"({{"time":"2026-11-21T18:16:26Z","remote_addr":"10.0.0.9","status":200,)"
        R"("request":"GET /api/users/{} HTTP/1.1","body_bytes_sent":2750,"request_time":0.{:03},)"
        R"("http_user_agent":"Mozilla/5.0","upstream_addr":"10.0.0.{}:80"}})",
        i, i % 900, i % 3));
  }
  run_access(state, LineParser(*JsonLine::make({}, {})), {}, lines);
}
BENCHMARK(json);

void patterns(benchmark::State& state) {
  std::vector<LogPattern> patterns;
  LogPattern failed{.match = *model::Regex::unanchored(R"(ws send failed reason=(\w+))"),
                    .kind = LogPattern::Kind::kCounter,
                    .name = "fails_total",
                    .help = "",
                    .labels = {}};
  failed.labels.push_back({"reason", {"", 1}});
  patterns.push_back(failed);
  std::vector<std::string> lines;
  for (int i = 0; i < 1000; ++i) {
    lines.push_back(i % 10 == 0
                        ? "2026-11-21 18:16:26,123 WARN app.ws ws send failed reason=closed id=17"
                        : "2026-11-21 18:16:26,123 INFO app.http handled a request in 12 ms");
  }
  SeriesBudget budget;
  PatternMetrics metrics(patterns, {}, budget);
  run(state, lines, [&](std::string_view line) { metrics.add_line(line); });
}
BENCHMARK(patterns);

}  // namespace
}  // namespace tocsin::exporters::app
