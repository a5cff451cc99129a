// SPDX-License-Identifier: Apache-2.0
//
// What kombu leaves in a database: a list for each queue (and each priority of it), the hash
// `unacked`, and for each exchange a set _kombu.binding.<exchange> of
// "routing key SEP pattern SEP queue". Events are published on /<database>.<exchange>/<routing key>,
// or without the key when the transport has no patterns.
#include "exporters/app/celery/celery_broker.h"

#include <algorithm>

namespace tocsin::exporters::app {
namespace {

constexpr std::string_view kSeparator = "\x06\x16";
constexpr std::string_view kBindings = "_kombu.binding.";
constexpr std::string_view kUnacked = "unacked";
// Of one message of a subscription: workers send small batches.
constexpr std::size_t kMaxMessage = 4 << 20;
constexpr std::size_t kMaxReply = 16 << 20;
// A step of discovery looks at about so many keys, so that a database full of results is no burden.
constexpr std::size_t kScansPerStep = 5;
constexpr std::string_view kKeysPerScan = "1000";
// A subscription that says nothing for so long is asked if it lives.
constexpr base::Duration kSilence{15'000};

}  // namespace

std::string CeleryBroker::escaped_glob(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (std::string_view("*?[]\\").find(c) != std::string_view::npos) out.push_back('\\');
    out.push_back(c);
  }
  return out;
}

CeleryBroker::CeleryBroker(const CeleryOptions& options, Services services)
    : options_(options),
      services_(services),
      channel_(
          fmt::format("{}/{}.{}", options.key_prefix, options.database, options.event_exchange)) {}

StatusOr<std::unique_ptr<RedisConnection>> CeleryBroker::connect(std::size_t value_bytes) const {
  RedisTarget target = options_.broker;
  target.database = options_.database;
  RedisConnection::Login login{
      .user = options_.user, .password = {}, .tls_server_name = options_.tls_server_name};
  ASSIGN_OR_RETURN(login.password, options_.password.read(services_.files));
  return RedisConnection::open(
      target, login, services_.redis,
      {.deadline = soon(), .patience = options_.timeout, .value_bytes = value_bytes});
}

Status CeleryBroker::subscribe() {
  subscription_.reset();
  asking_.reset();  // what ended the one has ended the other
  ASSIGN_OR_RETURN(std::unique_ptr<RedisConnection> connection, connect(kMaxMessage));
  const std::string name = escaped_glob(channel_);
  RETURN_IF_ERROR(
      annotate(connection->call({"PSUBSCRIBE", name, name + "/*"}).status(), "PSUBSCRIBE"));
  // Each pattern has an answer of its own.
  RETURN_IF_ERROR(annotate(connection->receive().status(), "PSUBSCRIBE"));
  connection->set_deadline(base::SteadyTime::max());
  subscription_ = std::move(connection);
  heard_ = services_.redis.clock.steady_now();
  is_asked_ = false;
  return ok();
}

Status CeleryBroker::check_silence(base::SteadyTime now) {
  if (now - heard_ < kSilence) return ok();
  if (is_asked_ && now - heard_ > kSilence + options_.timeout) {
    return deadline_exceeded("the broker has fallen silent");
  }
  if (!is_asked_) subscription_->queue({"PING"});
  is_asked_ = true;
  return ok();
}

StatusOr<std::optional<std::string>> CeleryBroker::next_message(base::SteadyTime deadline) {
  for (;;) {
    Status status = check_silence(services_.redis.clock.steady_now());
    StatusOr<std::optional<RespValue>> value = std::optional<RespValue>();
    if (status.ok()) {
      value = subscription_->receive_until(deadline);
      status = value.status();
    }
    if (!status.ok()) {
      subscription_.reset();
      return status;
    }
    if (!*value) return std::optional<std::string>();
    heard_ = services_.redis.clock.steady_now();
    is_asked_ = false;
    // pmessage, pattern, channel, payload; anything else is an answer to PING.
    std::vector<RespValue>& items = (*value)->items;
    if (items.size() == 4 && items[0].as_text() == "pmessage" &&
        items[3].kind == RespValue::Kind::kText) {
      return std::move(items[3].text);
    }
    if (heard_ >= deadline) return std::optional<std::string>();
  }
}

Status CeleryBroker::read_bindings(const std::string& key) {
  const StatusOr<RespValue> members = asking_->call({"SMEMBERS", key});
  if (members.status().code() == StatusCode::kFailedPrecondition) return ok();  // no set
  RETURN_IF_ERROR(members.status());
  for (const RespValue& member : members->items) {
    const std::string_view text = member.as_text();
    const std::size_t last = text.rfind(kSeparator);
    if (last == std::string_view::npos || finding_.size() >= CeleryState::kMaxQueues) continue;
    const std::string_view queue = text.substr(last + kSeparator.size());
    if (!queue.empty()) finding_.emplace(queue);
  }
  return ok();
}

Status CeleryBroker::discover() {
  const std::string prefix = options_.key_prefix + std::string(kBindings);
  const std::string pattern = escaped_glob(prefix) + "*";
  for (std::size_t i = 0; i < kScansPerStep; ++i) {
    ASSIGN_OR_RETURN(const RespValue page,
                     asking_->call({"SCAN", cursor_, "MATCH", pattern, "COUNT", kKeysPerScan}));
    if (page.items.size() != 2) return data_loss("SCAN: not two values");
    for (const RespValue& item : page.items[1].items) {
      const std::string_view key = item.as_text();
      const std::string_view exchange = key.substr(std::min(prefix.size(), key.size()));
      // Exchanges of events and of remote control have queues of the workers' own.
      if (exchange == options_.event_exchange || exchange.ends_with("celery.pidbox")) continue;
      RETURN_IF_ERROR(read_bindings(std::string(key)));
    }
    cursor_ = page.items[0].as_text();
    if (cursor_ == "0") {
      found_ = std::exchange(finding_, {});
      return ok();
    }
  }
  return ok();
}

StatusOr<QueueLengths> CeleryBroker::ask_lengths(const std::vector<std::string>& queues) {
  std::vector<std::string> suffixes = {""};
  for (const std::int64_t step : options_.priority_steps) {
    suffixes.push_back(fmt::format("{}{}", kSeparator, step));
  }
  for (const std::string& queue : queues) {
    for (const std::string& suffix : suffixes) {
      asking_->queue({"LLEN", options_.key_prefix + queue + suffix});
    }
  }
  asking_->queue({"HLEN", options_.key_prefix + std::string(kUnacked)});
  QueueLengths lengths;
  for (const std::string& queue : queues) {
    double messages = 0;
    bool is_list = true;
    for (std::size_t i = 0; i < suffixes.size(); ++i) {
      const StatusOr<RespValue> reply = asking_->receive();
      if (asking_->is_broken() || reply.status().code() == StatusCode::kUnauthenticated) {
        return reply.status();
      }
      is_list = is_list && reply.ok();
      if (reply.ok()) messages += reply->as_number().value_or(0);
    }
    if (is_list) lengths.messages.emplace(queue, messages);
    if (!is_list) ++lengths.failed;
  }
  ASSIGN_OR_RETURN(const RespValue unacked, asking_->receive());
  lengths.unacked = unacked.as_number().value_or(0);
  return lengths;
}

StatusOr<QueueLengths> CeleryBroker::measure(const StringSet& more) {
  if (!asking_) {
    ASSIGN_OR_RETURN(asking_, connect(kMaxReply));
  }
  asking_->set_deadline(soon());
  Status status = options_.discover_queues ? discover() : ok();
  StatusOr<QueueLengths> lengths = QueueLengths();
  if (!status.ok()) {
    lengths = status;
  } else {
    std::vector<std::string> queues = options_.queues;
    if (options_.discover_queues) {
      queues.insert(queues.end(), found_.begin(), found_.end());
      queues.insert(queues.end(), more.begin(), more.end());
    }
    std::sort(queues.begin(), queues.end());
    queues.erase(std::unique(queues.begin(), queues.end()), queues.end());
    lengths = ask_lengths(queues);
  }
  // After a refusal replies may be left in the row.
  if (!lengths.ok()) asking_.reset();
  return lengths;
}

}  // namespace tocsin::exporters::app
