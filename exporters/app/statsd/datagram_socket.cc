// SPDX-License-Identifier: Apache-2.0
#include "exporters/app/statsd/datagram_socket.h"

#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

namespace tocsin::exporters::app {
namespace {

// What the kernel keeps while the receiver is busy; it may give less (net.core.rmem_max).
constexpr int kReceiveBytes = 4 << 20;

Status socket_error(std::string_view what) {
  return make_status(StatusCode::kUnavailable, message(errno_status(errno, what)));
}

struct Bound {
  sockaddr_storage storage{};
  socklen_t length = 0;
};

StatusOr<Bound> parse_address(std::string_view text) {
  const Status bad = invalid_argument("{:?} is no address of the form host:port", text);
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return bad;
  std::string host(text.substr(0, colon));
  const std::string_view digits = text.substr(colon + 1);
  std::uint16_t port = 0;
  const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (error != std::errc() || stop != digits.data() + digits.size()) return bad;
  const bool is_bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (host == "localhost") host = "127.0.0.1";
  Bound bound;
  if (host.empty() || is_bracketed) {
    auto& ip6 = reinterpret_cast<sockaddr_in6&>(bound.storage);
    ip6.sin6_family = AF_INET6;
    ip6.sin6_port = htons(port);
    bound.length = sizeof(ip6);
    if (host.empty()) return bound;
    host = host.substr(1, host.size() - 2);
    return ::inet_pton(AF_INET6, host.c_str(), &ip6.sin6_addr) == 1 ? StatusOr<Bound>(bound) : bad;
  }
  auto& ip4 = reinterpret_cast<sockaddr_in&>(bound.storage);
  ip4.sin_family = AF_INET;
  ip4.sin_port = htons(port);
  bound.length = sizeof(ip4);
  return ::inet_pton(AF_INET, host.c_str(), &ip4.sin_addr) == 1 ? StatusOr<Bound>(bound) : bad;
}

std::string to_text(const sockaddr_storage& storage) {
  char text[INET6_ADDRSTRLEN] = "";
  if (storage.ss_family == AF_INET) {
    const auto& ip4 = reinterpret_cast<const sockaddr_in&>(storage);
    ::inet_ntop(AF_INET, &ip4.sin_addr, text, sizeof(text));
    return fmt::format("udp://{}:{}", text, ntohs(ip4.sin_port));
  }
  const auto& ip6 = reinterpret_cast<const sockaddr_in6&>(storage);
  ::inet_ntop(AF_INET6, &ip6.sin6_addr, text, sizeof(text));
  return fmt::format("udp://[{}]:{}", text, ntohs(ip6.sin6_port));
}

int open_socket(int family) {
  const int descriptor = ::socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (descriptor < 0) return -1;
  ::setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &kReceiveBytes, sizeof(kReceiveBytes));
  return descriptor;
}

// Removes the file of a socket that nobody listens on.
void remove_stale(const sockaddr_un& address) {
  struct stat status{};
  if (::lstat(address.sun_path, &status) != 0 || !S_ISSOCK(status.st_mode)) return;
  const int probe = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (probe < 0) return;
  const bool is_alive =
      ::connect(probe, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0 ||
      errno != ECONNREFUSED;
  ::close(probe);
  if (!is_alive) ::unlink(address.sun_path);
}

}  // namespace

Status DatagramSocket::check_udp(std::string_view address) {
  return parse_address(address).status();
}

StatusOr<std::unique_ptr<DatagramSocket>> DatagramSocket::bind_udp(std::string_view address) {
  ASSIGN_OR_RETURN(Bound bound, parse_address(address));
  int descriptor = open_socket(bound.storage.ss_family);
  if (descriptor < 0 && errno == EAFNOSUPPORT && address.starts_with(':')) {
    // A machine without IPv6: all addresses are those of IPv4.
    ASSIGN_OR_RETURN(bound, parse_address(fmt::format("0.0.0.0{}", address)));
    descriptor = open_socket(AF_INET);
  }
  if (descriptor < 0) return socket_error("socket");
  std::unique_ptr<DatagramSocket> made(new DatagramSocket(descriptor));
  if (bound.storage.ss_family == AF_INET6 && address.starts_with(':')) {
    const int off = 0;
    ::setsockopt(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
  }
  auto* raw = reinterpret_cast<sockaddr*>(&bound.storage);
  if (::bind(descriptor, raw, bound.length) != 0 ||
      ::getsockname(descriptor, raw, &bound.length) != 0) {
    return socket_error(fmt::format("listen udp {}", address));
  }
  made->address_ = to_text(bound.storage);
  return made;
}

StatusOr<std::unique_ptr<DatagramSocket>> DatagramSocket::bind_unix(const std::string& path,
                                                                    mode_t mode) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    return invalid_argument("listen unixgram {}: the path is too long", path);
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  const int descriptor = open_socket(AF_UNIX);
  if (descriptor < 0) return socket_error("socket");
  std::unique_ptr<DatagramSocket> made(new DatagramSocket(descriptor));
  remove_stale(address);
  if (::bind(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return socket_error(fmt::format("listen unixgram {}", path));
  }
  made->path_ = path;
  made->address_ = "unixgram://" + path;
  if (::chmod(path.c_str(), mode) != 0) return socket_error(fmt::format("chmod {}", path));
  return made;
}

DatagramSocket::~DatagramSocket() {
  ::close(descriptor_);
  if (!path_.empty()) ::unlink(path_.c_str());
}

}  // namespace tocsin::exporters::app
