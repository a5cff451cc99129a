// SPDX-License-Identifier: Apache-2.0
#include "exporters/redis/connection.h"

#include <algorithm>

namespace tocsin::exporters {
namespace {

constexpr std::size_t kReadBytes = 16 << 10;

Status to_status(const RespValue& error) {
  const bool is_login = error.text.starts_with("WRONGPASS") || error.text.starts_with("NOAUTH");
  return make_status(is_login ? StatusCode::kUnauthenticated : StatusCode::kFailedPrecondition,
                     error.text);
}

}  // namespace

RedisConnection::RedisConnection(Services services, Limits limits)
    : services_(services), limits_(limits), parser_({.value_bytes = limits.value_bytes}) {}

StatusOr<std::unique_ptr<RedisConnection>> RedisConnection::open(const RedisTarget& target,
                                                                 const Login& login,
                                                                 Services services, Limits limits) {
  std::unique_ptr<RedisConnection> connection(new RedisConnection(services, limits));
  RETURN_IF_ERROR(connection->dial(target, login));
  RETURN_IF_ERROR(connection->log_in(target, login));
  return connection;
}

base::SteadyTime RedisConnection::step_deadline() const {
  return std::min(limits_.deadline, services_.clock.steady_now() + limits_.patience);
}

Status RedisConnection::dial(const RedisTarget& target, const Login& login) {
  const base::SteadyTime deadline = step_deadline();
  if (!target.unix_path.empty()) {
    ASSIGN_OR_RETURN(stream_,
                     net::Stream::connect_unix(target.unix_path, services_.clock, deadline));
    return ok();
  }
  ASSIGN_OR_RETURN(const net::SocketAddresses addresses,
                   services_.lookup.find(target.host, target.port, deadline));
  ASSIGN_OR_RETURN(stream_, net::Stream::connect(addresses, services_.clock, deadline));
  if (!target.tls) return ok();
  const std::string& name = login.tls_server_name.empty() ? target.host : login.tls_server_name;
  return stream_->start_tls(services_.tls, name, deadline);
}

Status RedisConnection::log_in(const RedisTarget& target, const Login& login) {
  if (!login.password.empty()) {
    const StatusOr<RespValue> reply = login.user.empty()
                                          ? call({"AUTH", login.password})
                                          : call({"AUTH", login.user, login.password});
    RETURN_IF_ERROR(annotate(reply.status(), "AUTH"));
  }
  if (!target.database.empty() && target.database != "0") {
    RETURN_IF_ERROR(annotate(call({"SELECT", target.database}).status(), "SELECT"));
  }
  return ok();
}

void RedisConnection::queue(std::span<const std::string_view> words) {
  append_command(words, &unsent_);
}

Status RedisConnection::flush() {
  if (unsent_.empty()) return ok();
  RETURN_IF_ERROR(stream_->write(unsent_, step_deadline()));
  unsent_.clear();
  return ok();
}

Status RedisConnection::read_more(base::SteadyTime deadline) {
  received_.resize(kReadBytes);
  parsed_ = 0;
  StatusOr<std::size_t> got = stream_->read(received_.data(), received_.size(), deadline);
  received_.resize(got.value_or(0));
  RETURN_IF_ERROR(got.status());
  return *got == 0 ? unavailable("EOF") : ok();
}

StatusOr<RespValue> RedisConnection::read_value() {
  const base::SteadyTime deadline = step_deadline();
  for (;;) {
    ASSIGN_OR_RETURN(const std::size_t used,
                     parser_.feed(std::string_view(received_).substr(parsed_)));
    parsed_ += used;
    if (parser_.has_value()) return parser_.take();
    RETURN_IF_ERROR(read_more(deadline));
  }
}

StatusOr<std::optional<RespValue>> RedisConnection::read_value_until(base::SteadyTime deadline) {
  RETURN_IF_ERROR(flush());
  for (;;) {
    ASSIGN_OR_RETURN(const std::size_t used,
                     parser_.feed(std::string_view(received_).substr(parsed_)));
    parsed_ += used;
    if (parser_.has_value()) return parser_.take();
    const Status status = stream_->wait_readable(deadline);
    if (status.code() == StatusCode::kDeadlineExceeded) return std::optional<RespValue>();
    RETURN_IF_ERROR(status);
    RETURN_IF_ERROR(read_more(step_deadline()));
  }
}

StatusOr<std::optional<RespValue>> RedisConnection::receive_until(base::SteadyTime deadline) {
  RETURN_IF_ERROR(broken_);
  StatusOr<std::optional<RespValue>> value = read_value_until(deadline);
  if (!value.ok()) {
    broken_ = value.status();
    return value;
  }
  if (*value && (*value)->is_error()) return to_status(**value);
  return value;
}

StatusOr<RespValue> RedisConnection::receive() {
  RETURN_IF_ERROR(broken_);
  Status status = flush();
  StatusOr<RespValue> value;
  if (status.ok()) {
    value = read_value();
    status = value.status();
  }
  if (!status.ok()) {
    broken_ = status;
    return status;
  }
  if (value->is_error()) return to_status(*value);
  return value;
}

StatusOr<RespValue> RedisConnection::call(std::span<const std::string_view> words) {
  append_command(words, &unsent_);
  return receive();
}

StatusOr<RespValue> RedisConnection::call(Words words) {
  return call(std::span(words.begin(), words.size()));
}

}  // namespace tocsin::exporters
