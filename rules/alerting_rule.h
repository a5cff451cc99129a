// SPDX-License-Identifier: Apache-2.0
//
// AlertingRule: the state machine of one alerting rule: inactive -> pending -> firing -> inactive.
//
// Pure state: update() takes the result of the rule's expression at one time; nothing here queries,
// writes or waits. Confined to its group.
// Errors: kFailedPrecondition for two results with one
// label set or more than the group's limit; of the latter the rule's alerts are all forgotten, as
// upstream does.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/time.h"
#include "model/alert.h"
#include "promql/engine.h"
#include "rules/evaluator.h"
#include "rules/options.h"

namespace tocsin::rules {

class AlertingRule {
 public:
  // Resolved alerts are kept and sent again for so long.
  static constexpr base::Duration kResolvedRetention{15 * 60 * 1000};

  struct Instance {
    AlertState state = AlertState::kPending;
    model::Labels labels;
    model::Labels annotations;
    double value = 0;
    base::Timestamp active_at = model::kNoTime;
    base::Timestamp fired_at = model::kNoTime;
    base::Timestamp resolved_at = model::kNoTime;
    base::Timestamp keep_firing_since = model::kNoTime;
    base::Timestamp last_sent_at = model::kNoTime;
    base::Timestamp valid_until = model::kNoTime;
  };
  // A sample to write: ALERTS and ALERTS_FOR_STATE.
  struct Output {
    model::Labels labels;
    double value;
  };
  // Renders a template of the rule for one result.
  using Render = std::function<std::string(const std::string& text, const promql::Sample& sample)>;
  using Transition = std::function<void(const Instance&, AlertState before)>;

  explicit AlertingRule(RuleOptions options) : options_(std::move(options)) {}

  // Takes the result at `now` and appends the samples to write (none before restored()).
  Status update(base::Timestamp now, const promql::Vector& result, const Render& render,
                std::uint64_t limit, std::vector<Output>* outputs);

  // The alerts that must be sent at `now`; marks them as sent.
  std::vector<model::Alert> take_unsent(base::Timestamp now, base::Duration resend_delay,
                                        base::Duration interval);

  AlertState state() const;                 // the highest of its instances
  std::vector<ActiveAlert> active() const;  // pending and firing, by labels
  const RuleOptions& options() const { return options_; }
  std::map<model::Labels, Instance>& instances() { return instances_; }

  bool restored() const { return restored_; }
  void set_restored() { restored_ = true; }
  void on_transition(Transition transition) { transition_ = std::move(transition); }
  // Takes over the instances of the same rule before a reload.
  void take_state(AlertingRule& before);

 private:
  StatusOr<std::map<model::Labels, Instance>> current(base::Timestamp now,
                                                      const promql::Vector& result,
                                                      const Render& render) const;
  // Moves one instance on; false when it is to be forgotten.
  bool advance(base::Timestamp now, bool in_result, Instance* instance);
  void set_state(Instance* instance, AlertState state);

  const RuleOptions options_;
  std::map<model::Labels, Instance> instances_;
  bool restored_ = false;
  Transition transition_;
};

model::Labels alerts_series(const model::Labels& alert, AlertState state);
model::Labels for_state_series(const model::Labels& alert);

}  // namespace tocsin::rules
