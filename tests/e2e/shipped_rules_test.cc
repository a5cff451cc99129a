// SPDX-License-Identifier: Apache-2.0
//
// The CPU rule as examples/quickstart ships it, on a fake clock.
#include <gtest/gtest.h>

#include "app/config/rule_file.h"  // tidy: allow(private) reads what is shipped as app does
#include "base/testing/fake_clock.h"
#include "base/testing/manual_executor.h"
#include "rules/evaluator.h"
#include "storage/testing/mem_store.h"
#include "tests/support/files.h"

namespace tocsin::tests {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

constexpr base::Duration kInterval =
    seconds(15);  // of scrapes and evaluations, as in prometheus.yml

class ShippedRules : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string file = "examples/quickstart/rules/hosts.yml";
    StatusOr<std::vector<rules::GroupOptions>> groups =
        app::parse_rule_file(read_file(source_path(file)), file, {.interval = kInterval});
    ASSERT_TRUE(groups.ok()) << message(groups.status());
    ASSERT_TRUE(
        evaluator_.apply({.groups = *std::move(groups), .external_labels = {}, .external_url = ""})
            .ok());
  }

  // One scrape of two cores that are `busy` (0 to 1), then the time until the next.
  void scrape(double busy) {
    const double elapsed = base::to_seconds(kInterval);
    const std::unique_ptr<storage::Appender> appender = store_.appender();
    for (const std::string_view cpu : {"0", "1"}) {
      const auto labels = [cpu](std::string_view mode) {
        return model::Labels::of({{"__name__", "node_cpu_seconds_total"},
                                  {"cpu", cpu},
                                  {"instance", "a:9100"},
                                  {"job", "node"},
                                  {"mode", mode}});
      };
      ASSERT_TRUE(appender->append({}, labels("idle"), clock_.now(), idle_).ok());
      ASSERT_TRUE(appender->append({}, labels("user"), clock_.now(), user_).ok());
    }
    ASSERT_TRUE(storage::commit_and_wait(*appender).ok());
    idle_ += (1 - busy) * elapsed;
    user_ += busy * elapsed;
    clock_.advance(kInterval);
  }
  rules::RuleStatus cpu_rule() {
    for (const rules::GroupStatus& group : evaluator_.groups()) {
      for (const rules::RuleStatus& rule : group.rules) {
        if (rule.options.name == "HostCpuBusy") return rule;
      }
    }
    ADD_FAILURE() << "no rule HostCpuBusy";
    return {};
  }
  // Scrapes until the rule has the state; at most an hour.
  void scrape_until(rules::AlertState state, double busy) {
    for (int i = 0; i < 240 && cpu_rule().state != state; ++i) scrape(busy);
    ASSERT_EQ(cpu_rule().state, state);
  }

  base::testing::FakeClock clock_;
  base::testing::InlineExecutor executor_;
  base::Registry metrics_;
  storage::testing::MemStore store_;
  promql::Engine engine_{{}, {clock_, nullptr, nullptr}};
  std::vector<model::Alert> sent_;
  rules::Evaluator evaluator_{{clock_, clock_, executor_, metrics_, engine_, store_, store_,
                               [this](const std::vector<model::Alert>& alerts) {
                                 sent_.insert(sent_.end(), alerts.begin(), alerts.end());
                               }},
                              {}};
  double idle_ = 0, user_ = 0;
};

TEST_F(ShippedRules, ABusyCpuFiresAfterExactlyFiveMinutes) {
  for (int i = 0; i < 20; ++i) scrape(0.3);
  ASSERT_EQ(cpu_rule().state, rules::AlertState::kInactive);
  scrape_until(rules::AlertState::kPending, 0.95);
  const base::Timestamp active_at = cpu_rule().alerts.at(0).active_at;
  EXPECT_EQ(cpu_rule().last_evaluation, active_at);
  EXPECT_TRUE(sent_.empty());

  for (int i = 1; i < minutes(5) / kInterval; ++i) {
    scrape(0.95);
    ASSERT_EQ(cpu_rule().state, rules::AlertState::kPending)
        << "after " << i << " more evaluations";
  }
  EXPECT_EQ(cpu_rule().last_evaluation - active_at, minutes(5) - kInterval);
  EXPECT_TRUE(sent_.empty());
  scrape(0.95);
  EXPECT_EQ(cpu_rule().state, rules::AlertState::kFiring);
  EXPECT_EQ(cpu_rule().last_evaluation - active_at, minutes(5));
  ASSERT_EQ(sent_.size(), 1U);
  EXPECT_EQ(sent_[0].starts_at, active_at + minutes(5));
  EXPECT_EQ(sent_[0].labels.to_string(),
            R"({alertname="HostCpuBusy", instance="a:9100", job="node", severity="warning"})");
  EXPECT_EQ(sent_[0].annotations.get("summary"), "The CPU of a:9100 is 95 % busy");
}

TEST_F(ShippedRules, ACalmCpuResolvesTheAlertAndAPauseStartsAnew) {
  scrape_until(rules::AlertState::kFiring, 1);
  scrape_until(rules::AlertState::kInactive, 0.1);
  ASSERT_GE(sent_.size(), 2U);
  const base::Timestamp resolved_at = cpu_rule().last_evaluation;
  EXPECT_EQ(sent_.back().ends_at, resolved_at);

  // Busy for less than five minutes, a pause that is longer than the window, and busy again.
  scrape_until(rules::AlertState::kPending, 1);
  for (int i = 0; i < 16; ++i) scrape(1);
  for (int i = 0; i < 8; ++i) scrape(0);
  for (int i = 0; i < 16; ++i) scrape(1);
  EXPECT_EQ(cpu_rule().state, rules::AlertState::kPending);
  // A resolved alert is sent again for a while, but no new one.
  for (const model::Alert& alert : sent_) EXPECT_LT(alert.starts_at, resolved_at);
}

}  // namespace
}  // namespace tocsin::tests
