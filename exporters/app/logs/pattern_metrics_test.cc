// SPDX-License-Identifier: Apache-2.0
#include "exporters/app/logs/pattern_metrics.h"

#include <gtest/gtest.h>

#include "exporters/app/testing/page_text.h"

namespace tocsin::exporters::app {
namespace {

LogPattern pattern(std::string_view match, LogPattern::Kind kind, std::string name,
                   std::size_t value_group = 0) {
  return {.match = *model::Regex::unanchored(match),
          .kind = kind,
          .name = std::move(name),
          .help = "",
          .value_group = value_group,
          .labels = {},
          .buckets = {1}};
}

std::string page(const PatternMetrics& metrics) {
  std::vector<base::MetricFamily> families;
  metrics.append_to(&families);
  return testing::page_text(std::move(families));
}

TEST(PatternMetrics, CountsSetsAndObservesWhatMatches) {
  using Kind = LogPattern::Kind;
  LogPattern fails = pattern(R"(failed reason=(\w+))", Kind::kCounter, "fails_total");
  fails.labels = {{"reason", {"", 1}}, {"by", {"ws", 0}}};
  SeriesBudget budget;
  PatternMetrics metrics({fails, pattern(R"(queue is (\S+))", Kind::kGauge, "queue", 1),
                          pattern(R"(took (\S+)s)", Kind::kHistogram, "took_seconds", 1),
                          pattern(R"(sent (\S+) bytes)", Kind::kCounter, "sent_bytes_total", 1)},
                         {{"app", "x"}}, budget);
  for (const std::string_view line :
       {"12:00 send failed reason=closed took 0.5s", "send failed reason=closed",
        "failed reason=slow", "queue is 7", "queue is 5", "took 3s", "sent 10 bytes",
        "sent -5 bytes", "queue is nan", "nothing here"}) {
    metrics.add_line(line);
  }
  EXPECT_EQ(page(metrics), R"(# TYPE fails_total counter
fails_total{app="x",by="ws",reason="closed"} 2
fails_total{app="x",by="ws",reason="slow"} 1
# TYPE queue gauge
queue{app="x"} 5
# TYPE sent_bytes_total counter
sent_bytes_total{app="x"} 10
# TYPE took_seconds histogram
took_seconds_bucket{app="x",le="1"} 1
took_seconds_bucket{app="x",le="+Inf"} 2
took_seconds_sum{app="x"} 3.5
took_seconds_count{app="x"} 2
)");
  EXPECT_EQ(metrics.lines_unmatched(), 1U);
  EXPECT_EQ(metrics.values_refused(), 2U);
}

TEST(PatternMetrics, ACounterWithoutLabelsIsThereBeforeItsFirstMatch) {
  SeriesBudget budget;
  const PatternMetrics metrics({pattern("x", LogPattern::Kind::kCounter, "x_total")}, {}, budget);
  EXPECT_EQ(page(metrics), "# TYPE x_total counter\nx_total 0\n");
}

TEST(PatternMetrics, ValuesAboveTheBudgetAreOther) {
  LogPattern users = pattern(R"(user=(\w+))", LogPattern::Kind::kCounter, "users_total");
  users.labels = {{"user", {"", 1}}};
  SeriesBudget budget(2);
  PatternMetrics metrics({users}, {}, budget);
  for (int i = 0; i < 10; ++i) metrics.add_line(fmt::format("user=u{}", i));
  EXPECT_EQ(page(metrics), R"(# TYPE users_total counter
users_total{user="other"} 8
users_total{user="u0"} 1
users_total{user="u1"} 1
)");
}

}  // namespace
}  // namespace tocsin::exporters::app
