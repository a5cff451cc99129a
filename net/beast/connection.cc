// SPDX-License-Identifier: Apache-2.0
#include "net/beast/connection.h"

#include <algorithm>
#include <cstring>

#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/error.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/read.hpp>

#include "base/log.h"

namespace tocsin::net {
namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
namespace log = base::log;

namespace {

// A client that sends on although it was refused is heard for so long and so much, so that it reads
// the answer before the reset that unread bytes cause.
constexpr std::chrono::seconds kLingerTime(2);
constexpr std::size_t kLingerBytes = 4 << 20;
constexpr base::Duration kHandshakeTimeout(10'000);
constexpr std::size_t kKeptBuffer = 64 << 10;
constexpr std::size_t kHeaderBuffer = 4096;  // one read takes most headers
constexpr std::size_t kFirstBodyBytes = 256 << 10;

std::string text_of(const asio::ip::tcp::socket& socket) {
  beast::error_code error;
  const auto peer = socket.remote_endpoint(error);
  if (error) return {};
  Url url;
  asio::ip::address address = peer.address();
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    address = asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6());
  }
  url.host = address.to_string();
  url.port = peer.port();
  return url.authority();
}

std::string_view view(beast::string_view text) { return {text.data(), text.size()}; }

bool is_number(beast::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// What of a head Beast lets through although a proxy in front might read it in another way; "" for
// nothing.
std::string_view ambiguity_of(const http::request<http::string_body>& head) {
  const auto hosts = head.count(http::field::host);
  const bool needs_host = head.version() >= 11;
  // A space in it is a line that went on, and that may have been meant as a header of its own.
  if (hosts > 1 || (needs_host && hosts == 0) ||
      head[http::field::host].find_first_of(" \t") != beast::string_view::npos) {
    return "missing or repeated Host header";
  }
  const auto lengths = head.count(http::field::content_length);
  if (lengths > 1 || (lengths == 1 && !is_number(head[http::field::content_length]))) {
    return "bad Content-Length";
  }
  const auto codings = head.count(http::field::transfer_encoding);
  if (codings == 0) return {};
  const bool is_chunked = beast::iequals(head[http::field::transfer_encoding], "chunked");
  return codings > 1 || !is_chunked || !needs_host ? "unsupported transfer encoding" : "";
}

HttpResponse too_busy(std::size_t limit) {
  return server_error(
      503, fmt::format("Limit of concurrent requests reached ({}), try again later.\n", limit));
}

}  // namespace

ServerCore::ServerCore(HttpServerOptions server_options, Handler request_handler,
                       BeastServices server_services)
    : options(std::move(server_options)),
      handler(std::move(request_handler)),
      services(server_services) {
  if (services.metrics == nullptr) return;
  base::Registry& metrics = *services.metrics;
  accepted = &metrics
                  .counter("net_conntrack_listener_conn_accepted_total",
                           "Total number of connections opened to the listener of a given name.",
                           {"listener_name"})
                  .with({"http"});
  closed = &metrics
                .counter("net_conntrack_listener_conn_closed_total",
                         "Total number of connections closed that were made to the listener of a "
                         "given name.",
                         {"listener_name"})
                .with({"http"});
  rejected = &metrics.counter("tocsin_http_server_rejected_total",
                              "Connections and requests refused because of a limit.", {"limit"});
}

void ServerCore::to_io(std::function<void()> work) {
  base::MutexLock lock(mutex_);
  if (detached_) return;
  // Refused only by a loop that has stopped, and then there is nobody left to answer.
  static_cast<void>(services.loop.post(std::move(work)));
}

void ServerCore::detach() {
  base::MutexLock lock(mutex_);
  detached_ = true;
}

void ServerCore::count_rejected(const char* reason) {
  if (rejected != nullptr) rejected->with({reason}).inc();
}

Connection::Connection(std::shared_ptr<ServerCore> core, asio::ip::tcp::socket socket)
    : core_(std::move(core)),
      stream_(std::move(socket)),
      remote_address_(text_of(stream_.socket())) {
  beast::error_code ignored;
  stream_.socket().set_option(asio::ip::tcp::no_delay(true), ignored);
}

void Connection::serve() {
  core_->connections.insert(shared_from_this());
  if (core_->services.tls != nullptr) return start_tls();
  read_request();
}

// Certificates may have to be read from files, so that is no work for the io thread.
void Connection::start_tls() {
  state_ = State::kReading;
  const bool posted = core_->services.handlers.post([core = core_, weak = weak_from_this()] {
    const auto context = std::make_shared<StatusOr<std::shared_ptr<const TlsContext>>>(
        core->services.tls->context());
    core->to_io([weak, context] {
      if (const auto self = weak.lock()) self->on_tls_context(*context);
    });
  });
  if (posted) return;
  core_->count_rejected("concurrent");
  close();
}

void Connection::on_tls_context(const StatusOr<std::shared_ptr<const TlsContext>>& context) {
  if (state_ != State::kReading) return;
  std::unique_ptr<TlsSession> session = context.ok() ? TlsSession::make(*context) : nullptr;
  if (session == nullptr) return close();
  stream_.tcp().expires_after(std::min(core_->options.read_timeout, kHandshakeTimeout));
  stream_.start_tls(std::move(session),
                    [self = shared_from_this()](const ErrorCode& error, std::size_t) {
                      self->on_handshake(error);
                    });
}

void Connection::on_handshake(const ErrorCode& error) {
  if (state_ != State::kReading) return;
  if (!error) return read_request();
  if (stream_.spoke_http()) {
    return reject(400, "Client sent an HTTP request to an HTTPS server.\n");
  }
  const std::string reason = stream_.tls_error();
  log::debug("TLS handshake failed",
             {{"client", remote_address_}, {"error", reason.empty() ? error.message() : reason}});
  close();
}

void Connection::refuse() {
  core_->connections.insert(shared_from_this());
  ++core_->refusing;
  refused_ = true;
  core_->count_rejected("connections");
  if (core_->services.tls != nullptr) return close();  // a handshake would cost what is scarce
  reject(503, fmt::format("Limit of open connections reached ({}), try again later.\n",
                          core_->options.max_connections));
}

void Connection::stop() {
  if (state_ == State::kReading || state_ == State::kLingering) close();
}

void Connection::close() {
  if (state_ == State::kClosed) return;
  state_ = State::kClosed;
  beast::error_code ignored;
  stream_.say_goodbye();
  stream_.socket().shutdown(asio::ip::tcp::socket::shutdown_both, ignored);
  stream_.tcp().close();
  if (refused_) --core_->refusing;
  if (core_->closed != nullptr) core_->closed->inc();
  const auto self = shared_from_this();
  core_->connections.erase(self);
  if (core_->connections.empty() && core_->on_last_closed) core_->on_last_closed();
}

void Connection::read_request() {
  state_ = State::kReading;
  writer_.reset();
  if (buffer_.size() == 0 && buffer_.capacity() > kKeptBuffer) buffer_ = beast::flat_buffer();
  buffer_.reserve(kHeaderBuffer);
  body_ = std::string();
  body_read_ = body_length_ = 0;
  parser_.emplace();
  parser_->header_limit(static_cast<std::uint32_t>(std::min<std::uint64_t>(
      core_->options.max_header_bytes, std::numeric_limits<std::uint32_t>::max())));
  parser_->body_limit(core_->options.max_body_bytes);
  stream_.tcp().expires_after(core_->options.read_timeout);
  http::async_read_header(
      stream_, buffer_, *parser_,
      [self = shared_from_this()](const ErrorCode& error, std::size_t) { self->on_header(error); });
}

void Connection::on_read_error(const ErrorCode& error) {
  if (error == http::error::header_limit) {
    core_->count_rejected("header_bytes");
    return reject(431, "431 Request Header Fields Too Large\n");
  }
  if (error == http::error::body_limit) {
    core_->count_rejected("body_bytes");
    return reject(413, "413 Request Entity Too Large\n");
  }
  const bool is_malformed =
      error.category() == make_error_code(http::error::bad_method).category() &&
      error != http::error::end_of_stream;
  if (is_malformed) return reject(400, "400 Bad Request\n");
  // The client has ended its side within a body; it may still listen.
  if (error == asio::error::eof && body_length_ != 0) {
    return reject(400, "400 Bad Request: the body is cut\n");
  }
  close();
}

void Connection::on_header(const ErrorCode& error) {
  if (state_ != State::kReading) return;
  if (error) return on_read_error(error);
  const auto& message = parser_->get();
  if (const std::string_view reason = ambiguity_of(message); !reason.empty()) {
    return reject(400, fmt::format("400 Bad Request: {}\n", reason));
  }
  const beast::string_view expect = message[http::field::expect];
  if (expect.empty() || parser_->is_done()) return read_body();
  if (!beast::iequals(expect, "100-continue")) return reject(417, "417 Expectation Failed\n");
  static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
  asio::async_write(stream_, asio::buffer(kContinue.data(), kContinue.size()),
                    [self = shared_from_this()](const ErrorCode& write_error, std::size_t) {
                      if (self->state_ != State::kReading) return;
                      if (write_error) return self->close();
                      self->read_body();
                    });
}

void Connection::read_body() {
  if (parser_->is_done()) return on_request({});
  const auto length = parser_->content_length();
  if (length) {
    body_length_ = static_cast<std::size_t>(*length);
    body_read_ = std::min(buffer_.size(), body_length_);
    body_.resize(std::min(body_length_, std::max(body_read_, kFirstBodyBytes)));
    std::memcpy(body_.data(), buffer_.data().data(), body_read_);
    buffer_.consume(body_read_);
    return read_more_body();
  }
  http::async_read(stream_, buffer_, *parser_,
                   [self = shared_from_this()](const ErrorCode& error, std::size_t) {
                     self->on_request(error);
                   });
}

// The string grows with what has arrived: a length that is only announced costs nothing.
void Connection::read_more_body() {
  if (body_read_ == body_length_) return on_request({});
  if (body_read_ == body_.size()) body_.resize(std::min(body_length_, body_read_ * 2));
  stream_.async_read_some(asio::buffer(body_.data() + body_read_, body_.size() - body_read_),
                          [self = shared_from_this()](const ErrorCode& error, std::size_t bytes) {
                            if (self->state_ != State::kReading) return;
                            if (error) return self->on_read_error(error);
                            self->body_read_ += bytes;
                            self->read_more_body();
                          });
}

void Connection::on_request(const ErrorCode& error) {
  if (state_ != State::kReading) return;
  if (error) return on_read_error(error);
  StatusOr<HttpRequest> request = take_request();
  if (!request.ok()) {
    return reply(server_error(400, fmt::format("400 Bad Request: {}\n", message(request.status()))),
                 false);
  }
  dispatch(*std::move(request));
}

StatusOr<HttpRequest> Connection::take_request() {
  auto received = parser_->release();
  HttpRequest request;
  request.method = view(received.method_string());
  for (const auto& field : received)
    request.headers.add(view(field.name_string()), view(field.value()));
  traits_ = RequestTraits::of(request, received.version() < 11);
  request.body = std::move(body_length_ != 0 ? body_ : received.body());
  request.remote_address = remote_address_;
  RETURN_IF_ERROR(request.set_target(view(received.target())));
  return request;
}

void Connection::dispatch(HttpRequest request) {
  base::Executor* const own = core_->services.choose ? core_->services.choose(request) : nullptr;
  if (own == nullptr && core_->handlers_active >= core_->options.max_concurrent) {
    core_->count_rejected("concurrent");
    return reply(too_busy(core_->options.max_concurrent), true);
  }
  state_ = State::kHandling;
  stream_.tcp().expires_never();
  client_gone_ = std::make_shared<std::atomic<bool>>(false);
  request.client_gone = client_gone_;
  watch_client();
  const std::size_t counted = own == nullptr ? 1 : 0;
  core_->handlers_active += counted;
  const auto shared_request = std::make_shared<HttpRequest>(std::move(request));
  base::Executor& executor = own == nullptr ? core_->services.handlers : *own;
  const bool posted = executor.post(
      [core = core_, weak = weak_from_this(), shared_request, traits = traits_, counted] {
        auto response = call_handler(core->handler, *shared_request);
        std::shared_ptr<ResponseWriter> writer;
        if (response.ok()) {
          writer = std::make_shared<ResponseWriter>(*std::move(response), traits, !core->stopping,
                                                    core->services.clock.now());
        } else {
          log::warn("request failed",
                    {{"target", shared_request->target}, {"error", message(response.status())}});
        }
        core->to_io([core, weak, writer, counted] {
          core->handlers_active -= counted;
          const auto self = weak.lock();
          if (!self) return;
          if (writer) return self->write_response(writer);
          self->close();
        });
      });
  if (posted) return;
  core_->handlers_active -= counted;
  core_->count_rejected("concurrent");
  reply(server_error(503, "Too many requests are waiting, try again later.\n"), true);
}

void Connection::watch_client() {
  if (watching_) return;
  watching_ = true;
  stream_.socket().async_wait(asio::ip::tcp::socket::wait_read,
                              [weak = weak_from_this()](const ErrorCode& error) {
                                const auto self = weak.lock();
                                if (!self) return;
                                self->watching_ = false;
                                if (!error) self->on_client_event();
                              });
}

// What can be read is the end of the stream, or the next request of a client in a hurry.
void Connection::on_client_event() {
  if (state_ != State::kHandling) return;
  const ServerStream::Heard heard = stream_.listen();
  if (heard == ServerStream::Heard::kNothing) return watch_client();
  if (heard == ServerStream::Heard::kEnd) client_gone_->store(true, std::memory_order_relaxed);
}

void Connection::reply(HttpResponse response, bool keep_alive) {
  write_response(std::make_shared<ResponseWriter>(
      std::move(response), traits_, keep_alive && !core_->stopping, core_->services.clock.now()));
}

void Connection::reject(int status, std::string_view text) {
  request_unread_ = true;
  traits_ = RequestTraits();
  reply(server_error(status, text), false);
}

void Connection::write_response(std::shared_ptr<ResponseWriter> writer) {
  if (state_ == State::kClosed) return;
  state_ = State::kWriting;
  writer_ = std::move(writer);
  written_ = 0;
  piece_.clear();
  write_more();
}

// Writes step by step rather than all at once: the time limit is on progress, not on the whole.
void Connection::write_more() {
  std::array<asio::const_buffer, 2> parts;
  if (!piece_.empty()) {
    parts[0] = asio::buffer(piece_) + written_;
  } else {
    const std::string& head = writer_->head();
    parts[0] = asio::buffer(head) + written_;
    parts[1] =
        asio::buffer(writer_->body()) + (written_ > head.size() ? written_ - head.size() : 0);
  }
  stream_.tcp().expires_after(core_->options.write_timeout);
  stream_.async_write_some(parts,
                           [self = shared_from_this()](const ErrorCode& error, std::size_t bytes) {
                             self->on_written(error, bytes);
                           });
}

void Connection::on_written(const ErrorCode& error, std::size_t bytes) {
  if (state_ != State::kWriting) return;
  if (error) return close();
  written_ += bytes;
  const std::size_t size =
      piece_.empty() ? writer_->head().size() + writer_->body().size() : piece_.size();
  if (written_ < size) return write_more();
  if (writer_->is_stream()) return pull();
  finish_response();
}

// Asks the handler's stream for its next piece: only when the last one has left, so a slow reader
// costs a socket and one piece of memory, but no thread.
void Connection::pull() {
  stream_.tcp().expires_never();
  const bool posted =
      core_->services.handlers.post([core = core_, weak = weak_from_this(), writer = writer_] {
        const auto piece = std::make_shared<StatusOr<std::string>>(writer->next());
        core->to_io([weak, piece] {
          if (const auto self = weak.lock()) self->on_piece(*piece);
        });
      });
  if (!posted) on_piece(resource_exhausted("the queue of the handlers is full"));
}

void Connection::on_piece(const StatusOr<std::string>& piece) {
  if (state_ != State::kWriting) return;
  if (!piece.ok()) {
    // Without the last chunk the client sees that the body is cut.
    log::warn("response body failed", {{"error", message(piece.status())}});
    return close();
  }
  if (piece->empty()) return finish_response();
  piece_ = *piece;
  written_ = 0;
  write_more();
}

void Connection::finish_response() {
  const bool keeps_alive = writer_->keeps_alive() && !core_->stopping;
  if (keeps_alive && !request_unread_) return read_request();
  if (request_unread_) return linger();
  close();
}

void Connection::linger() {
  if (state_ != State::kLingering) {
    state_ = State::kLingering;
    parser_.reset();
    buffer_.clear();
    beast::error_code ignored;
    stream_.say_goodbye();
    stream_.socket().shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
    stream_.tcp().expires_after(kLingerTime);
  }
  stream_.async_read_some(buffer_.prepare(kKeptBuffer),
                          [self = shared_from_this()](const ErrorCode& error, std::size_t bytes) {
                            self->lingered_ += bytes;
                            if (self->state_ != State::kLingering) return;
                            if (error || self->lingered_ > kLingerBytes) return self->close();
                            self->linger();
                          });
}

}  // namespace tocsin::net
