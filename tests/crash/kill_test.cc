// SPDX-License-Identifier: Apache-2.0
//
// kill -9 while tocsin scrapes: every sample that a query has shown must still be there afterwards,
// byte for byte.
#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <map>
#include <numeric>
#include <random>

#include <gtest/gtest.h>

#include "tests/support/tocsin.h"

namespace tocsin::tests {
namespace {

constexpr int kKills = 50;
constexpr int kSeries = 200;

constexpr std::string_view kConfig = R"(
global:
  scrape_interval: 200ms
  evaluation_interval: 500ms
rule_files: [rules.yml]
scrape_configs:
  - job_name: sink
    static_configs:
      - targets: ['ADDRESS']
)";

constexpr std::string_view kRules = R"(
groups:
  - name: kill
    rules:
      - record: kill_recorded
        expr: sum by (parity) (kill_counter)
)";

// A page whose values differ from scrape to scrape: counters, small steps and odd fractions.
std::string page(int scrape) {
  std::string text = "# TYPE kill_counter counter\n";
  for (int i = 0; i < kSeries / 2; ++i) {
    text += fmt::format("kill_counter{{n=\"{}\",parity=\"{}\"}} {}\n", i, i % 2, scrape * i);
  }
  text += "# TYPE kill_gauge gauge\n";
  for (int i = 0; i < kSeries / 2; ++i) {
    text += fmt::format("kill_gauge{{n=\"{}\"}} {}\n", i, i % 7 == 0 ? 1.0 : scrape / (i + 0.37));
  }
  return text;
}

// Series (its labels as JSON) -> its samples as JSON: "[1.5,"2"],[1.7,"3"]". Both as they came.
using Samples = std::map<std::string, std::string>;

// The parts of {"metric":{...},"values":[[...],...]} are cut out of the text: parsing would compare
// numbers, not bytes. No label of the test holds a brace.
Samples cut(const std::string& body) {
  constexpr std::string_view kMetric = "{\"metric\":", kValues = ",\"values\":[";
  Samples samples;
  for (std::size_t begin = body.find(kMetric); begin != std::string::npos;
       begin = body.find(kMetric, begin)) {
    begin += kMetric.size();
    const std::size_t values = body.find(kValues, begin);
    const std::size_t end = body.find("]]", begin);
    if (values == std::string::npos || end == std::string::npos) {
      ADD_FAILURE() << "not a matrix: " << body.substr(begin, 200);
      break;
    }
    const std::size_t first = values + kValues.size();
    samples.emplace(body.substr(begin, values - begin), body.substr(first, end + 1 - first));
  }
  return samples;
}

Samples visible(Tocsin& tocsin) { return cut(tocsin.query_text("{__name__=~\"kill_.+|up\"}[1h]")); }

// Counts the series of `before` that `after` does not continue, and shows the first.
int lost_series(const Samples& before, const Samples& after) {
  int lost = 0;
  for (const auto& [series, samples] : before) {
    const auto found = after.find(series);
    const bool kept = found != after.end() && found->second.starts_with(samples);
    if (kept || ++lost > 1) continue;
    const std::string now = found == after.end() ? "nothing" : found->second;
    const auto differ = std::mismatch(samples.begin(), samples.end(), now.begin(), now.end());
    const auto at = static_cast<std::size_t>(differ.first - samples.begin());
    ADD_FAILURE() << series << " has lost samples: at byte " << at << " of " << samples.size()
                  << ", before ..." << samples.substr(at > 60 ? at - 60 : 0, 160) << "\n, after ..."
                  << now.substr(std::min(at > 60 ? at - 60 : 0, now.size()), 160);
  }
  return lost;
}

std::uint32_t make_seed() {
  const char* given = std::getenv("TOCSIN_SEED");  // NOLINT(concurrency-mt-unsafe): one thread
  return given == nullptr ? std::random_device{}() : static_cast<std::uint32_t>(std::atoll(given));
}

TEST(Kill, NoVisibleSampleIsLost) {
  const std::uint32_t seed = make_seed();
  std::printf("seed %u; TOCSIN_SEED=%u repeats the moments\n", seed, seed);
  std::mt19937 random(seed);
  std::uniform_int_distribution<int> scrapes(1, 3), moment_ms(0, 250);

  std::atomic<int> served = 0;
  HttpSink sink([&served](const net::HttpRequest&) {
    net::HttpResponse response;
    response.headers.set("Content-Type", "text/plain; version=0.0.4");
    response.body = page(++served);
    return response;
  });
  const TempDir files;
  files.write("rules.yml", kRules);
  const Tocsin::Options options{
      .config =
          files.write("prometheus.yml", replaced(std::string(kConfig), "ADDRESS", sink.address())),
      .data = files.file("data")};

  const base::SystemClock clock;
  std::vector<double> ready_ms;
  Samples before;
  for (int kill = 0; kill <= kKills; ++kill) {
    SCOPED_TRACE(fmt::format("after kill {}, seed {}", kill, seed));
    const base::SteadyTime started = clock.steady_now();
    Tocsin tocsin(options);
    ASSERT_TRUE(tocsin.wait_ready());
    ready_ms.push_back(
        std::chrono::duration<double, std::milli>(clock.steady_now() - started).count());
    ASSERT_EQ(lost_series(before, visible(tocsin)), 0);
    if (kill == kKills) {
      tocsin.stop();
      break;
    }
    const int enough = served + scrapes(random);
    ASSERT_TRUE(eventually([&] { return served >= enough; }));
    before = visible(tocsin);
    let_pass(base::Duration(moment_ms(random)));
    tocsin.process().kill();
  }
  EXPECT_GE(before.size(), kSeries) << "the scrapes have not arrived";
  const std::size_t bytes = std::accumulate(
      before.begin(), before.end(), std::size_t{0},
      [](std::size_t sum, const auto& series) { return sum + series.second.size(); });

  std::printf("compared at the end: %zu series, %zu bytes of samples\nms to ready:", before.size(),
              bytes);
  for (const double ms : ready_ms) std::printf(" %.0f", ms);
  std::sort(ready_ms.begin(), ready_ms.end());
  std::printf("\nms to ready: median %.0f, maximum %.0f, of %zu starts\n",
              ready_ms[ready_ms.size() / 2], ready_ms.back(), ready_ms.size());
}

}  // namespace
}  // namespace tocsin::tests
