// SPDX-License-Identifier: Apache-2.0
//
// Evaluator: runs rule groups on their intervals, writes their results and hands alerts to a sink.
//
// Hides: groups, the alert state machine, templates, restore.
// Owns: its groups. Borrows: everything
// in Services.
// Threads: shared. Each group is evaluated by one piece of work at a time on
// Services::workers, where queries block. apply() may be called again: unchanged groups keep
// running with their state, changed ones take over the state of rules with the same name and
// labels.
// Errors: a failed rule is shown in its health and counted; the others of its group go on.
// Does not throw.
// Read next: alerting_rule.h, evaluator_test.cc.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/executor.h"
#include "base/metrics.h"
#include "base/time.h"
#include "model/alert.h"
#include "promql/engine.h"
#include "rules/options.h"
#include "storage/appender.h"
#include "storage/event_log.h"
#include "storage/queryable.h"

namespace tocsin::rules {

// Takes alerts to send: firing, or resolved. External labels are already on them. Must not block.
using AlertSink = std::function<void(std::vector<model::Alert>)>;

enum class AlertState { kInactive, kPending, kFiring, kUnknown };
std::string_view state_text(AlertState state);  // "inactive" ...

struct ActiveAlert {
  AlertState state = AlertState::kInactive;
  model::Labels labels;
  model::Labels annotations;
  double value = 0;
  base::Timestamp active_at;
  std::optional<base::Timestamp> keep_firing_since;
};

struct RuleStatus {
  RuleOptions options;
  std::string query;               // as printed
  std::string health = "unknown";  // ok, err, unknown
  std::string last_error;
  base::Timestamp last_evaluation = model::kNoTime;
  double evaluation_seconds = 0;
  AlertState state = AlertState::kUnknown;  // of alerting rules
  std::vector<ActiveAlert> alerts;
};

struct GroupStatus {
  std::string file, name;
  base::Duration interval{0};
  std::uint64_t limit = 0;
  base::Timestamp last_evaluation = model::kNoTime;
  double evaluation_seconds = 0;
  std::vector<RuleStatus> rules;
};

class Evaluator {
 public:
  struct Services {
    const base::Clock& clock;
    base::Timers& timers;
    base::Executor& workers;
    base::Registry& metrics;
    promql::Engine& engine;
    const storage::Queryable& queryable;
    storage::Appendable& storage;
    AlertSink alerts;
    storage::EventLog* events = nullptr;  // null: transitions are not recorded
  };

  Evaluator(Services services, AlertTiming timing);
  ~Evaluator();
  Evaluator(const Evaluator&) = delete;
  Evaluator& operator=(const Evaluator&) = delete;

  // kInvalidArgument (nothing changed) when an expression or template does not parse.
  Status apply(const RulesOptions& options);
  std::vector<GroupStatus> groups() const;  // by file, then name
  // Finishes running evaluations. Idempotent.
  void stop();

  // Evaluates every group once at `at`, in the order of the options, on the calling thread; for rule
  // tests. Timers are not used then.
  void evaluate_once(base::Timestamp at);
  // Alerts show from the first evaluation on, as if their state had been restored; for rule tests,
  // before evaluate_once().
  void skip_restoring();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tocsin::rules
