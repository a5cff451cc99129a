// SPDX-License-Identifier: Apache-2.0
//
// tocsin-app-exporter in front of real web servers: nginx and HAProxy with traffic, their logs, and the
// whole way of the rules in examples/proxies.
#include <csignal>

#include <gtest/gtest.h>

#include "tests/exporters/alert_chain.h"
#include "tests/exporters/lint.h"
#include "tests/exporters/pages.h"
#include "tests/exporters/web_servers.h"

namespace tocsin::tests {
namespace {

// An application that does as it is told; /health is fine unless it is kSick.
class App {
 public:
  enum class Mood { kFine, kSlow, kFailing, kSick };

  const std::string& address() const { return sink_.address(); }
  void become(Mood mood) { *mood_.lock() = mood; }

 private:
  net::HttpResponse answer(const net::HttpRequest& request) {
    const Mood mood = *mood_.lock();
    const bool fails = mood == (request.target == "/health" ? Mood::kSick : Mood::kFailing);
    if (fails) return net::HttpResponse::text(500, "failed");
    if (mood == Mood::kSlow) let_pass(base::Duration(2200));
    return net::HttpResponse::text(200, "fine");
  }

  base::Guarded<Mood> mood_{Mood::kFine};
  HttpSink sink_{[this](const net::HttpRequest& request) { return answer(request); }};
};

class AppProxies : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!web_servers_are_installed()) GTEST_SKIP() << web_servers_missing();
  }

  void start(std::string_view config) {
    exporter_ = std::make_unique<Process>(std::vector<std::string>{
        built_program("tocsin-app-exporter"), "--web.listen-address=127.0.0.1:0",
        "--config.file=" + files_.write("app.yml", config)});
    address_ = log_field(exporter_->wait_for_line({"listening", "address="}), "address");
  }
  std::string page() {
    const Reply reply = http_get(address_, "/metrics");
    EXPECT_EQ(reply.status, 200);
    return reply.body;
  }
  // Waits for a page in which the sum over a family is `sum`.
  std::string page_with(const std::string& family, double sum) {
    std::string text;
    EXPECT_TRUE(eventually([&] {
      text = page();
      return page_sum(text, family) == sum;
    })) << family
        << " is " << page_sum(text, family) << " and not " << sum;
    return text;
  }

  const TempDir files_;
  std::unique_ptr<Process> exporter_;
  std::string address_;
};

// The items of app.yml for an nginx, with its log in the format that it writes.
std::string nginx_config(const NginxServer& nginx, std::string_view more = "") {
  return fmt::format(
      "nginx:\n- {{name: edge, stub_status: '{}'}}\nlogs:\n- name: edge\n  files: ['{}']\n"
      "  format: '{}'\n  labels: {{app: shop}}\n  poll_interval: 100ms\n{}",
      nginx.stub_status(), nginx.access_log(), NginxServer::kFormat, more);
}

void ask(const std::string& address, int times, const std::string& target = "/a?b") {
  for (int i = 0; i < times; ++i) static_cast<void>(http_get(address, target));
}

TEST_F(AppProxies, NginxIsCountedThroughRotations) {
  App one, two;
  NginxServer nginx({one.address(), two.address()});
  ask(nginx.address(), 3);  // before the exporter: not counted
  ASSERT_TRUE(eventually([&] {
    const std::string log = read_file(nginx.access_log());
    return std::count(log.begin(), log.end(), '\n') == 3;
  }));
  start(nginx_config(nginx, "  routes: [{match: ^/a, route: /a}]\n"));
  static_cast<void>(page_with("app_exporter_log_files", 1));
  ask(nginx.address(), 10);
  const std::string requests = "nginx_http_response_count_total";
  std::string text = page_with(requests, 10);
  EXPECT_EQ(page_value(text, requests + R"({app="shop",method="GET",route="/a",status="200"})"),
            "10");
  EXPECT_EQ(page_value(text, fmt::format("nginx_http_upstream_response_count_total{{app=\"shop\","
                                         "status=\"200\",upstream=\"{}\"}}",
                                         one.address())),
            "5");
  EXPECT_EQ(page_sum(text, "nginx_http_response_time_seconds_hist_count"), 10);
  EXPECT_EQ(page_sum(text, "nginx_http_upstream_time_seconds_hist_count"), 10);
  EXPECT_EQ(page_sum(text, "nginx_http_upstream_connect_time_seconds_hist_count"), 10);
  EXPECT_EQ(page_value(text, R"(nginx_parse_errors_total{app="shop"})"), "0");
  EXPECT_EQ(page_value(text, "nginx_up"), "1");
  EXPECT_EQ(own_complaints(text), std::vector<std::string>{});
  const std::optional<std::size_t> families =
      expect_upstreams_families(text, "nginx_families.tsv", "", "nginx_");
  EXPECT_GE(families.value_or(8), 8U);

  // Nothing is lost when the file changes, as often as it is seen.
  for (int i = 1; i <= 3; ++i) {
    nginx.rotate();
    ask(nginx.address(), 4, "/b");
    text = page_with(requests, 10 + 4 * i);
  }
  EXPECT_EQ(page_value(text, requests + R"({app="shop",method="GET",route="other",status="200"})"),
            "12");
  nginx.process().kill();
  text = page_with("nginx_up", 0);
  EXPECT_EQ(page_value(text, R"(app_exporter_source_up{source="nginx/edge"})"), "0");
  EXPECT_EQ(page_value(text, R"(app_exporter_source_up{source="logs/edge"})"), "1");
}

TEST_F(AppProxies, ARetryIsCountedForBothServers) {
  App alive;
  // Nobody listens there.
  const std::string dead = net::testing::RawListener().address();
  NginxServer nginx({dead, alive.address()});
  start(nginx_config(nginx));
  static_cast<void>(page_with("app_exporter_log_files", 1));
  ask(nginx.address(), 6);
  const std::string text = page_with("nginx_http_response_count_total", 6);
  const auto tries = [&](std::string_view upstream, int status) {
    return page_value(text, fmt::format("nginx_http_upstream_response_count_total{{app=\"shop\","
                                        "status=\"{}\",upstream=\"{}\"}}",
                                        status, upstream));
  };
  EXPECT_EQ(tries(alive.address(), 200), "6");
  EXPECT_EQ(tries(dead, 502), "3");
}

TEST_F(AppProxies, HaproxyHasTheFamiliesOfItsExporterOverBothWays) {
  App one, two;
  HaproxyServer haproxy({one.address(), two.address()});
  start(fmt::format(
      "haproxy:\n- {{name: socket, stats: 'unix:{}', labels: {{by: socket}}}}\n"
      "- {{name: http, stats: '{}', labels: {{by: http}}}}\n"
      "logs:\n- {{name: lb, files: ['{}'], format: haproxy_http, poll_interval: 100ms}}\n",
      haproxy.stats_socket(), haproxy.stats_url(), haproxy.access_log()));
  static_cast<void>(page_with("app_exporter_log_files", 1));
  ask(haproxy.address(), 8);
  const std::string text = page_with("haproxy_http_response_count_total", 8);
  EXPECT_EQ(own_complaints(text), std::vector<std::string>{});
  for (const std::string by : {"socket", "http"}) {
    EXPECT_EQ(page_value(text, fmt::format("haproxy_up{{by=\"{}\"}}", by)), "1");
    EXPECT_EQ(page_value(text, fmt::format("haproxy_backend_http_responses_total{{backend=\"be\","
                                           "by=\"{}\",code=\"2xx\"}}",
                                           by)),
              "8");
    EXPECT_EQ(
        page_value(text, fmt::format("haproxy_server_sessions_total{{backend=\"be\",by=\"{}\","
                                     "server=\"s1\"}}",
                                     by)),
        "4");
    EXPECT_EQ(page_value(text, fmt::format("haproxy_server_up{{backend=\"be\",by=\"{}\","
                                           "server=\"s2\"}}",
                                           by)),
              "1");
    EXPECT_EQ(
        page_value(text, fmt::format("haproxy_exporter_csv_parse_failures_total{{by=\"{}\"}}", by)),
        "0");
  }
  EXPECT_EQ(page_value(text, R"(haproxy_http_upstream_response_count_total{status="200",)"
                             R"(upstream="be/s1"})"),
            "4");
  EXPECT_EQ(page_value(text, "haproxy_parse_errors_total"), "0");
  const std::optional<std::size_t> families =
      expect_upstreams_families(text, "haproxy_families.tsv", "exporter_0.14", "haproxy_");
  EXPECT_GT(families.value_or(71), 70U);
  haproxy.process().kill();
  static_cast<void>(page_with("haproxy_up", 0));
}

// The whole way of the rules.
class ProxyAlerts : public AppProxies {
 protected:
  // Rates are those of `window`.
  void watch(std::string_view config, const std::string& window = "4s") {
    start(config);
    chain_ = std::make_unique<AlertChain>(
        AlertChain::Options{.example = "proxies",
                            .target = "127.0.0.1:9115",
                            .exporter = address_,
                            .changes = {{"[5m]", "[" + window + "]"}}});
  }

  // Sends requests, several at once, until the alert of this name is heard to be firing or resolved.
  bool hears(std::string_view status, std::string_view name, const std::string& traffic) {
    return chain_->hears(status, name, [&] {
      std::vector<net::testing::RawHttp> clients;
      for (int i = 0; i < 4; ++i) {
        clients.emplace_back(traffic);
        clients.back().socket().write("GET /a?b HTTP/1.1\r\nHost: shop\r\n\r\n");
      }
      for (net::testing::RawHttp& client : clients) static_cast<void>(client.read_reply());
    });
  }

  std::unique_ptr<AlertChain> chain_;
};

TEST_F(ProxyAlerts, AnApplicationThatFailsIsToldAndThatItIsWellAgain) {
  App one, two;
  NginxServer nginx({one.address(), two.address()});
  watch(nginx_config(nginx));
  one.become(App::Mood::kFailing);
  EXPECT_TRUE(hears("firing", "HttpErrors", nginx.address()));
  one.become(App::Mood::kFine);
  EXPECT_TRUE(hears("resolved", "HttpErrors", nginx.address()));
}

TEST_F(ProxyAlerts, AnApplicationThatTakesMoreThanTwoSecondsIsToldAndThatItIsQuickAgain) {
  App one, two;
  NginxServer nginx({one.address(), two.address()});
  watch(nginx_config(nginx), "20s");
  one.become(App::Mood::kSlow);
  EXPECT_TRUE(hears("firing", "SlowResponses", nginx.address()));
  one.become(App::Mood::kFine);
  EXPECT_TRUE(hears("resolved", "SlowResponses", nginx.address()));
}

TEST_F(ProxyAlerts, ServersThatAreNotEquallyBusyAreToldAndThatTheyAreAgain) {
  App one, two, three;
  // The first one is there four times.
  NginxServer uneven(
      {one.address(), one.address(), one.address(), one.address(), two.address(), three.address()});
  NginxServer even({one.address(), two.address(), three.address()});
  watch(replaced_once(nginx_config(uneven), uneven.access_log() + "'",
                      uneven.access_log() + "', '" + even.access_log() + "'"));
  EXPECT_TRUE(hears("firing", "LoadUnbalanced", uneven.address()));
  EXPECT_TRUE(hears("resolved", "LoadUnbalanced", even.address()));
}

TEST_F(ProxyAlerts, AServerAndABackendThatAreDownAreToldAndThatTheyAreUp) {
  App one;
  auto two = std::make_unique<App>();
  HaproxyServer haproxy({two->address()});
  watch(fmt::format("haproxy: [{{name: lb, stats: '{}'}}]", haproxy.stats_url()));
  ASSERT_TRUE(eventually([&] { return chain_->tocsin().value("haproxy_backend_up") == "1"; }));
  two->become(App::Mood::kSick);
  EXPECT_TRUE(hears("firing", "ServerDown", one.address()));
  EXPECT_TRUE(hears("firing", "BackendDown", one.address()));
  two->become(App::Mood::kFine);
  EXPECT_TRUE(hears("resolved", "ServerDown", one.address()));
  EXPECT_TRUE(hears("resolved", "BackendDown", one.address()));
  two.reset();
  EXPECT_TRUE(hears("firing", "ServerDown", one.address()));
  EXPECT_TRUE(hears("firing", "BackendDown", one.address()));
  haproxy.process().kill();
  EXPECT_TRUE(hears("resolved", "BackendDown", one.address()));
  EXPECT_TRUE(hears("firing", "HaproxyDown", one.address()));
}

TEST_F(ProxyAlerts, AProxyThatHangsIsToldAndThatItGoesOn) {
  App one;
  HaproxyServer haproxy({one.address()});
  // With a timeout that is longer than a scrape.
  watch(fmt::format("haproxy: [{{name: lb, stats: '{}'}}]", haproxy.stats_url()));
  haproxy.process().signal(SIGSTOP);
  EXPECT_TRUE(hears("firing", "HaproxyDown", one.address()));
  haproxy.process().signal(SIGCONT);
  EXPECT_TRUE(hears("resolved", "HaproxyDown", one.address()));
}

}  // namespace
}  // namespace tocsin::tests
