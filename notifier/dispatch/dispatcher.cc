// SPDX-License-Identifier: Apache-2.0
#include "notifier/dispatch/dispatcher.h"

#include <algorithm>

namespace tocsin::notifier {
namespace {

constexpr base::Duration kMinFlushTime{10'000};

// Upstream's order within a notification: job, then instance (having the label comes first), then
// the set.
bool alert_before(const model::Alert& a, const model::Alert& b) {
  for (std::string_view name : {"job", "instance"}) {
    const std::string_view left = a.labels.get(name);
    const std::string_view right = b.labels.get(name);
    if (left == right) continue;
    if (left.empty() || right.empty()) return right.empty();
    return left < right;
  }
  return label_set_before(a.labels, b.labels);
}

}  // namespace

// One flush of a group, from its tick until all integrations are done.
struct Dispatcher::Flush {
  GroupId id;
  const Route* route = nullptr;
  Notification notification;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> resolved;  // fingerprint, version
  std::set<std::uint64_t> muted_before, muted;
  std::size_t pending = 0;  // integrations not done
  bool failed = false;
};

Dispatcher::Dispatcher(std::shared_ptr<const Setup> setup, Services services)
    : setup_(std::move(setup)),
      services_(std::move(services)),
      stopped_(std::make_shared<std::atomic<bool>>(false)) {}

void Dispatcher::insert(const std::vector<std::uint64_t>& fingerprints) {
  for (std::uint64_t fingerprint : fingerprints) {
    // The store has the newest version, whatever the order in which puts arrive here.
    if (const auto alert = services_.alerts.find(fingerprint)) insert_one(*alert);
  }
}

void Dispatcher::load() {
  for (const model::Alert& alert : services_.alerts.all()) {
    setup_->inhibitor.put(alert);
    insert_one(alert);
  }
}

void Dispatcher::insert_one(const model::Alert& alert) {
  const base::Timestamp now = services_.lane->now();
  const std::uint64_t fingerprint = alert.fingerprint();
  for (const Route* route : setup_->routes.match(alert.labels)) {
    GroupId id(route->index, route->group_labels(alert.labels));
    base::MutexLock lock(mutex_);
    if (stopped_->load()) return;
    const auto [it, is_new] = groups_.try_emplace(std::move(id));
    Group& group = it->second;
    group.alerts[fingerprint] = {alert, next_version_++};
    const bool overdue = alert.starts_at + route->group_wait < now;
    if (is_new) {
      group.route = route;
      group.key = group_key(*route, it->first.second);
      services_.metrics.groups.add(1);
      arm(it->first, &group, overdue ? base::Duration(0) : route->group_wait);
    } else if (overdue && !group.flushed) {
      arm(it->first, &group, base::Duration(0));
    }
  }
}

void Dispatcher::arm(const GroupId& id, Group* group, base::Duration wait) {
  services_.lane->cancel(group->timer);
  const std::uint64_t number = ++group->timer_number;
  group->timer = services_.lane->after(wait, [weak = weak_from_this(), id, number] {
    if (const auto self = weak.lock()) self->tick(id, number);
  });
}

void Dispatcher::tick(const GroupId& id, std::uint64_t timer_number) {
  std::shared_ptr<Flush> flush;
  {
    base::MutexLock lock(mutex_);
    const auto it = groups_.find(id);
    if (stopped_->load() || it == groups_.end() || it->second.timer_number != timer_number) return;
    if (it->second.flushing) {
      it->second.tick_pending = true;
      return;
    }
    flush = begin(id, &it->second);
  }
  run(flush);
}

std::shared_ptr<Dispatcher::Flush> Dispatcher::begin(const GroupId& id, Group* group) {
  const base::Timestamp now = services_.lane->now();
  arm(id, group, group->route->group_interval);
  group->flushed = group->flushing = true;
  auto flush = std::make_shared<Flush>();
  flush->id = id;
  flush->route = group->route;
  flush->muted_before = group->muted;
  Notification& notification = flush->notification;
  notification.group_key = group->key;
  notification.receiver = group->route->receiver;
  notification.group_labels = id.second;
  notification.now = now;
  notification.deadline =
      services_.lane->steady_now() + std::max(group->route->group_interval, kMinFlushTime);
  for (const auto& [fingerprint, held] : group->alerts) {
    notification.alerts.push_back(held.alert);
    if (held.alert.resolved_at(now)) {
      flush->resolved.emplace_back(fingerprint, held.version);
    } else {
      // What fires now counts as firing for the whole flush.
      notification.alerts.back().ends_at = model::kNoTime;
    }
  }
  std::sort(notification.alerts.begin(), notification.alerts.end(), alert_before);
  return flush;
}

// Takes inhibited and silenced alerts out.
void Dispatcher::mute(Flush* flush) {
  const base::Timestamp now = flush->notification.now;
  std::vector<model::Alert> kept;
  for (model::Alert& alert : flush->notification.alerts) {
    std::string reason, by;
    if (const auto source = setup_->inhibitor.muting(alert.labels, now)) {
      reason = "inhibition";
      by = fmt::format("{:016x}", *source);
    } else if (const auto ids = services_.silences.muting(alert.labels, now); !ids.empty()) {
      reason = "silence";
      by = ids.front();
    } else {
      kept.push_back(std::move(alert));
      continue;
    }
    services_.metrics.suppressed.with({reason}).inc();
    const std::uint64_t fingerprint = alert.fingerprint();
    flush->muted.insert(fingerprint);
    if (services_.events == nullptr || flush->muted_before.contains(fingerprint)) continue;
    services_.events->record(
        {.time = now,
         .kind = storage::EventKind::kAlertSuppressed,
         .labels = alert.labels,
         .text = reason,
         .details = {{"by", by}, {"group_key", flush->notification.group_key}}});
  }
  flush->notification.alerts = std::move(kept);
}

void Dispatcher::run(const std::shared_ptr<Flush>& flush) {
  mute(flush.get());
  const auto receiver = setup_->receivers.find(flush->route->receiver);
  if (flush->notification.alerts.empty() || receiver == setup_->receivers.end() ||
      receiver->second.empty()) {
    return finish(*flush);
  }
  flush->pending = receiver->second.size();
  for (const BoundIntegration& bound : receiver->second) {
    auto job = std::make_shared<DeliveryJob>();
    job->owner = setup_;
    job->integration = bound.integration.get();
    job->key = {flush->notification.group_key, flush->route->receiver,
                std::string(bound.integration->kind()), bound.index};
    job->notification = flush->notification;
    job->repeat_interval = flush->route->repeat_interval;
    job->cancelled = stopped_;
    job->done = [weak = weak_from_this(), flush](bool delivered) {
      flush->failed = flush->failed || !delivered;
      const auto self = weak.lock();
      if (--flush->pending == 0 && self) self->finish(*flush);
    };
    services_.delivery->start(std::move(job));
  }
}

void Dispatcher::finish(const Flush& flush) {
  base::MutexLock lock(mutex_);
  const auto it = groups_.find(flush.id);
  if (it == groups_.end()) return;  // stopped meanwhile
  Group& group = it->second;
  group.flushing = false;
  group.muted = flush.muted;
  if (!flush.failed) {
    for (const auto& [fingerprint, version] : flush.resolved) {
      const auto held = group.alerts.find(fingerprint);
      if (held != group.alerts.end() && held->second.version == version) group.alerts.erase(held);
    }
  }
  if (group.alerts.empty()) {
    services_.lane->cancel(group.timer);
    services_.metrics.groups.add(-1);
    groups_.erase(it);
  } else if (group.tick_pending) {
    group.tick_pending = false;
    arm(flush.id, &group, base::Duration(0));
  }
}

std::vector<Dispatcher::GroupSnapshot> Dispatcher::groups() const {
  std::vector<GroupSnapshot> snapshots;
  base::MutexLock lock(mutex_);
  for (const auto& [id, group] : groups_) {
    GroupSnapshot snapshot{id.second, group.route->receiver, {}};
    for (const auto& [fingerprint, held] : group.alerts) snapshot.alerts.push_back(held.alert);
    snapshots.push_back(std::move(snapshot));
  }
  return snapshots;
}

void Dispatcher::stop() {
  stopped_->store(true);
  base::MutexLock lock(mutex_);
  for (const auto& [id, group] : groups_) services_.lane->cancel(group.timer);
  services_.metrics.groups.add(-static_cast<double>(groups_.size()));
  groups_.clear();
}

}  // namespace tocsin::notifier
