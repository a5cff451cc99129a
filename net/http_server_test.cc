// SPDX-License-Identifier: Apache-2.0
//
// One suite over both servers: what HttpServer promises holds for each, seen from the wire.
#include "net/http_server.h"

#include <atomic>

#include <gtest/gtest.h>

#include "net/curl/inflater.h"
#include "net/server/gzip.h"
#include "net/testing/raw_socket.h"
#include "net/testing/server_test.h"

namespace tocsin::net {
namespace {

using testing::echo;
using testing::RawHttp;
using testing::RawSocket;
using testing::ServerKind;
using testing::Waiter;

class HttpServerTest : public testing::ServerTest {};

INSTANTIATE_TEST_SUITE_P(Servers, HttpServerTest, testing::both_servers(), testing::name_of_server);

// A stream of `pieces` times `piece`.
BodySource repeat(std::string piece, int pieces) {
  return
      [piece = std::move(piece), left = std::make_shared<int>(pieces)]() -> StatusOr<std::string> {
        return (*left)-- > 0 ? piece : std::string();
      };
}

HttpResponse streamed(BodySource source) {
  HttpResponse response;
  response.headers.add("Content-Type", "application/json");
  response.stream = std::move(source);
  return response;
}

std::string gunzip(std::string_view data) {
  Inflater inflater(0);
  std::string out;
  EXPECT_EQ(inflater.append(data, &out), ok());
  EXPECT_EQ(inflater.finish(), ok());
  return out;
}

TEST_P(HttpServerTest, RoutesRequests) {
  Router router;
  router.add("GET", "/hello/{name}", [](const HttpRequest& request) {
    EXPECT_TRUE(request.remote_address.starts_with("127.0.0.1:"));
    EXPECT_EQ(request.headers.get("x-test"), "yes");
    return HttpResponse::text(
        200, request.path_values.at(0) + "," + std::string(request.query.get("q")));
  });
  const std::string address =
      start([&](const HttpRequest& request) { return router.route(request); });
  RawHttp http(address);
  const auto found = http.get("/hello/a%2Fb%20c?q=x+y", "X-Test: yes\r\n");
  EXPECT_EQ(found.status, 200);
  EXPECT_EQ(found.body, "a/b c,x y");
  EXPECT_EQ(found.headers.get("Content-Type"), "text/plain; charset=utf-8");
  EXPECT_TRUE(found.headers.get("Date").ends_with(" GMT"));
  EXPECT_EQ(http.get("/nowhere").body, "404 page not found\n");
  EXPECT_EQ(http.post("/hello/x", "body").status, 405);
  const auto options = http.request("OPTIONS /hello/x HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(options.status, 204);
  EXPECT_EQ(options.headers.get("Allow"), "GET, HEAD, OPTIONS");
  EXPECT_FALSE(options.headers.has("Content-Length"));
}

TEST_P(HttpServerTest, ConnectionStaysUntilEitherSideCloses) {
  const std::string address = start(echo);
  RawHttp http(address);
  for (int i = 0; i < 3; ++i) {
    const auto reply = http.get("/" + std::to_string(i));
    EXPECT_EQ(reply.body, "GET /" + std::to_string(i) + " ");
    EXPECT_FALSE(reply.headers.has("Connection"));
  }
  EXPECT_EQ(http.get("/end", "Connection: close\r\n").headers.get("Connection"), "close");
  EXPECT_TRUE(http.is_closed());
}

TEST_P(HttpServerTest, Http10ClosesUnlessAsked) {
  const std::string address = start(echo);
  RawHttp kept(address);
  for (int i = 0; i < 2; ++i) {
    const auto reply = kept.request("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    EXPECT_EQ(reply.headers.get("Connection"), "keep-alive");
    EXPECT_EQ(reply.body, "GET / ");
  }
  RawHttp closed(address);
  EXPECT_EQ(closed.request("GET / HTTP/1.0\r\n\r\n").headers.get("Connection"), "close");
  EXPECT_TRUE(closed.is_closed());
}

TEST_P(HttpServerTest, PipelinedRequestsAreAnsweredInOrder) {
  const std::string address = start(echo);
  RawHttp http(address);
  http.socket().write(
      "GET /1 HTTP/1.1\r\nHost: h\r\n\r\nPOST /2 HTTP/1.1\r\nHost: h\r\nContent-Length: "
      "3\r\n\r\nabc"
      "GET /3 HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(http.read_reply().body, "GET /1 ");
  EXPECT_EQ(http.read_reply().body, "POST /2 abc");
  EXPECT_EQ(http.read_reply().body, "GET /3 ");
}

TEST_P(HttpServerTest, BigBodiesTravelBothWays) {
  const std::string address =
      start([](const HttpRequest& request) { return HttpResponse::text(200, request.body); });
  std::string big(5 << 20, 'x');
  for (std::size_t i = 0; i < big.size(); i += 4096)
    big[i] = static_cast<char>('a' + i / 4096 % 26);
  RawHttp http(address);
  EXPECT_TRUE(http.post("/", big).body == big);
  const auto chunked = http.request(
      "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n "
      "world\r\n0\r\n\r\n");
  EXPECT_EQ(chunked.body, "hello world");
  EXPECT_EQ(http.post("/", "").body, "");
}

TEST_P(HttpServerTest, ContinuesWhenTheClientWaitsForIt) {
  const std::string address = start(echo);
  RawHttp http(address);
  EXPECT_EQ(
      http.request(
              "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
          .status,
      100);
  EXPECT_EQ(http.request("hi").body, "POST / hi");
}

TEST_P(HttpServerTest, OversizeHeadersAndBodiesAreRefused) {
  HttpServerOptions options = local();
  options.max_header_bytes = 4096;
  options.max_body_bytes = 1000;
  std::atomic<int> handled = 0;
  const std::string address = start(options, [&](const HttpRequest& request) {
    ++handled;
    return echo(request);
  });
  const auto check = [&](const std::string& bytes, int status) {
    RawHttp http(address);
    const auto reply = http.request(bytes);
    EXPECT_EQ(reply.status, status) << bytes.substr(0, 80);
    EXPECT_EQ(reply.headers.get("Connection"), "close");
    EXPECT_TRUE(http.is_closed());
  };
  const int too_large = GetParam() == ServerKind::kBeast ? 431 : 400;  // civetweb does not tell why
  check("GET / HTTP/1.1\r\nHost: h\r\nX: " + std::string(5000, 'x') + "\r\n\r\n", too_large);
  check("GET /" + std::string(5000, 'x') + " HTTP/1.1\r\nHost: h\r\n\r\n", too_large);
  check("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1001\r\n\r\n", 413);
  check("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 999999999999999\r\n\r\n", 413);
  check("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" +
            std::string("3e9\r\n" + std::string(1001, 'x') + "\r\n0\r\n\r\n"),
        413);
  EXPECT_EQ(handled, 0);
  RawHttp http(address);
  EXPECT_EQ(http.post("/", std::string(1000, 'x')).status, 200);
}

TEST_P(HttpServerTest, HeadHasTheHeadersOfGetAndNoBody) {
  const std::string address = start([](const HttpRequest& request) {
    if (request.path.at(0) == "stream") return streamed(repeat("x", 3));
    return HttpResponse::text(200, "twelve bytes");
  });
  RawHttp http(address);
  EXPECT_EQ(http.head("/body").headers.get("Content-Length"), "12");
  EXPECT_EQ(http.head("/stream").headers.get("Transfer-Encoding"), "chunked");
  EXPECT_EQ(http.get("/body").body, "twelve bytes");
}

TEST_P(HttpServerTest, CompressesWhatIsWorthIt) {
  const std::string big(5000, 'x');
  const std::string address = start([&](const HttpRequest& request) {
    if (request.path.at(0) == "stream") return streamed(repeat(big, 3));
    HttpResponse response = HttpResponse::text(200, request.path.at(0) == "big" ? big : "small");
    if (request.query.has("encoded")) response.headers.add("Content-Encoding", "br");
    return response;
  });
  RawHttp http(address);
  const auto check = [&](std::string_view target, std::string_view accept,
                         std::string_view encoding, std::string_view vary) {
    const auto reply = http.get(target, fmt::format("Accept-Encoding: {}\r\n", accept));
    EXPECT_EQ(reply.headers.get("Content-Encoding"), encoding) << target << " " << accept;
    EXPECT_EQ(reply.headers.get("Vary"), vary) << target << " " << accept;
    EXPECT_TRUE(reply.complete);
    return encoding == "gzip" ? gunzip(reply.body) : reply.body;
  };
  EXPECT_EQ(check("/big", "deflate, GZIP;q=0.5", "gzip", "Accept-Encoding"), big);
  EXPECT_EQ(check("/big", "*", "gzip", "Accept-Encoding"), big);
  EXPECT_EQ(check("/big", "gzip;q=0, *", "", "Accept-Encoding"), big);
  EXPECT_EQ(check("/big", "gzip; q=0.000", "", "Accept-Encoding"), big);
  EXPECT_EQ(check("/big", "br", "", "Accept-Encoding"), big);
  EXPECT_EQ(check("/small", "gzip", "", ""), "small");
  EXPECT_EQ(check("/big?encoded", "gzip", "br", ""), big);
  EXPECT_EQ(check("/stream", "gzip", "gzip", "Accept-Encoding"), big + big + big);
  EXPECT_EQ(check("/stream", "identity", "", "Accept-Encoding"), big + big + big);
}

TEST_P(HttpServerTest, StreamsWithoutChunksToHttp10) {
  const std::string address =
      start([](const HttpRequest&) { return streamed(repeat("piece ", 3)); });
  RawHttp http(address);
  const auto reply = http.request("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_EQ(reply.headers.get("Connection"), "close");
  EXPECT_EQ(reply.body, "piece piece piece ");
}

TEST_P(HttpServerTest, FailedStreamCutsTheBody) {
  const std::string address = start([](const HttpRequest& request) {
    return streamed([throws = request.query.has("throw"),
                     first = std::make_shared<bool>(true)]() -> StatusOr<std::string> {
      if (std::exchange(*first, false)) return std::string("first");
      if (throws) throw std::runtime_error("broken");
      return unavailable("gone");
    });
  });
  for (const char* target : {"/", "/?throw"}) {
    RawHttp http(address);
    const auto reply = http.get(target);
    EXPECT_EQ(reply.body, "first");
    EXPECT_FALSE(reply.complete);
    EXPECT_TRUE(http.is_closed());
  }
}

TEST_P(HttpServerTest, HandlerExceptionClosesTheConnection) {
  const std::string address = start([](const HttpRequest& request) -> HttpResponse {
    if (request.query.has("throw")) throw std::runtime_error("broken");
    return echo(request);
  });
  RawHttp http(address);
  EXPECT_EQ(http.get("/?throw").status, 0);
  EXPECT_EQ(RawHttp(address).get("/").status, 200);
}

TEST_P(HttpServerTest, HeaderValuesCannotSplitTheResponse) {
  const std::string address = start([](const HttpRequest&) {
    HttpResponse response = HttpResponse::text(200, "body");
    response.headers.add("X-Value", "a\r\nX-Injected: b\nc");
    response.headers.add("Content-Length", "1");
    response.headers.add("Connection", "upgrade");
    return response;
  });
  const auto reply = RawHttp(address).get("/");
  EXPECT_EQ(reply.headers.get("X-Value"), "a  X-Injected: b c");
  EXPECT_FALSE(reply.headers.has("X-Injected"));
  EXPECT_EQ(reply.headers.get("Content-Length"), "4");
  EXPECT_EQ(reply.body, "body");
}

// The server must answer 4xx or close, never call the handler with a guess, and live on.
TEST_P(HttpServerTest, HostileBytesAreRefused) {
  std::atomic<int> handled = 0;
  const std::string address = start([&](const HttpRequest& request) {
    ++handled;
    return echo(request);
  });
  const std::vector<std::string> table = {
      "\r\n\r\n\r\n\r\nnonsense\r\n\r\n",
      "GET\r\n\r\n",
      "GET /\r\n\r\n",
      "GET / HTTP/9.9\r\nHost: h\r\n\r\n",
      "GET / HTTP/1.1\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
      "G@T / HTTP/1.1\r\nHost: h\r\n\r\n",
      "GET /%zz HTTP/1.1\r\nHost: h\r\n\r\n",
      "GET relative HTTP/1.1\r\nHost: h\r\n\r\n",
      "GET / HTTP/1.1\r\nHost h\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\nabcde",
      "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: "
      "chunked\r\n\r\n0\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1x\r\n\r\nab",
      "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nshort",
      "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\nabc",
      "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nab\r\n",
      std::string("GET /\0 HTTP/1.1\r\nHost: h\r\n\r\n", 28),
      "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS hello",
      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
      std::string(300, '\xff'),
  };
  for (const std::string& bytes : table) {
    RawHttp http(address);
    http.socket().write(bytes);
    http.socket().finish_sending();
    const int status = http.read_reply().status;
    EXPECT_TRUE(status == 0 || status == 505 || (status >= 400 && status < 500))
        << status << " for " << bytes;
    EXPECT_EQ(handled.exchange(0), 0) << bytes;
  }
  EXPECT_EQ(RawHttp(address).get("/").status, 200);
}

TEST_P(HttpServerTest, ServesClientsAtTheSameTime) {
  const std::string address = start(echo);
  std::atomic<int> good = 0;
  {
    base::ThreadPool clients({.name = "clients", .threads = 6});
    for (int c = 0; c < 6; ++c) {
      ASSERT_TRUE(clients.post([&, c] {
        RawHttp http(address);
        for (int i = 0; i < 50; ++i) {
          const std::string body = std::to_string(c * 1000 + i);
          if (http.post("/p", body).body == "POST /p " + body) ++good;
        }
      }));
    }
  }
  EXPECT_EQ(good, 300);
}

TEST_P(HttpServerTest, RequestsAboveTheLimitHearThatItIsFull) {
  HttpServerOptions options = local();
  options.max_concurrent = 1;
  Waiter<bool> entered;
  Waiter<bool> release;
  const std::string address = start(options, [&](const HttpRequest& request) {
    if (request.query.has("wait")) {
      entered.set(true);
      release.wait();
    }
    return echo(request);
  });
  RawHttp waiting(address);
  waiting.socket().write("GET /?wait HTTP/1.1\r\nHost: h\r\n\r\n");
  ASSERT_TRUE(entered.wait());
  RawHttp refused(address);
  const auto reply = refused.get("/");
  EXPECT_EQ(reply.status, 503);
  EXPECT_EQ(reply.body, "Limit of concurrent requests reached (1), try again later.\n");
  release.set(true);
  EXPECT_EQ(waiting.read_reply().status, 200);
  EXPECT_EQ(refused.get("/").status, 200);
}

TEST_P(HttpServerTest, StoppedExecutorMeansBusy) {
  const std::string address = start(echo);
  pool_.stop();
  EXPECT_EQ(RawHttp(address).get("/").status, 503);
}

TEST_P(HttpServerTest, AddressInUseIsNamed) {
  const std::string address = start(echo);
  HttpServerOptions options;
  options.listen_addresses = {"127.0.0.1:0", address};
  const auto second = make(options, echo);
  const Status status = second->start();
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_EQ(message(status), "listen on " + address + ": address already in use");
  EXPECT_TRUE(second->addresses().empty());
  second->stop();
}

TEST_P(HttpServerTest, BadListenAddressesAreRefused) {
  const auto check = [&](std::string address, StatusCode code) {
    HttpServerOptions options;
    options.listen_addresses = {address};
    EXPECT_EQ(make(options, echo)->start().code(), code) << address;
  };
  check("9090", StatusCode::kInvalidArgument);
  check("127.0.0.1:", StatusCode::kInvalidArgument);
  check("127.0.0.1:99999", StatusCode::kInvalidArgument);
  check("::1:9090", StatusCode::kInvalidArgument);
  check("unix:/tmp/socket", StatusCode::kUnimplemented);
}

TEST_P(HttpServerTest, ListensOnSeveralAddresses) {
  HttpServerOptions options;
  options.listen_addresses = {"127.0.0.1:0", "localhost:0"};
  start(options, echo);
  ASSERT_EQ(server_->addresses().size(), 2u);
  for (const std::string& address : server_->addresses()) {
    EXPECT_EQ(RawHttp(address).get("/").status, 200) << address;
  }
}

TEST_P(HttpServerTest, StopFinishesTheRequestInFlight) {
  Waiter<bool> entered;
  Waiter<bool> release;
  const std::string address = start([&](const HttpRequest& request) {
    entered.set(true);
    release.wait();
    return echo(request);
  });
  RawHttp http(address);
  http.socket().write("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  ASSERT_TRUE(entered.wait());
  Waiter<bool> stopped;
  base::ThreadPool stopper({.name = "stopper", .threads = 1});
  ASSERT_TRUE(stopper.post([&] {
    server_->stop();
    stopped.set(true);
  }));
  EXPECT_FALSE(stopped.is_set());
  release.set(true);
  EXPECT_EQ(http.read_reply().body, "GET / ");
  EXPECT_TRUE(http.is_closed());
  EXPECT_TRUE(stopped.wait());
  server_->stop();
}

TEST_P(HttpServerTest, StopClosesIdleConnections) {
  const std::string address = start(echo);
  RawHttp http(address);
  EXPECT_EQ(http.get("/").status, 200);
  server_->stop();
  EXPECT_TRUE(http.is_closed());
}

}  // namespace
}  // namespace tocsin::net
