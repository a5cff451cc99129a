// SPDX-License-Identifier: Apache-2.0
#include "rules/alerting_rule.h"

#include <gtest/gtest.h>

namespace tocsin::rules {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

RuleOptions named(const std::string& name) {
  RuleOptions options;
  options.kind = RuleOptions::Kind::kAlerting;
  options.name = name;
  return options;
}

// Plays a sequence of evaluations one minute apart: "1" the alert's series is in the result, "." it is not. Returns the
// state after each: i(nactive), p(ending), f(iring), "-" forgotten.
std::string play(RuleOptions options, std::string_view script) {
  options.kind = RuleOptions::Kind::kAlerting;
  options.name = "Test";
  AlertingRule rule(std::move(options));
  rule.set_restored();
  base::Timestamp now = base::from_ms(1'700'000'000'000);
  std::string states;
  for (const char c : script) {
    promql::Vector result;
    if (c == '1') {
      promql::Sample sample;
      sample.labels = model::Labels::of({{"__name__", "x"}, {"instance", "a"}});
      sample.value = 1;
      result.push_back(sample);
    }
    std::vector<AlertingRule::Output> outputs;
    EXPECT_TRUE(rule.update(
                        now, result,
                        [](const std::string& text, const promql::Sample&) { return text; }, 0,
                        &outputs)
                    .ok());
    EXPECT_EQ(outputs.empty(), rule.active().empty());
    const auto& instances = rule.instances();
    states += instances.empty()
                  ? "-"
                  : std::string(state_text(instances.begin()->second.state).substr(0, 1));
    now += minutes(1);
  }
  return states;
}

TEST(AlertingRule, FollowsTheStateMachine) {
  struct Case {
    int hold_minutes, keep_minutes;
    std::string_view script, expected;
  };
  for (const Case& c : {
           Case{0, 0, "1", "f"},            // fires at once
           Case{2, 0, "111", "ppf"},        // fires when active >= for
           Case{2, 0, "11.1", "pp-p"},      // pending is forgotten at once
           Case{0, 0, "1..1", "fiif"},      // resolved is kept, then fires anew
           Case{1, 0, "11.1", "pfip"},      // a new activity starts pending
           Case{0, 2, "1...", "fffi"},      // keep_firing_for holds it
           Case{0, 2, "1.1...", "fffffi"},  // and starts anew with each activity
           Case{0, 0, "1................",
                "fiiiiiiiiiiiiiiii"},  // 15 minutes after it resolved ...
           Case{0, 0, "1.................", "fiiiiiiiiiiiiiiii-"},  // ... it is forgotten
       }) {
    RuleOptions options;
    options.hold = minutes(c.hold_minutes);
    options.keep_firing = minutes(c.keep_minutes);
    EXPECT_EQ(play(options, c.script), c.expected) << c.script;
  }
}

promql::Sample sample_of(std::string_view instance, double value) {
  promql::Sample sample;
  sample.labels = model::Labels::of({{"__name__", "x"}, {"instance", instance}});
  sample.value = value;
  return sample;
}

std::string same(const std::string& text, const promql::Sample&) { return text; }

TEST(AlertingRule, WritesItsTwoSeries) {
  RuleOptions options;
  options.name = "Test";
  options.labels = {{"severity", "page"}};
  AlertingRule rule(options);
  std::vector<AlertingRule::Output> outputs;
  const base::Timestamp now = base::from_ms(60'000);
  ASSERT_TRUE(rule.update(now, {sample_of("a", 1)}, same, 0, &outputs).ok());
  EXPECT_TRUE(outputs.empty()) << "nothing is written before the state is restored";
  rule.set_restored();
  ASSERT_TRUE(rule.update(now + minutes(1), {sample_of("a", 1)}, same, 0, &outputs).ok());
  ASSERT_EQ(outputs.size(), 2U);
  EXPECT_EQ(outputs[0].labels.to_series_string(),
            R"(ALERTS{alertname="Test", alertstate="firing", instance="a", severity="page"})");
  EXPECT_EQ(outputs[0].value, 1);
  EXPECT_EQ(outputs[1].labels.to_series_string(),
            R"(ALERTS_FOR_STATE{alertname="Test", instance="a", severity="page"})");
  EXPECT_EQ(outputs[1].value, 60);
}

TEST(AlertingRule, RefusesEqualLabelSetsAndTooManyAlerts) {
  RuleOptions options;
  options.name = "Test";
  options.labels = {{"instance", "same"}};
  AlertingRule rule(options);
  std::vector<AlertingRule::Output> outputs;
  const base::Timestamp now = base::from_ms(60'000);
  Status status = rule.update(now, {sample_of("a", 1), sample_of("b", 1)}, same, 0, &outputs);
  EXPECT_EQ(message(status),
            "vector contains metrics with the same labelset after applying alert labels");

  AlertingRule limited(named("Test"));
  limited.set_restored();
  status = limited.update(now, {sample_of("a", 1), sample_of("b", 1)}, same, 1, &outputs);
  EXPECT_EQ(message(status), "exceeded limit of 1 with 2 alerts");
  EXPECT_TRUE(outputs.empty());
  EXPECT_TRUE(limited.instances().empty());
}

TEST(AlertingRule, SendsOnChangeAndThenAfterTheResendDelay) {
  AlertingRule rule(named("Test"));
  const base::Timestamp start = base::from_ms(1'000'000);
  std::vector<AlertingRule::Output> outputs;
  // Evaluations every 15 s: sent at 0 and, a minute having passed, at 75 s.
  std::string sent;
  for (int i = 0; i < 8; ++i) {
    const base::Timestamp now = start + i * seconds(15);
    ASSERT_TRUE(rule.update(now, {sample_of("a", 1)}, same, 0, &outputs).ok());
    sent += rule.take_unsent(now, minutes(1), seconds(15)).empty() ? "." : "s";
  }
  EXPECT_EQ(sent, "s....s..");

  const base::Timestamp end = start + minutes(3);
  ASSERT_TRUE(rule.update(end, {}, same, 0, &outputs).ok());
  const std::vector<model::Alert> resolved = rule.take_unsent(end, minutes(1), seconds(15));
  ASSERT_EQ(resolved.size(), 1U);
  EXPECT_EQ(resolved[0].starts_at, start);
  EXPECT_EQ(resolved[0].ends_at, end);
}

TEST(AlertingRule, AFiringAlertEndsFourIntervalsAhead) {
  AlertingRule rule(named("Test"));
  std::vector<AlertingRule::Output> outputs;
  const base::Timestamp now = base::from_ms(1'000'000);
  ASSERT_TRUE(rule.update(now, {sample_of("a", 1)}, same, 0, &outputs).ok());
  const std::vector<model::Alert> alerts = rule.take_unsent(now, minutes(1), seconds(15));
  ASSERT_EQ(alerts.size(), 1U);
  EXPECT_EQ(alerts[0].ends_at, now + minutes(4));
}

}  // namespace
}  // namespace tocsin::rules
