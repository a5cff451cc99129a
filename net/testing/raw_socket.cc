// SPDX-License-Identifier: Apache-2.0
#include "net/testing/raw_socket.h"

#include <unistd.h>

#include <charconv>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "base/check.h"

namespace tocsin::net::testing {
namespace {

constexpr timeval kPatience{20, 0};

void limit_waiting(int descriptor) {
  CHECK(setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience) == 0);
  CHECK(setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &kPatience, sizeof kPatience) == 0);
}

template <typename Address>
int connected(int family, const Address& address) {
  const int descriptor = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  CHECK(descriptor >= 0);
  limit_waiting(descriptor);
  CHECK(::connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  return descriptor;
}

}  // namespace

RawSocket RawSocket::connect(std::string_view address) {
  const std::size_t colon = address.rfind(':');
  CHECK(colon != std::string_view::npos);
  std::uint16_t port = 0;
  std::from_chars(address.data() + colon + 1, address.data() + address.size(), port);
  if (address.starts_with('[')) {
    sockaddr_in6 to{};
    to.sin6_family = AF_INET6;
    to.sin6_port = htons(port);
    to.sin6_addr = in6addr_loopback;
    return RawSocket(connected(AF_INET6, to));
  }
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return RawSocket(connected(AF_INET, to));
}

RawSocket& RawSocket::operator=(RawSocket&& other) noexcept {
  if (this != &other) {
    close();
    descriptor_ = std::exchange(other.descriptor_, -1);
  }
  return *this;
}

RawSocket::~RawSocket() { close(); }

bool RawSocket::write(std::string_view data) {
  while (!data.empty()) {
    const ssize_t written = ::send(descriptor_, data.data(), data.size(), MSG_NOSIGNAL);
    if (written <= 0) return false;
    data.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

std::string RawSocket::read_some(std::size_t max) {
  std::string data(max, '\0');
  const ssize_t got = ::recv(descriptor_, data.data(), data.size(), 0);
  data.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return data;
}

std::string RawSocket::read_until(std::string_view mark) {
  std::string data;
  while (data.find(mark) == std::string::npos) {
    const std::string more = read_some();
    if (more.empty()) break;
    data += more;
  }
  return data;
}

std::string RawSocket::read_all() {
  std::string data;
  for (std::string more = read_some(); !more.empty(); more = read_some()) data += more;
  return data;
}

void RawSocket::finish_sending() { ::shutdown(descriptor_, SHUT_WR); }

void RawSocket::set_receive_buffer(int bytes) {
  CHECK(setsockopt(descriptor_, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes) == 0);
}

void RawSocket::close() {
  if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
}

RawListener::RawListener() : descriptor_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  CHECK(descriptor_ >= 0);
  limit_waiting(descriptor_);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  CHECK(::bind(descriptor_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  CHECK(::listen(descriptor_, 128) == 0);
  socklen_t size = sizeof address;
  CHECK(::getsockname(descriptor_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  port_ = ntohs(address.sin_port);
}

RawListener::~RawListener() { close(); }

std::string RawListener::address() const { return "127.0.0.1:" + std::to_string(port_); }

RawSocket RawListener::accept() {
  const int descriptor = ::accept4(descriptor_, nullptr, nullptr, SOCK_CLOEXEC);
  if (descriptor >= 0) limit_waiting(descriptor);
  return RawSocket(descriptor);
}

void RawListener::close() {
  if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
}

bool RawHttp::fill() {
  const std::string more = socket_.read_some();
  buffer_ += more;
  return !more.empty();
}

RawHttp::Reply RawHttp::get(std::string_view target, std::string_view more) {
  return request(fmt::format("GET {} HTTP/1.1\r\nHost: test\r\n{}\r\n", target, more));
}

RawHttp::Reply RawHttp::head(std::string_view target) {
  return request(fmt::format("HEAD {} HTTP/1.1\r\nHost: test\r\n\r\n", target), Body::kNone);
}

RawHttp::Reply RawHttp::post(std::string_view target, std::string_view body) {
  return request(fmt::format("POST {} HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n{}",
                             target, body.size(), body));
}

RawHttp::Reply RawHttp::request(std::string_view bytes, Body body) {
  socket_.write(bytes);  // a server that refuses early may have closed: its reply tells
  return read_reply(body);
}

RawHttp::Reply RawHttp::read_reply(Body body) {
  Reply reply;
  while (buffer_.find("\r\n\r\n") == std::string::npos) {
    if (!fill()) return reply;
  }
  std::string_view head = std::string_view(buffer_).substr(0, buffer_.find("\r\n\r\n") + 2);
  const std::size_t head_size = head.size() + 2;
  const std::size_t space = head.find(' ');
  std::from_chars(head.data() + space + 1, head.data() + head.size(), reply.status);
  for (head.remove_prefix(head.find("\r\n") + 2); !head.empty();
       head.remove_prefix(head.find("\r\n") + 2)) {
    const std::string_view line = head.substr(0, head.find("\r\n"));
    const std::size_t colon = line.find(": ");
    CHECK(colon != std::string_view::npos);
    reply.headers.add(line.substr(0, colon), line.substr(colon + 2));
  }
  buffer_.erase(0, head_size);
  const bool has_body = body == Body::kExpected && reply.status >= 200 && reply.status != 204;
  reply.complete = !has_body || read_body(&reply);
  return reply;
}

bool RawHttp::read_body(Reply* reply) {
  if (reply->headers.get("Transfer-Encoding") == "chunked") return read_chunks(reply);
  const std::string_view length = reply->headers.get("Content-Length");
  if (length.empty()) {
    while (fill()) {
    }
    reply->body = std::exchange(buffer_, {});
    return true;
  }
  std::size_t size = 0;
  std::from_chars(length.data(), length.data() + length.size(), size);
  while (buffer_.size() < size && fill()) {
  }
  reply->body = buffer_.substr(0, size);
  buffer_.erase(0, size);
  return reply->body.size() == size;
}

bool RawHttp::read_chunks(Reply* reply) {
  for (;;) {
    while (buffer_.find("\r\n") == std::string::npos) {
      if (!fill()) return false;
    }
    std::size_t size = 0;
    std::from_chars(buffer_.data(), buffer_.data() + buffer_.size(), size, 16);
    buffer_.erase(0, buffer_.find("\r\n") + 2);
    while (buffer_.size() < size + 2) {
      if (!fill()) return false;
    }
    reply->body.append(buffer_, 0, size);
    buffer_.erase(0, size + 2);
    if (size == 0) return true;
  }
}

bool RawHttp::is_closed() { return buffer_.empty() && socket_.read_some().empty(); }

}  // namespace tocsin::net::testing
