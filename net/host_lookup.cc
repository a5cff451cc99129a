// SPDX-License-Identifier: Apache-2.0
#include "net/host_lookup.h"

#include <netdb.h>

#include <cstring>
#include <optional>

#include <netinet/in.h>

#include "base/string_map.h"

namespace tocsin::net {
namespace {

constexpr std::size_t kThreads = 2;
constexpr std::size_t kMaxNames = 64;

StatusOr<SocketAddresses> resolve_with(const std::string& host, int flags) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags;
  addrinfo* list = nullptr;
  const int error = ::getaddrinfo(host.c_str(), nullptr, &hints, &list);
  if (error == EAI_NONAME) return not_found("lookup {}: no such host", host);
  if (error != 0) return unavailable("lookup {}: {}", host, ::gai_strerror(error));
  SocketAddresses out;
  for (const addrinfo* one = list; one != nullptr; one = one->ai_next) {
    if (one->ai_family != AF_INET && one->ai_family != AF_INET6) continue;
    SocketAddress address;
    address.length = one->ai_addrlen;
    std::memcpy(&address.storage, one->ai_addr, one->ai_addrlen);
    out.push_back(address);
  }
  ::freeaddrinfo(list);
  if (out.empty()) return not_found("lookup {}: no such host", host);
  return out;
}

SocketAddresses with_port(SocketAddresses addresses, std::uint16_t port) {
  for (SocketAddress& address : addresses) {
    if (address.storage.ss_family == AF_INET) {
      reinterpret_cast<sockaddr_in&>(address.storage).sin_port = htons(port);
    } else {
      reinterpret_cast<sockaddr_in6&>(address.storage).sin6_port = htons(port);
    }
  }
  return addresses;
}

struct Answer {
  std::optional<StatusOr<SocketAddresses>> value;
};

}  // namespace

struct HostLookup::State {
  explicit State(Resolve r) : resolve(std::move(r)) {}

  const Resolve resolve;
  mutable base::Mutex mutex;
  base::CondVar changed;
  // Names whose look-up has not ended; callers keep the answer alive.
  StringMap<std::shared_ptr<Answer>> pending ABSL_GUARDED_BY(mutex);
};

HostLookup::HostLookup(Resolve resolve)
    : state_(std::make_shared<State>(std::move(resolve))),
      threads_({.name = "lookup", .threads = kThreads, .max_queued = kMaxNames}) {}

HostLookup::~HostLookup() { threads_.stop(); }

StatusOr<SocketAddresses> HostLookup::system_resolve(const std::string& host) {
  return resolve_with(host, AI_ADDRCONFIG);
}

std::size_t HostLookup::pending() const {
  base::MutexLock lock(state_->mutex);
  return state_->pending.size();
}

StatusOr<SocketAddresses> HostLookup::find(const std::string& host, std::uint16_t port,
                                           base::SteadyTime deadline) {
  if (StatusOr<SocketAddresses> numeric = resolve_with(host, AI_NUMERICHOST); numeric.ok()) {
    return with_port(*std::move(numeric), port);
  }
  std::shared_ptr<Answer> answer;
  bool is_new = false;
  {
    base::MutexLock lock(state_->mutex);
    std::shared_ptr<Answer>& place = state_->pending[host];
    is_new = place == nullptr;
    if (is_new) place = std::make_shared<Answer>();
    answer = place;
  }
  const bool is_taken = !is_new || threads_.post([state = state_, host, answer] {
    StatusOr<SocketAddresses> found = state->resolve(host);
    base::MutexLock lock(state->mutex);
    answer->value = std::move(found);
    state->pending.erase(host);
    state->changed.notify_all();
  });
  base::MutexLock lock(state_->mutex);
  if (!is_taken) {
    answer->value = resource_exhausted("lookup {}: too many names wait", host);
    state_->pending.erase(host);
    state_->changed.notify_all();
  }
  while (!answer->value) {
    if (!state_->changed.wait_until(state_->mutex, deadline) && !answer->value) {
      return deadline_exceeded("lookup {}: i/o timeout", host);
    }
  }
  RETURN_IF_ERROR(answer->value->status());
  return with_port(**answer->value, port);
}

}  // namespace tocsin::net
