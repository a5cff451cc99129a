// SPDX-License-Identifier: Apache-2.0
//
// Alertmanager's acceptance scenarios on virtual time: script in, transcript of the webhooks out.
#include "notifier/notifier.h"

#include <gtest/gtest.h>

#include "notifier/matchers.h"
#include "notifier/testing/scenario.h"

namespace tocsin::notifier {
namespace {

using testing::metric_value;
using testing::Scenario;
using testing::webhook_config;

constexpr double kMs = 0.001;

AlertFilter filter(std::string_view matchers) {
  AlertFilter f;
  f.matchers = *parse_matchers(matchers);
  return f;
}

AlertFilter receiver_filter(std::string_view expression) {
  AlertFilter f;
  f.receiver = *model::Regex::anchored(expression);
  return f;
}

std::string run(NotifierConfig config, std::string_view script) {
  return Scenario(std::move(config)).run(script);
}

TEST(NotifierScenario, MergeAlerts) {
  EXPECT_EQ(run(webhook_config(1, 1, kMs), R"(
1   alert alertname=test start=1.1
1.2 alert alertname=test start=1
2.1 alert alertname=test start=2.1 note=v1
3.6 alert alertname=test start=3.6 note=v2
4.6 alert alertname=test start=3 end=4.5 note=v2
4.8 alert alertname=test start=2.9 end=4.8 note=v3
4.8 alert alertname=test start=2.9 end=4.1 note=v3
5.3 alert alertname=test start=5
6.5 end
)"),
            R"(2 w1 {alertname=test} 1-
3 w1 {alertname=test} 1- v1
4 w1 {alertname=test} 1- v2
5 w1 {alertname=test} 1-4.8 v3
6.3 w1 {alertname=test} 5-
)");
}

TEST(NotifierScenario, Repeat) {
  EXPECT_EQ(run(webhook_config(1, 1, kMs), R"(
1   alert alertname=test start=1
3.5 alert alertname=test start=1 end=3
8   end
)"),
            R"(2 w1 {alertname=test} 1-
3 w1 {alertname=test} 1-
4 w1 {alertname=test} 1-3
)");
}

TEST(NotifierScenario, RepeatWaitsForTheFirstTickAfterTheInterval) {
  EXPECT_EQ(run(webhook_config(1, 2, 3, 2), R"(
1   alert alertname=test start=1
6.5 end
)"),
            R"(2 w1 {alertname=test} 1-
2 w2 {alertname=test} 1-
6 w1 {alertname=test} 1-
6 w2 {alertname=test} 1-
)");
}

TEST(NotifierScenario, Batching) {
  NotifierConfig config = webhook_config(1, 1, 4.9);
  config.route.group_by.clear();
  EXPECT_EQ(run(config, R"(
1.1 alert alertname=t1 start=1
1.7 alert alertname=t5 start=1
3.3 alert alertname=t2 start=1
3.3 alert alertname=t3 start=1
3.3 alert alertname=t4 start=1
9.5 end
)"),
            R"(2.1 w1 {alertname=t1} 1- | {alertname=t5} 1-
4.1 w1 {alertname=t1} 1- | {alertname=t2} 1- | {alertname=t3} 1- | {alertname=t4} 1- | {alertname=t5} 1-
9.1 w1 {alertname=t1} 1- | {alertname=t2} 1- | {alertname=t3} 1- | {alertname=t4} 1- | {alertname=t5} 1-
)");
}

TEST(NotifierScenario, Resolved) {
  NotifierConfig config = webhook_config(1, 5, 600);
  config.resolve_timeout = base::Duration(10'000);
  EXPECT_EQ(
      run(config, R"(
1  alert alertname=test lbl=v1
1  alert alertname=test lbl=v2
1  alert alertname=test lbl=v3
60 end
)"),
      R"(2 w1 {alertname=test,lbl=v1} 1- | {alertname=test,lbl=v2} 1- | {alertname=test,lbl=v3} 1-
12 w1 {alertname=test,lbl=v1} 1-11 | {alertname=test,lbl=v2} 1-11 | {alertname=test,lbl=v3} 1-11
)");
}

TEST(NotifierScenario, ResolvedFilter) {
  NotifierConfig config = webhook_config(1, 5, 600, 2);
  config.resolve_timeout = base::Duration(10'000);
  std::get<WebhookOptions>(config.receivers[0].integrations[1]).send_resolved = false;
  EXPECT_EQ(run(config, R"(
1  alert alertname=test lbl=v1
1  alert alertname=test lbl=v2
3  alert alertname=test lbl=v1 start=1 end=4
3  alert alertname=test lbl=v3
8  alert alertname=test lbl=v3 start=3
13 end
)"),
            R"(2 w1 {alertname=test,lbl=v1} 1- | {alertname=test,lbl=v2} 1-
2 w2 {alertname=test,lbl=v1} 1- | {alertname=test,lbl=v2} 1-
7 w1 {alertname=test,lbl=v1} 1-4 | {alertname=test,lbl=v2} 1- | {alertname=test,lbl=v3} 3-
7 w2 {alertname=test,lbl=v2} 1- | {alertname=test,lbl=v3} 3-
12 w1 {alertname=test,lbl=v2} 1-11 | {alertname=test,lbl=v3} 3-
)");
}

TEST(NotifierScenario, ResolvedBeforeTheFirstFlushIsNotSent) {
  EXPECT_EQ(run(webhook_config(5, 5, 600), R"(
1 alert alertname=test start=1
3 alert alertname=test start=1 end=3
60 end
)"),
            "");
}

TEST(NotifierScenario, Reload) {
  NotifierConfig config = webhook_config(1, 6, 600);
  config.route.group_by.clear();
  EXPECT_EQ(run(config, R"(
1    alert alertname=t1 start=1
3    reload
4    alert alertname=t2 start=4
9.5  end
)"),
            R"(2 w1 {alertname=t1} 1-
9 w1 {alertname=t1} 1- | {alertname=t2} 4-
)");
}

TEST(NotifierScenario, Silencing) {
  NotifierConfig config = webhook_config(1, 1, kMs);
  config.route.group_by.clear();
  EXPECT_EQ(run(config, R"(
1   alert alertname=t1 start=1
1   alert alertname=t2 start=1
2.3 silence s alertname=t1 from=2.5 to=4.5
5.5 end
)"),
            R"(2 w1 {alertname=t1} 1- | {alertname=t2} 1-
3 w1 {alertname=t2} 1-
4 w1 {alertname=t2} 1-
5 w1 {alertname=t1} 1- | {alertname=t2} 1-
)");
}

TEST(NotifierScenario, SilenceDelete) {
  EXPECT_EQ(run(webhook_config(1, 1, kMs), R"(
1   alert alertname=test start=1
1.3 silence s alertname=test from=1.5 to=100
3.5 expire s
4.5 end
)"),
            "4 w1 {alertname=test} 1-\n");
}

NotifierConfig inhibiting_config() {
  NotifierConfig config = webhook_config(1, 1, 1);
  config.route.group_by.clear();
  config.inhibit_rules.push_back({.name = "",
                                  .source = *parse_matchers("alertname=JobDown"),
                                  .target = *parse_matchers("alertname=InstanceDown"),
                                  .equal = {"job", "zone"}});
  return config;
}

TEST(NotifierScenario, Inhibiting) {
  EXPECT_EQ(
      run(inhibiting_config(), R"(
1   alert alertname=test1 job=testjob zone=aa start=1
1   alert alertname=InstanceDown job=testjob zone=aa start=1
1   alert alertname=InstanceDown job=testjob zone=ab start=1
2.2 alert alertname=JobDown job=testjob zone=aa start=2.2
3.6 alert alertname=JobDown job=testjob zone=aa start=2.2 end=3.6
4.5 end
)"),
      R"(2 w1 {alertname=InstanceDown,job=testjob,zone=aa} 1- | {alertname=InstanceDown,job=testjob,zone=ab} 1- | {alertname=test1,job=testjob,zone=aa} 1-
3 w1 {alertname=InstanceDown,job=testjob,zone=ab} 1- | {alertname=JobDown,job=testjob,zone=aa} 2.2- | {alertname=test1,job=testjob,zone=aa} 1-
4 w1 {alertname=InstanceDown,job=testjob,zone=aa} 1- | {alertname=InstanceDown,job=testjob,zone=ab} 1- | {alertname=JobDown,job=testjob,zone=aa} 2.2-3.6 | {alertname=test1,job=testjob,zone=aa} 1-
)");
}

TEST(NotifierScenario, AlwaysInhibiting) {
  EXPECT_EQ(run(inhibiting_config(), R"(
1   alert alertname=InstanceDown job=testjob zone=aa start=1
1   alert alertname=JobDown job=testjob zone=aa start=1
2.6 alert alertname=JobDown job=testjob zone=aa start=1 end=2.6
2.6 alert alertname=InstanceDown job=testjob zone=aa start=1 end=2.6
9   end
)"),
            R"(2 w1 {alertname=JobDown,job=testjob,zone=aa} 1-
3 w1 {alertname=InstanceDown,job=testjob,zone=aa} 1-2.6 | {alertname=JobDown,job=testjob,zone=aa} 1-2.6
)");
}

TEST(NotifierScenario, EmptyInhibitionRule) {
  NotifierConfig config = webhook_config(1, 1, 600);
  config.inhibit_rules.emplace_back();
  EXPECT_EQ(run(config, "1 alert alertname=test start=1\n3 end\n"), "2 w1 {alertname=test} 1-\n");
}

TEST(NotifierScenario, AnOldAlertIsFlushedAtOnce) {
  EXPECT_EQ(run(webhook_config(30, 300, 3600), "50 alert alertname=test start=1\n50.1 end\n"),
            "50 w1 {alertname=test} 1-\n");
}

TEST(NotifierScenario, ARestartNotifiesNobodyAgainAndKeepsSilences) {
  EXPECT_EQ(run(webhook_config(1, 5, 600), R"(
1    alert alertname=a start=1
1    alert alertname=b start=1
1    silence s alertname=b from=1 to=20
3    restart
3.5  alert alertname=a start=1
3.5  alert alertname=b start=1
10   alert alertname=a start=1 end=10
18   restart
18.5 alert alertname=b start=1
30   end
)"),
            R"(2 w1 {alertname=a} 1-
13.5 w1 {alertname=a} 1-10
23.5 w1 {alertname=b} 1-
)");
}

TEST(NotifierScenario, AFailingReceiverIsTriedAgainAndHoldsNobodyUp) {
  Scenario scenario(webhook_config(1, 300, 3600, 2));
  const std::string transcript = scenario.run(R"(
0   answer w1 503
1   alert alertname=test start=1
2.1 end
20  answer w1 200
120 end
)");
  EXPECT_TRUE(transcript.starts_with("2 w2 {alertname=test} 1-\n")) << transcript;
  EXPECT_NE(transcript.find(" w1 {alertname=test} 1-\n"), std::string::npos) << transcript;
  EXPECT_EQ(std::count(transcript.begin(), transcript.end(), '\n'), 2) << transcript;
  // 18 seconds at 0.5 s x 1.5, each half to one and a half of that: about eight attempts.
  const double attempts =
      metric_value(scenario.metrics(), "alertmanager_notification_requests_total", {"webhook"}) - 1;
  EXPECT_GE(attempts, 5);
  EXPECT_LE(attempts, 14);
  EXPECT_EQ(metric_value(scenario.metrics(), "alertmanager_notification_requests_failed_total",
                         {"webhook"}),
            attempts - 1);
  EXPECT_EQ(metric_value(scenario.metrics(), "alertmanager_notifications_total", {"webhook"}), 2);
  EXPECT_EQ(metric_value(scenario.metrics(), "alertmanager_notifications_failed_total",
                         {"webhook", "serverError"}),
            0);
}

TEST(NotifierScenario, RetriesEndAtTheDeadlineAndTheNextTickTriesAgain) {
  Scenario scenario(webhook_config(1, 20, 3600));
  EXPECT_EQ(scenario.run(R"(
0    answer w1 503
1    alert alertname=test start=1
21.9 end
21.9 answer w1 200
22.1 end
)"),
            "22 w1 {alertname=test} 1-\n");
  EXPECT_EQ(metric_value(scenario.metrics(), "alertmanager_notifications_failed_total",
                         {"webhook", "contextDeadlineExceeded"}),
            1);
}

TEST(NotifierScenario, AClientErrorIsNotTriedAgainBeforeTheNextTick) {
  Scenario scenario(webhook_config(1, 20, 3600));
  EXPECT_EQ(scenario.run(R"(
0  answer w1 404
1  alert alertname=test start=1
10 answer w1 200
23 end
)"),
            "22 w1 {alertname=test} 1-\n");
  EXPECT_EQ(metric_value(scenario.metrics(), "alertmanager_notifications_failed_total",
                         {"webhook", "clientError"}),
            1);
}

TEST(NotifierScenario, ResolvedAlertsStayUntilTheirNotificationIsDelivered) {
  EXPECT_EQ(run(webhook_config(1, 10, 3600), R"(
1  alert alertname=test start=1
5  alert alertname=test start=1 end=5
5  answer w1 404
15 answer w1 200
60 end
)"),
            "2 w1 {alertname=test} 1-\n22 w1 {alertname=test} 1-5\n");
}

class NotifierTest : public ::testing::Test {
 protected:
  Scenario scenario_{webhook_config(1, 5, 600)};
  Notifier& notifier() { return scenario_.notifier(); }
};

TEST_F(NotifierTest, FlushesOfAGroupNeverOverlap) {
  scenario_.http().set_responder({});
  scenario_.run("1 alert alertname=test start=1\n2 end\n");
  ASSERT_EQ(scenario_.http().pending(), 1U);
  scenario_.run("3 alert alertname=test instance=new start=3\n11 end\n");
  EXPECT_EQ(scenario_.http().pending(), 1U) << "the flush of the first tick is still under way";
  scenario_.http().respond(
      net::ClientResponse{.status = 200, .headers = {}, .body = "", .wire_body_bytes = 0});
  scenario_.advance_to(11.001);
  EXPECT_EQ(scenario_.http().pending(), 1U) << "the missed tick is made up for";
  EXPECT_NE(scenario_.http().front().body.find("instance"), std::string::npos);
  scenario_.http().respond(
      net::ClientResponse{.status = 200, .headers = {}, .body = "", .wire_body_bytes = 0});
}

TEST_F(NotifierTest, AReloadDuringAnAttemptDoesNotSendTwice) {
  scenario_.http().set_responder({});
  scenario_.run("1 alert alertname=test start=1\n2 end\n3 reload\n4 end\n");
  EXPECT_EQ(scenario_.http().pending(), 1U)
      << "the new configuration waits for the attempt of the old";
  scenario_.http().respond(
      net::ClientResponse{.status = 200, .headers = {}, .body = "", .wire_body_bytes = 0});
  scenario_.advance_to(60);
  EXPECT_EQ(scenario_.http().sent().size(), 1U);
}

TEST_F(NotifierTest, PostKeepsValidAlertsAndJoinsTheErrorsOfOthers) {
  model::Alert good, empty, backwards, bad_value;
  good.labels = model::Labels::of({{"alertname", "good"}});
  backwards.labels = good.labels;
  backwards.starts_at = Scenario::at(10);
  backwards.ends_at = Scenario::at(5);
  bad_value.labels = model::Labels::of({{"a", "\xff"}});
  const Status status = notifier().post({good, empty, backwards, bad_value});
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(message(status),
            "at least one label pair required; start time must be before end time; "
            "invalid label set: invalid value \"\\xff\"");
  const auto alerts = notifier().alerts({});
  ASSERT_EQ(alerts.size(), 1U);
  EXPECT_EQ(alerts[0].alert.starts_at, Scenario::at(0));
  EXPECT_EQ(alerts[0].alert.ends_at, Scenario::at(300)) << "resolve_timeout";
  EXPECT_EQ(metric_value(scenario_.metrics(), "alertmanager_alerts_invalid_total", {"v2"}), 3);
  EXPECT_EQ(
      metric_value(scenario_.metrics(), "alertmanager_alerts_received_total", {"firing", "v2"}), 1);
}

TEST_F(NotifierTest, ViewsShowAtOnceWhoMutesAnAlert) {
  NotifierConfig config = webhook_config(1, 5, 600);
  config.inhibit_rules.push_back({.name = "",
                                  .source = *parse_matchers("severity=critical"),
                                  .target = *parse_matchers("severity=warning"),
                                  .equal = {}});
  ASSERT_TRUE(notifier().apply(config).ok());
  scenario_.run("0 alert alertname=w severity=warning\n");
  const auto only = [&] { return notifier().alerts(filter("alertname=w")).at(0); };
  EXPECT_EQ(only().state(), "active");
  EXPECT_EQ(only().receivers, std::vector<std::string>{"team"});
  scenario_.run("0 silence s alertname=w from=0 to=100\n");
  EXPECT_EQ(only().state(), "suppressed");
  EXPECT_EQ(only().silenced_by.size(), 1U);
  scenario_.run("0 alert alertname=c severity=critical\n");
  ASSERT_EQ(only().inhibited_by.size(), 1U);
  EXPECT_EQ(
      only().inhibited_by[0],
      fmt::format("{:016x}", notifier().alerts(filter("alertname=c"))[0].alert.fingerprint()));
  EXPECT_EQ(metric_value(scenario_.metrics(), "alertmanager_alerts", {"suppressed"}), 1);
  EXPECT_EQ(metric_value(scenario_.metrics(), "alertmanager_alerts", {"active"}), 1);
  EXPECT_EQ(metric_value(scenario_.metrics(), "alertmanager_silences", {"active"}), 1);
  scenario_.run("0 expire s\n");
  EXPECT_TRUE(only().silenced_by.empty());
  const auto count = [&](const AlertFilter& f) { return notifier().alerts(f).size(); };
  AlertFilter not_inhibited;
  not_inhibited.inhibited = false;
  EXPECT_EQ(count(not_inhibited), 1U);
  AlertFilter not_active;
  not_active.active = false;
  EXPECT_EQ(count(not_active), 1U);
  EXPECT_EQ(count(receiver_filter("tea")), 0U);
  EXPECT_EQ(count(receiver_filter("te.m")), 2U);
  EXPECT_EQ(count(filter("severity=warning,alertname=c")), 0U);
}

TEST_F(NotifierTest, GroupsAreSortedAndHideWhatIsResolved) {
  scenario_.run(R"(
0 alert alertname=b
0 alert alertname=a instance=1
0 alert alertname=a instance=2 start=0 end=1
)");
  EXPECT_EQ(metric_value(scenario_.metrics(), "alertmanager_dispatcher_aggregation_groups"), 2);
  scenario_.advance_to(1);
  const auto groups = notifier().groups({});
  ASSERT_EQ(groups.size(), 2U);
  EXPECT_EQ(groups[0].labels, model::Labels::of({{"alertname", "a"}}));
  EXPECT_EQ(groups[0].alerts.size(), 1U);
  EXPECT_EQ(groups[1].labels, model::Labels::of({{"alertname", "b"}}));
  EXPECT_EQ(groups[1].receiver, "team");
}

TEST_F(NotifierTest, ABadConfigurationLeavesTheOldOneRunning) {
  NotifierConfig config = webhook_config(1, 5, 600);
  config.templates.emplace_back("bad.tmpl", "{{ define \"x\" }}{{ nosuch }}{{ end }}");
  const Status status = notifier().apply(config);
  ASSERT_FALSE(status.ok());
  EXPECT_NE(message(status).find("bad.tmpl"), std::string_view::npos) << message(status);
  config = webhook_config(1, 5, 600);
  config.route.receiver = "nobody";
  EXPECT_FALSE(notifier().apply(config).ok());
  EXPECT_EQ(scenario_.run("1 alert alertname=test start=1\n3 end\n"), "2 w1 {alertname=test} 1-\n");
}

TEST_F(NotifierTest, AReceiverWithoutARouteIsNotedButNotBuilt) {
  NotifierConfig config = webhook_config(1, 5, 600);
  config.receivers.push_back({.name = "spare", .integrations = {WebhookOptions()}});
  ASSERT_TRUE(notifier().apply(config).ok());
  EXPECT_EQ(notifier().receivers(), (std::vector<std::string>{"team", "spare"}));
  EXPECT_EQ(metric_value(scenario_.metrics(), "alertmanager_receivers"), 1);
}

class Events final : public storage::EventLog {
 public:
  void record(storage::Event event) override {
    std::string line =
        fmt::format("{} {} {}", static_cast<int>(event.kind), event.labels.to_string(), event.text);
    for (const auto& [name, value] : event.details) {
      if (name == "receiver" || name == "attempts" || name == "matchers")
        line += " " + name + "=" + value;
    }
    lines.push_back(line);
  }
  StatusOr<std::vector<storage::Event>> recent(base::Timestamp, base::Timestamp,
                                               std::size_t) const override {
    return std::vector<storage::Event>();
  }
  std::vector<std::string> lines;
};

TEST_F(NotifierTest, EventsTellWhatHappened) {
  Events events;
  scenario_.events = &events;
  scenario_.open();
  scenario_.run(R"(
1    alert alertname=a start=1
1    alert alertname=b start=1
1    silence s alertname=b from=1 to=8
4    expire s
6    answer w1 404
6.5  alert alertname=a start=1 end=6.5
7.5  end
)");
  const std::vector<std::string> expected = {
      R"(6 {}  matchers=alertname="b")",
      R"(4 {alertname="a"} first notification receiver=team attempts=1)",
      R"(8 {alertname="b"} silence)",
      R"(7 {}  matchers=alertname="b")",
      R"(5 {alertname="a"} unexpected status code 404: ok receiver=team attempts=1)",
      R"(5 {alertname="b"} unexpected status code 404: ok receiver=team attempts=1)",
  };
  EXPECT_EQ(events.lines, expected);
  notifier().stop();
}

TEST_F(NotifierTest, NothingIsSentAfterStop) {
  scenario_.run("1 alert alertname=test start=1\n");
  notifier().stop();
  notifier().stop();
  scenario_.advance_to(60);
  EXPECT_TRUE(scenario_.http().sent().empty());
  notifier().put({});
  EXPECT_EQ(notifier().apply(webhook_config(1, 1, 1)).code(), StatusCode::kUnavailable);
}

TEST_F(NotifierTest, MaintenanceCompactsTheLogs) {
  scenario_.run("1 alert alertname=test start=1\n0 silence s alertname=x from=0 to=2\n");
  scenario_.advance_to(901);
  EXPECT_EQ(metric_value(scenario_.metrics(), "alertmanager_nflog_maintenance_total"), 1);
  EXPECT_EQ(notifier().silences().size(), 1U);
  scenario_.advance_to(900 * 481);  // the retention of 120 hours
  EXPECT_TRUE(notifier().silences().empty());
  EXPECT_GT(metric_value(scenario_.metrics(), "alertmanager_nflog_snapshot_size_bytes"), 0);
}

TEST_F(NotifierTest, StateFilesThatAreNotOursStopTheStart) {
  for (const char* name : {"state/silences.log", "state/notifications.log"}) {
    auto files = base::testing::make_mem_fs();
    base::testing::FakeClock clock;
    base::testing::InlineExecutor workers;
    base::Registry metrics;
    net::testing::FakeHttpClient http;
    net::testing::FakeMailSender mail;
    ASSERT_TRUE(base::write_file_atomically(*files, name, "something else").ok());
    NotifierOptions options;
    options.directory = "state";
    EXPECT_FALSE(Notifier::open(options, {clock, clock, workers, *files, metrics, http, mail}).ok())
        << name;
  }
}

}  // namespace
}  // namespace tocsin::notifier
