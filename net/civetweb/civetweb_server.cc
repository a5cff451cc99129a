// SPDX-License-Identifier: Apache-2.0
//
// civetweb parses and writes on its own small-stacked threads; everything else happens on the
// handlers' executor while the thread waits. What civetweb 1.15 lets through and a proxy in front
// might read otherwise (two lengths, no Host) is refused here.
#include <civetweb.h>
#include <netdb.h>
#include <poll.h>
#include <strings.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <optional>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/check.h"
#include "base/log.h"
#include "net/civetweb.h"
#include "net/server/listen_address.h"
#include "net/server/response_writer.h"

namespace tocsin::net {
namespace {

constexpr const char* kThreads = "8";
// Of reading a request and of writing without progress: whoever is slower holds one of the threads.
constexpr base::Duration kRequestTimeout(10'000);
// Short, because an idle connection holds one of the threads.
constexpr const char* kKeepAliveMs = "500";
constexpr std::chrono::seconds kStopTime(5);
constexpr std::chrono::milliseconds kStopCheck(100);
constexpr int kWakePauseMs = 5;

// What handlers may still use after the server has given up on them.
struct CivetwebCore {
  CivetwebCore(HttpServerOptions server_options, Handler request_handler, base::Executor& executor)
      : options(std::move(server_options)),
        handler(std::move(request_handler)),
        handlers(executor) {}

  const HttpServerOptions options;
  const Handler handler;
  base::Executor& handlers;
  const base::SystemClock clock;
  std::atomic<std::size_t> handlers_active = 0;
  std::atomic<bool> stopping = false;
  base::Guarded<base::SteadyTime> stop_deadline;

  // Requests that have come whole and are not yet answered to their end.
  base::Mutex mutex;
  base::CondVar changed;
  std::size_t exchanges ABSL_GUARDED_BY(mutex) = 0;
};

// Counts an exchange that stop() lets end.
class Counted {
 public:
  explicit Counted(CivetwebCore& core) : core_(core) {
    base::MutexLock lock(core_.mutex);
    ++core_.exchanges;
  }
  ~Counted() {
    base::MutexLock lock(core_.mutex);
    --core_.exchanges;
    core_.changed.notify_all();
  }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;

 private:
  CivetwebCore& core_;
};

// Ends a wait when it is destroyed: after the work, or when the executor drops it.
class Completion {
 public:
  // Returns false when the server stops first.
  bool wait(const CivetwebCore& core) {
    base::MutexLock lock(mutex_);
    while (!done_) {
      const base::SteadyTime now = core.clock.steady_now();
      if (core.stopping && now >= *core.stop_deadline.lock()) return false;
      static_cast<void>(changed_.wait_until(mutex_, now + kStopCheck));
    }
    return true;
  }
  void set() {
    base::MutexLock lock(mutex_);
    done_ = true;
    changed_.notify_all();
  }

 private:
  base::Mutex mutex_;
  base::CondVar changed_;
  bool done_ ABSL_GUARDED_BY(mutex_) = false;
};

// Runs `work` on the handlers' executor and waits. False when it did not run to its end.
// `work` must hold what it uses: it may outlast the wait.
bool run_on_handlers(const std::shared_ptr<CivetwebCore>& core, std::function<void()> work) {
  const auto completion = std::make_shared<Completion>();
  const auto ran = std::make_shared<std::atomic<bool>>(false);
  std::shared_ptr<void> at_end(nullptr, [completion](void*) { completion->set(); });
  const bool posted = core->handlers.post([work = std::move(work), ran, at_end] {
    work();
    *ran = true;
  });
  at_end.reset();
  return posted && completion->wait(*core) && *ran;
}

bool write_all(mg_connection* connection, std::string_view data) {
  constexpr std::size_t kMaxWrite = 1 << 20;
  while (!data.empty()) {
    const std::size_t size = std::min(data.size(), kMaxWrite);
    if (mg_write(connection, data.data(), size) != static_cast<int>(size)) return false;
    data.remove_prefix(size);
  }
  return true;
}

// One request on a civetweb thread.
class Exchange {
 public:
  Exchange(std::shared_ptr<CivetwebCore> core, mg_connection* connection)
      : core_(std::move(core)), connection_(connection), info_(*mg_get_request_info(connection)) {}

  // Returns the status for civetweb.
  int serve();

 private:
  // An error to answer with, or nothing.
  std::optional<HttpResponse> take_request();
  std::optional<HttpResponse> take_body(bool is_chunked);
  int handle();
  int answer(HttpResponse response, bool keep_alive);
  int write(const std::shared_ptr<ResponseWriter>& writer, int status);
  int abandon();

  const std::shared_ptr<CivetwebCore> core_;
  mg_connection* const connection_;
  const mg_request_info& info_;
  std::shared_ptr<HttpRequest> request_ = std::make_shared<HttpRequest>();
  RequestTraits traits_;
};

bool is_word(std::string_view text, std::string_view word) {
  return text.size() == word.size() && ::strncasecmp(text.data(), word.data(), word.size()) == 0;
}

// Whether a head is what it looks like. civetweb skips what it does not understand: it takes lines
// that end without CR, spaces before a colon or between words, and it silently drops all headers
// after a line that starts with a space. Yet it parses in place, with zero bytes in place of
// separators, so that the distances of the parts tell what lies between them.
// REQUIRES: fewer than MG_MAX_HEADERS headers.
bool is_strict(const mg_request_info& info) {
  const auto end_of = [](const char* text) { return text + std::strlen(text); };
  const char* target_end =
      end_of(info.query_string != nullptr ? info.query_string : info.request_uri);
  if (info.request_uri != end_of(info.request_method) + 1) return false;
  if (info.http_version != target_end + 1 + std::strlen("HTTP/")) return false;
  const char* end = end_of(info.http_version);
  for (int i = 0; i < info.num_headers; ++i) {
    const mg_header& header = info.http_headers[i];
    const char* colon = end_of(header.name);
    const bool space_before_colon = header.value != colon + 1 && colon[1] == '\0';
    if (header.name != end + 2 || space_before_colon) return false;
    end = end_of(header.value);
  }
  // The empty line, of which civetweb overwrites the last byte, or all when there are no headers.
  return (end[2] == '\r' || (end[2] == '\0' && info.num_headers == 0)) && end[3] == '\0';
}

struct FramingHeaders {
  int hosts = 0;
  int lengths = 0;
  int codings = 0;
};

std::optional<HttpResponse> check_framing(const HttpHeaders& headers, const FramingHeaders& counts,
                                          bool is_http_1_0) {
  const auto bad = [](std::string_view why) {
    return server_error(400, fmt::format("400 Bad Request: {}\n", why));
  };
  const std::string_view length = headers.get("Content-Length");
  if (length.find_first_not_of("0123456789") != std::string_view::npos) {
    return bad("bad Content-Length");
  }
  if (counts.lengths > 1 || (counts.lengths == 1 && counts.codings != 0)) {
    return bad("more than one body length");
  }
  if (counts.hosts > 1 || (counts.hosts == 0 && !is_http_1_0) ||
      headers.get("Host").find_first_of(" \t") != std::string_view::npos) {
    return bad("missing or repeated Host header");
  }
  if (counts.codings == 0) return std::nullopt;
  const std::string_view coding = headers.get("Transfer-Encoding");
  const bool is_chunked = is_word(coding, "chunked");
  if (counts.codings > 1 || !is_chunked || is_http_1_0) return bad("unsupported transfer encoding");
  return std::nullopt;
}

std::optional<HttpResponse> Exchange::take_request() {
  const std::string_view version = info_.http_version == nullptr ? "" : info_.http_version;
  FramingHeaders counts;
  for (int i = 0; i < info_.num_headers; ++i) {
    const mg_header& header = info_.http_headers[i];
    request_->headers.add(header.name, header.value);
    counts.hosts += ::strcasecmp(header.name, "Host") == 0 ? 1 : 0;
    counts.lengths += ::strcasecmp(header.name, "Content-Length") == 0 ? 1 : 0;
    counts.codings += ::strcasecmp(header.name, "Transfer-Encoding") == 0 ? 1 : 0;
  }
  request_->method = info_.request_method;
  const bool is_http_1_0 = version == "1.0";
  traits_ = RequestTraits::of(*request_, is_http_1_0);
  // civetweb keeps the first headers and drops the rest, which might be the ones that matter.
  if (info_.num_headers >= MG_MAX_HEADERS) {
    return server_error(431, "431 Request Header Fields Too Large\n");
  }
  if (!is_strict(info_)) return server_error(400, "400 Bad Request\n");
  if (auto error = check_framing(request_->headers, counts, is_http_1_0)) return error;
  const std::string_view expect = request_->headers.get("Expect");
  if (!expect.empty() && !is_word(expect, "100-continue")) {
    return server_error(417, "417 Expectation Failed\n");
  }
  std::string target = info_.request_uri;
  if (info_.query_string != nullptr) target.append("?").append(info_.query_string);
  if (const Status status = request_->set_target(target); !status.ok()) {
    return server_error(400, fmt::format("400 Bad Request: {}\n", message(status)));
  }
  Url peer;
  peer.host = info_.remote_addr;
  peer.port = static_cast<std::uint16_t>(info_.remote_port);
  request_->remote_address = peer.authority();
  return take_body(counts.codings != 0);
}

std::optional<HttpResponse> Exchange::take_body(bool is_chunked) {
  const std::uint64_t limit = core_->options.max_body_bytes;
  const bool has_length = info_.content_length > 0;
  const auto length = static_cast<std::uint64_t>(has_length ? info_.content_length : 0);
  const auto too_large = [] { return server_error(413, "413 Request Entity Too Large\n"); };
  if (length > limit) return too_large();
  if (!has_length && !is_chunked) return std::nullopt;
  if (!request_->headers.get("Expect").empty()) {
    write_all(connection_, "HTTP/1.1 100 Continue\r\n\r\n");
  }
  std::array<char, 8 << 10> buffer;
  for (;;) {
    const int got = mg_read(connection_, buffer.data(), buffer.size());
    if (got < 0) return server_error(400, "400 Bad Request: malformed body\n");
    if (got == 0) break;
    request_->body.append(buffer.data(), static_cast<std::size_t>(got));
    if (request_->body.size() > limit) return too_large();
  }
  if (has_length && request_->body.size() != length) {
    return server_error(400, "400 Bad Request: the body is cut\n");
  }
  return std::nullopt;
}

int Exchange::serve() {
  if (core_->stopping) return abandon();
  std::optional<HttpResponse> error = take_request();
  const Counted counted(*core_);
  if (core_->stopping) return abandon();
  if (error) return answer(*std::move(error), false);
  if (core_->handlers_active.fetch_add(1) >= core_->options.max_concurrent) {
    --core_->handlers_active;
    return answer(
        server_error(503, fmt::format("Limit of concurrent requests reached ({}), try again "
                                      "later.\n",
                                      core_->options.max_concurrent)),
        true);
  }
  return handle();
}

int Exchange::handle() {
  const auto response =
      std::make_shared<StatusOr<HttpResponse>>(internal("the handler did not run"));
  const auto writer = std::make_shared<std::shared_ptr<ResponseWriter>>();
  const auto status = std::make_shared<int>(500);
  const bool ran =
      run_on_handlers(core_, [core = core_, request = request_, traits = traits_, writer, status] {
        auto answered = call_handler(core->handler, *request);
        --core->handlers_active;
        if (!answered.ok()) {
          base::log::warn("request failed",
                          {{"target", request->target}, {"error", message(answered.status())}});
          return;
        }
        *status = answered->status;
        *writer = std::make_shared<ResponseWriter>(*std::move(answered), traits, !core->stopping,
                                                   core->clock.now());
      });
  if (!ran && !core_->stopping) {
    --core_->handlers_active;
    return answer(server_error(503, "Too many requests are waiting, try again later.\n"), false);
  }
  if (!ran || *writer == nullptr) return abandon();
  return write(*writer, *status);
}

int Exchange::answer(HttpResponse response, bool keep_alive) {
  const int status = response.status;
  return write(std::make_shared<ResponseWriter>(std::move(response), traits_,
                                                keep_alive && !core_->stopping, core_->clock.now()),
               status);
}

int Exchange::write(const std::shared_ptr<ResponseWriter>& writer, int status) {
  if (!writer->keeps_alive()) mg_disable_connection_keep_alive(connection_);
  constexpr std::size_t kOneWrite = 64 << 10;
  const bool together = writer->body().size() <= kOneWrite;
  const bool written =
      together ? write_all(connection_, writer->head() + writer->body())
               : write_all(connection_, writer->head()) && write_all(connection_, writer->body());
  if (!written) return abandon();
  while (writer->is_stream()) {
    const auto piece = std::make_shared<StatusOr<std::string>>(std::string());
    const bool ran = run_on_handlers(core_, [writer, piece] {
      *piece = writer->next();
      if (!piece->ok()) {
        base::log::warn("response body failed", {{"error", message(piece->status())}});
      }
    });
    if (!ran || !piece->ok()) return abandon();
    if (piece->value().empty()) break;
    if (!write_all(connection_, piece->value())) return abandon();
  }
  return status;
}

// Closes the connection without the rest of a response.
int Exchange::abandon() {
  mg_disable_connection_keep_alive(connection_);
  return 500;
}

int on_request(mg_connection* connection) {
  const auto* core =
      static_cast<std::shared_ptr<CivetwebCore>*>(mg_get_user_data(mg_get_context(connection)));
  return Exchange(*core, connection).serve();
}

// Errors that civetweb finds before there is a request.
int on_error(mg_connection* connection, int given_status, const char* /*text*/) {
  // For a length that is no number; "length required" would say something else.
  const int status = given_status == 411 ? 400 : given_status;
  const std::string text = fmt::format("{} {}\n", status, status_reason(status));
  const ResponseWriter writer(server_error(status, text), RequestTraits(), false,
                              base::SystemClock().now());
  mg_disable_connection_keep_alive(connection);
  write_all(connection, writer.head());
  write_all(connection, writer.body());
  return 0;
}

int on_log(const mg_connection* /*connection*/, const char* text) {
  base::log::debug("civetweb", {{"message", text}});
  return 1;
}

StatusOr<in_addr> resolve(const ListenAddress& address, std::string_view text) {
  in_addr found{};
  if (address.host.empty()) return found;
  if (address.is_localhost()) return in_addr{htonl(INADDR_LOOPBACK)};
  if (inet_pton(AF_INET, address.host.c_str(), &found) == 1) return found;
  if (address.host.find(':') != std::string::npos) {
    return unimplemented("not supported yet: IPv6 listener {} of civetweb", text);
  }
  addrinfo hints{};
  hints.ai_family = AF_INET;
  addrinfo* list = nullptr;
  if (getaddrinfo(address.host.c_str(), nullptr, &hints, &list) != 0 || list == nullptr) {
    return unavailable("listen on {}: lookup {}: no such host", text, address.host);
  }
  found = reinterpret_cast<const sockaddr_in*>(list->ai_addr)->sin_addr;
  freeaddrinfo(list);
  return found;
}

// civetweb does not say why it cannot bind, so try first.
Status try_bind(in_addr address, std::uint16_t port, std::string_view text) {
  const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return listen_error(text, errno);
  const int on = 1;
  ::setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr = address;
  const bool bound = ::bind(descriptor, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0 &&
                     ::listen(descriptor, 1) == 0;
  const int error = errno;
  ::close(descriptor);
  return bound ? ok() : listen_error(text, error);
}

class CivetwebServer final : public HttpServer {
 public:
  CivetwebServer(HttpServerOptions options, Handler handler, base::Executor& handlers)
      : core_(std::make_shared<CivetwebCore>(std::move(options), std::move(handler), handlers)) {}
  ~CivetwebServer() override { stop(); }

  Status start() override;
  void stop() override;
  std::vector<std::string> addresses() const override { return addresses_; }

 private:
  void drain();
  void wake() const;

  std::shared_ptr<CivetwebCore> core_;
  mg_context* context_ = nullptr;
  sockaddr_in first_{};  // where it listens
  std::vector<std::string> addresses_;
};

Status CivetwebServer::start() {
  if (!core_->options.listen_descriptors.empty()) {
    return unimplemented("not supported yet: sockets that listen already, with civetweb");
  }
  std::vector<std::string> hosts;
  std::string ports;
  first_.sin_family = AF_INET;
  for (const std::string& text : core_->options.listen_addresses) {
    ASSIGN_OR_RETURN(const ListenAddress address, ListenAddress::parse(text));
    ASSIGN_OR_RETURN(const in_addr ip, resolve(address, text));
    RETURN_IF_ERROR(try_bind(ip, address.port, text));
    if (hosts.empty()) first_.sin_addr = ip;
    std::array<char, INET_ADDRSTRLEN> host{};
    CHECK(inet_ntop(AF_INET, &ip, host.data(), host.size()) != nullptr);
    hosts.emplace_back(host.data());
    ports.append(ports.empty() ? "" : ",")
        .append(hosts.back())
        .append(":")
        .append(std::to_string(address.port));
  }
  if (hosts.empty()) return ok();
  const std::string header_bytes = std::to_string(core_->options.max_header_bytes);
  const base::Duration timeout =
      std::min({kRequestTimeout, core_->options.read_timeout, core_->options.write_timeout});
  const std::string timeout_ms = std::to_string(timeout.count());
  std::array<const char*, 21> options = {"listening_ports",
                                         ports.c_str(),
                                         "num_threads",
                                         kThreads,
                                         "request_timeout_ms",
                                         timeout_ms.c_str(),
                                         "enable_keep_alive",
                                         "yes",
                                         "keep_alive_timeout_ms",
                                         kKeepAliveMs,
                                         "tcp_nodelay",
                                         "1",
                                         "decode_url",
                                         "no",
                                         "enable_directory_listing",
                                         "no",
                                         "max_request_size",
                                         header_bytes.c_str(),
                                         "access_control_allow_origin",
                                         "",
                                         nullptr};
  mg_callbacks callbacks{};
  callbacks.begin_request = on_request;
  callbacks.http_error = on_error;
  callbacks.log_message = on_log;
  std::array<char, 256> error_text{};
  mg_error_data error{nullptr, error_text.data(), error_text.size()};
  mg_init_data init{&callbacks, &core_, options.data()};
  mg_init_library(0);
  context_ = mg_start2(&init, &error);
  if (context_ == nullptr) {
    mg_exit_library();
    return unavailable("listen on {}: {}", ports, error_text.data());
  }
  std::vector<mg_server_port> bound(hosts.size());
  const int count = mg_get_server_ports(context_, static_cast<int>(bound.size()), bound.data());
  CHECK(count == static_cast<int>(hosts.size()));
  first_.sin_port = htons(static_cast<std::uint16_t>(bound[0].port));
  for (std::size_t i = 0; i < hosts.size(); ++i) {
    addresses_.push_back(hosts[i] + ":" + std::to_string(bound[i].port));
  }
  return ok();
}

// civetweb writes nothing any more once it stops, so responses end first.
void CivetwebServer::drain() {
  const base::SteadyTime deadline = core_->clock.steady_now() + kStopTime;
  *core_->stop_deadline.lock() = deadline;
  core_->stopping = true;
  base::MutexLock lock(core_->mutex);
  while (core_->exchanges != 0 && core_->changed.wait_until(core_->mutex, deadline)) {
  }
}

void CivetwebServer::stop() {
  if (context_ == nullptr) return;
  drain();
  // Its accepting thread looks for the end only every two seconds, unless a connection wakes it.
  std::atomic<bool> stopped = false;
  base::ThreadPool stopper({.name = "stopper", .threads = 1});
  CHECK(stopper.post([this, &stopped] {
    mg_stop(context_);
    stopped = true;
  }));
  pollfd none{-1, 0, 0};
  while (!stopped) {
    wake();
    ::poll(&none, 0, kWakePauseMs);
  }
  stopper.stop();
  context_ = nullptr;
  mg_exit_library();
}

void CivetwebServer::wake() const {
  const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (descriptor < 0) return;
  ::connect(descriptor, reinterpret_cast<const sockaddr*>(&first_), sizeof first_);
  ::close(descriptor);
}

}  // namespace

std::unique_ptr<HttpServer> make_civetweb_server(HttpServerOptions options, Handler handler,
                                                 base::Executor& handlers) {
  return std::make_unique<CivetwebServer>(std::move(options), std::move(handler), handlers);
}

}  // namespace tocsin::net
