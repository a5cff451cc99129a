// SPDX-License-Identifier: Apache-2.0
#include <cerrno>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <sys/socket.h>

#include "base/log.h"
#include "net/beast.h"
#include "net/beast/connection.h"
#include "net/server/listen_address.h"

namespace tocsin::net {
namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

constexpr std::chrono::seconds kStopTime(5);
constexpr base::Duration kAcceptRetry(100);
constexpr std::size_t kMaxRefusing = 64;

std::string text_of(const tcp::endpoint& endpoint) {
  Url url;
  url.host = endpoint.address().to_string();
  url.port = endpoint.port();
  return url.authority();
}

StatusOr<tcp::endpoint> resolve(asio::io_context& context, const ListenAddress& address) {
  if (address.host.empty()) return tcp::endpoint(tcp::v6(), address.port);
  if (address.is_localhost()) {
    return tcp::endpoint(asio::ip::address_v4::loopback(), address.port);
  }
  error_code error;
  const auto literal = asio::ip::make_address(address.host, error);
  if (!error) return tcp::endpoint(literal, address.port);
  const auto found =
      tcp::resolver(context).resolve(address.host, std::to_string(address.port), error);
  if (error || found.empty()) {
    return unavailable("listen on {}:{}: lookup {}: no such host", address.host, address.port,
                       address.host);
  }
  for (const auto& entry : found) {
    if (entry.endpoint().address().is_v4()) return entry.endpoint();
  }
  return found.begin()->endpoint();
}

error_code open(tcp::acceptor* acceptor, const tcp::endpoint& endpoint) {
  error_code error;
  acceptor->open(endpoint.protocol(), error);
  if (error) return error;
  acceptor->set_option(tcp::acceptor::reuse_address(true), error);
  const bool is_any_v6 = endpoint.address().is_v6() && endpoint.address().is_unspecified();
  if (is_any_v6) acceptor->set_option(asio::ip::v6_only(false), error);
  acceptor->bind(endpoint, error);
  if (!error) acceptor->listen(tcp::acceptor::max_listen_connections, error);
  return error;
}

// Accepts connections for a core. Confined to the io thread once it accepts.
class Listener : public std::enable_shared_from_this<Listener> {
 public:
  explicit Listener(std::shared_ptr<ServerCore> core)
      : core_(std::move(core)), acceptor_(core_->services.loop.context()) {}

  Status bind(const std::string& text) {
    ASSIGN_OR_RETURN(const ListenAddress address, ListenAddress::parse(text));
    ASSIGN_OR_RETURN(tcp::endpoint endpoint, resolve(core_->services.loop.context(), address));
    error_code error = open(&acceptor_, endpoint);
    const bool no_ipv6 = error == asio::error::address_family_not_supported ||
                         error == asio::error::no_protocol_option;
    if (address.host.empty() && no_ipv6) {
      error_code ignored;
      acceptor_.close(ignored);
      error = open(&acceptor_, tcp::endpoint(tcp::v4(), address.port));
    }
    return error ? listen_error(text, error.value()) : ok();
  }

  Status adopt(int descriptor) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    if (::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
      return listen_error(fmt::format("descriptor {}", descriptor), errno);
    }
    const bool is_ip = address.ss_family == AF_INET || address.ss_family == AF_INET6;
    if (!is_ip) return unimplemented("not supported yet: a socket that is neither IPv4 nor IPv6");
    error_code error;
    acceptor_.assign(address.ss_family == AF_INET ? tcp::v4() : tcp::v6(), descriptor, error);
    return error ? listen_error(fmt::format("descriptor {}", descriptor), error.value()) : ok();
  }

  std::string address() const {
    error_code error;
    return text_of(acceptor_.local_endpoint(error));
  }

  void accept() {
    acceptor_.async_accept(
        [self = shared_from_this()](const error_code& error, tcp::socket socket) {
          self->on_accept(error, std::move(socket));
        });
  }

  void close() {
    error_code ignored;
    acceptor_.close(ignored);
  }

 private:
  void on_accept(const error_code& error, tcp::socket socket) {
    if (!acceptor_.is_open()) return;
    if (error) {
      // Out of descriptors, most likely: the connection waits in the backlog.
      base::log::warn("accept failed", {{"error", error.message()}});
      IoLoop& loop = core_->services.loop;
      loop.schedule(loop.clock().steady_now() + kAcceptRetry, [weak = weak_from_this()] {
        const auto self = weak.lock();
        if (self && self->acceptor_.is_open()) self->accept();
      });
      return;
    }
    if (core_->accepted != nullptr) core_->accepted->inc();
    const auto connection = std::make_shared<Connection>(core_, std::move(socket));
    if (core_->connections.size() - core_->refusing < core_->options.max_connections) {
      connection->serve();
    } else if (core_->refusing < kMaxRefusing) {
      connection->refuse();
    } else {
      core_->count_rejected("connections");
      if (core_->closed != nullptr) core_->closed->inc();
    }
    accept();
  }

  const std::shared_ptr<ServerCore> core_;
  tcp::acceptor acceptor_;
};

class BeastServer final : public HttpServer {
 public:
  BeastServer(HttpServerOptions options, Handler handler, BeastServices services)
      : core_(std::make_shared<ServerCore>(std::move(options), std::move(handler), services)) {}
  ~BeastServer() override { stop(); }

  Status start() override;
  void stop() override;
  std::vector<std::string> addresses() const override { return addresses_; }

 private:
  struct Closed {
    base::Mutex mutex;
    base::CondVar changed;
    bool done ABSL_GUARDED_BY(mutex) = false;
  };

  using Listeners = std::vector<std::shared_ptr<Listener>>;

  static void stop_on_io(ServerCore& core, const Listeners& listeners,
                         const std::shared_ptr<Closed>& closed);
  static void close_all(ServerCore& core);

  const std::shared_ptr<ServerCore> core_;
  Listeners listeners_;
  std::vector<std::string> addresses_;
  bool stopped_ = false;
};

Status BeastServer::start() {
  for (const std::string& address : core_->options.listen_addresses) {
    listeners_.push_back(std::make_shared<Listener>(core_));
    if (const Status status = listeners_.back()->bind(address); !status.ok()) {
      listeners_.clear();
      addresses_.clear();
      return status;
    }
    addresses_.push_back(listeners_.back()->address());
  }
  for (const int descriptor : core_->options.listen_descriptors) {
    listeners_.push_back(std::make_shared<Listener>(core_));
    if (const Status status = listeners_.back()->adopt(descriptor); !status.ok()) {
      listeners_.clear();
      addresses_.clear();
      return status;
    }
    addresses_.push_back(listeners_.back()->address());
  }
  for (const auto& listener : listeners_) {
    if (!core_->services.loop.post([listener] { listener->accept(); })) {
      listeners_.clear();
      return cancelled("the io loop is stopped");
    }
  }
  return ok();
}

void BeastServer::stop_on_io(ServerCore& core, const Listeners& listeners,
                             const std::shared_ptr<Closed>& closed) {
  core.stopping = true;
  for (const auto& listener : listeners) listener->close();
  core.on_last_closed = [closed] {
    base::MutexLock lock(closed->mutex);
    closed->done = true;
    closed->changed.notify_all();
  };
  // stop() takes connections out of the set.
  const std::vector<std::shared_ptr<Connection>> connections(core.connections.begin(),
                                                             core.connections.end());
  if (connections.empty()) core.on_last_closed();
  for (const auto& connection : connections) connection->stop();
}

void BeastServer::close_all(ServerCore& core) {
  while (!core.connections.empty()) {
    const std::shared_ptr<Connection> connection = *core.connections.begin();
    connection->close();
  }
}

void BeastServer::stop() {
  if (std::exchange(stopped_, true)) return;
  const auto closed = std::make_shared<Closed>();
  IoLoop& loop = core_->services.loop;
  const bool posted = loop.post(
      [core = core_, listeners = listeners_, closed] { stop_on_io(*core, listeners, closed); });
  if (!posted) {
    // The io thread is gone, so this thread may touch what was its own.
    core_->detach();
    stop_on_io(*core_, listeners_, closed);
    return close_all(*core_);
  }
  const auto wait = [&closed](std::chrono::seconds time) {
    const base::SteadyTime deadline = base::SystemClock().steady_now() + time;
    base::MutexLock lock(closed->mutex);
    while (!closed->done) {
      if (!closed->changed.wait_until(closed->mutex, deadline)) return closed->done;
    }
    return true;
  };
  if (!wait(kStopTime)) {
    base::log::warn("requests were still running when the HTTP server stopped");
    if (loop.post([core = core_] { close_all(*core); })) wait(kStopTime);
  }
  core_->detach();
}

}  // namespace

std::unique_ptr<HttpServer> make_beast_server(HttpServerOptions options, Handler handler,
                                              BeastServices services) {
  return std::make_unique<BeastServer>(std::move(options), std::move(handler), services);
}

}  // namespace tocsin::net
