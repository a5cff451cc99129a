// SPDX-License-Identifier: Apache-2.0
//
// Dispatcher: puts alerts into the groups of their routes and flushes each group when its timer
// says so.
//
// A new group waits group_wait, not at all when an alert of it is older than that; then it is
// flushed every group_interval. The timer is set again before the flush; flushes of one group never
// overlap: a tick during one is made up for at its end. After a flush without an error, resolved
// alerts that did not change since are dropped, and a group without alerts ends.
// Owns: groups.
// Borrows: everything in Services.
// Threads: insert() and load() on the lane; groups() and stop()
// from any thread.
// Errors: none of its own; a failed delivery keeps the resolved alerts for the
// next tick.
#pragma once

#include <atomic>
#include <compare>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "notifier/dispatch/alert_store.h"
#include "notifier/dispatch/lane.h"
#include "notifier/dispatch/setup.h"
#include "notifier/silence/silence_store.h"
#include "notifier/stages/delivery.h"
#include "notifier/stages/metrics.h"
#include "storage/event_log.h"

namespace tocsin::notifier {

class Dispatcher : public std::enable_shared_from_this<Dispatcher> {
 public:
  struct Services {
    std::shared_ptr<Lane> lane;
    std::shared_ptr<Delivery> delivery;
    const AlertStore& alerts;
    const SilenceStore& silences;
    NotifierMetrics& metrics;
    storage::EventLog* events = nullptr;
  };
  struct GroupSnapshot {
    model::Labels labels;
    std::string receiver;
    std::vector<model::Alert> alerts;  // by fingerprint
  };

  Dispatcher(std::shared_ptr<const Setup> setup, Services services);

  // Takes the alerts with these fingerprints from the alert store.
  void insert(const std::vector<std::uint64_t>& fingerprints);
  // Takes all of them.
  void load();
  std::vector<GroupSnapshot> groups() const;
  // No flush begins and no attempt is repeated from here on.
  void stop();

 private:
  using GroupId = std::pair<std::size_t, model::Labels>;  // route, labels of the group
  struct Held {
    model::Alert alert;
    std::uint64_t version = 0;
  };
  struct Group {
    const Route* route = nullptr;
    std::string key;
    std::map<std::uint64_t, Held> alerts;
    std::set<std::uint64_t> muted;  // at the last flush
    base::Timers::Id timer = 0;
    std::uint64_t timer_number = 0;  // tells a tick from one that was replaced
    bool flushed = false, flushing = false, tick_pending = false;
  };
  struct Flush;

  void insert_one(const model::Alert& alert);
  void arm(const GroupId& id, Group* group, base::Duration wait)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void tick(const GroupId& id, std::uint64_t timer_number);
  std::shared_ptr<Flush> begin(const GroupId& id, Group* group)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void mute(Flush* flush);
  void run(const std::shared_ptr<Flush>& flush);
  void finish(const Flush& flush);

  const std::shared_ptr<const Setup> setup_;
  const Services services_;
  const std::shared_ptr<std::atomic<bool>> stopped_;

  mutable base::Mutex mutex_;
  std::map<GroupId, Group> groups_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t next_version_ ABSL_GUARDED_BY(mutex_) = 1;
};

}  // namespace tocsin::notifier
