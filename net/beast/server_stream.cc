// SPDX-License-Identifier: Apache-2.0
#include "net/beast/server_stream.h"

#include <algorithm>
#include <array>
#include <cerrno>

#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <sys/socket.h>

namespace tocsin::net {
namespace asio = boost::asio;

namespace {

bool looks_like_http(std::string_view bytes) {
  constexpr std::array<std::string_view, 6> kMethods = {"GET /", "HEAD ", "POST ",
                                                        "PUT /", "OPTIO", "DELET"};
  return std::any_of(kMethods.begin(), kMethods.end(),
                     [bytes](std::string_view method) { return bytes.starts_with(method); });
}

}  // namespace

void ServerStream::start_tls(std::unique_ptr<TlsSession> session, Done done) {
  tls_ = std::move(session);
  input_ = std::make_unique<char[]>(kInput);
  start(Kind::kHandshake, nullptr, 0, std::move(done));
}

void ServerStream::start(Kind kind, char* data, std::size_t size, Done done) {
  const auto operation = std::make_shared<Operation>(Operation{kind, data, size, std::move(done)});
  advance(operation);
  operation->inside_start = false;
}

TlsSession::Step ServerStream::step(TlsSession* session, Operation* operation) {
  switch (operation->kind) {
    case Kind::kHandshake:
      return session->handshake();
    case Kind::kRead:
      if (operation->size == 0) return TlsSession::Step::kDone;
      return session->read(operation->data, operation->size, &operation->bytes);
    case Kind::kWrite:
      if (operation->size == 0) return TlsSession::Step::kDone;
      return session->write(operation->data, operation->size, &operation->bytes);
  }
  return TlsSession::Step::kFailed;
}

void ServerStream::advance(const Shared& operation) {
  operation->step = step(tls_.get(), operation.get());
  if (std::string bytes = tls_->output(); !bytes.empty()) {
    return flush(operation, std::move(bytes));
  }
  after_flush(operation);
}

void ServerStream::flush(const Shared& operation, std::string bytes) {
  output_ = std::move(bytes);
  asio::async_write(tcp_, asio::buffer(output_),
                    [this, operation](const ErrorCode& error, std::size_t) {
                      if (error) return finish(operation, error);
                      after_flush(operation);
                    });
}

void ServerStream::after_flush(const Shared& operation) {
  switch (operation->step) {
    case TlsSession::Step::kDone:
      return finish(operation, {});
    case TlsSession::Step::kEnd:
      return finish(operation, asio::error::eof);
    case TlsSession::Step::kFailed:
      return finish(operation, asio::error::connection_aborted);
    case TlsSession::Step::kWantInput:
      return read_network(operation);
  }
}

void ServerStream::read_network(const Shared& operation) {
  tcp_.async_read_some(asio::buffer(input_.get(), kInput),
                       [this, operation](const ErrorCode& error, std::size_t bytes) {
                         if (error) return finish(operation, error);
                         const std::string_view got(input_.get(), bytes);
                         if (operation->kind == Kind::kHandshake &&
                             !std::exchange(heard_client_, true) && looks_like_http(got)) {
                           spoke_http_ = true;
                           tls_.reset();
                           return finish(operation, asio::error::connection_aborted);
                         }
                         tls_->feed(got);
                         advance(operation);
                       });
}

void ServerStream::finish(const Shared& operation, const ErrorCode& error) {
  if (operation->inside_start) {
    asio::post(tcp_.get_executor(),
               [operation, error] { operation->done(error, operation->bytes); });
    return;
  }
  operation->done(error, operation->bytes);
}

ServerStream::Heard ServerStream::listen() {
  const int descriptor = socket().native_handle();
  if (tls_ == nullptr) {
    char byte = 0;
    const ssize_t got = ::recv(descriptor, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (got > 0) return Heard::kBytes;
    return got < 0 && (errno == EAGAIN || errno == EINTR) ? Heard::kNothing : Heard::kEnd;
  }
  const ssize_t got = ::recv(descriptor, input_.get(), kInput, MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return Heard::kNothing;
  if (got <= 0) return Heard::kEnd;
  tls_->feed({input_.get(), static_cast<std::size_t>(got)});
  switch (tls_->peek()) {
    case TlsSession::Step::kDone:
      return Heard::kBytes;
    case TlsSession::Step::kWantInput:
      return Heard::kNothing;
    default:
      return Heard::kEnd;
  }
}

void ServerStream::say_goodbye() {
  if (tls_ == nullptr || !socket().is_open()) return;
  tls_->close();
  const std::string bytes = tls_->output();
  if (bytes.empty()) return;
  // It is a few bytes: what does not fit now is for a client that does not read.
  static_cast<void>(
      ::send(socket().native_handle(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL));
}

}  // namespace tocsin::net
