// SPDX-License-Identifier: Apache-2.0
//
// The handler behind both servers, seen from the wire, and its filters.
#include "exporters/common/metrics_handler.h"

#include <unistd.h>

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "exporters/common/page.h"
#include "exporters/common/runner.h"
#include "exporters/common/web.h"
#include "exporters/testing/fake_collector.h"
#include "net/testing/raw_socket.h"

namespace tocsin::exporters {
namespace {

using net::testing::RawHttp;
using testing::CollectorControl;
using testing::FakeCollector;

class MetricsHandlerTest : public ::testing::TestWithParam<const char*> {
 protected:
  MetricsHandlerTest() {
    std::vector<std::unique_ptr<Collector>> collectors;
    collectors.push_back(std::make_unique<FakeCollector>("one", one_));
    collectors.push_back(std::make_unique<FakeCollector>("two", two_));
    runner_ = std::make_unique<Runner>("node", std::move(collectors),
                                       Runner::Services{workers_, clock_, loop_});
    options_.title = "Node Exporter";
    options_.program = "node_exporter";
    options_.disabled_collectors = {"arp"};
  }
  ~MetricsHandlerTest() override {
    one_.release();
    if (server_) server_->stop();
  }

  void SetUp() override {
    if (std::string_view(GetParam()).starts_with('[') && !has_ipv6()) {
      GTEST_SKIP() << "this machine has no IPv6";
    }
  }

  static bool has_ipv6() {
    const int descriptor = ::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_addr = in6addr_loopback;
    const bool bound =
        ::bind(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
    ::close(descriptor);
    return bound;
  }

  RawHttp connect() {
    if (!server_) {
      handler_ = std::make_unique<MetricsHandler>(options_, *runner_);
      WebOptions web;
      web.listen_addresses = {GetParam()};
      auto server = start_server(web, handler_->routes(), {loop_, handlers_, clock_});
      EXPECT_EQ(server.status(), ok());
      server_ = *std::move(server);
    }
    return RawHttp(server_->addresses().at(0));
  }
  RawHttp::Reply get(std::string_view target, std::string_view headers = "") {
    return connect().get(target, headers);
  }

  const base::SystemClock clock_;
  net::IoLoop loop_{clock_};
  CollectorControl one_, two_;
  base::ThreadPool workers_{{.name = "workers", .threads = 2}};
  base::ThreadPool handlers_{{.name = "handlers", .threads = 4}};
  std::unique_ptr<Runner> runner_;
  MetricsHandler::Options options_;
  std::unique_ptr<MetricsHandler> handler_;
  std::unique_ptr<net::HttpServer> server_;
};

std::string server_name(const ::testing::TestParamInfo<const char*>& address) {
  return address.index == 0 ? "Civetweb" : "Beast";
}
INSTANTIATE_TEST_SUITE_P(Servers, MetricsHandlerTest, ::testing::Values("127.0.0.1:0", "[::1]:0"),
                         server_name);

bool has(const RawHttp::Reply& reply, std::string_view text) {
  return reply.body.find(text) != std::string::npos;
}

TEST_P(MetricsHandlerTest, ServesAPageInTextFormat) {
  const RawHttp::Reply reply = get("/metrics");
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.headers.get("Content-Type"), "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_FALSE(reply.headers.has("Content-Encoding"));
  for (const std::string_view text :
       {"# HELP fake_one_run Runs so far.\n# TYPE fake_one_run gauge\nfake_one_run 1\n",
        "fake_two_run 1\n", "node_scrape_collector_success{collector=\"one\"} 1\n",
        "node_scrape_collector_duration_seconds{collector=\"two\"} ",
        "node_exporter_build_info{branch=", "process_resident_memory_bytes ", "process_open_fds ",
        "process_start_time_seconds "}) {
    EXPECT_TRUE(has(reply, text)) << text << reply.body;
  }
  EXPECT_LT(reply.body.find("# TYPE fake_one_run"), reply.body.find("# TYPE node_exporter"));
}

TEST_P(MetricsHandlerTest, CompressesForAClientThatTakesGzip) {
  std::vector<std::unique_ptr<Collector>> many;  // a small page is not worth it
  for (int i = 0; i < 40; ++i) {
    many.push_back(std::make_unique<FakeCollector>(fmt::format("many_{}", i), one_));
  }
  runner_ =
      std::make_unique<Runner>("node", std::move(many), Runner::Services{workers_, clock_, loop_});
  const RawHttp::Reply reply = get("/metrics", "Accept-Encoding: gzip\r\n");
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.headers.get("Content-Encoding"), "gzip");
  EXPECT_EQ(reply.body.substr(0, 2), "\x1f\x8b");
  EXPECT_LT(reply.body.size(), get("/metrics").body.size() / 2);
}

TEST_P(MetricsHandlerTest, ServesOpenMetricsToAClientThatAsks) {
  const RawHttp::Reply reply =
      get("/metrics", "Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5\r\n");
  EXPECT_EQ(reply.headers.get("Content-Type"),
            "application/openmetrics-text; version=1.0.0; charset=utf-8");
  EXPECT_TRUE(has(reply, "# TYPE process_cpu_seconds counter\n")) << reply.body;
  EXPECT_TRUE(reply.body.ends_with("# EOF\n"));
}

TEST(MetricsFormatTest, FollowsTheHeaderAccept) {
  const auto is_open = [](std::string_view accept) {
    return choose_format(accept) == PageFormat::kOpenMetrics;
  };
  EXPECT_FALSE(is_open(""));
  EXPECT_FALSE(is_open("*/*"));
  EXPECT_FALSE(is_open("text/plain;version=0.0.4"));
  EXPECT_TRUE(is_open("application/openmetrics-text"));
  EXPECT_TRUE(is_open("application/openmetrics-text; version=0.0.1 ; q=0.8, text/plain; q=0.7"));
  EXPECT_FALSE(is_open("application/openmetrics-text;version=2.0.0,*/*;q=0.1"));
  EXPECT_FALSE(is_open("application/openmetrics-text;q=0.1,text/plain;q=0.2"));
  EXPECT_FALSE(is_open("application/openmetrics-text;q=0"));
}

TEST_P(MetricsHandlerTest, TheLandingPageLeadsToTheMetrics) {
  const RawHttp::Reply reply = get("/");
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.headers.get("Content-Type"), "text/html; charset=UTF-8");
  EXPECT_TRUE(has(reply, "<h1>Node Exporter</h1>")) << reply.body;
  EXPECT_TRUE(has(reply, "<a href=\"/metrics\">Metrics</a>")) << reply.body;
  EXPECT_EQ(get("/nope").status, 404);
  EXPECT_EQ(get("/metrics/").status, 404);
}

TEST_P(MetricsHandlerTest, ThePathCanBeChosen) {
  options_.telemetry_path = "/probe/node";
  EXPECT_EQ(get("/probe/node").status, 200);
  EXPECT_EQ(get("/metrics").status, 404);
  EXPECT_TRUE(has(get("/"), "href=\"/probe/node\""));
}

TEST_P(MetricsHandlerTest, ThePageCanBeTheRoot) {
  options_.telemetry_path = "/";
  EXPECT_TRUE(has(get("/"), "fake_one_run 1\n"));
}

TEST_P(MetricsHandlerTest, FiltersCollectors) {
  const RawHttp::Reply one = get("/metrics?collect[]=one");
  EXPECT_EQ(one.status, 200);
  EXPECT_TRUE(has(one, "fake_one_run"));
  EXPECT_FALSE(has(one, "fake_two") || has(one, "\"two\"")) << one.body;
  EXPECT_TRUE(has(get("/metrics?collect%5B%5D=one&collect[]=two"), "fake_two_run"));
  const RawHttp::Reply rest = get("/metrics?exclude[]=one&exclude[]=nope");
  EXPECT_EQ(rest.status, 200);
  EXPECT_TRUE(has(rest, "fake_two_run"));
  EXPECT_FALSE(has(rest, "fake_one") || has(rest, "\"one\"")) << rest.body;
}

TEST_P(MetricsHandlerTest, RefusesBadFiltersInUpstreamsWords) {
  const auto check = [this](std::string_view target, std::string_view text) {
    const RawHttp::Reply reply = get(target);
    EXPECT_EQ(reply.status, 400) << target;
    EXPECT_EQ(reply.body, text) << target;
  };
  check("/metrics?collect[]=nope",
        "Couldn't create filtered metrics handler: couldn't create collector: "
        "missing collector: nope");
  check("/metrics?collect[]=one&collect[]=arp",
        "Couldn't create filtered metrics handler: couldn't create collector: "
        "disabled collector: arp");
  check("/metrics?collect[]=one&exclude[]=two",
        "Combined collect and exclude queries are not allowed.");
  EXPECT_EQ(one_.starts(), 0);
}

TEST_P(MetricsHandlerTest, LeavesOutItsOwnMetricsWhenTold) {
  options_.exporter_metrics = false;
  const RawHttp::Reply reply = get("/metrics");
  EXPECT_FALSE(has(reply, "process_"));
  EXPECT_TRUE(has(reply, "node_exporter_build_info"));
}

TEST_P(MetricsHandlerTest, AStuckCollectorDoesNotHoldUpThePage) {
  one_.hold();
  // 0.02 s leaves a budget of 0.01 s.
  const RawHttp::Reply reply = get("/metrics", "X-Prometheus-Scrape-Timeout-Seconds: 0.02\r\n");
  EXPECT_EQ(reply.status, 200);
  EXPECT_TRUE(has(reply, "node_scrape_collector_success{collector=\"one\"} 0\n")) << reply.body;
}

TEST_P(MetricsHandlerTest, LimitsThePagesAtOnce) {
  options_.max_requests = 1;
  one_.hold();
  RawHttp waiting = connect();
  ASSERT_TRUE(waiting.socket().write("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"));
  one_.wait_for_starts(1);
  const RawHttp::Reply reply = get("/metrics");
  EXPECT_EQ(reply.status, 503);
  EXPECT_EQ(reply.body, "Limit of concurrent requests reached (1), try again later.\n");
  EXPECT_EQ(get("/").status, 200);
  one_.release();
  EXPECT_EQ(waiting.read_reply().status, 200);
  EXPECT_EQ(get("/metrics").status, 200);
}

TEST(ScrapeBudgetTest, LeavesTimeForTheWay) {
  const auto check = [](std::string_view header, int expected_ms) {
    EXPECT_EQ(scrape_budget(header, base::Duration(7)).count(), expected_ms) << header;
  };
  check("10", 9'500);
  check("2.5", 2'000);
  check("1", 500);
  check("0.6", 300);
  for (const std::string_view absurd : {"", "0", "-1", "x", "10s", "inf", "nan", "1e9"}) {
    check(absurd, 7);
  }
}

}  // namespace
}  // namespace tocsin::exporters
