// SPDX-License-Identifier: Apache-2.0
//
// Tables of requests and the replies that clients of Prometheus expect, over an in-memory store and
// scripted targets.
#include "web/series_api.h"

#include <gtest/gtest.h>

#include "base/testing/fake_clock.h"
#include "base/testing/manual_executor.h"
#include "base/testing/mem_fs.h"
#include "net/testing/fake_net.h"
#include "storage/testing/mem_store.h"

namespace tocsin::web {
namespace {

using std::chrono::seconds;

class SeriesApiTest : public ::testing::Test {
 protected:
  SeriesApiTest() {
    http_.set_responder([this](const net::ClientRequest& request) -> StatusOr<net::ClientResponse> {
      const auto page = pages_.find(request.url);
      if (page == pages_.end()) return unavailable("connection refused");
      net::ClientResponse response;
      response.status = 200;
      response.headers.set("Content-Type", "text/plain; version=0.0.4");
      response.body = page->second;
      return response;
    });
    add_series_api(router_, {store_, store_, collector_, {}});
  }

  // Two jobs with a target each, both scraped once.
  void scrape() {
    pages_["http://a:1/metrics"] = "# HELP x first\n# TYPE x counter\nx 1\n# TYPE y gauge\ny 1\n";
    pages_["http://b:1/metrics"] = "# HELP x second\n# TYPE x counter\nx 1\n";
    collector::CollectorOptions options;
    for (const std::string job : {"a", "b"}) {
      collector::ScrapeOptions& one = options.jobs.emplace_back();
      one.job = job;
      one.interval = one.timeout = seconds(15);
      discovery::StaticOptions fixed;
      fixed.groups.push_back({"0", {model::Labels::of({{"__address__", job + ":1"}})}, {}});
      one.sources.emplace_back(fixed);
      one.fingerprint = job;
    }
    collector_.apply(options);
    clock_.advance(seconds(15));
  }
  void put_exemplar(std::string_view series, std::string_view trace, std::int64_t ms,
                    double value) {
    auto appender = store_.appender();
    const auto labels = model::Labels::of({{"__name__", series}, {"job", "j"}});
    ASSERT_TRUE(
        appender
            ->append_exemplar({}, labels,
                              {model::Labels::of({{"trace_id", trace}}), value, base::from_ms(ms)})
            .ok());
    ASSERT_TRUE(storage::commit_and_wait(*appender).ok());
  }
  void put_metadata(std::string_view series, const model::Metadata& metadata) {
    auto appender = store_.appender();
    const auto labels = model::Labels::of({{"__name__", series}});
    ASSERT_TRUE(appender->update_metadata({}, labels, metadata).ok());
    ASSERT_TRUE(storage::commit_and_wait(*appender).ok());
  }

  std::string call(std::string method, std::string_view target, std::string body = "") {
    net::HttpRequest request;
    request.method = std::move(method);
    EXPECT_EQ(request.set_target(fmt::format("/api/v1/{}", target)), ok()) << target;
    request.body = std::move(body);
    if (!request.body.empty())
      request.headers.set("Content-Type", "application/x-www-form-urlencoded");
    const net::HttpResponse response = router_.route(std::move(request));
    return fmt::format("{} {}", response.status, response.body);
  }
  void expect(std::string_view target, std::string_view data) {
    EXPECT_EQ(call("GET", target), fmt::format(R"(200 {{"status":"success","data":{}}})", data))
        << target;
  }
  void expect_error(std::string_view target, std::string_view text) {
    EXPECT_EQ(call("GET", target),
              fmt::format(R"(400 {{"status":"error","errorType":"bad_data","error":"{}"}})", text))
        << target;
  }

  base::testing::FakeClock clock_;
  base::testing::InlineExecutor executor_;
  std::unique_ptr<base::FileSystem> files_ = base::testing::make_mem_fs();
  base::Registry metrics_;
  net::testing::FakeHttpClient http_;
  storage::testing::MemStore store_;
  std::map<std::string, std::string> pages_;
  collector::Collector collector_{
      {clock_, clock_, executor_, executor_, *files_, metrics_, http_, store_}};
  net::Router router_;
};

TEST_F(SeriesApiTest, ExemplarsOfAllSelectorsOfAQuery) {
  put_exemplar("a", "t1", 1'000'500, 1);
  put_exemplar("a", "t2", 1'001'000, 2.5);
  put_exemplar("b", "t3", 1'002'000, 3);
  const std::string a1 = R"({"labels":{"trace_id":"t1"},"value":"1","timestamp":1000.500})";
  const std::string a2 = R"({"labels":{"trace_id":"t2"},"value":"2.5","timestamp":1001})";
  const std::string b = R"({"labels":{"trace_id":"t3"},"value":"3","timestamp":1002})";
  const auto series = [](std::string_view name, const std::string& exemplars) {
    return fmt::format(R"({{"seriesLabels":{{"__name__":"{}","job":"j"}},"exemplars":[{}]}})", name,
                       exemplars);
  };
  expect("query_exemplars?query=a", "[" + series("a", a1 + "," + a2) + "]");
  expect("query_exemplars?query=rate(a[5m])/b",
         "[" + series("a", a1 + "," + a2) + "," + series("b", b) + "]");
  expect("query_exemplars?query=a&start=1000.6&end=1001", "[" + series("a", a2) + "]");
  expect("query_exemplars?query=nothing", "[]");
  EXPECT_EQ(call("GET", "query_exemplars?query=1"), "204 ");
  EXPECT_EQ(call("POST", "query_exemplars", "query=b"),
            "200 {\"status\":\"success\",\"data\":[" + series("b", b) + "]}");
  expect_error("query_exemplars?query=a&start=x",
               R"(invalid parameter \"start\": invalid time value for 'start': cannot parse \"x\" )"
               "to a valid timestamp");
  expect_error("query_exemplars?query=a&start=2&end=1",
               "end timestamp must not be before start timestamp");
  expect_error("query_exemplars?query=a%2B", "1:3: parse error: unexpected end of input");
}

TEST_F(SeriesApiTest, MetadataOfTargetsAndOfPushedSeries) {
  expect("metadata", "{}");
  scrape();
  const std::string first = R"({"type":"counter","unit":"","help":"first"})";
  const std::string second = R"({"type":"counter","unit":"","help":"second"})";
  const std::string y = R"("y":[{"type":"gauge","unit":"","help":""}])";
  expect("metadata", fmt::format(R"({{"x":[{},{}],{}}})", first, second, y));
  expect("metadata?limit=1", fmt::format(R"({{"x":[{},{}]}})", first, second));
  expect("metadata?limit=0", "{}");
  expect("metadata?limit=-1&limit_per_metric=1", fmt::format(R"({{"x":[{}],{}}})", first, y));
  expect("metadata?metric=y", "{" + y + "}");
  expect("metadata?metric=z", "{}");
  expect_error("metadata?limit=x", "limit must be a number");
  expect_error("metadata?limit_per_metric=x", "limit_per_metric must be a number");

  put_metadata("h_bucket", {model::MetricKind::kHistogram, "pushed", "seconds"});
  put_metadata("h_sum", {model::MetricKind::kHistogram, "pushed", "seconds"});
  put_metadata("y", {model::MetricKind::kGauge, "", ""});
  const std::string h = R"({"h":[{"type":"histogram","unit":"seconds","help":"pushed"}])";
  expect("metadata?metric=h", h + "}");
  expect("metadata?limit=1", h + "}");
  expect("metadata?metric=y", "{" + y + "}");
}

TEST_F(SeriesApiTest, MetadataByTarget) {
  scrape();
  const std::string a = R"("target":{"instance":"a:1","job":"a"},)";
  const std::string b = R"("target":{"instance":"b:1","job":"b"},)";
  const std::string ax = R"("type":"counter","help":"first","unit":""})";
  const std::string ay = R"("type":"gauge","help":"","unit":""})";
  const std::string bx = R"("type":"counter","help":"second","unit":""})";
  const std::string x = R"("metric":"x",)";
  const std::string y = R"("metric":"y",)";
  const std::string of_a = "{" + a + x + ax + ",{" + a + y + ay;
  expect("targets/metadata", "[" + of_a + ",{" + b + x + bx + "]");
  expect("targets/metadata?limit=1", "[" + of_a + "]");
  expect("targets/metadata?limit=0", "[]");
  expect("targets/metadata?metric=x", "[{" + a + ax + ",{" + b + bx + "]");
  expect("targets/metadata?match_target=%7Bjob=%22b%22%7D", "[{" + b + x + bx + "]");
  expect("targets/metadata?match_target=%7Bjob=%22c%22%7D", "[]");
  expect_error("targets/metadata?limit=x", "limit must be a number");
  const std::string bad = call("GET", "targets/metadata?match_target=%7B");
  EXPECT_EQ(bad.substr(0, 4), "400 ");
  EXPECT_NE(bad.find("parse error"), std::string::npos) << bad;
}

TEST_F(SeriesApiTest, TargetsThatFailForLongSayNothing) {
  scrape();
  pages_.clear();
  for (int i = 0; i < 10; ++i) clock_.advance(seconds(15));
  EXPECT_EQ(collector_.metadata({}, "", 100).size(), 2U);
  clock_.advance(seconds(15));
  expect("metadata", "{}");
}

}  // namespace
}  // namespace tocsin::web
