// SPDX-License-Identifier: Apache-2.0
#include "rules/group.h"

#include <set>
#include <utility>

#include "base/escape.h"
#include "base/hash.h"
#include "base/log.h"
#include "rules/expand.h"

namespace tocsin::rules {

namespace {

// A scalar result is a vector of one sample without labels.
StatusOr<promql::Vector> as_vector(promql::Value value) {
  if (auto* vector = std::get_if<promql::Vector>(&value)) return std::move(*vector);
  if (const auto* scalar = std::get_if<promql::Scalar>(&value)) {
    promql::Sample sample;
    sample.time_ms = scalar->time_ms;
    sample.value = scalar->value;
    return promql::Vector{sample};
  }
  return failed_precondition("rule result is not a vector or scalar");
}

}  // namespace

Group::Group(GroupOptions options, GroupContext context)
    : options_(std::move(options)),
      origin_{{}, {}, {}, options_.file, options_.name},
      query_options_{.origin = &origin_},
      context_(std::move(context)),
      strand_(context_.services.workers),
      writer_(context_.services.storage) {}

StatusOr<std::shared_ptr<Group>> Group::make(GroupOptions options, GroupContext context) {
  std::shared_ptr<Group> group(new Group(std::move(options), std::move(context)));
  GroupStatus status;
  status.file = group->options_.file;
  status.name = group->options_.name;
  status.interval = group->options_.interval;
  status.limit = group->options_.limit;
  const promql::ParserOptions& parser = group->context_.services.engine.options().parser;
  for (const RuleOptions& options_of_rule : group->options_.rules) {
    Rule rule;
    rule.options = options_of_rule;
    StatusOr<promql::ExprPtr> expr = promql::parse_expr(rule.options.expr, parser);
    if (!expr.ok()) return annotate(expr.status(), "rule {:?}", rule.options.name);
    rule.expr = std::move(*expr);
    rule.printed = promql::to_string(*rule.expr);
    for (const auto* texts : {&rule.options.labels, &rule.options.annotations}) {
      if (rule.options.kind == RuleOptions::Kind::kRecording) break;
      for (const auto& [name, text] : *texts)
        RETURN_IF_ERROR(check_template(rule.options.name, text));
    }
    RuleStatus shown;
    shown.options = rule.options;
    shown.query = rule.printed;
    status.rules.push_back(std::move(shown));
    if (rule.options.kind == RuleOptions::Kind::kAlerting) {
      rule.alerting = std::make_unique<AlertingRule>(rule.options);
      rule.alerting->on_transition(
          [raw = group.get()](const AlertingRule::Instance& instance, AlertState) {
            raw->record_transition(instance, raw->evaluating_at_);
          });
    }
    group->rules_.push_back(std::move(rule));
  }
  {
    base::MutexLock lock(group->mutex_);
    group->status_ = std::move(status);
  }
  return group;
}

void Group::take_state(Group& before) {
  std::set<std::size_t> used;
  for (std::size_t i = 0; i < rules_.size(); ++i) {
    for (std::size_t j = 0; j < before.rules_.size(); ++j) {
      Rule& old = before.rules_[j];
      const bool same = old.options.kind == rules_[i].options.kind &&
                        old.options.name == rules_[i].options.name &&
                        old.options.labels == rules_[i].options.labels;
      if (!same || used.contains(j)) continue;
      used.insert(j);
      if (rules_[i].alerting) rules_[i].alerting->take_state(*old.alerting);
      writer_.give(i, before.writer_.take(j));
      break;
    }
  }
  restored_ = before.restored_;
  evaluations_ = before.evaluations_;
}

base::Duration Group::offset() const {
  return base::Duration(static_cast<std::int64_t>(
      base::fnv1a64(key()) % static_cast<std::uint64_t>(options_.interval.count())));
}

void Group::start() {
  context_.metrics.rules.with({key()}).set(static_cast<double>(rules_.size()));
  context_.metrics.interval.with({key()}).set(base::to_seconds(options_.interval));
  arm();
}

void Group::arm() {
  const Evaluator::Services& services = context_.services;
  const base::Timestamp now = services.clock.now();
  base::MutexLock lock(mutex_);
  if (stopped_) return;
  const std::int64_t interval = options_.interval.count();
  const std::int64_t now_slot = (base::to_ms(now) - offset().count()) / interval;
  std::int64_t slot = now_slot + 1;
  if (base::to_ms(scheduled_) != 0) {
    const std::int64_t last = (base::to_ms(scheduled_) - offset().count()) / interval;
    // The timer may have fired a moment early; a clock set back by more than a slot starts afresh.
    if (last == slot) slot = last + 1;
    if (slot > last + 1 && last > 0) {
      const auto missed = static_cast<double>(slot - last - 1);
      context_.metrics.missed.with({key()}).inc(missed);
      context_.metrics.iterations.with({key()}).inc(missed);
    }
  }
  scheduled_ = base::from_ms(slot * interval + offset().count());
  timer_ = services.timers.schedule(services.clock.steady_now() + (scheduled_ - now),
                                    [self = shared_from_this()] { self->tick(); });
}

void Group::tick() {
  const bool posted = strand_.post([self = shared_from_this()] {
    base::Gate::Pass pass = self->context_.gate.enter();
    base::Timestamp at;
    {
      base::MutexLock lock(self->mutex_);
      if (!pass || self->stopped_) return;
      at = self->scheduled_;
    }
    self->evaluate(at);
    self->arm();
  });
  if (!posted) arm();
}

void Group::stop(AfterStop after) {
  base::Timers::Id timer = 0;
  {
    base::MutexLock lock(mutex_);
    if (std::exchange(stopped_, true)) return;
    timer = std::exchange(timer_, 0);
  }
  const Evaluator::Services& services = context_.services;
  if (timer != 0) services.timers.cancel(timer);
  if (after == AfterStop::kLeave) return;
  services.timers.schedule(
      services.clock.steady_now() + 2 * options_.interval, [self = shared_from_this()] {
        const bool posted = self->strand_.post([self] {
          base::Gate::Pass pass = self->context_.gate.enter();
          if (!pass) return;
          Status status = self->writer_.write_stale(self->context_.services.clock.now());
          if (!status.ok())
            base::log::warn("writing staleness markers failed", {{"error", message(status)}});
        });
        if (!posted)
          base::log::debug("staleness markers not written: stopping", {{"group", self->key()}});
      });
}

void Group::after_current(std::function<void()> then) {
  if (!strand_.post(std::move(then)))
    base::log::debug("rule group not changed: stopping", {{"group", key()}});
}

void Group::evaluate(base::Timestamp at) {
  const base::SteadyTime started = context_.services.clock.steady_now();
  context_.metrics.iterations.with({key()}).inc();
  for (std::size_t i = 0; i < rules_.size(); ++i) evaluate_rule(i, at);
  ++evaluations_;
  // The second evaluation sees enough scraped data to tell which alerts are active at all.
  if (!restored_ && evaluations_ >= 2) restore(at);

  const double seconds =
      std::chrono::duration<double>(context_.services.clock.steady_now() - started).count();
  context_.metrics.last_duration.with({key()}).set(seconds);
  context_.metrics.group_duration.with({}).observe(seconds);
  context_.metrics.last_evaluation.with({key()}).set(base::to_seconds(at));
  base::MutexLock lock(mutex_);
  status_.last_evaluation = at;
  status_.evaluation_seconds = seconds;
}

void Group::evaluate_rule(std::size_t index, base::Timestamp at) {
  Rule& rule = rules_[index];
  evaluating_at_ = at;
  const base::SteadyTime started = context_.services.clock.steady_now();
  context_.metrics.evaluations.with({key()}).inc();
  StatusOr<std::vector<RuleOutput>> outputs = outputs_of(rule, at);
  Status status = outputs.status();
  if (outputs.ok()) {
    if (rule.alerting) send_alerts(rule, at);
    const std::uint64_t dropped = writer_.dropped();
    status = writer_.write(index, *outputs, at - options_.query_offset);
    if (writer_.dropped() != dropped) {
      context_.metrics.dropped.with({key()}).inc(static_cast<double>(writer_.dropped() - dropped));
    }
  }
  if (!status.ok()) {
    context_.metrics.failures.with({key()}).inc();
    base::log::warn("evaluating a rule failed",
                    {{"group", key()}, {"rule", rule.options.name}, {"error", message(status)}});
  }
  const double seconds =
      std::chrono::duration<double>(context_.services.clock.steady_now() - started).count();
  context_.metrics.rule_duration.with({}).observe(seconds);
  publish(index, at, seconds, status);
}

StatusOr<std::vector<RuleOutput>> Group::outputs_of(Rule& rule, base::Timestamp at) {
  ASSIGN_OR_RETURN(promql::QueryResult result,
                   context_.services.engine.instant(context_.services.queryable, *rule.expr,
                                                    at - options_.query_offset, query_options_));
  ASSIGN_OR_RETURN(promql::Vector vector, as_vector(std::move(result.value)));
  return rule.alerting ? alert(rule, vector, at) : record(rule, vector);
}

StatusOr<std::vector<RuleOutput>> Group::record(const Rule& rule,
                                                const promql::Vector& result) const {
  std::vector<RuleOutput> outputs;
  std::set<model::Labels> seen;
  for (const promql::Sample& sample : result) {
    model::LabelsBuilder labels(sample.labels.without_metric_name());
    for (const auto& [name, value] : rule.options.labels) labels.set(name, value);
    labels.set(model::kMetricName, rule.options.name);
    RuleOutput output{labels.build(), sample.value, sample.histogram};
    if (!seen.insert(output.labels).second) {
      return failed_precondition(
          "vector contains metrics with the same labelset after applying rule labels");
    }
    outputs.push_back(std::move(output));
  }
  if (options_.limit != 0 && outputs.size() > options_.limit) {
    return failed_precondition("exceeded limit of {} with {} series", options_.limit,
                               outputs.size());
  }
  return outputs;
}

StatusOr<std::vector<RuleOutput>> Group::alert(Rule& rule, const promql::Vector& result,
                                               base::Timestamp at) {
  std::vector<AlertingRule::Output> samples;
  RETURN_IF_ERROR(rule.alerting->update(
      at, result,
      [this, &rule, at](const std::string& text, const promql::Sample& sample) {
        return render(rule, text, sample, at);
      },
      options_.limit, &samples));
  std::vector<RuleOutput> outputs;
  outputs.reserve(samples.size());
  for (AlertingRule::Output& sample : samples)
    outputs.push_back({std::move(sample.labels), sample.value, nullptr});
  return outputs;
}

std::string Group::render(const Rule& rule, const std::string& text, const promql::Sample& sample,
                          base::Timestamp at) const {
  ExpandContext expansion{rule.options.name,     sample, context_.external_labels,
                          context_.external_url, at,     {}};
  expansion.query = [this, at](const std::string& query) -> StatusOr<promql::Vector> {
    ASSIGN_OR_RETURN(
        promql::QueryResult result,
        context_.services.engine.instant(context_.services.queryable, query, at, query_options_));
    return as_vector(std::move(result.value));
  };
  return expand(text, expansion);
}

void Group::send_alerts(Rule& rule, base::Timestamp at) {
  std::vector<model::Alert> alerts =
      rule.alerting->take_unsent(at, context_.timing.resend_delay, options_.interval);
  if (alerts.empty() || !context_.services.alerts) return;
  const std::string url = fmt::format("{}/graph?g0.expr={}&g0.tab=1", context_.external_url,
                                      base::query_encoded(rule.printed));
  for (model::Alert& alert : alerts) {
    alert.generator_url = url;
    model::LabelsBuilder labels(alert.labels);
    for (const model::LabelView& label : context_.external_labels) {
      if (labels.get(label.name).empty()) labels.set(label.name, label.value);
    }
    alert.labels = labels.build();
  }
  context_.services.alerts(std::move(alerts));
}

void Group::restore(base::Timestamp at) {
  for (Rule& rule : rules_) {
    if (!rule.alerting || rule.alerting->restored()) continue;
    Status status =
        restore_alerting_rule(*rule.alerting, at, context_.timing, context_.services.queryable);
    if (!status.ok()) {
      base::log::warn("restoring an alert's state failed; its `for` starts anew",
                      {{"group", key()}, {"rule", rule.options.name}, {"error", message(status)}});
    }
    rule.alerting->set_restored();
  }
  restored_ = true;
  base::MutexLock lock(mutex_);
  for (std::size_t i = 0; i < rules_.size(); ++i) {
    if (rules_[i].alerting) status_.rules[i].alerts = rules_[i].alerting->active();
  }
}

void Group::skip_restoring() {
  for (Rule& rule : rules_) {
    if (rule.alerting) rule.alerting->set_restored();
  }
  restored_ = true;
}

void Group::publish(std::size_t index, base::Timestamp at, double seconds, const Status& status) {
  const Rule& rule = rules_[index];
  base::MutexLock lock(mutex_);
  RuleStatus& shown = status_.rules[index];
  shown.health = status.ok() ? "ok" : "err";
  shown.last_error = message(status);
  shown.last_evaluation = at;
  shown.evaluation_seconds = seconds;
  if (!rule.alerting) return;
  shown.state = rule.alerting->state();
  shown.alerts = rule.alerting->active();
}

void Group::record_transition(const AlertingRule::Instance& instance, base::Timestamp at) const {
  storage::EventLog* events = context_.services.events;
  if (events == nullptr) return;
  storage::EventKind kind = storage::EventKind::kAlertResolved;
  if (instance.state == AlertState::kPending) kind = storage::EventKind::kAlertPending;
  if (instance.state == AlertState::kFiring) kind = storage::EventKind::kAlertFiring;
  events->record(
      {at, kind, instance.labels, std::string(state_text(instance.state)), {{"group", key()}}});
}

GroupStatus Group::status() const {
  base::MutexLock lock(mutex_);
  return status_;
}

}  // namespace tocsin::rules
