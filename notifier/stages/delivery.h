// SPDX-License-Identifier: Apache-2.0
//
// Delivery: brings one notification to one integration: decides whether it is due, tries until it
// is delivered, hopeless or too late, and writes down what was delivered.
//
// Jobs for the same integration and group run one after another, also across a reload, so that the
// second sees what the first delivered.
// Owns: jobs. Borrows: NotificationLog, metrics, EventLog
// (must outlive the lane's end).
// Threads: confined to the lane, except drain(). Errors: in the
// counters, the log and the event log; the job's `done` says whether the notification was delivered
// or not due.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "notifier/dispatch/lane.h"
#include "notifier/integration.h"
#include "notifier/log/notification_log.h"
#include "notifier/stages/metrics.h"
#include "storage/event_log.h"

namespace tocsin::notifier {

struct DeliveryJob {
  std::shared_ptr<const void> owner;  // keeps `integration`
  Integration* integration = nullptr;
  NotificationKey key;
  Notification notification;  // of all alerts that are not muted
  base::Duration repeat_interval{};
  std::shared_ptr<const std::atomic<bool>> cancelled;  // no further attempts
  std::function<void(bool delivered)> done;            // runs on the lane, once

  // Delivery's own.
  std::vector<std::uint64_t> firing, resolved;
  base::Duration backoff{500};
  int attempts = 0;
  base::SteadyTime attempt_began;
  base::Timers::Id timer = 0;
};

class Delivery : public std::enable_shared_from_this<Delivery> {
 public:
  struct Services {
    std::shared_ptr<Lane> lane;
    NotificationLog& log;
    NotifierMetrics& metrics;
    storage::EventLog* events = nullptr;
    base::Duration retention{};  // of the notification log
  };
  using Job = std::shared_ptr<DeliveryJob>;

  explicit Delivery(Services services);

  void start(Job job);
  // Ends jobs that wait for another attempt and were cancelled.
  void end_cancelled();
  // Blocks until no attempt is in flight, at most `limit`. Any thread.
  void drain(base::Duration limit);

 private:
  struct InFlight;

  void run(const Job& job);
  void attempt(const Job& job);
  void on_result(const Job& job, const NotifyResult& result);
  void retry_later(const Job& job, const NotifyResult& result);
  void fail(const Job& job, const NotifyResult& result);
  void record(const Job& job);
  void finish(const Job& job, bool delivered);
  void report(const Job& job, storage::EventKind kind, std::string text);

  const Services services_;
  const std::shared_ptr<InFlight> in_flight_;
  // Jobs waiting for the running one of the same key.
  std::map<std::string, std::deque<Job>> queues_;
  std::set<Job> backing_off_;
};

}  // namespace tocsin::notifier
