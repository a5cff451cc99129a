// SPDX-License-Identifier: Apache-2.0
//
// KeyConnection: commands about keys, sent to the server that has them. Outside a cluster that is
// the one server; in a cluster, it follows MOVED and ASK to other nodes.
//
// Owns: connections to other nodes, at most kMaxNodes. Borrows: the connection to the server.
// Threads: confined.
// Errors: those of RedisConnection; kResourceExhausted for too many nodes or redirections.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "exporters/redis/connection.h"

namespace tocsin::exporters {

class KeyConnection {
 public:
  // Connects to a node of the cluster, "host:port".
  using Open =
      std::function<StatusOr<std::unique_ptr<RedisConnection>>(const std::string& address)>;
  using Command = std::vector<std::string_view>;

  // Without `open` the server is in no cluster.
  KeyConnection(RedisConnection& home, Open open) : home_(home), open_(std::move(open)) {}

  StatusOr<RespValue> call(const Command& words);
  // The replies to `commands`, which go out in one piece where that is possible.
  std::vector<StatusOr<RespValue>> call_all(const std::vector<Command>& commands);
  // Makes later commands about this database. A cluster has one.
  Status select(std::string_view database);

  bool is_broken() const { return home_.is_broken(); }
  const Status& breakage() const { return home_.breakage(); }

 private:
  static constexpr std::size_t kMaxNodes = 64;
  static constexpr int kMaxRedirections = 5;

  StatusOr<RespValue> follow(StatusOr<RespValue> reply, const Command& words);
  StatusOr<RedisConnection*> node(const std::string& address);

  RedisConnection& home_;
  const Open open_;
  std::map<std::string, std::unique_ptr<RedisConnection>> nodes_;
  std::string database_;
};

}  // namespace tocsin::exporters
