// SPDX-License-Identifier: Apache-2.0
#include "rules/evaluator.h"

#include <gtest/gtest.h>

#include "base/testing/fake_clock.h"
#include "base/testing/manual_executor.h"
#include "model/value.h"
#include "storage/bounded_event_log.h"
#include "storage/testing/mem_store.h"

namespace tocsin::rules {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

class EvaluatorTest : public ::testing::Test {
 protected:
  EvaluatorTest() { restart(); }

  // A new evaluator over the same store, as after a restart of the program.
  void restart() {
    if (evaluator_) evaluator_->stop();
    evaluator_ = std::make_unique<Evaluator>(
        Evaluator::Services{clock_, clock_, executor_, metrics_, engine_, store_, store_,
                            [this](std::vector<model::Alert> alerts) {
                              for (model::Alert& alert : alerts) sent_.push_back(std::move(alert));
                            },
                            &events_},
        AlertTiming{});
  }

  static RuleOptions alert(const std::string& name, const std::string& expr, base::Duration hold) {
    RuleOptions rule;
    rule.kind = RuleOptions::Kind::kAlerting;
    rule.name = name;
    rule.expr = expr;
    rule.hold = hold;
    return rule;
  }
  static RuleOptions record(const std::string& name, const std::string& expr) {
    RuleOptions rule;
    rule.name = name;
    rule.expr = expr;
    return rule;
  }
  static RulesOptions one_group(std::vector<RuleOptions> rules) {
    RulesOptions options;
    GroupOptions group;
    group.file = "rules.yml";
    group.name = "group";
    group.interval = minutes(1);
    group.rules = std::move(rules);
    options.groups.push_back(group);
    return options;
  }

  void put(std::string_view name, double value) {
    auto appender = store_.appender();
    ASSERT_TRUE(appender
                    ->append({}, model::Labels::of({{"__name__", name}, {"instance", "a"}}),
                             clock_.now(), value)
                    .ok());
    ASSERT_TRUE(storage::commit_and_wait(*appender).ok());
  }
  // Lets `count` evaluations happen while the metric has `value`.
  void run(std::string_view name, double value, int count) {
    for (int i = 0; i < count * 4; ++i) {
      put(name, value);
      clock_.advance(seconds(15));
    }
  }

  RuleStatus first_rule() { return evaluator_->groups().at(0).rules.at(0); }
  std::vector<std::string> values(std::string_view name) {
    std::vector<std::string> found;
    storage::SelectHints hints;
    hints.mint = model::kMinTime;
    hints.maxt = model::kMaxTime;
    auto selection = store_.select({model::Matcher::equal(model::kMetricName, name)}, hints, {});
    storage::ColumnBatch batch;
    EXPECT_TRUE((*selection)->read(0, &batch).ok());
    for (const storage::SeriesColumn& column : batch.series) {
      for (std::uint32_t row = 0; row < column.rows; ++row) {
        if (!column.has(row)) continue;
        const double v = column.floats[row];
        found.push_back(model::is_stale(v) ? "stale" : model::format_float(v));
      }
    }
    return found;
  }

  base::testing::FakeClock clock_;
  base::testing::InlineExecutor executor_;
  base::Registry metrics_;
  storage::testing::MemStore store_;
  storage::BoundedEventLog events_;
  promql::Engine engine_{{}, {clock_, nullptr, nullptr}};
  std::vector<model::Alert> sent_;
  std::unique_ptr<Evaluator> evaluator_;
};

TEST_F(EvaluatorTest, RecordsAndMarksWhatVanishesStale) {
  ASSERT_TRUE(evaluator_->apply(one_group({record("doubled", "x > 1")})).ok());
  run("x", 5, 2);
  run("x", 0, 1);
  EXPECT_EQ(values("doubled"), (std::vector<std::string>{"5", "5", "stale"}));
  EXPECT_EQ(first_rule().health, "ok");
}

TEST_F(EvaluatorTest, RecordsHistograms) {
  ASSERT_TRUE(evaluator_->apply(one_group({record("h2", "h * 2")})).ok());
  model::FloatHistogram h;
  h.count = 3;
  auto appender = store_.appender();
  ASSERT_TRUE(
      appender->append_histogram({}, model::Labels::of({{"__name__", "h"}}), clock_.now(), h).ok());
  ASSERT_TRUE(storage::commit_and_wait(*appender).ok());
  clock_.advance(minutes(1));
  const auto result = engine_.instant(store_, "histogram_count(h2)", clock_.now());
  ASSERT_TRUE(result.ok());
  const auto& vector = std::get<promql::Vector>(result->value);
  ASSERT_EQ(vector.size(), 1U);
  EXPECT_EQ(vector[0].value, 6);
}

TEST_F(EvaluatorTest, LaterRulesSeeEarlierResultsOfTheIteration) {
  ASSERT_TRUE(
      evaluator_->apply(one_group({record("a:x", "x + 1"), record("b:x", "a:x * 10")})).ok());
  run("x", 1, 1);
  EXPECT_EQ(values("b:x"), std::vector<std::string>{"20"});
}

// The rule that the quickstart ships: more than 80 % for five minutes.
TEST_F(EvaluatorTest, AnAlertFiresAfterExactlyItsFor) {
  ASSERT_TRUE(evaluator_->apply(one_group({alert("HighCpu", "x > 0.8", minutes(5))})).ok());
  run("x", 0.9, 1);
  ASSERT_EQ(first_rule().alerts.size(), 1U);
  const base::Timestamp active_at = first_rule().alerts[0].active_at;
  while (first_rule().state != AlertState::kFiring) run("x", 0.9, 1);
  EXPECT_EQ(first_rule().last_evaluation - active_at, minutes(5));
  ASSERT_EQ(sent_.size(), 1U);
  EXPECT_EQ(sent_[0].labels.to_string(), R"({alertname="HighCpu", instance="a"})");
  EXPECT_EQ(sent_[0].starts_at, active_at + minutes(5));
  run("x", 0.1, 1);
  EXPECT_EQ(first_rule().state, AlertState::kInactive);
  EXPECT_EQ(sent_.back().ends_at, active_at + minutes(6));
}

TEST_F(EvaluatorTest, TemplatesAndExternalLabelsReachTheAlert) {
  RuleOptions rule = alert("T", "x > 1", base::Duration(0));
  rule.labels = {{"severity", "{{ if gt $value 4.0 }}critical{{ else }}warning{{ end }}"}};
  rule.annotations = {{"summary", "{{ $labels.instance }} has {{ $value }}"}};
  RulesOptions options = one_group({rule});
  options.external_labels = model::Labels::of({{"region", "eu"}, {"instance", "never"}});
  options.external_url = "http://host:9090";
  ASSERT_TRUE(evaluator_->apply(options).ok());
  run("x", 5, 1);
  ASSERT_EQ(sent_.size(), 1U);
  EXPECT_EQ(sent_[0].labels.to_string(),
            R"({alertname="T", instance="a", region="eu", severity="critical"})");
  EXPECT_EQ(sent_[0].annotations.get("summary"), "a has 5");
  EXPECT_EQ(sent_[0].generator_url, "http://host:9090/graph?g0.expr=x+%3E+1&g0.tab=1");
}

TEST_F(EvaluatorTest, PendingTimeSurvivesARestart) {
  const RulesOptions options = one_group({alert("Slow", "x > 0", minutes(30))});
  ASSERT_TRUE(evaluator_->apply(options).ok());
  run("x", 1, 15);
  const base::Timestamp active_at = first_rule().alerts.at(0).active_at;
  restart();
  ASSERT_TRUE(evaluator_->apply(options).ok());
  run("x", 1, 2);
  const base::Duration lost = first_rule().alerts.at(0).active_at - active_at;
  EXPECT_LE(lost, minutes(2)) << "the time of the outage is not counted, the time before is";
  run("x", 1, 16);
  EXPECT_EQ(first_rule().state, AlertState::kFiring) << "after 30 minutes and the outage";
}

TEST_F(EvaluatorTest, ABrokenRuleOnlyHurtsItself) {
  ASSERT_TRUE(evaluator_
                  ->apply(one_group(
                      {record("bad", "x + on() (x or label_replace(x, \"i\", \"b\", \"\", \"\"))"),
                       record("good", "x")}))
                  .ok());
  run("x", 1, 1);
  const GroupStatus group = evaluator_->groups().at(0);
  EXPECT_EQ(group.rules[0].health, "err");
  EXPECT_NE(group.rules[0].last_error, "");
  EXPECT_EQ(group.rules[1].health, "ok");
  EXPECT_EQ(values("good"), std::vector<std::string>{"1"});
}

TEST_F(EvaluatorTest, AReloadKeepsTheStateOfUnchangedRules) {
  ASSERT_TRUE(evaluator_->apply(one_group({alert("Kept", "x > 0", minutes(5))})).ok());
  run("x", 1, 3);
  const base::Timestamp active_at = first_rule().alerts.at(0).active_at;
  ASSERT_TRUE(
      evaluator_->apply(one_group({alert("Kept", "x > 0", minutes(5)), record("new", "x")})).ok());
  run("x", 1, 3);
  EXPECT_EQ(first_rule().alerts.at(0).active_at, active_at);
  EXPECT_EQ(first_rule().state, AlertState::kFiring);
}

TEST_F(EvaluatorTest, RefusesWhatDoesNotParseAndKeepsTheOld) {
  ASSERT_TRUE(evaluator_->apply(one_group({record("good", "x")})).ok());
  EXPECT_FALSE(evaluator_->apply(one_group({record("bad", "x +")})).ok());
  RuleOptions rule = alert("T", "x", base::Duration(0));
  rule.annotations = {{"summary", "{{ nope"}};
  EXPECT_FALSE(evaluator_->apply(one_group({rule})).ok());
  EXPECT_EQ(first_rule().options.name, "good");
}

TEST_F(EvaluatorTest, TransitionsAreRecordedAsEvents) {
  ASSERT_TRUE(evaluator_->apply(one_group({alert("E", "x > 0", minutes(1))})).ok());
  run("x", 1, 3);
  run("x", 0, 1);
  auto events = events_.recent(model::kMinTime, model::kMaxTime, 10);
  ASSERT_EQ(events->size(), 3U);
  EXPECT_EQ((*events)[0].kind, storage::EventKind::kAlertResolved);
  EXPECT_EQ((*events)[1].kind, storage::EventKind::kAlertFiring);
  EXPECT_EQ((*events)[2].kind, storage::EventKind::kAlertPending);
}

}  // namespace
}  // namespace tocsin::rules
