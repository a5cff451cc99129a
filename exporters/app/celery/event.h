// SPDX-License-Identifier: Apache-2.0
//
// CeleryEvent: what a worker or a client of Celery tells about a task or about itself; and reading
// the events of one message as kombu publishes it.
//
// A message is JSON, its body again JSON (an event, or a list of them in a batch), usually in base64.
// Values and a pure function.
// Errors: kInvalidArgument for what is no message of kombu, kUnimplemented "not supported yet: ..."
// for other serialisations than JSON. What one event lacks leaves its member empty.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace tocsin::exporters::app {

struct CeleryEvent {
  enum class Type {
    kSent,
    kReceived,
    kStarted,
    kSucceeded,
    kFailed,
    kRejected,
    kRevoked,
    kRetried,
    kOnline,
    kHeartbeat,
    kOffline,
    kOther  // a custom event
  };

  Type type = Type::kOther;
  std::string node;           // "celery@host"
  std::string uuid;           // of the task
  std::string task;           // name, of sent and received
  std::string queue;          // of sent
  std::string exception;      // repr() of it, of failed and retried
  double timestamp = 0;       // seconds since the epoch, of the sender's clock
  double runtime = 0;         // seconds, of succeeded
  std::optional<double> eta;  // not to start before, seconds since the epoch
  double active = 0;          // tasks in work, of heartbeats

  bool is_about_worker() const { return type >= Type::kOnline && type <= Type::kOffline; }
};

// The most events that one message may carry.
inline constexpr std::size_t kMaxCeleryBatch = 10'000;

StatusOr<std::vector<CeleryEvent>> decode_celery_message(std::string_view message);

// "ValueError" of "ValueError('x')"; "UnknownException" for what is no call of a class.
std::string_view exception_class(std::string_view representation);
// "host" of "celery@host"; the whole of what has no "@".
std::string_view host_of_node(std::string_view node);

}  // namespace tocsin::exporters::app
