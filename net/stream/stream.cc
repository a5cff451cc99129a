// SPDX-License-Identifier: Apache-2.0
#include "net/stream.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/un.h>

#include "base/check.h"

namespace tocsin::net {
namespace {

Status timed_out() { return deadline_exceeded("i/o timeout"); }

// One code for every reason, with the system's text: "connect: Connection refused".
Status socket_error(int error, std::string_view what) {
  return make_status(StatusCode::kUnavailable, message(errno_status(error, what)));
}

std::string to_text(const SocketAddress& address) {
  char text[INET6_ADDRSTRLEN] = "";
  if (address.storage.ss_family == AF_INET) {
    const auto& ip4 = reinterpret_cast<const sockaddr_in&>(address.storage);
    ::inet_ntop(AF_INET, &ip4.sin_addr, text, sizeof(text));
    return fmt::format("{}:{}", text, ntohs(ip4.sin_port));
  }
  const auto& ip6 = reinterpret_cast<const sockaddr_in6&>(address.storage);
  ::inet_ntop(AF_INET6, &ip6.sin6_addr, text, sizeof(text));
  return fmt::format("[{}]:{}", text, ntohs(ip6.sin6_port));
}

Status poll_until(int descriptor, short events, const base::Clock& clock,
                  base::SteadyTime deadline) {
  for (;;) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - clock.steady_now()).count();
    if (left <= 0) return timed_out();
    pollfd waiting{.fd = descriptor, .events = events, .revents = 0};
    const int ready =
        ::poll(&waiting, 1, static_cast<int>(std::min<std::int64_t>(left, 1'000'000)));
    if (ready > 0) return ok();
    if (ready < 0 && errno != EINTR) return socket_error(errno, "poll");
  }
}

struct Limits {
  const base::Clock& clock;
  base::SteadyTime deadline;
};

// Connects a new socket; returns its descriptor.
StatusOr<int> connect_socket(const sockaddr* address, socklen_t length, Limits limits,
                             const SocketAddress* source) {
  const auto [clock, deadline] = limits;
  const int descriptor =
      ::socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (descriptor < 0) return socket_error(errno, "socket");
  Status status;
  if (source != nullptr && ::bind(descriptor, reinterpret_cast<const sockaddr*>(&source->storage),
                                  source->length) != 0) {
    status = socket_error(errno, "bind");
  } else if (::connect(descriptor, address, length) != 0) {
    status = errno == EINPROGRESS ? poll_until(descriptor, POLLOUT, clock, deadline)
                                  : socket_error(errno, "connect");
  }
  int error = 0;
  socklen_t size = sizeof(error);
  if (status.ok() && ::getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &size) == 0 &&
      error != 0) {
    status = socket_error(error, "connect");
  }
  if (status.ok()) return descriptor;
  ::close(descriptor);
  return status;
}

}  // namespace

StatusOr<std::unique_ptr<Stream>> Stream::connect(const SocketAddresses& addresses,
                                                  const base::Clock& clock,
                                                  base::SteadyTime deadline,
                                                  const SocketAddress* source) {
  CHECK(!addresses.empty());
  Status first;
  for (const SocketAddress& address : addresses) {
    const StatusOr<int> descriptor =
        connect_socket(reinterpret_cast<const sockaddr*>(&address.storage), address.length,
                       {clock, deadline}, source);
    if (descriptor.ok()) {
      const int on = 1;
      ::setsockopt(*descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
      return std::unique_ptr<Stream>(new Stream(*descriptor, clock));
    }
    if (first.ok()) first = annotate(descriptor.status(), "dial tcp {}", to_text(address));
    if (descriptor.status().code() == StatusCode::kDeadlineExceeded) break;
  }
  return first;
}

StatusOr<std::unique_ptr<Stream>> Stream::connect_unix(const std::string& path,
                                                       const base::Clock& clock,
                                                       base::SteadyTime deadline) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    return invalid_argument("dial unix {}: the path is too long", path);
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  const StatusOr<int> descriptor = connect_socket(reinterpret_cast<const sockaddr*>(&address),
                                                  sizeof(address), {clock, deadline}, nullptr);
  if (!descriptor.ok()) return annotate(descriptor.status(), "dial unix {}", path);
  return std::unique_ptr<Stream>(new Stream(*descriptor, clock));
}

Stream::~Stream() {
  // No farewell: it could block, and what was asked has been answered.
  if (tls_ != nullptr) SSL_free(tls_);
  ::close(descriptor_);
}

Status Stream::wait(short events, base::SteadyTime deadline) const {
  return poll_until(descriptor_, events, clock_, deadline);
}

Status Stream::wait_for_tls(int result, std::string_view what, base::SteadyTime deadline) const {
  const int error = errno;
  switch (SSL_get_error(tls_, result)) {
    case SSL_ERROR_WANT_READ:
      return wait(POLLIN, deadline);
    case SSL_ERROR_WANT_WRITE:
      return wait(POLLOUT, deadline);
    case SSL_ERROR_ZERO_RETURN:
      return unavailable("{}: EOF", what);
    default:
      break;
  }
  const long verdict = SSL_get_verify_result(tls_);
  if (verdict != X509_V_OK && SSL_get_verify_mode(tls_) != SSL_VERIFY_NONE) {
    return unavailable("{}: failed to verify certificate: {}", what,
                       X509_verify_cert_error_string(verdict));
  }
  const unsigned long code = ERR_peek_last_error();
  const char* reason = code != 0 ? ERR_reason_error_string(code) : nullptr;
  ERR_clear_error();
  if (reason != nullptr) return unavailable("{}: {}", what, reason);
  if (error != 0) return socket_error(error, what);
  return unavailable("{}: EOF", what);
}

Status Stream::start_tls(TlsClient& tls, const std::string& server_name,
                         base::SteadyTime deadline) {
  CHECK(tls_ == nullptr);
  ASSIGN_OR_RETURN(context_, tls.context());
  ERR_clear_error();
  tls_ = SSL_new(context_.get());
  if (tls_ == nullptr || SSL_set_fd(tls_, descriptor_) != 1) return internal("tls: out of memory");
  X509_VERIFY_PARAM* rules = SSL_get0_param(tls_);
  if (X509_VERIFY_PARAM_set1_ip_asc(rules, server_name.c_str()) != 1) {
    X509_VERIFY_PARAM_set1_host(rules, server_name.c_str(), server_name.size());
    SSL_ctrl(tls_, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
             const_cast<char*>(server_name.c_str()));
  }
  ERR_clear_error();
  for (;;) {
    errno = 0;
    const int result = SSL_connect(tls_);
    if (result == 1) return ok();
    RETURN_IF_ERROR(wait_for_tls(result, "tls", deadline));
  }
}

Status Stream::write(std::string_view data, base::SteadyTime deadline) {
  while (!data.empty()) {
    errno = 0;
    if (tls_ != nullptr) {
      const int size = static_cast<int>(std::min<std::size_t>(data.size(), 1 << 20));
      const int written = SSL_write(tls_, data.data(), size);
      if (written > 0) {
        data.remove_prefix(static_cast<std::size_t>(written));
      } else {
        RETURN_IF_ERROR(wait_for_tls(written, "write", deadline));
      }
      continue;
    }
    const ssize_t written = ::send(descriptor_, data.data(), data.size(), MSG_NOSIGNAL);
    if (written >= 0) {
      data.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno == EAGAIN) {
      RETURN_IF_ERROR(wait(POLLOUT, deadline));
    } else if (errno != EINTR) {
      return socket_error(errno, "write");
    }
  }
  return ok();
}

Status Stream::wait_readable(base::SteadyTime deadline) const {
  if (tls_ == nullptr) return wait(POLLIN, deadline);
  // What has come may be a session ticket or a part of a record: only a byte that read() gives counts.
  for (;;) {
    char byte = 0;
    errno = 0;
    const int got = SSL_peek(tls_, &byte, 1);
    if (got > 0 || SSL_get_error(tls_, got) == SSL_ERROR_ZERO_RETURN) return ok();
    RETURN_IF_ERROR(wait_for_tls(got, "read", deadline));
  }
}

StatusOr<std::size_t> Stream::read(char* buffer, std::size_t size, base::SteadyTime deadline) {
  for (;;) {
    errno = 0;
    if (tls_ != nullptr) {
      const int got =
          SSL_read(tls_, buffer, static_cast<int>(std::min<std::size_t>(size, 1 << 20)));
      if (got > 0) return static_cast<std::size_t>(got);
      if (SSL_get_error(tls_, got) == SSL_ERROR_ZERO_RETURN) return std::size_t{0};
      RETURN_IF_ERROR(wait_for_tls(got, "read", deadline));
      continue;
    }
    const ssize_t got = ::recv(descriptor_, buffer, size, 0);
    if (got >= 0) return static_cast<std::size_t>(got);
    if (errno == EAGAIN) {
      RETURN_IF_ERROR(wait(POLLIN, deadline));
    } else if (errno != EINTR) {
      return socket_error(errno, "read");
    }
  }
}

}  // namespace tocsin::net
