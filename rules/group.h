// SPDX-License-Identifier: Apache-2.0
//
// Group: one rule group: its rules in order, their schedule, results and status.
//
// Threads: start(), stop() and status() from any thread; evaluate() runs one at a time (on the
// group's strand, or on the caller's thread in rule tests).
// Errors: a failed rule is shown in its
// status and counted; the others go on.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/executor.h"
#include "base/gate.h"
#include "base/mutex.h"
#include "promql/engine.h"
#include "promql/parser.h"
#include "rules/alerting_rule.h"
#include "rules/evaluator.h"
#include "rules/metrics.h"
#include "rules/result_writer.h"

namespace tocsin::rules {

// What all groups share; borrowed.
struct GroupContext {
  const Evaluator::Services& services;
  const AlertTiming& timing;
  RuleMetrics& metrics;
  base::Gate& gate;
  model::Labels external_labels;
  std::string external_url;
};

class Group : public std::enable_shared_from_this<Group> {
 public:
  enum class AfterStop { kMarkStale, kLeave };

  // Parses expressions and templates.
  static StatusOr<std::shared_ptr<Group>> make(GroupOptions options, GroupContext context);

  // Takes the state of rules with the same name and labels. REQUIRES: `before` is stopped and idle.
  void take_state(Group& before);
  void start();
  // No evaluation starts after this; with kMarkStale its series go stale after two intervals.
  void stop(AfterStop after);
  // Runs `then` on the group's strand after what runs now.
  void after_current(std::function<void()> then);

  void evaluate(base::Timestamp at);
  // Takes alerts as restored. REQUIRES: nothing is evaluated meanwhile.
  void skip_restoring();
  GroupStatus status() const;
  const GroupOptions& options() const { return options_; }
  std::string key() const { return options_.file + ";" + options_.name; }

 private:
  struct Rule {
    RuleOptions options;
    promql::ExprPtr expr;
    std::string printed;
    std::unique_ptr<AlertingRule> alerting;  // null: a recording rule
  };

  Group(GroupOptions options, GroupContext context);
  void arm();
  void tick();
  base::Duration offset() const;
  void evaluate_rule(std::size_t index, base::Timestamp at);
  StatusOr<std::vector<RuleOutput>> outputs_of(Rule& rule, base::Timestamp at);
  StatusOr<std::vector<RuleOutput>> record(const Rule& rule, const promql::Vector& result) const;
  StatusOr<std::vector<RuleOutput>> alert(Rule& rule, const promql::Vector& result,
                                          base::Timestamp at);
  std::string render(const Rule& rule, const std::string& text, const promql::Sample& sample,
                     base::Timestamp at) const;
  void send_alerts(Rule& rule, base::Timestamp at);
  void restore(base::Timestamp at);
  void publish(std::size_t index, base::Timestamp at, double seconds, const Status& status);
  void record_transition(const AlertingRule::Instance& instance, base::Timestamp at) const;

  const GroupOptions options_;
  const promql::QueryOrigin origin_;
  const promql::QueryOptions query_options_;
  const GroupContext context_;
  base::Strand strand_;

  // Confined to the strand.
  std::vector<Rule> rules_;
  ResultWriter writer_;
  int evaluations_ = 0;
  bool restored_ = false;
  base::Timestamp evaluating_at_;

  mutable base::Mutex mutex_;
  GroupStatus status_ ABSL_GUARDED_BY(mutex_);
  base::Timestamp scheduled_ ABSL_GUARDED_BY(mutex_);
  base::Timers::Id timer_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

// Brings the pending and firing times of `rule` back from ALERTS_FOR_STATE as of `at`.
Status restore_alerting_rule(AlertingRule& rule, base::Timestamp at, const AlertTiming& timing,
                             const storage::Queryable& queryable);

}  // namespace tocsin::rules
