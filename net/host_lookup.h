// SPDX-License-Identifier: Apache-2.0
//
// HostLookup: from the name of a host to its addresses, for callers that must not wait longer than
// their deadline: the system's resolver knows none.
//
// Two threads ask the resolver, for each name once at a time; callers that come meanwhile share the
// answer. When both hang, other names wait until their deadlines.
//
// Owns: its threads.
// Threads: shared. The destructor waits for look-ups that run; a program that ends does not.
// Errors: kNotFound "lookup NAME: no such host" and other answers of the resolver, as kUnavailable;
// kDeadlineExceeded; kResourceExhausted when too many names wait. Does not throw.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <sys/socket.h>

#include "base/executor.h"
#include "base/mutex.h"
#include "base/status.h"
#include "base/time.h"

namespace tocsin::net {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;
};
using SocketAddresses = std::vector<SocketAddress>;

class HostLookup {
 public:
  // Asks the system for a name that is no address; the ports are 0.
  using Resolve = std::function<StatusOr<SocketAddresses>(const std::string& host)>;

  explicit HostLookup(Resolve resolve = system_resolve);
  ~HostLookup();
  HostLookup(const HostLookup&) = delete;
  HostLookup& operator=(const HostLookup&) = delete;

  // Returns at least one address.
  StatusOr<SocketAddresses> find(const std::string& host, std::uint16_t port,
                                 base::SteadyTime deadline);

  // Look-ups that run or wait for a thread.
  std::size_t pending() const;

  static StatusOr<SocketAddresses> system_resolve(const std::string& host);

 private:
  struct State;

  const std::shared_ptr<State> state_;
  base::ThreadPool threads_;
};

}  // namespace tocsin::net
