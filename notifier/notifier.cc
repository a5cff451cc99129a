// SPDX-License-Identifier: Apache-2.0
#include "notifier/notifier.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/mutex.h"
#include "notifier/dispatch/alert_store.h"
#include "notifier/dispatch/dispatcher.h"
#include "notifier/dispatch/lane.h"
#include "notifier/integrations/build.h"
#include "notifier/log/notification_log.h"
#include "notifier/silence/silence_store.h"
#include "notifier/stages/delivery.h"
#include "notifier/stages/metrics.h"

namespace tocsin::notifier {
namespace {

constexpr base::Duration kDrainTime{5'000};

// An applied configuration and what runs it.
struct Running {
  NotifierConfig config;
  std::shared_ptr<const Setup> setup;
  std::shared_ptr<Dispatcher> dispatcher;
};

// Upstream's checks of an alert, in its words.
Status check_alert(const model::Alert& alert) {
  if (alert.ends_at != model::kNoTime && alert.ends_at < alert.starts_at) {
    return invalid_argument("start time must be before end time");
  }
  const auto check = [](const model::Labels& labels, std::string_view what) -> Status {
    for (const model::LabelView& label : labels) {
      if (!model::is_label_name(label.name)) {
        return invalid_argument("{}: invalid name {}", what, model::go_quote(label.name));
      }
      if (!model::is_utf8(label.value)) {
        return invalid_argument("{}: invalid value {}", what, model::go_quote(label.value));
      }
    }
    return ok();
  };
  RETURN_IF_ERROR(check(alert.labels, "invalid label set"));
  if (alert.labels.empty()) return invalid_argument("at least one label pair required");
  return check(alert.annotations, "invalid annotations");
}

void count_integrations(const Setup& setup, NotifierMetrics* metrics) {
  std::map<std::string, double> by_kind{{"email", 0}, {"slack", 0}, {"webhook", 0}};
  for (const auto& [name, integrations] : setup.receivers) {
    for (const BoundIntegration& bound : integrations)
      ++by_kind[std::string(bound.integration->kind())];
  }
  for (const auto& [kind, count] : by_kind) metrics->integrations.with({kind}).set(count);
  metrics->receivers.set(static_cast<double>(setup.receivers.size()));
  metrics->inhibition_rules.set(static_cast<double>(setup.inhibitor.rules()));
}

base::MetricSample state_sample(std::string_view state, double value) {
  return {"", {{"state", std::string(state)}}, value};
}

}  // namespace

std::string_view AlertView::state() const {
  const bool suppressed = !silenced_by.empty() || !inhibited_by.empty() || !muted_by.empty();
  return suppressed ? "suppressed" : "active";
}

// Shared with the metrics' collector and the timers, which may outlive the Notifier.
struct Notifier::Impl : std::enable_shared_from_this<Notifier::Impl> {
  Impl(NotifierOptions o, const Services& s)
      : options(std::move(o)),
        services(s),
        started(s.clock.now()),
        metrics(s.metrics),
        lane(Lane::make(s.workers, s.timers, s.clock)),
        alerts(options.max_alerts) {}

  Status open();
  void schedule_maintenance();
  void schedule_garbage_collection();
  void maintain();
  void collect(std::vector<base::MetricFamily>* out) const;

  std::shared_ptr<const Running> current() const {
    base::MutexLock lock(mutex);
    return running;
  }
  StatusOr<std::shared_ptr<const Running>> build(NotifierConfig config);
  void accept(std::vector<model::Alert> batch, base::Timestamp now);
  void fill_in(model::Alert* alert, base::Timestamp now) const;
  AlertView view(const Running* running_now, const model::Alert& alert, base::Timestamp now) const;
  bool shows(const AlertFilter& filter, const AlertView& view) const;
  void report_silence(storage::EventKind kind, const std::string& id);

  const NotifierOptions options;
  const Services services;
  const base::Timestamp started;
  NotifierMetrics metrics;
  const std::shared_ptr<Lane> lane;
  AlertStore alerts;
  std::unique_ptr<SilenceStore> silences;
  std::unique_ptr<NotificationLog> log;  // used on the lane
  std::shared_ptr<Delivery> delivery;

  base::Mutex apply_mutex;  // one apply() or stop() at a time; before mutex
  mutable base::Mutex mutex;
  std::shared_ptr<const Running> running ABSL_GUARDED_BY(mutex);
  bool stopped ABSL_GUARDED_BY(apply_mutex) = false;
};

Status Notifier::Impl::open() {
  RETURN_IF_ERROR(services.files.create_directories(options.directory));
  ASSIGN_OR_RETURN(silences,
                   SilenceStore::open(services.files,
                                      {.path = base::join_path(options.directory, "silences.log"),
                                       .retention = options.retention,
                                       .max_silences = options.max_silences,
                                       .max_silence_bytes = options.max_silence_bytes}));
  ASSIGN_OR_RETURN(log,
                   NotificationLog::open(services.files,
                                         base::join_path(options.directory, "notifications.log")));
  delivery = std::make_shared<Delivery>(Delivery::Services{.lane = lane,
                                                           .log = *log,
                                                           .metrics = metrics,
                                                           .events = services.events,
                                                           .retention = options.retention});
  services.metrics.collector([weak = weak_from_this()](std::vector<base::MetricFamily>* out) {
    if (const auto self = weak.lock()) self->collect(out);
  });
  schedule_maintenance();
  schedule_garbage_collection();
  return ok();
}

void Notifier::Impl::schedule_maintenance() {
  lane->after(options.maintenance_interval, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self) return;
    self->maintain();
    self->schedule_maintenance();
  });
}

void Notifier::Impl::maintain() {
  const base::Timestamp now = services.clock.now();
  metrics.silences_maintenance.inc();
  metrics.nflog_maintenance.inc();
  if (Status status = silences->maintain(now); !status.ok()) {
    metrics.silences_maintenance_errors.inc();
    base::log::error("silence log could not be compacted", {{"error", message(status)}});
  }
  if (Status status = log->maintain(now); !status.ok()) {
    metrics.nflog_maintenance_errors.inc();
    base::log::error("notification log could not be compacted", {{"error", message(status)}});
  }
  metrics.silences_bytes.set(static_cast<double>(silences->log_bytes()));
  metrics.nflog_bytes.set(static_cast<double>(log->log_bytes()));
}

void Notifier::Impl::schedule_garbage_collection() {
  lane->after(options.alert_gc_interval, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self) return;
    const base::Timestamp now = self->services.clock.now();
    self->alerts.collect_garbage(now);
    if (const auto current = self->current()) current->setup->inhibitor.collect_garbage(now);
    self->schedule_garbage_collection();
  });
}

void Notifier::Impl::collect(std::vector<base::MetricFamily>* out) const {
  const base::Timestamp now = services.clock.now();
  const auto now_running = current();
  double active = 0;
  double suppressed = 0;
  for (const model::Alert& alert : alerts.all()) {
    if (alert.resolved_at(now)) continue;
    const bool muted = (now_running && now_running->setup->inhibitor.muting(alert.labels, now)) ||
                       !silences->muting(alert.labels, now).empty();
    ++(muted ? suppressed : active);
  }
  out->push_back({"alertmanager_alerts",
                  "Alerts held, by state.",
                  base::MetricType::kGauge,
                  {state_sample("active", active), state_sample("suppressed", suppressed),
                   state_sample("unprocessed", 0)}});
  const auto [pending_count, active_count, expired_count] = silences->counts(now);
  out->push_back({"alertmanager_silences",
                  "Silences, by state.",
                  base::MetricType::kGauge,
                  {state_sample("active", static_cast<double>(active_count)),
                   state_sample("expired", static_cast<double>(expired_count)),
                   state_sample("pending", static_cast<double>(pending_count))}});
}

StatusOr<std::shared_ptr<const Running>> Notifier::Impl::build(NotifierConfig config) {
  ASSIGN_OR_RETURN(auto templates, MessageTemplates::load(config.templates, services.clock));
  const IntegrationContext context{.http = services.http,
                                   .mail = services.mail,
                                   .files = services.files,
                                   .clock = services.clock,
                                   .templates = std::move(templates),
                                   .external_url = options.external_url};
  auto setup = std::make_shared<Setup>(config);
  // A receiver that no route uses is not built: its mistakes do not matter.
  for (const std::string& name : setup->routes.receivers()) {
    const auto receiver =
        std::find_if(config.receivers.begin(), config.receivers.end(),
                     [&name](const ReceiverOptions& r) { return r.name == name; });
    if (receiver == config.receivers.end()) {
      return invalid_argument("undefined receiver {} used in route", model::go_quote(name));
    }
    setup->receivers.emplace(name, build_integrations(*receiver, context));
  }
  auto built = std::make_shared<Running>();
  built->config = std::move(config);
  built->setup = setup;
  built->dispatcher =
      std::make_shared<Dispatcher>(setup, Dispatcher::Services{.lane = lane,
                                                               .delivery = delivery,
                                                               .alerts = alerts,
                                                               .silences = *silences,
                                                               .metrics = metrics,
                                                               .events = services.events});
  return built;
}

void Notifier::Impl::accept(std::vector<model::Alert> batch, base::Timestamp now) {
  const auto current_running = current();
  std::vector<std::uint64_t> fingerprints;
  for (model::Alert& alert : batch) {
    metrics.alerts_received.with({alert.resolved_at(now) ? "resolved" : "firing", "v2"}).inc();
    const auto held = alerts.put(std::move(alert), now);
    if (!held) {
      metrics.alerts_limited.inc();
      continue;
    }
    if (current_running) current_running->setup->inhibitor.put(*held);
    fingerprints.push_back(held->fingerprint());
  }
  if (fingerprints.empty()) return;
  // The configuration is looked up on the lane: one applied meanwhile must not miss these.
  lane->post_surely([weak = weak_from_this(), fingerprints = std::move(fingerprints)] {
    const auto self = weak.lock();
    const auto target = self ? self->current() : nullptr;
    if (target) target->dispatcher->insert(fingerprints);
  });
}

void Notifier::Impl::fill_in(model::Alert* alert, base::Timestamp now) const {
  const auto current_running = current();
  const base::Duration timeout =
      current_running ? current_running->config.resolve_timeout : NotifierConfig().resolve_timeout;
  if (alert->updated_at == model::kNoTime) alert->updated_at = now;
  if (alert->starts_at == model::kNoTime) {
    alert->starts_at = alert->ends_at == model::kNoTime ? now : alert->ends_at;
  }
  if (alert->ends_at == model::kNoTime) {
    alert->timeout = true;
    alert->ends_at = now + timeout;
  }
}

AlertView Notifier::Impl::view(const Running* running_now, const model::Alert& alert,
                               base::Timestamp now) const {
  AlertView view;
  view.alert = alert;
  view.silenced_by = silences->muting(alert.labels, now);
  if (running_now == nullptr) return view;
  for (const Route* route : running_now->setup->routes.match(alert.labels)) {
    view.receivers.push_back(route->receiver);
  }
  if (const auto source = running_now->setup->inhibitor.muting(alert.labels, now)) {
    view.inhibited_by.push_back(fmt::format("{:016x}", *source));
  }
  return view;
}

bool Notifier::Impl::shows(const AlertFilter& filter, const AlertView& view) const {
  if (!filter.active && view.state() == "active") return false;
  if (!filter.silenced && !view.silenced_by.empty()) return false;
  return filter.inhibited || view.inhibited_by.empty();
}

void Notifier::Impl::report_silence(storage::EventKind kind, const std::string& id) {
  if (services.events == nullptr) return;
  const StatusOr<Silence> silence = silences->find(id);
  if (!silence.ok()) return;
  std::string matchers;
  for (const model::Matcher& matcher : silence->matchers) {
    if (!matchers.empty()) matchers += ',';
    matchers += matcher.to_string();
  }
  services.events->record(
      {.time = services.clock.now(),
       .kind = kind,
       .labels = {},
       .text = silence->comment,
       .details = {{"id", id}, {"matchers", matchers}, {"created_by", silence->created_by}}});
}

StatusOr<std::unique_ptr<Notifier>> Notifier::open(NotifierOptions options,
                                                   const Services& services) {
  auto impl = std::make_shared<Impl>(std::move(options), services);
  RETURN_IF_ERROR(impl->open());
  return std::unique_ptr<Notifier>(new Notifier(std::move(impl)));
}

Notifier::Notifier(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
Notifier::~Notifier() { stop(); }

Status Notifier::apply(NotifierConfig config) {
  base::MutexLock applying(impl_->apply_mutex);
  if (impl_->stopped) return unavailable("the notifier is stopped");
  ASSIGN_OR_RETURN(std::shared_ptr<const Running> next, impl_->build(std::move(config)));
  // Views that come before the dispatcher has loaded see what is inhibited.
  for (const model::Alert& alert : impl_->alerts.all()) next->setup->inhibitor.put(alert);
  std::shared_ptr<const Running> old;
  {
    base::MutexLock lock(impl_->mutex);
    old = std::exchange(impl_->running, next);
  }
  if (old) old->dispatcher->stop();
  count_integrations(*next->setup, &impl_->metrics);
  impl_->lane->post_surely([delivery = impl_->delivery, dispatcher = next->dispatcher] {
    delivery->end_cancelled();
    dispatcher->load();
  });
  return ok();
}

void Notifier::put(std::vector<model::Alert> alerts) {
  const base::Timestamp now = impl_->services.clock.now();
  for (model::Alert& alert : alerts) impl_->fill_in(&alert, now);
  impl_->accept(std::move(alerts), now);
}

Status Notifier::post(std::vector<model::Alert> alerts) {
  const base::Timestamp now = impl_->services.clock.now();
  std::vector<model::Alert> valid;
  std::string errors;
  for (model::Alert& alert : alerts) {
    alert.updated_at = now;
    impl_->fill_in(&alert, now);
    if (const Status status = check_alert(alert); !status.ok()) {
      impl_->metrics.alerts_invalid.with({"v2"}).inc();
      if (!errors.empty()) errors += "; ";
      errors += message(status);
    } else {
      valid.push_back(std::move(alert));
    }
  }
  impl_->accept(std::move(valid), now);
  return errors.empty() ? ok() : make_status(StatusCode::kInvalidArgument, errors);
}

std::vector<AlertView> Notifier::alerts(const AlertFilter& filter) const {
  const base::Timestamp now = impl_->services.clock.now();
  const auto running = impl_->current();
  std::vector<AlertView> views;
  for (const model::Alert& alert : impl_->alerts.all()) {
    if (alert.resolved_at(now) || !model::matches_all(filter.matchers, alert.labels)) continue;
    AlertView view = impl_->view(running.get(), alert, now);
    const auto wanted = [&filter](const std::string& receiver) {
      return filter.receiver->matches(receiver);
    };
    if (filter.receiver && std::none_of(view.receivers.begin(), view.receivers.end(), wanted))
      continue;
    if (impl_->shows(filter, view)) views.push_back(std::move(view));
  }
  return views;
}

std::vector<GroupView> Notifier::groups(const AlertFilter& filter) const {
  const base::Timestamp now = impl_->services.clock.now();
  const auto running = impl_->current();
  std::vector<GroupView> views;
  if (!running) return views;
  for (Dispatcher::GroupSnapshot& group : running->dispatcher->groups()) {
    if (filter.receiver && !filter.receiver->matches(group.receiver)) continue;
    GroupView view{std::move(group.labels), std::move(group.receiver), {}};
    for (const model::Alert& alert : group.alerts) {
      if (alert.resolved_at(now) || !model::matches_all(filter.matchers, alert.labels)) continue;
      AlertView one = impl_->view(running.get(), alert, now);
      if (impl_->shows(filter, one)) view.alerts.push_back(std::move(one));
    }
    if (!view.alerts.empty()) views.push_back(std::move(view));
  }
  std::stable_sort(views.begin(), views.end(), [](const GroupView& a, const GroupView& b) {
    return a.labels == b.labels ? a.receiver < b.receiver : label_set_before(a.labels, b.labels);
  });
  return views;
}

std::vector<std::string> Notifier::receivers() const {
  std::vector<std::string> names;
  if (const auto running = impl_->current()) {
    for (const ReceiverOptions& receiver : running->config.receivers)
      names.push_back(receiver.name);
  }
  return names;
}

StatusOr<std::string> Notifier::set_silence(Silence silence) {
  const std::string old_id = silence.id;
  ASSIGN_OR_RETURN(std::string id,
                   impl_->silences->set(std::move(silence), impl_->services.clock.now()));
  if (!old_id.empty() && old_id != id)
    impl_->report_silence(storage::EventKind::kSilenceExpired, old_id);
  impl_->report_silence(storage::EventKind::kSilenceCreated, id);
  return id;
}

StatusOr<Silence> Notifier::silence(const std::string& id) const {
  return impl_->silences->find(id);
}

std::vector<Silence> Notifier::silences() const {
  return impl_->silences->all(impl_->services.clock.now());
}

Status Notifier::expire_silence(const std::string& id) {
  RETURN_IF_ERROR(impl_->silences->expire(id, impl_->services.clock.now()));
  impl_->report_silence(storage::EventKind::kSilenceExpired, id);
  return ok();
}

std::string Notifier::original_config() const {
  const auto running = impl_->current();
  return running ? running->config.original : "";
}

base::Timestamp Notifier::started() const { return impl_->started; }

void Notifier::stop() {
  base::MutexLock applying(impl_->apply_mutex);
  if (std::exchange(impl_->stopped, true)) return;
  if (const auto running = impl_->current()) running->dispatcher->stop();
  impl_->delivery->drain(kDrainTime);
  impl_->lane->close();
  // The lane is closed, so its state is ours.
  for (const Status& status : {impl_->silences->sync(), impl_->log->sync()}) {
    if (!status.ok())
      base::log::error("notifier state could not be synced", {{"error", message(status)}});
  }
}

}  // namespace tocsin::notifier
