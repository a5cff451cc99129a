// SPDX-License-Identifier: Apache-2.0
//
// CeleryBroker: what one Redis database, used by Celery as its broker, tells when asked: the messages
// of its event channel, and how many messages wait in its queues.
//
// Two connections: one that has subscribed, one that asks. Each is opened when it is needed, and
// closed by the first failure.
//
// Hides: keys and channels of kombu, discovery of queues, time limits, silent peers.
// Borrows: CeleryOptions, Services (must outlive it).
// Threads: confined. Every call ends within about two timeouts of the options.
// Errors: those of RedisConnection. Does not throw.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/string_map.h"
#include "exporters/app/celery/celery_options.h"
#include "exporters/redis/connection.h"

namespace tocsin::exporters::app {

struct QueueLengths {
  std::map<std::string, double> messages;  // by queue, of all priorities
  double unacked = 0;                      // delivered, not acknowledged; of all queues
  std::size_t failed = 0;                  // queues that are no lists
};

class CeleryBroker {
 public:
  struct Services {
    RedisConnection::Services redis;
    base::FileSystem& files;
  };

  CeleryBroker(const CeleryOptions& options, Services services);

  Status subscribe();
  bool is_subscribed() const { return subscription_ != nullptr; }
  // The next message of the event channel; nothing when none came before `deadline`. An error ends
  // the subscription.
  StatusOr<std::optional<std::string>> next_message(base::SteadyTime deadline);

  // Asks for the configured queues, those that were discovered, and `more`.
  StatusOr<QueueLengths> measure(const StringSet& more);

  // The pattern that matches a channel's name and what follows it after a "/".
  static std::string escaped_glob(std::string_view text);

 private:
  // The deadline is one for everything.
  StatusOr<std::unique_ptr<RedisConnection>> connect(std::size_t value_bytes) const;
  base::SteadyTime soon() const { return services_.redis.clock.steady_now() + options_.timeout; }
  // Takes a step through the keys of the database, for the queues that are bound to an exchange.
  Status discover();
  Status read_bindings(const std::string& key);
  StatusOr<QueueLengths> ask_lengths(const std::vector<std::string>& queues);
  // An error unless the subscription has been heard of lately.
  Status check_silence(base::SteadyTime now);

  const CeleryOptions& options_;
  const Services services_;
  const std::string channel_;
  std::unique_ptr<RedisConnection> subscription_, asking_;
  base::SteadyTime heard_;     // of the subscription
  bool is_asked_ = false;      // whether it lives, since then
  std::string cursor_ = "0";   // of SCAN
  StringSet found_, finding_;  // queues, of the last whole pass and of this one
};

}  // namespace tocsin::exporters::app
