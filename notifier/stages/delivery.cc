// SPDX-License-Identifier: Apache-2.0
#include "notifier/stages/delivery.h"

#include <algorithm>
#include <utility>

#include "base/hash.h"
#include "base/log.h"
#include "notifier/stages/dedup.h"

namespace tocsin::notifier {
namespace {

constexpr double kBackoffFactor = 1.5;
constexpr base::Duration kMaxBackoff{60'000};

base::Duration scaled(base::Duration duration, double factor) {
  return base::Duration(static_cast<std::int64_t>(static_cast<double>(duration.count()) * factor));
}

// Between half and one and a half of `wait`, so that many do not try again at the same moment.
base::Duration jittered(base::Duration wait) {
  const double random = static_cast<double>(base::random_u64() >> 11U) / 9007199254740992.0;
  return scaled(wait, 0.5 + random);
}

void split_hashes(const Notification& notification, DeliveryJob* job) {
  for (const model::Alert& alert : notification.alerts) {
    const bool resolved = alert.resolved_at(notification.now);
    (resolved ? job->resolved : job->firing).push_back(alert_hash(alert.labels));
  }
  std::sort(job->firing.begin(), job->firing.end());
  std::sort(job->resolved.begin(), job->resolved.end());
}

}  // namespace

// Counts attempts that have not answered; outlives Delivery in the callbacks of late answers.
struct Delivery::InFlight {
  base::Mutex mutex;
  base::CondVar none;
  std::size_t count ABSL_GUARDED_BY(mutex) = 0;

  // One attempt, for as long as the token lives.
  static std::shared_ptr<void> token(const std::shared_ptr<InFlight>& self) {
    {
      base::MutexLock lock(self->mutex);
      ++self->count;
    }
    return {nullptr, [self](void*) {
              base::MutexLock lock(self->mutex);
              if (--self->count == 0) self->none.notify_all();
            }};
  }
};

Delivery::Delivery(Services services)
    : services_(std::move(services)), in_flight_(std::make_shared<InFlight>()) {}

void Delivery::start(Job job) {
  split_hashes(job->notification, job.get());
  const auto [queue, is_free] = queues_.try_emplace(job->key.to_string());
  if (!is_free) {
    queue->second.push_back(std::move(job));
    return;
  }
  run(job);
}

void Delivery::run(const Job& job) {
  Notification& notification = job->notification;
  services_.metrics.nflog_queries.inc();
  const DedupInput input{.last = services_.log.find(job->key),
                         .firing = job->firing,
                         .resolved = job->resolved,
                         .send_resolved = job->integration->send_resolved(),
                         .repeat_interval = job->repeat_interval,
                         .now = notification.now};
  notification.reason = notification_reason(input);
  if (notification.reason.empty()) return finish(job, true);
  services_.metrics.notifications.with({job->key.integration}).inc();
  if (!job->integration->send_resolved()) {
    std::erase_if(notification.alerts, [&notification](const model::Alert& alert) {
      return alert.resolved_at(notification.now);
    });
    if (notification.alerts.empty()) {
      // Nothing to send, but the log must know that nothing fires.
      record(job);
      return finish(job, true);
    }
  }
  attempt(job);
}

void Delivery::attempt(const Job& job) {
  if (job->cancelled->load()) {
    return fail(job, {cancelled("context canceled"), false, FailureReason::kContextCanceled});
  }
  ++job->attempts;
  job->attempt_began = services_.lane->steady_now();
  services_.metrics.requests.with({job->key.integration}).inc();
  job->integration->notify(
      job->notification, [weak = weak_from_this(), lane = std::weak_ptr<Lane>(services_.lane), job,
                          token = InFlight::token(in_flight_)](NotifyResult result) {
        const std::shared_ptr<Lane> open_lane = lane.lock();
        if (!open_lane) return;
        open_lane->post_surely([weak, job, token, result = std::move(result)] {
          if (const auto self = weak.lock()) self->on_result(job, result);
        });
      });
}

void Delivery::on_result(const Job& job, const NotifyResult& result) {
  const std::string& kind = job->key.integration;
  const std::chrono::duration<double> took = services_.lane->steady_now() - job->attempt_began;
  services_.metrics.latency.with({kind}).observe(took.count());
  if (result.status.ok()) {
    record(job);
    report(job, storage::EventKind::kNotificationSent, job->notification.reason);
    return finish(job, true);
  }
  services_.metrics.requests_failed.with({kind}).inc();
  if (!result.retry) return fail(job, result);
  retry_later(job, result);
}

void Delivery::retry_later(const Job& job, const NotifyResult& result) {
  if (job->cancelled->load()) {
    return fail(
        job, {annotate(result.status, "context canceled"), false, FailureReason::kContextCanceled});
  }
  const base::Duration wait = jittered(job->backoff);
  job->backoff = std::min(scaled(job->backoff, kBackoffFactor), kMaxBackoff);
  if (services_.lane->steady_now() + wait >= job->notification.deadline) {
    return fail(job, {annotate(result.status, "context deadline exceeded"), false,
                      FailureReason::kContextDeadlineExceeded});
  }
  if (job->attempts == 1) {
    base::log::warn("notify attempt failed, will retry later",
                    {{"receiver", job->key.receiver},
                     {"integration", job->key.integration},
                     {"aggrGroup", job->key.group_key},
                     {"error", message(result.status)}});
  }
  backing_off_.insert(job);
  job->timer = services_.lane->after(wait, [weak = weak_from_this(), job] {
    const auto self = weak.lock();
    if (self && self->backing_off_.erase(job) > 0) self->attempt(job);
  });
}

void Delivery::end_cancelled() {
  std::vector<Job> ended;
  for (const Job& job : backing_off_) {
    if (job->cancelled->load()) ended.push_back(job);
  }
  for (const Job& job : ended) {
    backing_off_.erase(job);
    services_.lane->cancel(job->timer);
    fail(job, {cancelled("context canceled"), false, FailureReason::kContextCanceled});
  }
}

void Delivery::fail(const Job& job, const NotifyResult& result) {
  const std::string reason(reason_text(result.reason));
  services_.metrics.notifications_failed.with({job->key.integration, reason}).inc();
  base::log::warn("notification failed", {{"receiver", job->key.receiver},
                                          {"integration", job->key.integration},
                                          {"aggrGroup", job->key.group_key},
                                          {"attempts", job->attempts},
                                          {"reason", reason},
                                          {"error", message(result.status)}});
  report(job, storage::EventKind::kNotificationFailed, std::string(message(result.status)));
  finish(job, false);
}

void Delivery::record(const Job& job) {
  const base::Timestamp now = job->notification.now;
  const base::Duration keep = std::min(services_.retention, 2 * job->repeat_interval);
  const Status status = services_.log.record({.key = job->key,
                                              .time = now,
                                              .expires_at = now + keep,
                                              .firing = job->firing,
                                              .resolved = job->resolved});
  services_.metrics.nflog_bytes.set(static_cast<double>(services_.log.log_bytes()));
  if (status.ok()) return;
  services_.metrics.nflog_maintenance_errors.inc();
  base::log::error("notification log could not be written", {{"error", message(status)}});
}

void Delivery::finish(const Job& job, bool delivered) {
  const auto queue = queues_.find(job->key.to_string());
  if (queue->second.empty()) {
    queues_.erase(queue);
  } else {
    Job next = std::move(queue->second.front());
    queue->second.pop_front();
    services_.lane->post_surely([weak = weak_from_this(), next] {
      if (const auto self = weak.lock()) self->run(next);
    });
  }
  job->done(delivered);
}

void Delivery::report(const Job& job, storage::EventKind kind, std::string text) {
  if (services_.events == nullptr) return;
  services_.events->record({.time = services_.lane->now(),
                            .kind = kind,
                            .labels = job->notification.group_labels,
                            .text = std::move(text),
                            .details = {{"receiver", job->key.receiver},
                                        {"integration", job->key.integration},
                                        {"group_key", job->key.group_key},
                                        {"attempts", fmt::format("{}", job->attempts)}}});
}

void Delivery::drain(base::Duration limit) {
  // Waiting for other threads takes real time, whatever clock the notifier has.
  const base::SteadyTime deadline = base::SystemClock().steady_now() + limit;
  base::MutexLock lock(in_flight_->mutex);
  while (in_flight_->count != 0) {
    if (!in_flight_->none.wait_until(in_flight_->mutex, deadline)) return;
  }
}

}  // namespace tocsin::notifier
