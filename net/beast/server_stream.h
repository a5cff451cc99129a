// SPDX-License-Identifier: Apache-2.0
//
// ServerStream: what a connection of the Beast server reads from and writes to, with or without TLS.
//
// One operation at a time: HTTP/1 reads or writes, and a TLS operation may have to do both.
// Owns: the socket. Threads: confined to the io thread. Must live until the handlers of its
// operations have run: let them hold it.
// Errors: those of sockets; eof at the end of TLS; connection_aborted for TLS that breaks its rules.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include <boost/asio/async_result.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/tcp_stream.hpp>

#include "net/tls/session.h"

namespace tocsin::net {

class ServerStream {
 public:
  using ErrorCode = boost::beast::error_code;
  using Done = std::function<void(const ErrorCode&, std::size_t)>;
  using executor_type = boost::beast::tcp_stream::executor_type;

  explicit ServerStream(boost::asio::ip::tcp::socket socket) : tcp_(std::move(socket)) {}

  executor_type get_executor() { return tcp_.get_executor(); }
  boost::beast::tcp_stream& tcp() { return tcp_; }
  boost::asio::ip::tcp::socket& socket() { return tcp_.socket(); }

  // From now on all bytes are encrypted; `done` hears when the handshake is over. When the client
  // spoke plain HTTP instead, spoke_http() is true and the stream is a plain one again.
  void start_tls(std::unique_ptr<TlsSession> session, Done done);
  bool spoke_http() const { return spoke_http_; }
  std::string tls_error() const { return tls_ != nullptr ? tls_->error() : std::string(); }

  template <class Buffers, class Token>
  auto async_read_some(const Buffers& buffers, Token&& token) {
    return boost::asio::async_initiate<Token, void(ErrorCode, std::size_t)>(
        [this](auto handler, const Buffers& to) {
          if (tls_ == nullptr) return tcp_.async_read_some(to, std::move(handler));
          const boost::asio::mutable_buffer first = first_of<boost::asio::mutable_buffer>(to);
          start(Kind::kRead, static_cast<char*>(first.data()), first.size(),
                shared(std::move(handler)));
        },
        token, buffers);
  }

  template <class Buffers, class Token>
  auto async_write_some(const Buffers& buffers, Token&& token) {
    return boost::asio::async_initiate<Token, void(ErrorCode, std::size_t)>(
        [this](auto handler, const Buffers& from) {
          if (tls_ == nullptr) return tcp_.async_write_some(from, std::move(handler));
          const boost::asio::const_buffer first = first_of<boost::asio::const_buffer>(from);
          start(Kind::kWrite, const_cast<char*>(static_cast<const char*>(first.data())),
                first.size(), shared(std::move(handler)));
        },
        token, buffers);
  }

  enum class Heard { kNothing, kBytes, kEnd };
  // What has come while no operation runs, without waiting; takes nothing away.
  Heard listen();
  // Tells the client that nothing follows, as far as that works without waiting.
  void say_goodbye();

 private:
  enum class Kind { kHandshake, kRead, kWrite };
  struct Operation {
    Kind kind;
    char* data;
    std::size_t size;
    Done done;
    bool inside_start = true;  // the handler must not run before start() returns
    std::size_t bytes = 0;
    TlsSession::Step step = TlsSession::Step::kWantInput;
  };
  using Shared = std::shared_ptr<Operation>;

  static constexpr std::size_t kInput = 16 << 10;

  // The first buffer that is not empty.
  template <class Buffer, class Buffers>
  static Buffer first_of(const Buffers& buffers) {
    const auto end = boost::asio::buffer_sequence_end(buffers);
    for (auto it = boost::asio::buffer_sequence_begin(buffers); it != end; ++it) {
      if (Buffer(*it).size() != 0) return Buffer(*it);
    }
    return {};
  }
  // Handlers of composed operations can only be moved.
  template <class Handler>
  static Done shared(Handler handler) {
    return [one = std::make_shared<Handler>(std::move(handler))](
               const ErrorCode& error, std::size_t bytes) { std::move (*one)(error, bytes); };
  }

  void start(Kind kind, char* data, std::size_t size, Done done);
  void advance(const Shared& operation);
  void flush(const Shared& operation, std::string bytes);
  void read_network(const Shared& operation);
  void after_flush(const Shared& operation);
  static TlsSession::Step step(TlsSession* session, Operation* operation);
  void finish(const Shared& operation, const ErrorCode& error);

  boost::beast::tcp_stream tcp_;
  std::unique_ptr<TlsSession> tls_;
  std::unique_ptr<char[]> input_;
  std::string output_;
  bool heard_client_ = false;  // bytes of the handshake have come
  bool spoke_http_ = false;
};

}  // namespace tocsin::net
