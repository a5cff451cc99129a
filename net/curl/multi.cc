// SPDX-License-Identifier: Apache-2.0
#include "net/curl/multi.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <sys/epoll.h>

#include "base/check.h"

namespace tocsin::net {
namespace asio = boost::asio;

struct CurlMulti::Impl : std::enable_shared_from_this<Impl> {
  Impl(IoLoop& io_loop, std::size_t max_idle_connections);
  ~Impl();
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  static int on_socket(CURL* easy, curl_socket_t socket, int what, void* self, void* known);
  static int on_timer(CURLM* multi, long timeout_ms, void* self);
  void watch();
  void sockets_ready();
  void timer_fired();
  void finish_transfers();

  IoLoop& loop;
  CURLM* multi;
  asio::posix::stream_descriptor epoll;
  base::Timers::Id timer = 0;
  std::unordered_map<CURL*, Done> transfers;
};

CurlMulti::Impl::Impl(IoLoop& io_loop, std::size_t max_idle_connections)
    : loop(io_loop),
      multi(curl_multi_init()),
      epoll(io_loop.context(), epoll_create1(EPOLL_CLOEXEC)) {
  CHECK(multi != nullptr);
  curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, &Impl::on_socket);
  curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, this);
  curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, &Impl::on_timer);
  curl_multi_setopt(multi, CURLMOPT_TIMERDATA, this);
  curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, static_cast<long>(max_idle_connections));
}

CurlMulti::Impl::~Impl() {
  for (const auto& [easy, done] : transfers) curl_multi_remove_handle(multi, easy);
  curl_multi_cleanup(multi);
  if (timer != 0) loop.cancel(timer);
}

int CurlMulti::Impl::on_socket(CURL* /*easy*/, curl_socket_t socket, int what, void* self,
                               void* known) {
  auto* impl = static_cast<Impl*>(self);
  const int epoll_fd = impl->epoll.native_handle();
  if (what == CURL_POLL_REMOVE) {
    epoll_ctl(epoll_fd, EPOLL_CTL_DEL, socket, nullptr);
    return 0;
  }
  epoll_event event{};
  event.data.fd = socket;
  if ((what & CURL_POLL_IN) != 0) event.events |= EPOLLIN;
  if ((what & CURL_POLL_OUT) != 0) event.events |= EPOLLOUT;
  if (known == nullptr) curl_multi_assign(impl->multi, socket, impl);
  return epoll_ctl(epoll_fd, known == nullptr ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, socket, &event) == 0
             ? 0
             : -1;
}

int CurlMulti::Impl::on_timer(CURLM* /*multi*/, long timeout_ms, void* self) {
  auto* impl = static_cast<Impl*>(self);
  if (impl->timer != 0) impl->loop.cancel(std::exchange(impl->timer, 0));
  if (timeout_ms < 0) return 0;
  if (timeout_ms == 0) {
    // At once, but not inside this call of curl; a timer would cost system calls.
    static_cast<void>(impl->loop.post([weak = impl->weak_from_this()] {
      if (const auto alive = weak.lock()) alive->timer_fired();
    }));
    return 0;
  }
  impl->timer =
      impl->loop.schedule(impl->loop.clock().steady_now() + std::chrono::milliseconds(timeout_ms),
                          [weak = impl->weak_from_this()] {
                            const auto alive = weak.lock();
                            if (!alive) return;
                            alive->timer = 0;
                            alive->timer_fired();
                          });
  return 0;
}

void CurlMulti::Impl::watch() {
  epoll.async_wait(asio::posix::stream_descriptor::wait_read,
                   [weak = weak_from_this()](const boost::system::error_code& error) {
                     const auto alive = weak.lock();
                     if (!alive || error) return;
                     alive->sockets_ready();
                     alive->watch();
                   });
}

void CurlMulti::Impl::sockets_ready() {
  std::array<epoll_event, 64> events{};
  const int count =
      epoll_wait(epoll.native_handle(), events.data(), static_cast<int>(events.size()), 0);
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events[static_cast<std::size_t>(i)];
    int ready = 0;
    if ((event.events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) ready |= CURL_CSELECT_IN;
    if ((event.events & EPOLLOUT) != 0) ready |= CURL_CSELECT_OUT;
    if ((event.events & EPOLLERR) != 0) ready |= CURL_CSELECT_ERR;
    int running = 0;
    curl_multi_socket_action(multi, event.data.fd, ready, &running);
  }
  finish_transfers();
}

void CurlMulti::Impl::timer_fired() {
  int running = 0;
  curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &running);
  finish_transfers();
}

void CurlMulti::Impl::finish_transfers() {
  std::vector<std::pair<CURL*, CURLcode>> finished;
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi, &left)) {
    if (message->msg == CURLMSG_DONE)
      finished.emplace_back(message->easy_handle, message->data.result);
  }
  // A Done may add and remove transfers, also of this list.
  for (const auto& [easy, code] : finished) {
    const auto found = transfers.find(easy);
    if (found == transfers.end()) continue;
    Done done = std::move(found->second);
    transfers.erase(found);
    curl_multi_remove_handle(multi, easy);
    done(code);
  }
}

CurlMulti::CurlMulti(IoLoop& loop, std::size_t max_idle_connections)
    : impl_(std::make_shared<Impl>(loop, max_idle_connections)) {
  impl_->watch();
}

CurlMulti::~CurlMulti() = default;

void CurlMulti::add(CURL* easy, Done done) {
  CHECK(impl_->transfers.emplace(easy, std::move(done)).second);
  CHECK(curl_multi_add_handle(impl_->multi, easy) == CURLM_OK);
}

void CurlMulti::remove(CURL* easy) {
  if (impl_->transfers.erase(easy) != 0) curl_multi_remove_handle(impl_->multi, easy);
}

std::size_t CurlMulti::running() const { return impl_->transfers.size(); }

}  // namespace tocsin::net
