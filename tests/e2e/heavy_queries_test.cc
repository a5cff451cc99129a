// SPDX-License-Identifier: Apache-2.0
//
// Dashboards that never rest do not cost an alert: while twenty clients loop heavy queries, no
// evaluation of a rule is missed and no scrape is late.
#include <atomic>

#include <gtest/gtest.h>

#include "base/executor.h"
#include "tests/support/tocsin.h"

namespace tocsin::tests {
namespace {

constexpr int kClients = 20;
// Long against what the scheduler of a busy machine may do to a thread.
#if defined(__SANITIZE_THREAD__)
constexpr int kInterval = 10;  // everything takes ten times as long there
#else
constexpr int kInterval = 5;
#endif

constexpr const char* kConfig = R"(
global: {scrape_interval: INTERVALs, scrape_timeout: INTERVALs, evaluation_interval: INTERVALs}
rule_files: [rules.yml]
scrape_configs:
  - job_name: page
    static_configs:
      - targets: ['ADDRESS']
)";
constexpr const char* kRules = R"(
groups:
  - name: sums
    rules:
      - {record: all, expr: 'sum(heavy)'}
      - {record: rates, expr: 'sum by (a) (rate(heavy[1m]))'}
  - name: alerts
    rules:
      - {alert: Gone, expr: 'absent(heavy)', for: 1m}
)";

// What a dashboard should not ask: every series over hours at steps of a second, sorted windows,
// and subqueries over all of it.
constexpr const char* kHeavy[] = {
    "sum by (a) (quantile_over_time(0.9, heavy[10m]))",
    "max_over_time(sum(rate(heavy[1m]))[1h:5s])",
    "topk(5, sum without (b) (heavy * on(a, b) group_left heavy))",
    "sum_over_time(vector(time())[2d:1s])",
};

std::string page() {
  std::string text;
  for (int a = 0; a < 20; ++a) {
    for (int b = 0; b < 100; ++b) {
      text += fmt::format("heavy{{a=\"{}\",b=\"{}\"}} {}\n", a, b, a * b);
    }
  }
  return text;
}

// Sum over all series of the family with the label value `quantile`.
double quantile_of(const std::string& metrics, std::string_view family, std::string_view quantile) {
  double worst = -1;
  const std::string wanted = fmt::format("quantile=\"{}\"", quantile);
  for (std::size_t at = metrics.find(family); at != std::string::npos;
       at = metrics.find(family, at + 1)) {
    const std::size_t end = metrics.find('\n', at);
    const std::string line = metrics.substr(at, end - at);
    if (line.find(wanted) == std::string::npos) continue;
    worst = std::max(worst, std::strtod(line.c_str() + line.rfind(' '), nullptr));
  }
  return worst;
}

TEST(HeavyQueries, DoNotDelayScrapesAndRules) {
  const TempDir files;
  HttpSink sink([body = page()](const net::HttpRequest&) {
    net::HttpResponse response;
    response.headers.set("Content-Type", "text/plain; version=0.0.4");
    response.body = body;
    return response;
  });
  files.write("rules.yml", kRules);
  Tocsin tocsin(Tocsin::Options{
      .config = files.write("prometheus.yml", replaced(replaced(kConfig, "ADDRESS", sink.address()),
                                                       "INTERVAL", fmt::format("{}", kInterval))),
      .data = files.file("data")});
  ASSERT_TRUE(tocsin.wait_ready());
  ASSERT_TRUE(eventually([&] { return tocsin.value("count(heavy)") == "2000"; }));

  std::atomic<bool> enough = false;
  std::atomic<int> answers = 0;
  std::atomic<int> refusals = 0;
  base::ThreadPool clients({.name = "clients", .threads = kClients});
  const std::int64_t now = base::to_ms(base::SystemClock().now()) / 1000;
  for (int i = 0; i < kClients; ++i) {
    const std::string target = fmt::format(
        "/api/v1/query_range?query={}&start={}&end={}&step=2",
        net::url_encode(kHeavy[static_cast<std::size_t>(i) % std::size(kHeavy)]), now - 3600, now);
    ASSERT_TRUE(clients.post([&, target] {
      while (!enough) {
        const int status = http_get(tocsin.address(), target).status;
        ++(status == 200 ? answers : refusals);
      }
    }));
  }
  const double before = tocsin.metric("prometheus_rule_group_iterations_total").value_or(0);
  const bool went_on = eventually([&] {
    return tocsin.metric("prometheus_rule_group_iterations_total").value_or(0) >= before + 12;
  });
  enough = true;
  const std::string metrics = http_get(tocsin.address(), "/metrics").body;
  clients.stop();
  EXPECT_TRUE(went_on) << "two groups are evaluated every interval";
  EXPECT_GT(answers, 0);
  EXPECT_EQ(tocsin.metric("prometheus_rule_evaluation_failures_total").value_or(0), 0);
  const double longest = quantile_of(metrics, "prometheus_target_interval_length_seconds{", "0.99");
  EXPECT_GT(longest, 0) << metrics;
  EXPECT_EQ(tocsin.metric("prometheus_rule_group_iterations_missed_total").value_or(0), 0);
  EXPECT_LE(longest, kInterval * 1.1);
  EXPECT_EQ(tocsin.value("min_over_time(up[1m])"), "1");
  RecordProperty("answers", answers.load());
  tocsin.stop();
}

}  // namespace
}  // namespace tocsin::tests
