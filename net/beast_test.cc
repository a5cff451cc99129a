// SPDX-License-Identifier: Apache-2.0
//
// What only one of the servers promises.
#include "net/beast.h"

#include <unistd.h>

#include <atomic>

#include <gtest/gtest.h>
#include <sys/socket.h>

#include "base/hash.h"
#include "net/civetweb.h"
#include "net/testing/raw_socket.h"

namespace tocsin::net {
namespace {

using testing::RawHttp;
using testing::Waiter;

HttpResponse hello(const HttpRequest&) { return HttpResponse::text(200, "hello"); }

class BeastTest : public ::testing::Test {
 protected:
  ~BeastTest() override {
    if (server_) server_->stop();
  }

  std::string start(HttpServerOptions options, Handler handler) {
    if (options.listen_addresses.empty()) options.listen_addresses = {"127.0.0.1:0"};
    server_ = make_beast_server(std::move(options), std::move(handler),
                                {loop_, pool_, clock_, &metrics_});
    EXPECT_EQ(server_->start(), ok());
    return server_->addresses().at(0);
  }
  double metric(std::string_view name) {
    double sum = 0;
    for (const base::MetricFamily& family : metrics_.gather()) {
      if (family.name != name) continue;
      for (const base::MetricSample& sample : family.samples) sum += sample.value;
    }
    return sum;
  }

  base::SystemClock clock_;
  base::Registry metrics_;
  IoLoop loop_{clock_};
  base::ThreadPool pool_{{.name = "handlers", .threads = 1}};
  std::unique_ptr<HttpServer> server_;
};

TEST_F(BeastTest, IdleConnectionsDoNotDelayTheNextClient) {
  const std::string address = start({}, hello);
  std::vector<RawHttp> idle;
  for (int i = 0; i < 300; ++i) idle.emplace_back(address);
  EXPECT_EQ(RawHttp(address).get("/").body, "hello");
  EXPECT_EQ(idle.back().get("/").body, "hello");
  EXPECT_GE(metric("net_conntrack_listener_conn_accepted_total"), 301);
}

TEST_F(BeastTest, ConnectionsAboveTheLimitHearThatItIsFull) {
  HttpServerOptions options;
  options.max_connections = 2;
  const std::string address = start(options, hello);
  auto first = std::make_unique<RawHttp>(address);
  RawHttp second(address);
  EXPECT_EQ(first->get("/").status, 200);
  EXPECT_EQ(second.get("/").status, 200);
  RawHttp third(address);
  const auto reply = third.get("/");
  EXPECT_EQ(reply.status, 503);
  EXPECT_EQ(reply.body, "Limit of open connections reached (2), try again later.\n");
  EXPECT_EQ(metric("tocsin_http_server_rejected_total"), 1);
  EXPECT_EQ(second.get("/").status, 200);
}

std::string digest(std::string_view body) {
  return fmt::format("{} {}", body.size(), base::fnv1a64(body));
}

// Whatever the sizes of body and pieces, the handler gets the bytes and the connection goes on.
TEST_F(BeastTest, BodiesArriveInAnyPieces) {
  const std::string address = start(
      {}, [](const HttpRequest& request) { return HttpResponse::text(200, digest(request.body)); });
  RawHttp http(address);
  std::string bytes(700'000, ' ');
  for (std::size_t i = 0; i < bytes.size(); ++i)
    bytes[i] = static_cast<char>(i * 2654435761U >> 11U);
  for (const std::size_t size : {1U, 3000U, 5000U, 262'143U, 262'144U, 262'145U, 700'000U}) {
    const std::string body = bytes.substr(0, size);
    const std::string request =
        fmt::format("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{}", size, body);
    for (const std::size_t cut :
         {request.size() - size, request.size() - size / 2, std::size_t{7}}) {
      ASSERT_TRUE(http.socket().write(request.substr(0, cut)));
      ASSERT_TRUE(http.socket().write(request.substr(cut) + request));
      EXPECT_EQ(http.read_reply().body, digest(body)) << size << " cut at " << cut;
      EXPECT_EQ(http.read_reply().body, digest(body)) << size << " cut at " << cut;
    }
  }
}

TEST_F(BeastTest, ChosenRequestsRunElsewhereAndDoNotCount) {
  base::ThreadPool other({.name = "other", .threads = 1});
  Waiter<int> blocked;
  Waiter<int> release;
  HttpServerOptions options;
  options.max_concurrent = 1;
  options.listen_addresses = {"127.0.0.1:0"};
  BeastServices services{loop_, pool_, clock_};
  services.choose = [&other](const HttpRequest& request) -> base::Executor* {
    return request.target == "/write" ? &other : nullptr;
  };
  server_ = make_beast_server(
      options,
      [&](const HttpRequest& request) {
        if (request.target == "/slow") {
          blocked.set(1);
          release.wait();
        }
        return hello(request);
      },
      services);
  ASSERT_EQ(server_->start(), ok());
  const std::string address = server_->addresses().at(0);
  RawHttp slow(address);
  slow.socket().write("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
  blocked.wait();
  EXPECT_EQ(RawHttp(address).get("/").status, 503);
  EXPECT_EQ(RawHttp(address).get("/write").status, 200);
  release.set(1);
  EXPECT_EQ(slow.read_reply().status, 200);
  server_->stop();
}

TEST_F(BeastTest, AHandlerHearsThatItsClientIsGone) {
  Waiter<int> entered;
  Waiter<bool> gone;
  const std::string address = start({}, [&](const HttpRequest& request) {
    if (request.target != "/slow") return hello(request);
    entered.set(1);
    const base::SteadyTime give_up = clock_.steady_now() + std::chrono::seconds(20);
    base::Mutex mutex;
    base::CondVar never;
    while (!*request.client_gone && clock_.steady_now() < give_up) {
      base::MutexLock lock(mutex);
      never.wait_until(mutex, clock_.steady_now() + std::chrono::milliseconds(5));
    }
    gone.set(*request.client_gone);
    return hello(request);
  });
  {
    RawHttp client(address);
    EXPECT_EQ(client.get("/").status, 200);  // a connection that has been answered before
    client.socket().write("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
    entered.wait();
  }
  EXPECT_EQ(gone.wait(), true);
}

TEST_F(BeastTest, AClientInAHurryIsNotGone) {
  Waiter<int> entered;
  Waiter<int> release;
  std::atomic<bool> gone = false;
  const std::string address = start({}, [&](const HttpRequest& request) {
    if (request.target == "/slow") {
      entered.set(1);
      release.wait();
      gone = request.client_gone->load();
    }
    return hello(request);
  });
  RawHttp client(address);
  client.socket().write("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
  entered.wait();
  client.socket().write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  release.set(1);
  EXPECT_EQ(client.read_reply().status, 200);
  EXPECT_EQ(client.read_reply().status, 200);
  EXPECT_FALSE(gone);
}

TEST_F(BeastTest, SlowReaderHoldsNoHandlerThread) {
  std::atomic<int> pulled = 0;
  const std::string address = start({}, [&](const HttpRequest& request) {
    if (!request.query.has("stream")) return hello(request);
    HttpResponse response;
    response.stream = [&pulled]() -> StatusOr<std::string> {
      return ++pulled > 1000 ? std::string() : std::string(1 << 20, 'x');
    };
    return response;
  });
  RawHttp slow(address);
  slow.socket().set_receive_buffer(4096);
  slow.socket().write("GET /?stream HTTP/1.1\r\nHost: h\r\n\r\n");
  // The one handler thread serves others although the stream is far from its end.
  for (int i = 0; i < 20; ++i) EXPECT_EQ(RawHttp(address).get("/").body, "hello");
  EXPECT_LT(pulled, 100);
}

TEST_F(BeastTest, BigStreamArrivesWhole) {
  const std::string address = start({}, [](const HttpRequest&) {
    HttpResponse response;
    response.stream = [left = std::make_shared<int>(20)]() -> StatusOr<std::string> {
      return (*left)-- > 0 ? std::string(1 << 20, 'x') : std::string();
    };
    return response;
  });
  const auto reply = RawHttp(address).get("/");
  EXPECT_TRUE(reply.complete);
  EXPECT_EQ(reply.body.size(), 20u << 20);
}

TEST_F(BeastTest, ListensOnIpv6AndOnAllInterfaces) {
  HttpServerOptions options;
  options.listen_addresses = {"127.0.0.1:0", ":0", "[::1]:0"};
  server_ = make_beast_server(options, hello, {loop_, pool_, clock_, nullptr});
  const Status status = server_->start();
  if (!status.ok()) GTEST_SKIP() << "no IPv6 here: " << status;
  const std::vector<std::string> addresses = server_->addresses();
  EXPECT_TRUE(addresses[2].starts_with("[::1]:"));
  EXPECT_EQ(RawHttp(addresses[2]).get("/").body, "hello");
  const std::string port = addresses[1].substr(addresses[1].rfind(':'));
  EXPECT_EQ(RawHttp("127.0.0.1" + port).get("/").body, "hello");
  EXPECT_EQ(RawHttp("[::1]" + port).get("/").body, "hello");
}

TEST_F(BeastTest, TakesOverASocketThatListens) {
  testing::RawListener listener;
  const int descriptor = ::dup(listener.descriptor());
  HttpServerOptions options;
  options.listen_descriptors = {descriptor};
  server_ = make_beast_server(options, hello, {loop_, pool_, clock_, nullptr});
  ASSERT_EQ(server_->start(), ok());
  EXPECT_EQ(server_->addresses(), (std::vector<std::string>{listener.address()}));
  EXPECT_EQ(RawHttp(listener.address()).get("/").body, "hello");
  const auto refused = [&](int other) {
    options.listen_descriptors = {other};
    return make_beast_server(options, hello, {loop_, pool_, clock_, nullptr})->start().code();
  };
  EXPECT_EQ(refused(987'654), StatusCode::kUnavailable);
  int pair[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
  EXPECT_EQ(refused(pair[0]), StatusCode::kUnimplemented);
  ::close(pair[0]);
  ::close(pair[1]);
}

TEST_F(BeastTest, OutlivesItsLoop) {
  start({}, hello);
  RawHttp http(server_->addresses().at(0));
  EXPECT_EQ(http.get("/").status, 200);
  loop_.stop();
  server_->stop();
  EXPECT_TRUE(http.is_closed());
}

TEST_F(BeastTest, DestroyingAServerThatNeverStartedIsFine) {
  make_beast_server({}, hello, {loop_, pool_, clock_, nullptr});
}

TEST(Civetweb, ServesPlainIpv4Only) {
  base::ThreadPool pool({.name = "handlers", .threads = 1});
  HttpServerOptions options;
  options.listen_addresses = {"[::1]:0"};
  EXPECT_EQ(make_civetweb_server(options, hello, pool)->start().code(), StatusCode::kUnimplemented);
  options.listen_addresses = {":0"};
  const auto server = make_civetweb_server(options, hello, pool);
  ASSERT_EQ(server->start(), ok());
  EXPECT_TRUE(server->addresses().at(0).starts_with("0.0.0.0:"));
  EXPECT_EQ(RawHttp(server->addresses().at(0)).get("/").body, "hello");
}

}  // namespace
}  // namespace tocsin::net
