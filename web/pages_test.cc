// SPDX-License-Identifier: Apache-2.0
#include "web/pages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing/fake_clock.h"
#include "base/testing/manual_executor.h"
#include "base/testing/mem_fs.h"
#include "formats/exposition.h"
#include "net/testing/fake_net.h"
#include "storage/bounded_event_log.h"
#include "storage/testing/mem_store.h"
#include "web/instrument.h"

namespace tocsin::web {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::string_view kAttack = R"(<script>alert('1')</script>" onload="x" &amp;)";
constexpr std::string_view kEscaped = "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;";

// Everything that a page shows, filled with hostile text.
class PagesTest : public ::testing::Test {
 protected:
  PagesTest() {
    services_.collector = &collector_;
    services_.rules = &rules_;
    services_.events = &events_;
    services_.reload = [this] {
      ++reloads_;
      return reload_status_;
    };
  }

  static net::HttpResponse call(const net::Router& router, std::string method,
                                std::string_view target) {
    net::HttpRequest request;
    request.method = std::move(method);
    EXPECT_EQ(request.set_target(target), ok());
    return router.route(std::move(request));
  }
  static std::string text(const net::HttpResponse& response) {
    return fmt::format("{} {}", response.status, response.body);
  }

  void fill_with_attacks() {
    const std::string attack(kAttack);
    auto appender = store_.appender();
    ASSERT_TRUE(
        appender->append({}, model::Labels::of({{"__name__", "x"}, {"l", attack}}), clock_.now(), 1)
            .ok());
    ASSERT_TRUE(storage::commit_and_wait(*appender).ok());

    collector::ScrapeOptions job;
    job.job = attack;
    job.fingerprint = "1";
    discovery::StaticOptions fixed;
    fixed.groups.push_back({"0", {model::Labels::of({{"__address__", "a:1"}})}, {}});
    job.sources.emplace_back(fixed);
    http_.set_responder([attack](const net::ClientRequest&) -> StatusOr<net::ClientResponse> {
      return unavailable("{}", attack);
    });
    collector_.apply({{job}, {}});
    clock_.advance(std::chrono::minutes(1));

    rules::RuleOptions rule;
    rule.kind = rules::RuleOptions::Kind::kAlerting;
    rule.name = attack;
    rule.expr = "x";
    rule.annotations = {{"summary", attack}};
    rules::GroupOptions group;
    group.file = attack;
    group.name = attack;
    group.rules = {rule};
    rules::RulesOptions options;
    options.groups = {group};
    ASSERT_EQ(rules_.apply(options), ok());
    rules_.evaluate_once(clock_.now());
  }

  base::testing::FakeClock clock_;
  base::testing::InlineExecutor executor_;
  std::unique_ptr<base::FileSystem> files_ = base::testing::make_mem_fs();
  base::Registry metrics_;
  net::testing::FakeHttpClient http_;
  net::testing::FakeMailSender mail_;
  storage::testing::MemStore store_;
  storage::BoundedEventLog events_;
  promql::Engine engine_{{}, {clock_, nullptr, nullptr}};
  collector::Collector collector_{
      {clock_, clock_, executor_, executor_, *files_, metrics_, http_, store_}};
  rules::Evaluator rules_{{clock_, clock_, executor_, metrics_, engine_, store_, store_,
                           [](const std::vector<model::Alert>&) {}, &events_},
                          {}};
  int reloads_ = 0;
  Status reload_status_;
  PageServices services_{clock_,  metrics_, nullptr, nullptr, nullptr, nullptr,
                         nullptr, {},       false,   "",      {}};
};

TEST_F(PagesTest, TheStatusPageEscapesWhatOthersWrote) {
  fill_with_attacks();
  notifier::NotifierOptions options;
  options.directory = "state";
  auto notifier = notifier::Notifier::open(
      options, {clock_, clock_, executor_, *files_, metrics_, http_, mail_, &events_});
  ASSERT_TRUE(notifier.ok());
  notifier::NotifierConfig config;
  config.receivers.push_back({std::string(kAttack), {}});
  config.route.receiver = kAttack;
  ASSERT_EQ((*notifier)->apply(config), ok());
  model::Alert alert;
  alert.labels = model::Labels::of({{"alertname", kAttack}});
  alert.annotations = model::Labels::of({{"summary", kAttack}});
  ASSERT_EQ((*notifier)->post({alert}), ok());
  clock_.advance(std::chrono::seconds(1));
  services_.notifier = notifier->get();

  net::Router router;
  add_prometheus_pages(router, services_);
  const net::HttpResponse page = call(router, "GET", "/");
  EXPECT_EQ(page.status, 200);
  EXPECT_EQ(page.headers.get("Content-Type"), "text/html; charset=utf-8");
  EXPECT_THAT(std::string(page.headers.get("Content-Security-Policy")),
              HasSubstr("default-src 'none'"));
  EXPECT_THAT(page.body, Not(HasSubstr("<script")));
  EXPECT_THAT(page.body, Not(HasSubstr("onload=\"")));
  std::size_t shown = 0;
  for (std::size_t at = page.body.find(kEscaped); at != std::string::npos;
       at = page.body.find(kEscaped, at + 1))
    ++shown;
  // Job, error, group, rule, alert and label of it, receiver, labels and summary at the notifier,
  // events.
  EXPECT_GE(shown, 9U) << page.body;
}

TEST_F(PagesTest, TheStatusPageOfAnIdleProgramIsComplete) {
  services_.collector = nullptr;
  services_.rules = nullptr;
  services_.events = nullptr;
  net::Router router;
  add_alertmanager_pages(router, services_);
  const net::HttpResponse page = call(router, "GET", "/");
  EXPECT_EQ(page.status, 200);
  EXPECT_THAT(page.body, HasSubstr("<h1>Tocsin Alertmanager</h1>"));
  EXPECT_TRUE(page.body.ends_with("</html>\n"));
}

// Counts samples of a page by name.
class Counts final : public formats::ExpositionSink {
 public:
  Status sample(const formats::ExpositionSample& sample) override {
    ++samples[std::string(sample.series.substr(0, sample.series.find('{')))];
    return formats::parse_series(sample.series, sample.kind).status();
  }
  void type(std::string_view metric, model::MetricKind kind) override {
    types[std::string(metric)] = kind;
  }
  void help(std::string_view, std::string_view) override {}
  void unit(std::string_view, std::string_view) override {}
  std::map<std::string, int> samples;
  std::map<std::string, model::MetricKind> types;
};

TEST_F(PagesTest, MetricsAreAPageThatParses) {
  net::Router router;
  router.wrap(instrument(Server::kPrometheus, metrics_, clock_));
  add_prometheus_pages(router, services_);
  metrics_.counter("hostile_total", "Help with \\ and\nnewline.", {"text"})
      .with({std::string(kAttack) + "\n\\"})
      .inc();
  call(router, "GET", "/-/healthy");
  const net::HttpResponse page = call(router, "GET", "/metrics");
  EXPECT_EQ(page.status, 200);
  EXPECT_THAT(std::string(page.headers.get("Content-Type")),
              HasSubstr("text/plain; version=0.0.4"));
  Counts counts;
  ASSERT_EQ(formats::parse_text(page.body, counts), ok()) << page.body;
  EXPECT_EQ(counts.samples["hostile_total"], 1);
  EXPECT_EQ(counts.samples["process_resident_memory_bytes"], 1);
  EXPECT_EQ(counts.samples["prometheus_http_request_duration_seconds_count"], 1)
      << "the page itself is not done yet";
  EXPECT_EQ(counts.types["prometheus_http_request_duration_seconds"],
            model::MetricKind::kHistogram);
  EXPECT_EQ(counts.types["prometheus_http_requests_total"], model::MetricKind::kCounter);
}

TEST_F(PagesTest, HealthAndReadiness) {
  net::Router prometheus, alertmanager;
  add_prometheus_pages(prometheus, services_);
  add_alertmanager_pages(alertmanager, services_);
  const struct {
    const net::Router& router;
    std::string method, target, expected;
  } cases[] = {
      {prometheus, "GET", "/-/healthy", "200 Prometheus Server is Healthy.\n"},
      {prometheus, "GET", "/-/ready", "200 Prometheus Server is Ready.\n"},
      {prometheus, "GET", "/-/reload", "405 Method Not Allowed\n"},
      {prometheus, "GET", "/nothing", "404 404 page not found\n"},
      {alertmanager, "GET", "/-/healthy", "200 OK"},
      {alertmanager, "GET", "/-/ready", "200 OK"},
      {alertmanager, "GET", "/-/reload", "405 Method Not Allowed\n"},
      {alertmanager, "PUT", "/-/reload", "405 Method Not Allowed\n"},
  };
  for (const auto& c : cases)
    EXPECT_EQ(text(call(c.router, c.method, c.target)), c.expected) << c.target;
  EXPECT_EQ(call(prometheus, "HEAD", "/-/ready").status, 200);
}

TEST_F(PagesTest, ReloadNeedsTheLifecycleFlagOnThePrometheusSide) {
  net::Router closed;
  add_prometheus_pages(closed, services_);
  EXPECT_EQ(text(call(closed, "POST", "/-/reload")), "403 Lifecycle API is not enabled.");
  EXPECT_EQ(text(call(closed, "PUT", "/-/reload")), "403 Lifecycle API is not enabled.");
  EXPECT_EQ(reloads_, 0);

  services_.enable_lifecycle = true;
  net::Router open;
  add_prometheus_pages(open, services_);
  EXPECT_EQ(text(call(open, "POST", "/-/reload")), "200 ");
  EXPECT_EQ(text(call(open, "PUT", "/-/reload")), "200 ");
  EXPECT_EQ(reloads_, 2);
  reload_status_ = invalid_argument("p.yml:1:1: bad");
  EXPECT_EQ(text(call(open, "POST", "/-/reload")), "500 failed to reload config: p.yml:1:1: bad\n");
}

TEST_F(PagesTest, ReloadOfTheAlertmanagerSideIsAlwaysOpen) {
  net::Router router;
  add_alertmanager_pages(router, services_);
  EXPECT_EQ(text(call(router, "POST", "/-/reload")), "200 ");
  EXPECT_EQ(reloads_, 1);
}

TEST_F(PagesTest, WhileStartingEverythingButHealthAndMetricsIsUnavailable) {
  net::Router router;
  add_starting_pages(router, metrics_);
  EXPECT_EQ(text(call(router, "GET", "/-/healthy")), "200 Prometheus Server is Healthy.\n");
  EXPECT_EQ(call(router, "GET", "/metrics").status, 200);
  const std::pair<std::string, std::string> cases[] = {{"GET", "/"},
                                                       {"GET", "/-/ready"},
                                                       {"GET", "/api/v1/query?query=1"},
                                                       {"POST", "/api/v1/query"},
                                                       {"GET", "/a/b/c"},
                                                       {"POST", "/api/v2/alerts"},
                                                       {"PUT", "/-/reload"},
                                                       {"DELETE", "/api/v2/silence/1"}};
  for (const auto& [method, target] : cases) {
    const net::HttpResponse response = call(router, method, target);
    EXPECT_EQ(text(response), "503 Service Unavailable") << target;
    EXPECT_EQ(response.headers.get("X-Prometheus-Stopping"), "false") << target;
  }
}

}  // namespace
}  // namespace tocsin::web
