// SPDX-License-Identifier: Apache-2.0
//
// RedisConnection: one connection to a Redis server: commands one by one or in a row, each answered
// before a deadline, or the messages of a subscription.
//
// Hides: TLS, AUTH, SELECT, RESP, time limits.
// Owns: the socket. Borrows: Services (must outlive it).
// Threads: confined.
// Errors: an error that the server replied is kFailedPrecondition with its text, kUnauthenticated
// for a refused login, and the connection can go on. Anything else (kUnavailable,
// kDeadlineExceeded, kDataLoss, kResourceExhausted) breaks it: later calls fail with the same. No
// text holds a password. Does not throw.
#pragma once

#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/status.h"
#include "base/time.h"
#include "exporters/redis/resp.h"
#include "exporters/redis/target.h"
#include "net/stream.h"

namespace tocsin::exporters {

class RedisConnection {
 public:
  struct Services {
    const base::Clock& clock;
    net::HostLookup& lookup;
    net::TlsClient& tls;
  };
  struct Login {
    std::string user, password;   // no password: no login
    std::string tls_server_name;  // "": the host
  };
  struct Limits {
    base::SteadyTime deadline;                                   // of all
    base::Duration patience{15'000};                             // of one step
    std::size_t value_bytes = RespParser::Limits().value_bytes;  // memory of one reply
  };
  using Words = std::initializer_list<std::string_view>;

  static StatusOr<std::unique_ptr<RedisConnection>> open(const RedisTarget& target,
                                                         const Login& login, Services services,
                                                         Limits limits);

  // Sends a command and returns the reply.
  StatusOr<RespValue> call(Words words);
  StatusOr<RespValue> call(std::span<const std::string_view> words);

  // Commands in a row: queued, sent by the first receive(), answered in order.
  void queue(Words words) { queue(std::span(words.begin(), words.size())); }
  void queue(std::span<const std::string_view> words);
  StatusOr<RespValue> receive();
  // The next reply or message of a subscription; nothing when it is not whole before `deadline`,
  // which breaks nothing.
  StatusOr<std::optional<RespValue>> receive_until(base::SteadyTime deadline);

  bool is_broken() const { return !broken_.ok(); }
  const Status& breakage() const { return broken_; }
  base::SteadyTime deadline() const { return limits_.deadline; }
  // For a connection that is asked again and again.
  void set_deadline(base::SteadyTime deadline) { limits_.deadline = deadline; }

 private:
  RedisConnection(Services services, Limits limits);

  Status dial(const RedisTarget& target, const Login& login);
  Status log_in(const RedisTarget& target, const Login& login);
  Status flush();
  StatusOr<RespValue> read_value();
  StatusOr<std::optional<RespValue>> read_value_until(base::SteadyTime deadline);
  // Reads what has come, or waits for it.
  Status read_more(base::SteadyTime deadline);
  base::SteadyTime step_deadline() const;

  const Services services_;
  Limits limits_;
  std::unique_ptr<net::Stream> stream_;
  std::string unsent_;
  RespParser parser_;
  std::string received_;    // bytes that the parser has not taken
  std::size_t parsed_ = 0;  // of received_
  Status broken_;
};

}  // namespace tocsin::exporters
