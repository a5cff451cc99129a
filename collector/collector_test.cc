// SPDX-License-Identifier: Apache-2.0
#include "collector/collector.h"

#include <gtest/gtest.h>

#include "base/testing/fake_clock.h"
#include "base/testing/manual_executor.h"
#include "base/testing/mem_fs.h"
#include "model/value.h"
#include "net/testing/fake_net.h"
#include "storage/testing/mem_store.h"

namespace tocsin::collector {
namespace {

using std::chrono::seconds;

// A collector over a scripted web: each URL answers with the page set for it.
class CollectorTest : public ::testing::Test {
 protected:
  CollectorTest() {
    http_.set_responder([this](const net::ClientRequest& request) -> StatusOr<net::ClientResponse> {
      auto page = pages_.find(request.url);
      if (page == pages_.end()) return unavailable("connection refused");
      net::ClientResponse response;
      response.status = status_;
      response.headers.set("Content-Type", content_type_);
      response.body = page->second;
      if (request.max_body_bytes != 0 && response.body.size() > request.max_body_bytes) {
        return resource_exhausted("body size limit exceeded");
      }
      return response;
    });
  }

  static ScrapeOptions job(const std::string& name, std::vector<std::string> addresses) {
    ScrapeOptions options;
    options.job = name;
    options.interval = seconds(15);
    options.timeout = seconds(10);
    discovery::StaticOptions fixed;
    discovery::TargetGroup group{"0", {}, {}};
    for (const std::string& address : addresses)
      group.targets.push_back(model::Labels::of({{"__address__", address}}));
    fixed.groups.push_back(group);
    options.sources.emplace_back(fixed);
    options.fingerprint = name;
    return options;
  }

  void apply(std::vector<ScrapeOptions> jobs) { collector_.apply({std::move(jobs), {}}); }

  // Lets one scrape of every target of 15 s interval happen.
  void scrape() { clock_.advance(seconds(15)); }

  // Every sample of the store: series -> values in time order, "stale" for the marker.
  std::map<std::string, std::vector<std::string>> samples(const std::string& metric) {
    storage::SelectHints hints;
    hints.mint = model::kMinTime;
    hints.maxt = model::kMaxTime;
    auto selection = store_.select({model::Matcher::equal(model::kMetricName, metric)}, hints, {});
    std::map<std::string, std::vector<std::string>> found;
    for (std::size_t b = 0; b < (*selection)->batch_count(); ++b) {
      storage::ColumnBatch batch;
      EXPECT_TRUE((*selection)->read(b, &batch).ok());
      for (const storage::SeriesColumn& column : batch.series) {
        std::vector<std::string>& values =
            found[(*selection)->labels(column.series).to_series_string()];
        for (std::uint32_t row = 0; row < column.rows; ++row) {
          if (!column.has(row)) continue;
          const double v = column.floats[row];
          values.push_back(model::is_stale(v) ? "stale" : model::format_float(v));
        }
      }
    }
    return found;
  }
  using Values = std::vector<std::string>;

  base::testing::FakeClock clock_;
  base::testing::InlineExecutor executor_;  // scrapes run at their exact times
  std::unique_ptr<base::FileSystem> files_ = base::testing::make_mem_fs();
  base::Registry metrics_;
  net::testing::FakeHttpClient http_;
  storage::testing::MemStore store_;
  std::map<std::string, std::string> pages_;
  std::string content_type_ = "text/plain; version=0.0.4";
  int status_ = 200;
  Collector collector_{{clock_, clock_, executor_, executor_, *files_, metrics_, http_, store_}};
};

TEST_F(CollectorTest, StoresAPageWithTargetLabelsAndReportSeries) {
  pages_["http://a:1/metrics"] = "# TYPE x gauge\nx{l=\"1\"} 5\ny 7\n";
  apply({job("node", {"a:1"})});
  scrape();
  EXPECT_EQ(samples("x")[R"(x{instance="a:1", job="node", l="1"})"], Values{"5"});
  EXPECT_EQ(samples("up")[R"(up{instance="a:1", job="node"})"], Values{"1"});
  EXPECT_EQ(samples("scrape_samples_scraped").begin()->second, Values{"2"});
  EXPECT_EQ(samples("scrape_series_added").begin()->second, Values{"2"});
  const TargetsSnapshot targets = collector_.targets();
  ASSERT_EQ(targets.active.size(), 1U);
  EXPECT_EQ(targets.active[0].health, Health::kUp);
  EXPECT_EQ(targets.active[0].last_error, "");
  EXPECT_EQ(targets.active[0].scrape_url, "http://a:1/metrics");
}

TEST_F(CollectorTest, TimestampsAreOnTheTargetsGrid) {
  pages_["http://a:1/metrics"] = "x 1\n";
  apply({job("node", {"a:1"})});
  scrape();
  scrape();
  storage::SelectHints hints;
  hints.mint = model::kMinTime;
  hints.maxt = model::kMaxTime;
  auto selection = store_.select({model::Matcher::equal(model::kMetricName, "x")}, hints, {});
  storage::ColumnBatch batch;
  ASSERT_TRUE((*selection)->read(0, &batch).ok());
  const std::vector<std::int64_t>& times = batch.series.at(0).times->ms;
  ASSERT_EQ(times.size(), 2U);
  EXPECT_EQ(times[1] - times[0], 15'000);
}

TEST_F(CollectorTest, SeriesThatVanishGoStaleOnceAndComeBack) {
  pages_["http://a:1/metrics"] = "x 1\ny 1\n";
  apply({job("node", {"a:1"})});
  scrape();
  pages_["http://a:1/metrics"] = "y 2\n";
  scrape();
  scrape();
  EXPECT_EQ(samples("x").begin()->second, (Values{"1", "stale"}));
  pages_["http://a:1/metrics"] = "x 3\ny 4\n";
  scrape();
  EXPECT_EQ(samples("x").begin()->second, (Values{"1", "stale", "3"}));
  EXPECT_EQ(samples("y").begin()->second, (Values{"1", "2", "2", "4"}));
}

TEST_F(CollectorTest, NewSeriesJoinLater) {
  pages_["http://a:1/metrics"] = "x 1\n";
  apply({job("node", {"a:1"})});
  scrape();
  pages_["http://a:1/metrics"] = "a 1\nx 2\n";
  scrape();
  pages_["http://a:1/metrics"] = "a 2\nx 3\n";
  scrape();
  EXPECT_EQ(samples("a").begin()->second, (Values{"1", "2"}));
  EXPECT_EQ(samples("x").begin()->second, (Values{"1", "2", "3"}));
  EXPECT_EQ(samples("scrape_series_added").begin()->second, (Values{"1", "1", "0"}));
}

TEST_F(CollectorTest, AMalformedPageStoresNothingAndMarksAllStale) {
  pages_["http://a:1/metrics"] = "x 1\ny 1\n";
  apply({job("node", {"a:1"})});
  scrape();
  pages_["http://a:1/metrics"] = "x 2\ny{broken 2\n";
  scrape();
  EXPECT_EQ(samples("x").begin()->second, (Values{"1", "stale"}));
  EXPECT_EQ(samples("up").begin()->second, (Values{"1", "0"}));
  const TargetStatus target = collector_.targets().active.at(0);
  EXPECT_EQ(target.health, Health::kDown);
  EXPECT_NE(target.last_error.find("line 2"), std::string::npos) << target.last_error;
  pages_["http://a:1/metrics"] = "x 3\ny 3\n";
  scrape();
  EXPECT_EQ(samples("x").begin()->second, (Values{"1", "stale", "3"}));
}

TEST_F(CollectorTest, FailedScrapesAreShownWithTheirReason) {
  struct Case {
    int status;
    std::string content_type, expected;
  };
  pages_["http://a:1/metrics"] = "x 1\n";
  apply({job("node", {"a:1"})});
  for (const Case& c : {Case{404, "text/plain", "server returned HTTP status 404 Not Found"},
                        Case{200, "image/png", "Content-Type"}}) {
    status_ = c.status;
    content_type_ = c.content_type;
    scrape();
    EXPECT_NE(collector_.targets().active.at(0).last_error.find(c.expected), std::string::npos)
        << collector_.targets().active.at(0).last_error;
  }
  pages_.clear();
  scrape();
  EXPECT_EQ(collector_.targets().active.at(0).last_error, "connection refused");
  EXPECT_EQ(samples("up").begin()->second, (Values{"0", "0", "0"}));
  EXPECT_TRUE(samples("x").empty());
}

TEST_F(CollectorTest, LimitsRejectTheWholeScrape) {
  pages_["http://a:1/metrics"] = "x{a=\"1\",b=\"2\"} 1\ny 2\nz 3\n";
  struct Case {
    std::function<void(ScrapeLimits&)> set;
    std::string expected;
  };
  int number = 0;
  for (const Case& c :
       {Case{[](ScrapeLimits& l) { l.samples = 2; }, "sample limit exceeded"},
        Case{[](ScrapeLimits& l) { l.body_bytes = 10; }, "body size limit exceeded"},
        Case{[](ScrapeLimits& l) { l.labels = 3; }, "label_limit exceeded"},
        Case{[](ScrapeLimits& l) { l.label_name_bytes = 5; }, "label_name_length_limit exceeded"},
        Case{[](ScrapeLimits& l) { l.label_value_bytes = 2; },
             "label_value_length_limit exceeded"}}) {
    ScrapeOptions options = job("limited", {"a:1"});
    c.set(options.limits);
    options.fingerprint = std::to_string(number++);
    apply({options});
    scrape();
    const std::string error = collector_.targets().active.at(0).last_error;
    EXPECT_NE(error.find(c.expected), std::string::npos) << error;
    EXPECT_TRUE(samples("y").empty()) << c.expected;
  }
}

TEST_F(CollectorTest, HonorLabelsDecidesConflicts) {
  pages_["http://a:1/metrics"] = "x{job=\"mine\",exported_job=\"taken\"} 1\n";
  apply({job("node", {"a:1"})});
  scrape();
  EXPECT_EQ(samples("x").begin()->first,
            R"(x{exported_exported_job="mine", exported_job="taken", instance="a:1", job="node"})");
  ScrapeOptions honoring = job("node", {"a:1"});
  honoring.honor_labels = true;
  honoring.fingerprint = "honoring";
  apply({honoring});
  scrape();
  EXPECT_TRUE(samples("x").contains(R"(x{exported_job="taken", instance="a:1", job="mine"})"));
}

TEST_F(CollectorTest, MetricRelabellingDropsAndRenames) {
  pages_["http://a:1/metrics"] = "x 1\ny 2\n";
  ScrapeOptions options = job("node", {"a:1"});
  model::RelabelOptions drop;
  drop.source_labels = {"__name__"};
  drop.regex = "x";
  drop.action = "drop";
  options.metric_relabel.push_back(*model::make_relabel_rule(drop));
  apply({options});
  scrape();
  EXPECT_TRUE(samples("x").empty());
  EXPECT_EQ(samples("y").begin()->second, Values{"2"});
  EXPECT_EQ(samples("scrape_samples_scraped").begin()->second, Values{"2"});
  EXPECT_EQ(samples("scrape_samples_post_metric_relabeling").begin()->second, Values{"1"});
}

TEST_F(CollectorTest, OwnTimestampsAreHonoredAndNotMarkedStale) {
  const std::int64_t own = base::to_ms(clock_.now()) - 5000;
  pages_["http://a:1/metrics"] = fmt::format("x 1 {}\ny 1\n", own);
  apply({job("node", {"a:1"})});
  scrape();
  pages_["http://a:1/metrics"] = "y 1\n";
  scrape();
  EXPECT_EQ(samples("x").begin()->second, Values{"1"});

  ScrapeOptions ignoring = job("other", {"b:1"});
  ignoring.honor_timestamps = false;
  pages_["http://b:1/metrics"] = fmt::format("z 1 {}\n", own);
  apply({ignoring});
  scrape();
  pages_["http://b:1/metrics"] = "\n";
  scrape();
  EXPECT_EQ(samples("z").begin()->second, (Values{"1", "stale"}));
}

TEST_F(CollectorTest, DuplicateLinesCountAndTheFirstWins) {
  pages_["http://a:1/metrics"] = "x 1\nx 2\n";
  apply({job("node", {"a:1"})});
  scrape();
  scrape();
  EXPECT_EQ(samples("x").begin()->second, (Values{"1", "1"}));
}

TEST_F(CollectorTest, RemovedTargetsGoStaleAndKeptOnesGoOn) {
  pages_["http://a:1/metrics"] = "x 1\n";
  pages_["http://b:1/metrics"] = "x 1\n";
  ScrapeOptions both = job("node", {"a:1", "b:1"});
  both.fingerprint = "both";
  apply({both});
  scrape();
  ScrapeOptions only_b = job("node", {"b:1"});
  only_b.fingerprint = "only b";
  apply({only_b});
  for (int i = 0; i < 3; ++i) scrape();
  auto values = samples("x");
  EXPECT_EQ(values[R"(x{instance="a:1", job="node"})"], (Values{"1", "stale"}));
  EXPECT_EQ(values[R"(x{instance="b:1", job="node"})"], (Values{"1", "1", "1", "1"}));
  EXPECT_EQ(collector_.targets().active.size(), 1U);
}

TEST_F(CollectorTest, TwoTargetsWithOneSeriesDoNotDisturbTheirOthers) {
  pages_["http://a:1/metrics"] = "x{instance=\"same\"} 1\ny 1\n";
  pages_["http://b:1/metrics"] = "x{instance=\"same\"} 2\ny 2\n";
  ScrapeOptions options = job("node", {"a:1", "b:1"});
  options.honor_labels = true;
  apply({options});
  for (int i = 0; i < 4; ++i) scrape();
  EXPECT_EQ(samples("x")[R"(x{instance="same", job="node"})"].size(), 8U);
  EXPECT_EQ(samples("y")[R"(y{instance="a:1", job="node"})"], (Values{"1", "1", "1", "1"}));
  EXPECT_EQ(samples("y")[R"(y{instance="b:1", job="node"})"], (Values{"2", "2", "2", "2"}));
  for (const TargetStatus& target : collector_.targets().active)
    EXPECT_EQ(target.health, Health::kUp);
}

TEST_F(CollectorTest, StopWritesNoStalenessMarkers) {
  pages_["http://a:1/metrics"] = "x 1\n";
  apply({job("node", {"a:1"})});
  scrape();
  collector_.stop();
  for (int i = 0; i < 3; ++i) scrape();
  EXPECT_EQ(samples("x").begin()->second, Values{"1"});
}

}  // namespace
}  // namespace tocsin::collector
