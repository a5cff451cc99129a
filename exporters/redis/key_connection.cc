// SPDX-License-Identifier: Apache-2.0
#include "exporters/redis/key_connection.h"

#include <optional>

namespace tocsin::exporters {
namespace {

// "MOVED 3999 127.0.0.1:6381"
struct Redirection {
  bool ask = false;
  std::string address;
};

std::optional<Redirection> parse_redirection(std::string_view text) {
  Redirection out;
  out.ask = text.starts_with("ASK ");
  if (!out.ask && !text.starts_with("MOVED ")) return std::nullopt;
  const std::size_t last = text.rfind(' ');
  if (text.find(' ') == last) return std::nullopt;
  out.address = text.substr(last + 1);
  return out;
}

}  // namespace

StatusOr<RedisConnection*> KeyConnection::node(const std::string& address) {
  if (const auto it = nodes_.find(address); it != nodes_.end()) return it->second.get();
  if (nodes_.size() >= kMaxNodes)
    return resource_exhausted("keys on more than {} nodes", kMaxNodes);
  ASSIGN_OR_RETURN(std::unique_ptr<RedisConnection> opened, open_(address));
  return nodes_.emplace(address, std::move(opened)).first->second.get();
}

StatusOr<RespValue> KeyConnection::follow(StatusOr<RespValue> reply, const Command& words) {
  for (int i = 0; open_ && i < kMaxRedirections && !reply.ok(); ++i) {
    const auto redirection = parse_redirection(message(reply.status()));
    if (!redirection) return reply;
    ASSIGN_OR_RETURN(RedisConnection* const other, node(redirection->address));
    if (redirection->ask) RETURN_IF_ERROR(other->call({"ASKING"}).status());
    reply = other->call(std::span(words));
  }
  return reply;
}

StatusOr<RespValue> KeyConnection::call(const Command& words) {
  return follow(home_.call(std::span(words)), words);
}

std::vector<StatusOr<RespValue>> KeyConnection::call_all(const std::vector<Command>& commands) {
  std::vector<StatusOr<RespValue>> replies;
  replies.reserve(commands.size());
  for (const Command& words : commands) home_.queue(std::span(words));
  for (std::size_t i = 0; i < commands.size(); ++i) replies.push_back(home_.receive());
  // Only now: another command in between would take a reply that is on its way.
  for (std::size_t i = 0; i < commands.size(); ++i) {
    if (!replies[i].ok()) replies[i] = follow(std::move(replies[i]), commands[i]);
  }
  return replies;
}

Status KeyConnection::select(std::string_view database) {
  if (open_ || database == database_) return ok();
  RETURN_IF_ERROR(home_.call({"SELECT", database}).status());
  database_ = database;
  return ok();
}

}  // namespace tocsin::exporters
