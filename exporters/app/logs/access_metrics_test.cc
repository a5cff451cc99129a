// SPDX-License-Identifier: Apache-2.0
#include "exporters/app/logs/access_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "exporters/app/testing/page_text.h"

namespace tocsin::exporters::app {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using testing::page_text;
using testing::value_in;

constexpr std::string_view kUpstreamFormat =
    R"("$request" $status $body_bytes_sent $request_length $request_time )"
    R"($upstream_addr $upstream_status $upstream_response_time $upstream_connect_time)";

class AccessMetricsTest : public ::testing::Test {
 protected:
  // A parser, with its metrics.
  void count(std::string_view format, const AccessOptions& options = {},
             const std::vector<std::string>& variables = {}, std::size_t max_series = 100) {
    budget_.emplace(max_series);
    metrics_.emplace(LineParser(*LineFormat::compile(format, variables)), options, *budget_);
  }
  void add(std::string_view line) { metrics_->add_line(line, now_); }
  std::string page() {
    std::vector<base::MetricFamily> families;
    metrics_->append_to(now_, &families);
    return page_text(std::move(families));
  }

  base::SteadyTime now_{std::chrono::hours(1)};
  std::optional<SeriesBudget> budget_;
  std::optional<AccessMetrics> metrics_;
};

TEST_F(AccessMetricsTest, ShowsTheFamiliesOfNginxlogExporter) {
  count(R"("$request" $status $body_bytes_sent $request_time)",
        {.fixed_labels = {{"app", "shop"}}, .buckets = {.1, 2}});
  add(R"("GET / HTTP/1.1" 200 100 0.050)");
  add(R"("GET /b HTTP/1.1" 200 50 2.000)");
  add(R"("POST /b HTTP/1.1" 503 7 -)");
  EXPECT_EQ(page(),
            R"(# TYPE nginx_http_response_count_total counter
nginx_http_response_count_total{app="shop",method="GET",status="200"} 2
nginx_http_response_count_total{app="shop",method="POST",status="503"} 1
# TYPE nginx_http_response_size_bytes counter
nginx_http_response_size_bytes{app="shop",method="GET",status="200"} 150
nginx_http_response_size_bytes{app="shop",method="POST",status="503"} 7
# TYPE nginx_http_response_time_seconds summary
nginx_http_response_time_seconds{app="shop",method="GET",quantile="0.5",status="200"} 0.0498046875
nginx_http_response_time_seconds{app="shop",method="GET",quantile="0.9",status="200"} 2.0625
nginx_http_response_time_seconds{app="shop",method="GET",quantile="0.99",status="200"} 2.0625
nginx_http_response_time_seconds_sum{app="shop",method="GET",status="200"} 2.05
nginx_http_response_time_seconds_count{app="shop",method="GET",status="200"} 2
# TYPE nginx_http_response_time_seconds_hist histogram
nginx_http_response_time_seconds_hist_bucket{app="shop",le="0.1",method="GET",status="200"} 1
nginx_http_response_time_seconds_hist_bucket{app="shop",le="2",method="GET",status="200"} 2
nginx_http_response_time_seconds_hist_bucket{app="shop",le="+Inf",method="GET",status="200"} 2
nginx_http_response_time_seconds_hist_sum{app="shop",method="GET",status="200"} 2.05
nginx_http_response_time_seconds_hist_count{app="shop",method="GET",status="200"} 2
# TYPE nginx_parse_errors_total counter
nginx_parse_errors_total{app="shop"} 0
)");
}

TEST_F(AccessMetricsTest, TwoSecondsIsABucketOfItsOwn) {
  count(R"("$request" $status $request_time)");
  add(R"("GET / HTTP/1.1" 200 2.000)");
  add(R"("GET / HTTP/1.1" 200 2.001)");
  const std::string name =
      R"(nginx_http_response_time_seconds_hist_bucket{le="2",method="GET",status="200"})";
  EXPECT_EQ(value_in(page(), name), "1");
}

TEST_F(AccessMetricsTest, EachServerThatWasTriedIsCounted) {
  count(kUpstreamFormat, {.buckets = {1}});
  add(R"("GET / HTTP/1.1" 200 1 9 0.9 10.0.0.1:80, 10.0.0.2:80 : 10.0.1.1:80 502, 200 : 404 )"
      R"(0.1, 0.2 : 0.3 -, 0.002 : 0.003)");
  add(R"("GET / HTTP/1.1" 499 0 9 0.1 10.0.0.1:80 - 0.100 -)");
  add(R"("GET /static HTTP/1.1" 200 1 9 0.1 - - - -)");
  const std::string text = page();
  EXPECT_THAT(text, HasSubstr(R"(# TYPE nginx_http_upstream_response_count_total counter
nginx_http_upstream_response_count_total{status="200",upstream="10.0.0.2:80"} 1
nginx_http_upstream_response_count_total{status="404",upstream="10.0.1.1:80"} 1
nginx_http_upstream_response_count_total{status="502",upstream="10.0.0.1:80"} 1
nginx_http_upstream_response_count_total{status="unknown",upstream="10.0.0.1:80"} 1
)"));
  EXPECT_EQ(value_in(text, R"(nginx_http_upstream_time_seconds_hist_sum{upstream="10.0.0.1:80"})"),
            "0.2");
  EXPECT_EQ(
      value_in(text, R"(nginx_http_upstream_connect_time_seconds_count{upstream="10.0.1.1:80"})"),
      "1");
  EXPECT_EQ(value_in(text, R"(nginx_http_request_size_bytes{method="GET",status="200"})"), "18");
}

TEST_F(AccessMetricsTest, WithoutTheStatusOfATryTheLastOneHasThatOfTheResponse) {
  count("$status|$upstream_addr|$upstream_response_time");
  add("200|a:1, b:1|0.1, 0.2");
  EXPECT_THAT(page(), HasSubstr(R"({status="200",upstream="b:1"} 1
nginx_http_upstream_response_count_total{status="unknown",upstream="a:1"} 1)"));
}

TEST_F(AccessMetricsTest, WithoutAddressesTheTimesAreOneSeries) {
  count("$status|$upstream_response_time");
  add("200|0.5, 0.25");
  EXPECT_EQ(value_in(page(), R"(nginx_http_upstream_time_seconds_hist_sum{upstream=""})"), "0.75");
}

TEST_F(AccessMetricsTest, RoutesBoundWhatPathsThereAre) {
  AccessOptions options;
  options.routes.push_back({*model::Regex::unanchored(R"(^/api/users/\d+$)"), "/api/users/:id"});
  options.routes.push_back({*model::Regex::unanchored("^/static/"), "/static"});
  count(R"("$request" $status)", options);
  add(R"("GET /api/users/17?x=/static/ HTTP/1.1" 200)");
  add(R"("GET /api/users/18 HTTP/1.1" 200)");
  add(R"("GET /static/a.css HTTP/1.1" 200)");
  add(R"("GET /.env HTTP/1.1" 404)");
  EXPECT_THAT(page(), HasSubstr(R"({method="GET",route="/api/users/:id",status="200"} 2
nginx_http_response_count_total{method="GET",route="/static",status="200"} 1
nginx_http_response_count_total{method="GET",route="other",status="404"} 1
)"));
}

TEST_F(AccessMetricsTest, WhatClientsInventBecomesNoSeries) {
  count(R"("$request" $status)");
  add(R"("\x16\x03\x01" 400)");
  add(R"("" 408)");
  add(R"("FOO / HTTP/1.1" 405)");
  add(R"("GET / HTTP/1.1" 2000)");
  add("garbage");
  EXPECT_EQ(page(),
            R"(# TYPE nginx_http_response_count_total counter
nginx_http_response_count_total{method="other",status="400"} 1
nginx_http_response_count_total{method="other",status="405"} 1
nginx_http_response_count_total{method="other",status="408"} 1
# TYPE nginx_parse_errors_total counter
nginx_parse_errors_total 2
)");
}

TEST_F(AccessMetricsTest, LabelsOfVariablesAreCutCleanedAndFolded) {
  count("$host $status", {.label_names = {"vhost"}}, {"host"}, 3);
  const std::string long_host(300, 'x');
  add(long_host + " 200");
  add(long_host + "y 200");
  add("caf\xE9 200");
  for (int i = 0; i < 5; ++i) add(fmt::format("{}.example 200", i));
  EXPECT_EQ(page(), fmt::format(R"(# TYPE nginx_http_response_count_total counter
nginx_http_response_count_total{{status="200",vhost="0.example"}} 1
nginx_http_response_count_total{{status="200",vhost="caf?"}} 1
nginx_http_response_count_total{{status="200",vhost="{}"}} 2
nginx_http_response_count_total{{status="other",vhost="other"}} 4
# TYPE nginx_parse_errors_total counter
nginx_parse_errors_total 0
)",
                                long_host.substr(0, 256)));
  EXPECT_EQ(budget_->dropped(), 4U);
}

TEST_F(AccessMetricsTest, KnyarHasItsOwnNames) {
  count("$host $server_name $status $request_time",
        {.naming = LogNaming::kKnyar, .label_names = {}, .buckets = {1}});
  add("h shop 200 0.5");
  add("h shop 502 1.5");
  EXPECT_EQ(page(),
            R"(# TYPE nginx_http_request_duration_seconds histogram
nginx_http_request_duration_seconds_bucket{host="shop",le="1"} 1
nginx_http_request_duration_seconds_bucket{host="shop",le="+Inf"} 2
nginx_http_request_duration_seconds_sum{host="shop"} 2
nginx_http_request_duration_seconds_count{host="shop"} 2
# TYPE nginx_http_requests_total counter
nginx_http_requests_total{host="shop",status="200"} 1
nginx_http_requests_total{host="shop",status="502"} 1
# TYPE nginx_parse_errors_total counter
nginx_parse_errors_total 0
)");
}

TEST_F(AccessMetricsTest, HaproxyTellsMilliseconds) {
  budget_.emplace();
  metrics_.emplace(LineParser(HaproxyHttpFormat{}),
                   AccessOptions{.name_space = "haproxy", .buckets = {1}}, *budget_);
  add(R"(1.2.3.4:5 [06/Feb/2009:12:14:14.655] fe be/s1 10/0/30/69/2500 200 2750 - - ---- )"
      R"(1/1/1/1/0 0/0 "GET /a HTTP/1.1")");
  const std::string text = page();
  EXPECT_EQ(value_in(text, R"(haproxy_http_response_time_seconds_sum{method="GET",status="200"})"),
            "2.5");
  EXPECT_EQ(value_in(text, R"(haproxy_http_upstream_time_seconds_sum{upstream="be/s1"})"), "0.069");
  EXPECT_EQ(
      value_in(text,
               R"(haproxy_http_upstream_response_count_total{status="200",upstream="be/s1"})"),
      "1");
}

TEST_F(AccessMetricsTest, QuantilesForgetWhatIsLongAgo) {
  count("$status $request_time");
  add("200 8");
  now_ += std::chrono::minutes(11);
  add("200 1");
  const std::string text = page();
  EXPECT_EQ(value_in(text, R"(nginx_http_response_time_seconds{quantile="0.99",status="200"})"),
            "1.03125");
  EXPECT_EQ(value_in(text, R"(nginx_http_response_time_seconds_count{status="200"})"), "2");
  now_ += std::chrono::minutes(11);
  EXPECT_EQ(value_in(page(), R"(nginx_http_response_time_seconds{quantile="0.5",status="200"})"),
            "NaN");
}

}  // namespace
}  // namespace tocsin::exporters::app
