// SPDX-License-Identifier: Apache-2.0
#include "net/direct/exchange.h"

#include <algorithm>
#include <cstring>

#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

namespace tocsin::net {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;

constexpr std::size_t kHeadBytes = 4U << 10;    // read at once before the body's size is known
constexpr std::size_t kPieceBytes = 64U << 10;  // of a body of unknown size, or to be inflated
constexpr std::uint32_t kMaxHeaderBytes = 1U << 20;
constexpr std::size_t kMaxMemory = 16;
constexpr std::size_t kMaxAvoided = 1024;
constexpr base::Duration kMaxIdle = std::chrono::minutes(2);

// As Go writes it: lower case, without our own context.
std::string reason_of(const boost::system::error_code& error) {
  std::string text(message(errno_status(error.value(), "")));
  if (const std::size_t colon = text.rfind(": "); colon != std::string::npos) {
    text.erase(0, colon + 2);
  }
  if (!text.empty() && text[0] >= 'A' && text[0] <= 'Z') {
    text[0] = static_cast<char>(text[0] - 'A' + 'a');
  }
  return text;
}

}  // namespace

// Connections -----------------------------------------------------------------------------------

std::unique_ptr<DirectConnections::Connection> DirectConnections::make(const tcp::endpoint& to) {
  auto connection = std::make_unique<Connection>(loop_.context());
  connection->to = to;
  return connection;
}

std::unique_ptr<DirectConnections::Connection> DirectConnections::take(const tcp::endpoint& to) {
  const auto found = by_address_.find(to);
  if (found == by_address_.end()) return make(to);
  std::unique_ptr<Connection> connection = std::move(*found->second);
  idle_.erase(found->second);
  by_address_.erase(found);
  return connection;
}

void DirectConnections::give_back(std::unique_ptr<Connection> connection) {
  const base::SteadyTime now = loop_.clock().steady_now();
  connection->used = true;
  connection->idle_since = now;
  idle_.push_front(std::move(connection));
  by_address_.emplace(idle_.front()->to, idle_.begin());
  while (idle_.size() > max_idle_ || now - idle_.back()->idle_since > kMaxIdle) drop_oldest();
}

void DirectConnections::drop_oldest() {
  const auto oldest = std::prev(idle_.end());
  const auto [begin, end] = by_address_.equal_range((*oldest)->to);
  by_address_.erase(
      std::find_if(begin, end, [&](const auto& entry) { return entry.second == oldest; }));
  idle_.erase(oldest);
}

void DirectConnections::close_all() {
  by_address_.clear();
  idle_.clear();
}

DirectConnections::Memory DirectConnections::take_memory() {
  if (memory_.empty()) return {};
  Memory memory = std::move(memory_.back());
  memory_.pop_back();
  return memory;
}

void DirectConnections::give_back(Memory memory) {
  memory.buffer.clear();
  const bool usual = memory.buffer.capacity() <= 2 * kPieceBytes;  // no large head was read
  if (usual && memory_.size() < kMaxMemory) memory_.push_back(std::move(memory));
}

void DirectConnections::avoid(const DirectRequest& request) {
  if (avoided_.size() >= kMaxAvoided) avoided_.clear();
  avoided_.insert(std::hash<std::string>()(request.bytes));
}

bool DirectConnections::avoids(const DirectRequest& request) const {
  return !avoided_.empty() && avoided_.contains(std::hash<std::string>()(request.bytes));
}

// One exchange ----------------------------------------------------------------------------------

DirectExchange::DirectExchange(DirectConnections& connections, DirectRequest request,
                               DirectReceiver& receiver, Done done)
    : connections_(connections),
      request_(std::move(request)),
      receiver_(receiver),
      done_(std::move(done)),
      memory_(connections.take_memory()) {}

DirectExchange::~DirectExchange() = default;

template <typename Handler>
auto DirectExchange::unless_over(Handler handler) {
  // A handler holds the connection's socket alive through the exchange; one of an earlier
  // connection finds another one.
  return [self = shared_from_this(), of = connection_.get(), handler](const ErrorCode& error,
                                                                      auto... more) {
    if (self->done_ && self->connection_.get() == of) handler(error, more...);
  };
}

void DirectExchange::start() {
  connection_ = fresh_ ? connections_.make(request_.to) : connections_.take(request_.to);
  connection_->socket.is_open() ? write() : connect();
}

void DirectExchange::connect() {
  ErrorCode error;
  tcp::socket& socket = connection_->socket;
  socket.open(request_.to.protocol(), error);
  if (!error) socket.set_option(tcp::no_delay(true), error);
  if (!error) socket.set_option(asio::socket_base::keep_alive(true), error);
  if (error) return on_connected(error);
  socket.async_connect(request_.to,
                       unless_over([this](const ErrorCode& failed) { on_connected(failed); }));
}

void DirectExchange::on_connected(const ErrorCode& error) {
  if (!error) return write();
  Url address;
  address.host = request_.to.address().to_string();
  address.port = request_.to.port();
  finish(unavailable("dial tcp {}: connect: {}", address.authority(), reason_of(error)));
}

void DirectExchange::write() {
  parser_.emplace();
  parser_->header_limit(kMaxHeaderBytes);
  parser_->body_limit(boost::none);  // the receiver sees to it
  memory_.buffer.clear();
  asio::async_write(connection_->socket, asio::buffer(request_.bytes),
                    unless_over([this](const ErrorCode& error, std::size_t) {
                      error ? fail(error) : read_head();
                    }));
}

void DirectExchange::read_head() {
  connection_->socket.async_read_some(
      memory_.buffer.prepare(kHeadBytes),
      unless_over(
          [this](const ErrorCode& error, std::size_t bytes) { on_head_bytes(error, bytes); }));
}

void DirectExchange::on_head_bytes(const ErrorCode& error, std::size_t bytes) {
  if (error) return fail(error);
  memory_.buffer.commit(bytes);
  ErrorCode refused;
  memory_.buffer.consume(parser_->put(memory_.buffer.data(), refused));
  if (refused == http::error::need_more) return read_head();
  if (refused == http::error::header_limit) {
    return finish(resource_exhausted("response headers are too large"));
  }
  if (refused) return finish(unimplemented("malformed HTTP response: {}", refused.message()));
  parser_->is_header_done() ? take_head() : read_head();
}

void DirectExchange::take_head() {
  const auto& message = parser_->get();
  if (message.result_int() / 100 == 1) {  // 100 Continue and the like come before the response
    parser_.emplace();
    parser_->header_limit(kMaxHeaderBytes);
    parser_->body_limit(boost::none);
    return memory_.buffer.size() == 0 ? read_head() : on_head_bytes({}, 0);
  }
  HttpHeaders headers;
  for (const auto& field : message) {
    headers.add(std::string_view(field.name_string()), std::string_view(field.value()));
  }
  const Status taken = receiver_.take_head(static_cast<int>(message.result_int()), headers);
  taken.ok() ? begin_body() : finish(taken);
}

void DirectExchange::begin_body() {
  if (parser_->is_done()) return finish(ok());
  const auto size = parser_->content_length();
  if (size && !parser_->chunked()) {
    const StatusOr<char*> memory = receiver_.body_memory(*size);
    if (!memory.ok()) return finish(memory.status());
    if (*memory != nullptr) return read_rest(*memory, *size);
  }
  parser_->eager(true);
  memory_.piece.resize(kPieceBytes);
  take_pieces();
}

// Reads a body of known size past the parser, where it belongs.
void DirectExchange::read_rest(char* memory, std::uint64_t size) {
  boost::beast::flat_buffer& buffer = memory_.buffer;
  const std::size_t here = std::min<std::uint64_t>(buffer.size(), size);
  std::memcpy(memory, buffer.data().data(), here);
  buffer.consume(here);
  asio::async_read(connection_->socket, asio::buffer(memory + here, size - here),
                   unless_over([this](const ErrorCode& error, std::size_t) {
                     error ? fail(error) : finish(ok());
                   }));
}

void DirectExchange::take_pieces() {
  for (;;) {
    auto& body = parser_->get().body();
    body.data = memory_.piece.data();
    body.size = memory_.piece.size();
    body.more = true;
    ErrorCode error;
    const std::size_t used = parser_->put(memory_.buffer.data(), error);
    memory_.buffer.consume(used);
    const std::size_t taken = memory_.piece.size() - body.size;
    if (taken != 0) {
      if (const Status status = receiver_.take_body({memory_.piece.data(), taken}); !status.ok()) {
        return finish(status);
      }
    }
    if (error && error != http::error::need_buffer && error != http::error::need_more) {
      return finish(unavailable("malformed HTTP response: {}", error.message()));
    }
    if (parser_->is_done()) return finish(ok());
    if (memory_.buffer.size() == 0 || error == http::error::need_more ||
        (used == 0 && taken == 0)) {
      break;
    }
  }
  connection_->socket.async_read_some(
      memory_.buffer.prepare(kPieceBytes),
      unless_over([this](const ErrorCode& error, std::size_t bytes) { on_pieces(error, bytes); }));
}

void DirectExchange::on_pieces(const ErrorCode& error, std::size_t bytes) {
  memory_.buffer.commit(bytes);
  if (!error) return take_pieces();
  if (error != asio::error::eof) return fail(error);
  // The end of the connection may be the end of the body.
  ErrorCode incomplete;
  parser_->put_eof(incomplete);
  incomplete ? fail(error) : finish(ok());
}

bool DirectExchange::try_again() {
  if (!connection_->used || fresh_ || parser_->got_some() || memory_.buffer.size() != 0) {
    return false;
  }
  fresh_ = true;
  start();
  return true;
}

void DirectExchange::fail(const ErrorCode& error) {
  if (parser_ && try_again()) return;
  if (error != asio::error::eof) return finish(unavailable("read: {}", reason_of(error)));
  const bool began = parser_->got_some() || memory_.buffer.size() != 0;
  finish(unavailable("{}", began ? "unexpected EOF" : "EOF"));
}

void DirectExchange::finish(const Status& status) {
  const auto self = shared_from_this();  // `done` may drop the last holder
  const bool keep = status.ok() && parser_->keep_alive() && memory_.buffer.size() == 0;
  if (keep) connections_.give_back(std::move(connection_));
  connection_.reset();
  connections_.give_back(std::move(memory_));
  std::exchange(done_, nullptr)(status);
}

void DirectExchange::cancel() {
  done_ = nullptr;
  connection_.reset();
}

}  // namespace tocsin::net
