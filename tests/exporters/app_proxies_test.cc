// SPDX-License-Identifier: Apache-2.0
//
// tocsin-app-exporter in front of real web servers: nginx and HAProxy with traffic, their logs, and the
// whole way of the rules in examples/proxies.
#include <gtest/gtest.h>

#include "tests/exporters/pages.h"
#include "tests/exporters/web_servers.h"
#include "tests/support/tocsin.h"

namespace tocsin::tests {
namespace {

// An application that does as it is told; /health is always fine.
class App {
 public:
  enum class Mood { kFine, kSlow, kFailing };

  const std::string& address() const { return sink_.address(); }
  void become(Mood mood) { *mood_.lock() = mood; }

 private:
  net::HttpResponse answer(const net::HttpRequest& request) {
    const Mood mood = request.target == "/health" ? Mood::kFine : *mood_.lock();
    if (mood == Mood::kFailing) return net::HttpResponse::text(500, "failed");
    if (mood == Mood::kSlow) let_pass(base::Duration(300));
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

// The whole way, with the times of the examples shortened: two nginx' worth of traffic are one loop.
class ProxyAlerts : public AppProxies {
 protected:
  void watch(std::string_view config) {
    start(config);
    std::string rules = read_file(source_path("examples/proxies/rules/proxies.yml"));
    rules = replaced(rules, "[5m]", "[4s]");
    for (const std::string time : {"30s", "1m", "2m", "5m"}) {
      rules = replaced(rules, "for: " + time, "for: 1s");
    }
    rules = replaced_once(rules, "hist_bucket[4s]))) > 2", "hist_bucket[4s]))) > 0.25");
    files_.write("rules/proxies.yml", rules);
    std::string prometheus = read_file(source_path("examples/proxies/prometheus.yml"));
    prometheus = replaced_once(prometheus, "scrape_interval: 15s", "scrape_interval: 1s");
    prometheus = replaced_once(prometheus, "evaluation_interval: 15s", "evaluation_interval: 1s");
    prometheus = replaced_once(prometheus, "127.0.0.1:9115", address_);
    std::string receiver = read_file(source_path("examples/proxies/alertmanager.yml"));
    receiver = replaced_once(receiver, "127.0.0.1:9025", sink_.address());
    receiver = replaced_once(receiver,
                             "  group_by:", "  group_wait: 1s\n  group_interval: 1s\n  group_by:");
    tocsin_ = std::make_unique<Tocsin>(
        Tocsin::Options{.config = files_.write("prometheus.yml", prometheus),
                        .alertmanager = files_.write("alertmanager.yml", receiver),
                        .data = files_.file("data")});
    ASSERT_TRUE(tocsin_->wait_ready());
  }

  // Sends requests until the receiver has heard that the alert of this name is firing or resolved.
  bool hears(std::string_view status, std::string_view name, const std::string& traffic) {
    return eventually([&] {
      ask(traffic, 4);
      for (const net::HttpRequest& request : sink_.requests()) {
        const base::JsonValue body = parsed(request.body);
        for (const base::JsonValue& alert : at(body, "alerts").items()) {
          if (text_at(alert, "status") == status && text_at(alert, "labels.alertname") == name) {
            return true;
          }
        }
      }
      return false;
    });
  }

  HttpSink sink_{[](const net::HttpRequest&) { return net::HttpResponse::text(200, "ok"); }};
  std::unique_ptr<Tocsin> tocsin_;
};

TEST_F(ProxyAlerts, AnApplicationThatFailsAndSlowsDownIsToldAndThatItIsWellAgain) {
  App one, two;
  NginxServer nginx({one.address(), two.address()});
  watch(nginx_config(nginx));
  one.become(App::Mood::kFailing);
  EXPECT_TRUE(hears("firing", "HttpErrors", nginx.address()));
  one.become(App::Mood::kFine);
  EXPECT_TRUE(hears("resolved", "HttpErrors", nginx.address()));
  one.become(App::Mood::kSlow);
  EXPECT_TRUE(hears("firing", "SlowResponses", nginx.address()));
  one.become(App::Mood::kFine);
  EXPECT_TRUE(hears("resolved", "SlowResponses", nginx.address()));
}

TEST_F(ProxyAlerts, ServersThatAreNotEquallyBusyAreTold) {
  App one, two, three;
  // The first one is there four times.
  NginxServer nginx(
      {one.address(), one.address(), one.address(), one.address(), two.address(), three.address()});
  watch(nginx_config(nginx));
  EXPECT_TRUE(hears("firing", "LoadUnbalanced", nginx.address()));
}

TEST_F(ProxyAlerts, AServerAndABackendThatAreDownAreTold) {
  App one;
  auto two = std::make_unique<App>();
  HaproxyServer haproxy({two->address()});
  watch(fmt::format("haproxy: [{{name: lb, stats: '{}'}}]", haproxy.stats_url()));
  ASSERT_TRUE(eventually([&] { return tocsin_->value("haproxy_backend_up") == "1"; }));
  two.reset();
  EXPECT_TRUE(hears("firing", "ServerDown", one.address()));
  EXPECT_TRUE(hears("firing", "BackendDown", one.address()));
  haproxy.process().kill();
  EXPECT_TRUE(hears("resolved", "BackendDown", one.address()));
  EXPECT_TRUE(hears("firing", "HaproxyDown", one.address()));
}

}  // namespace
}  // namespace tocsin::tests
