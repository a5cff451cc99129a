// SPDX-License-Identifier: Apache-2.0
//
// DirectExchange: one HTTP/1.1 request over plain TCP to a numeric address, without libcurl, and the
// connections that are kept for the next ones. A scrape costs a sixth less CPU so
// (docs/decisions/0023-direct-scrapes.md); everything that is not that simple stays with libcurl.
//
// A connection that its server had closed before anything came back is replaced once. Redirects are
// not followed: they are responses.
// Owns: sockets.
// Borrows: the loop and the receiver, until `done` was called or cancel().
// Threads: confined to the io thread.
// Hides: Beast's parser.
// Errors: kUnavailable with Go's words: "dial tcp ...", "EOF", "unexpected EOF"; kUnimplemented for a
// head that Beast refuses, which libcurl may understand; what the receiver returned.
#pragma once

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>

#include "base/status.h"
#include "base/time.h"
#include "net/http.h"
#include "net/io_loop.h"

namespace tocsin::net {

struct DirectRequest {
  boost::asio::ip::tcp::endpoint to;
  std::string bytes;  // the whole request: a GET without a body
};

// Takes a response as it arrives.
class DirectReceiver {
 public:
  virtual ~DirectReceiver() = default;
  virtual Status take_head(int status, HttpHeaders headers) = 0;
  // Where a body of announced size goes; null when it has to come in pieces.
  virtual StatusOr<char*> body_memory(std::uint64_t size) = 0;
  virtual Status take_body(std::string_view piece) = 0;
};

// Idle connections, memory to read into, and what does not work directly.
class DirectConnections {
 public:
  struct Connection {
    explicit Connection(boost::asio::io_context& context) : socket(context) {}
    boost::asio::ip::tcp::socket socket;
    boost::asio::ip::tcp::endpoint to;
    bool used = false;  // for a response before
    base::SteadyTime idle_since;
  };
  struct Memory {
    boost::beast::flat_buffer buffer;
    std::string piece;
  };

  DirectConnections(IoLoop& loop, std::size_t max_idle) : loop_(loop), max_idle_(max_idle) {}

  // An idle connection to the address, or one that is still to be connected.
  std::unique_ptr<Connection> take(const boost::asio::ip::tcp::endpoint& to);
  std::unique_ptr<Connection> make(const boost::asio::ip::tcp::endpoint& to);
  void give_back(std::unique_ptr<Connection> connection);
  Memory take_memory();
  void give_back(Memory memory);
  void close_all();

  // Remembers that this request is better left to libcurl; with a thousand remembered it begins anew.
  void avoid(const DirectRequest& request);
  bool avoids(const DirectRequest& request) const;

 private:
  using Idle = std::list<std::unique_ptr<Connection>>;

  void drop_oldest();

  IoLoop& loop_;
  const std::size_t max_idle_;
  Idle idle_;  // the last used first
  std::multimap<boost::asio::ip::tcp::endpoint, Idle::iterator> by_address_;
  std::vector<Memory> memory_;
  std::unordered_set<std::size_t> avoided_;  // hashes of requests
};

class DirectExchange : public std::enable_shared_from_this<DirectExchange> {
 public:
  using Done = std::function<void(const Status&)>;

  DirectExchange(DirectConnections& connections, DirectRequest request, DirectReceiver& receiver,
                 Done done);
  ~DirectExchange();

  const DirectRequest& request() const { return request_; }
  // May call `done` before it returns.
  void start();
  // Closes the connection; `done` is not called any more.
  void cancel();

 private:
  using ErrorCode = boost::system::error_code;
  using Parser = boost::beast::http::response_parser<boost::beast::http::buffer_body>;

  void connect();
  void on_connected(const ErrorCode& error);
  void write();
  void read_head();
  void on_head_bytes(const ErrorCode& error, std::size_t bytes);
  void take_head();
  void begin_body();
  void read_rest(char* memory, std::uint64_t size);
  void take_pieces();
  void on_pieces(const ErrorCode& error, std::size_t bytes);
  // After a connection failed that an earlier response came over: tries once more with a new one.
  bool try_again();
  void fail(const ErrorCode& error);
  void finish(const Status& status);
  // Wraps a handler of a socket operation: it runs unless the exchange is over.
  template <typename Handler>
  auto unless_over(Handler handler);

  DirectConnections& connections_;
  const DirectRequest request_;
  DirectReceiver& receiver_;
  Done done_;
  std::unique_ptr<DirectConnections::Connection> connection_;
  DirectConnections::Memory memory_;
  std::optional<Parser> parser_;
  bool fresh_ = false;  // the second try
};

}  // namespace tocsin::net
