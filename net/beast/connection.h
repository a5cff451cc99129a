// SPDX-License-Identifier: Apache-2.0
//
// Connection serves one client of the Beast server: read a request, run the handler elsewhere,
// write the response, again. ServerCore is what all connections of a server share.
//
// Owns: the socket. A Connection lives while its core's set or a socket operation holds it.
// Threads: confined to the io thread. Work on the handlers' executor holds only the core, a weak
// connection and values, so that it may outlast the server: core->to_io() then drops its result.
// Errors: a client that breaks the protocol gets 400, 413 or 431 and is closed; socket errors
// close.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>

#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include "base/mutex.h"
#include "net/beast.h"
#include "net/beast/server_stream.h"
#include "net/server/response_writer.h"

namespace tocsin::net {

class Connection;

struct ServerCore {
  ServerCore(HttpServerOptions server_options, Handler request_handler,
             BeastServices server_services);

  // Runs `work` on the io thread, unless the server has been stopped by force.
  void to_io(std::function<void()> work);
  // After this to_io() does nothing. From any thread.
  void detach();
  void count_rejected(const char* reason);

  const HttpServerOptions options;
  const Handler handler;
  const BeastServices services;
  base::Counter* accepted = nullptr;
  base::Counter* closed = nullptr;
  base::CounterVec* rejected = nullptr;
  std::atomic<bool> stopping = false;

  // Confined to the io thread.
  std::unordered_set<std::shared_ptr<Connection>> connections;
  std::size_t refusing = 0;  // of these, how many only hear that the server is full
  std::size_t handlers_active = 0;
  std::function<void()> on_last_closed;

 private:
  base::Mutex mutex_;
  bool detached_ ABSL_GUARDED_BY(mutex_) = false;
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(std::shared_ptr<ServerCore> core, boost::asio::ip::tcp::socket socket);

  void serve();
  // Answers 503 whatever the request, and closes.
  void refuse();
  // Closes now unless a request is being handled or answered.
  void stop();
  void close();

 private:
  enum class State { kReading, kHandling, kWriting, kLingering, kClosed };
  using ErrorCode = boost::beast::error_code;
  using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;

  void start_tls();
  void on_tls_context(const StatusOr<std::shared_ptr<const TlsContext>>& context);
  void on_handshake(const ErrorCode& error);
  void read_request();
  void read_body();
  void read_more_body();
  void on_header(const ErrorCode& error);
  void on_request(const ErrorCode& error);
  void on_read_error(const ErrorCode& error);
  StatusOr<HttpRequest> take_request();
  void dispatch(HttpRequest request);
  // Notes in client_gone_ when the client closes the connection while its request is handled.
  void watch_client();
  void on_client_event();
  void reply(HttpResponse response, bool keep_alive);
  // Answers a request that was not read to its end.
  void reject(int status, std::string_view text);
  void write_response(std::shared_ptr<ResponseWriter> writer);
  void write_more();
  void on_written(const ErrorCode& error, std::size_t bytes);
  void pull();
  void on_piece(const StatusOr<std::string>& piece);
  void finish_response();
  void linger();

  const std::shared_ptr<ServerCore> core_;
  ServerStream stream_;
  boost::beast::flat_buffer buffer_;
  std::optional<Parser> parser_;
  // A body of announced length is read past the parser, straight into the string that the handler
  // gets: its size so far read, and the length.
  std::string body_;
  std::size_t body_read_ = 0;
  std::size_t body_length_ = 0;
  const std::string remote_address_;
  State state_ = State::kReading;
  bool refused_ = false;
  bool request_unread_ = false;                     // bytes of the request may still come
  bool watching_ = false;                           // a wait for something to read is under way
  std::shared_ptr<std::atomic<bool>> client_gone_;  // of the request that is handled
  RequestTraits traits_;
  std::shared_ptr<ResponseWriter> writer_;
  std::string piece_;        // of a stream, being written
  std::size_t written_ = 0;  // of head and body, or of the piece
  std::size_t lingered_ = 0;
};

}  // namespace tocsin::net
