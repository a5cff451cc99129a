// SPDX-License-Identifier: Apache-2.0
#include "rules/alerting_rule.h"

#include <utility>

namespace tocsin::rules {

std::string_view state_text(AlertState state) {
  switch (state) {
    case AlertState::kInactive:
      return "inactive";
    case AlertState::kPending:
      return "pending";
    case AlertState::kFiring:
      return "firing";
    case AlertState::kUnknown:
      return "unknown";
  }
  return "unknown";
}

model::Labels alerts_series(const model::Labels& alert, AlertState state) {
  model::LabelsBuilder labels(alert);
  return labels.set(model::kMetricName, "ALERTS").set("alertstate", state_text(state)).build();
}

model::Labels for_state_series(const model::Labels& alert) {
  model::LabelsBuilder labels(alert);
  return labels.set(model::kMetricName, "ALERTS_FOR_STATE").build();
}

StatusOr<std::map<model::Labels, AlertingRule::Instance>> AlertingRule::current(
    base::Timestamp now, const promql::Vector& result, const Render& render) const {
  std::map<model::Labels, Instance> found;
  for (const promql::Sample& sample : result) {
    model::LabelsBuilder labels(sample.labels.without_metric_name());
    for (const auto& [name, text] : options_.labels) labels.set(name, render(text, sample));
    labels.set(model::kAlertName, options_.name);
    model::LabelsBuilder annotations;
    for (const auto& [name, text] : options_.annotations)
      annotations.set(name, render(text, sample));

    Instance instance;
    instance.labels = labels.build();
    instance.annotations = annotations.build();
    instance.value = sample.value;
    instance.active_at = now;
    model::Labels key = instance.labels;
    if (!found.emplace(std::move(key), std::move(instance)).second) {
      return failed_precondition(
          "vector contains metrics with the same labelset after applying alert labels");
    }
  }
  return found;
}

Status AlertingRule::update(base::Timestamp now, const promql::Vector& result, const Render& render,
                            std::uint64_t limit, std::vector<Output>* outputs) {
  using Found = std::map<model::Labels, Instance>;
  ASSIGN_OR_RETURN(Found found, current(now, result, render));
  for (auto& [labels, fresh] : found) {
    auto known = instances_.find(labels);
    if (known != instances_.end() && known->second.state != AlertState::kInactive) {
      known->second.value = fresh.value;
      known->second.annotations = fresh.annotations;
      continue;
    }
    Instance& instance = instances_[labels] = fresh;
    if (transition_) transition_(instance, AlertState::kInactive);
  }
  std::uint64_t active = 0;
  for (auto it = instances_.begin(); it != instances_.end();) {
    if (!advance(now, found.contains(it->first), &it->second)) {
      it = instances_.erase(it);
      continue;
    }
    const Instance& instance = it->second;
    ++it;
    if (instance.state == AlertState::kInactive) continue;
    ++active;
    if (!restored_) continue;
    outputs->push_back({alerts_series(instance.labels, instance.state), 1});
    outputs->push_back({for_state_series(instance.labels),
                        static_cast<double>(base::to_ms(instance.active_at) / 1000)});
  }
  if (limit != 0 && active > limit) {
    instances_.clear();
    outputs->clear();
    return failed_precondition("exceeded limit of {} with {} alerts", limit, active);
  }
  return ok();
}

bool AlertingRule::advance(base::Timestamp now, bool in_result, Instance* instance) {
  if (in_result) {
    instance->keep_firing_since = model::kNoTime;
  } else {
    bool keep_firing = false;
    if (instance->state == AlertState::kFiring && options_.keep_firing.count() > 0) {
      if (instance->keep_firing_since == model::kNoTime) instance->keep_firing_since = now;
      keep_firing = now - instance->keep_firing_since < options_.keep_firing;
    }
    const bool forgotten =
        instance->resolved_at != model::kNoTime && now - instance->resolved_at > kResolvedRetention;
    if (instance->state == AlertState::kPending || forgotten) {
      if (instance->state == AlertState::kPending) set_state(instance, AlertState::kInactive);
      return false;
    }
    if (instance->state != AlertState::kInactive && !keep_firing) {
      instance->resolved_at = now;
      set_state(instance, AlertState::kInactive);
    }
    if (!keep_firing) return true;
  }
  if (instance->state == AlertState::kPending && now - instance->active_at >= options_.hold) {
    instance->fired_at = now;
    set_state(instance, AlertState::kFiring);
  }
  return true;
}

void AlertingRule::set_state(Instance* instance, AlertState state) {
  const AlertState before = std::exchange(instance->state, state);
  if (transition_ && before != state) transition_(*instance, before);
}

std::vector<model::Alert> AlertingRule::take_unsent(base::Timestamp now,
                                                    base::Duration resend_delay,
                                                    base::Duration interval) {
  std::vector<model::Alert> alerts;
  for (auto& [labels, instance] : instances_) {
    if (instance.state == AlertState::kPending) continue;
    const bool never = instance.last_sent_at == model::kNoTime;
    const bool newly_resolved = instance.resolved_at != model::kNoTime &&
                                (never || instance.resolved_at > instance.last_sent_at);
    if (!never && !newly_resolved && instance.last_sent_at + resend_delay >= now) continue;
    instance.last_sent_at = now;
    instance.valid_until = now + 4 * std::max(interval, resend_delay);
    model::Alert alert;
    alert.labels = instance.labels;
    alert.annotations = instance.annotations;
    alert.starts_at = instance.fired_at;
    alert.ends_at =
        instance.resolved_at != model::kNoTime ? instance.resolved_at : instance.valid_until;
    alert.updated_at = now;
    alerts.push_back(std::move(alert));
  }
  return alerts;
}

AlertState AlertingRule::state() const {
  AlertState highest = AlertState::kInactive;
  for (const auto& [labels, instance] : instances_) {
    if (instance.state > highest) highest = instance.state;
  }
  return highest;
}

std::vector<ActiveAlert> AlertingRule::active() const {
  std::vector<ActiveAlert> active;
  for (const auto& [labels, instance] : instances_) {
    if (instance.state == AlertState::kInactive) continue;
    ActiveAlert alert{instance.state, instance.labels,    instance.annotations,
                      instance.value, instance.active_at, {}};
    if (instance.keep_firing_since != model::kNoTime)
      alert.keep_firing_since = instance.keep_firing_since;
    active.push_back(std::move(alert));
  }
  return active;
}

void AlertingRule::take_state(AlertingRule& before) {
  instances_ = std::move(before.instances_);
  restored_ = before.restored_;
}

}  // namespace tocsin::rules
