// SPDX-License-Identifier: Apache-2.0
#include "exporters/node/services/exchange.h"

#include <netdb.h>
#include <poll.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/timex.h>
#include <sys/un.h>

#include "base/file_descriptor.h"

namespace tocsin::exporters {
namespace {

// The wall clock finer than base::Clock has it.
std::int64_t wall_ns() {
  timex state{};
  ::adjtimex(&state);
  const bool is_nano = (state.status & STA_NANO) != 0;
  return std::int64_t{state.time.tv_sec} * 1'000'000'000 +
         std::int64_t{state.time.tv_usec} * (is_nano ? 1 : 1000);
}

// Waits until the socket is ready; kUnavailable when the deadline passes first.
Status wait_for(int socket, short events, base::SteadyTime deadline, const base::Clock& clock) {
  for (;;) {
    const auto left = std::chrono::ceil<base::Duration>(deadline - clock.steady_now());
    pollfd wanted{.fd = socket, .events = events, .revents = 0};
    const int ready = ::poll(&wanted, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
    if (ready > 0) return ok();
    if (ready < 0 && errno == EINTR) continue;
    if (ready < 0) return errno_status(errno, "poll");
    return unavailable("i/o timeout");
  }
}

Status connect_to(int socket, const sockaddr* address, socklen_t size, base::SteadyTime deadline,
                  const base::Clock& clock) {
  if (::connect(socket, address, size) == 0) return ok();
  if (errno != EINPROGRESS && errno != EAGAIN) return errno_status(errno, "connect");
  RETURN_IF_ERROR(wait_for(socket, POLLOUT, deadline, clock));
  int error = 0;
  socklen_t length = sizeof(error);
  if (::getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &length) != 0) error = errno;
  return error == 0 ? ok() : errno_status(error, "connect");
}

StatusOr<base::FileDescriptor> connect_unix(const std::string& path, base::SteadyTime deadline,
                                            const base::Clock& clock) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    return invalid_argument("path of a socket too long: {}", path);
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  base::FileDescriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (socket.get() < 0) return errno_status(errno, "socket");
  RETURN_IF_ERROR(connect_to(socket.get(), reinterpret_cast<const sockaddr*>(&address),
                             sizeof(address), deadline, clock));
  return socket;
}

// Tries the addresses of a host one after another.
StatusOr<base::FileDescriptor> connect_host(const std::string& host, const std::string& service,
                                            int type, base::SteadyTime deadline,
                                            const base::Clock& clock) {
  addrinfo wish{};
  wish.ai_socktype = type;
  addrinfo* found = nullptr;
  const int failed = ::getaddrinfo(host.c_str(), service.c_str(), &wish, &found);
  if (failed != 0) return unavailable("{}: {}", host, ::gai_strerror(failed));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owned(found, &::freeaddrinfo);
  Status status = unavailable("{}: no address", host);
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    base::FileDescriptor socket(::socket(one->ai_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (socket.get() < 0) continue;
    status = connect_to(socket.get(), one->ai_addr, one->ai_addrlen, deadline, clock);
    if (status.ok()) return socket;
  }
  return status;
}

Status send_all(int socket, std::string_view bytes, base::SteadyTime deadline,
                const base::Clock& clock) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(n));
    } else if (errno == EAGAIN || errno == EINTR) {
      RETURN_IF_ERROR(wait_for(socket, POLLOUT, deadline, clock));
    } else {
      return errno_status(errno, "send");
    }
  }
  return ok();
}

}  // namespace

StatusOr<std::string> ask_stream(const std::string& host, const std::string& service,
                                 std::string_view question, const ExchangeOptions& options,
                                 const base::Clock& clock) {
  const base::SteadyTime deadline = clock.steady_now() + options.patience;
  ASSIGN_OR_RETURN(const base::FileDescriptor socket,
                   host.empty() ? connect_unix(service, deadline, clock)
                                : connect_host(host, service, SOCK_STREAM, deadline, clock));
  RETURN_IF_ERROR(send_all(socket.get(), question, deadline, clock));
  std::string answer;
  std::string piece(16 << 10, '\0');
  for (;;) {
    const ssize_t n = ::recv(socket.get(), piece.data(), piece.size(), 0);
    if (n == 0) return answer;
    if (n > 0) {
      answer.append(piece, 0, static_cast<std::size_t>(n));
      if (answer.size() > options.max_answer) {
        return resource_exhausted("the answer has more than {} bytes", options.max_answer);
      }
    } else if (errno == EAGAIN || errno == EINTR) {
      RETURN_IF_ERROR(wait_for(socket.get(), POLLIN, deadline, clock));
    } else {
      return errno_status(errno, "receive");
    }
  }
}

StatusOr<DatagramAnswer> ask_datagram(const std::string& host, std::uint16_t port,
                                      std::string_view question, const ExchangeOptions& options,
                                      const base::Clock& clock) {
  const base::SteadyTime deadline = clock.steady_now() + options.patience;
  ASSIGN_OR_RETURN(const base::FileDescriptor socket,
                   connect_host(host, fmt::format("{}", port), SOCK_DGRAM, deadline, clock));
  if (options.ttl > 0) {
    // One of them is not this socket's family.
    ::setsockopt(socket.get(), IPPROTO_IP, IP_TTL, &options.ttl, sizeof(options.ttl));
    ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_UNICAST_HOPS, &options.ttl, sizeof(options.ttl));
  }
  DatagramAnswer answer;
  answer.sent_ns = wall_ns();
  RETURN_IF_ERROR(send_all(socket.get(), question, deadline, clock));
  std::string bytes(std::min<std::size_t>(options.max_answer, 64 << 10), '\0');
  for (;;) {
    const ssize_t n = ::recv(socket.get(), bytes.data(), bytes.size(), 0);
    if (n >= 0) {
      answer.received_ns = wall_ns();
      answer.bytes = bytes.substr(0, static_cast<std::size_t>(n));
      return answer;
    }
    if (errno != EAGAIN && errno != EINTR) return errno_status(errno, "receive");
    RETURN_IF_ERROR(wait_for(socket.get(), POLLIN, deadline, clock));
  }
}

}  // namespace tocsin::exporters
