// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <unistd.h>

#include <atomic>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/file_system.h"
#include "net/beast.h"
#include "net/curl.h"
#include "net/server/gzip.h"
#include "net/testing/raw_socket.h"

namespace tocsin::net {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::RawListener;
using testing::RawSocket;
using ::testing::StartsWith;
using testing::Waiter;

ClientRequest get(std::string url) {
  ClientRequest request;
  request.url = std::move(url);
  return request;
}

std::string text(const StatusOr<ClientResponse>& response) {
  return response.ok() ? "OK: " + response->body : std::string(message(response.status()));
}

// Echoes what matters of a request as text.
HttpResponse show(const HttpRequest& request) {
  return HttpResponse::text(
      200, fmt::format("{} {} auth=[{}] agent=[{}] key=[{}] type=[{}] body=[{}]", request.method,
                       request.target, request.headers.get("Authorization"),
                       request.headers.get("User-Agent"), request.headers.get("X-Key"),
                       request.headers.get("Content-Type"), request.body));
}

// With and without the direct exchanges of net/direct.
class HttpClientTest : public ::testing::TestWithParam<bool> {
 protected:
  HttpClientTest() { make_client({}); }
  ~HttpClientTest() override {
    client_.reset();
    for (const auto& server : servers_) server->stop();
  }

  void make_client(CurlOptions options) {
    options.direct = GetParam();
    client_ = make_http_client(loop_, blocking_, std::move(options));
  }
  // A server of our own; returns http://host:port.
  std::string serve(Handler handler) {
    HttpServerOptions options;
    options.listen_addresses = {"127.0.0.1:0"};
    options.max_concurrent = 1000;  // never the limit here
    servers_.push_back(
        make_beast_server(options, std::move(handler), {loop_, handlers_, clock_, &metrics_}));
    EXPECT_EQ(servers_.back()->start(), ok());
    return "http://" + servers_.back()->addresses().at(0);
  }
  StatusOr<ClientResponse> call(ClientRequest request) {
    Waiter<StatusOr<ClientResponse>> done;
    client_->send(std::move(request), [&](StatusOr<ClientResponse> response) {
      EXPECT_TRUE(loop_.on_io_thread());
      done.set(std::move(response));
    });
    return done.wait().value_or(internal("no answer"));
  }
  StatusOr<ClientResponse> call(std::string url, HttpClientOptions options) {
    ClientRequest request = get(std::move(url));
    request.options = std::make_shared<const HttpClientOptions>(std::move(options));
    return call(std::move(request));
  }
  // Runs `play` with the next connection to a scripted server; returns its URL.
  std::string script(std::function<void(RawSocket)> play) {
    EXPECT_TRUE(player_.post([this, play = std::move(play)] { play(listener_.accept()); }));
    return "http://" + listener_.address();
  }
  StatusOr<ClientResponse> answered_with(std::string bytes, std::uint64_t limit = 0) {
    ClientRequest request = get(script([bytes = std::move(bytes)](RawSocket socket) {
      socket.read_until("\r\n\r\n");
      socket.write(bytes);
    }));
    request.accept_gzip = true;
    request.max_body_bytes = limit;
    return call(std::move(request));
  }

  base::SystemClock clock_;
  base::Registry metrics_;
  IoLoop loop_{clock_};
  base::ThreadPool handlers_{{.name = "handlers", .threads = 2}};
  base::ThreadPool blocking_{{.name = "blocking", .threads = 1}};
  std::vector<std::unique_ptr<HttpServer>> servers_;
  std::unique_ptr<HttpClient> client_;
  RawListener listener_;
  base::ThreadPool player_{{.name = "player", .threads = 1}};
};

TEST_P(HttpClientTest, SendsMethodsHeadersAndBodies) {
  const std::string url = serve(show);
  const auto check = [&](std::string method, std::string body, std::string_view want) {
    ClientRequest request = get(url + "/p?q=1#fragment");
    request.method = std::move(method);
    request.body = std::move(body);
    request.headers.add("X-Key", "k");
    const auto response = call(std::move(request));
    ASSERT_TRUE(response.ok()) << response.status();
    EXPECT_EQ(response->status, 200);
    EXPECT_EQ(response->headers.get("content-type"), "text/plain; charset=utf-8");
    EXPECT_EQ(response->body, want);
    EXPECT_EQ(response->wire_body_bytes, want.size());
  };
  check("GET", "", "GET /p?q=1 auth=[] agent=[Tocsin] key=[k] type=[] body=[]");
  check("POST", "data", "POST /p?q=1 auth=[] agent=[Tocsin] key=[k] type=[] body=[data]");
  check("POST", "", "POST /p?q=1 auth=[] agent=[Tocsin] key=[k] type=[] body=[]");
  check("PUT", "data", "PUT /p?q=1 auth=[] agent=[Tocsin] key=[k] type=[] body=[data]");
  check("DELETE", "", "DELETE /p?q=1 auth=[] agent=[Tocsin] key=[k] type=[] body=[]");
  check("HEAD", "", "");
}

TEST_P(HttpClientTest, AnyStatusIsAResponse) {
  const std::string url = serve([](const HttpRequest&) { return HttpResponse::text(503, "busy"); });
  const auto response = call(get(url));
  ASSERT_TRUE(response.ok());
  EXPECT_EQ(response->status, 503);
  EXPECT_EQ(response->body, "busy");
}

TEST_P(HttpClientTest, ReusesConnections) {
  const std::string url = serve(show);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(call(get(url)).ok());
  for (const base::MetricFamily& family : metrics_.gather()) {
    if (family.name != "net_conntrack_listener_conn_accepted_total") continue;
    EXPECT_EQ(family.samples.at(0).value, 1);
  }
}

TEST_P(HttpClientTest, AddsCredentialsAndHeadersOfTheOptions) {
  const std::string url = serve(show);
  HttpClientOptions basic;
  basic.basic_auth = BasicAuth{"user", "", {"pass", ""}};
  EXPECT_THAT(text(call(url, basic)), HasSubstr("auth=[Basic dXNlcjpwYXNz]"));
  HttpClientOptions bearer;
  bearer.authorization = Authorization{"Token", {"t0k", ""}};
  bearer.headers = {{"X-Key", "configured"}, {"User-Agent", "other"}};
  EXPECT_THAT(text(call(url, bearer)),
              HasSubstr("auth=[Token t0k] agent=[other] key=[configured]"));
  // Credentials in the URL become a header, as with Go.
  const std::string with_user = "http://user:pass@" + url.substr(7);
  EXPECT_THAT(text(call(get(with_user))), HasSubstr("auth=[Basic dXNlcjpwYXNz]"));
}

TEST_P(HttpClientTest, SecretFilesAreReadAtEachUseAndTrimmed) {
  std::string directory = ::testing::TempDir() + "net_client_XXXXXX";
  ASSERT_NE(::mkdtemp(directory.data()), nullptr);
  const std::string file = directory + "/token";
  const std::string url = serve(show);
  HttpClientOptions options;
  options.authorization = Authorization{"Bearer", {"", file}};
  EXPECT_THAT(text(call(url, options)), HasSubstr("unable to read authorization credentials file"));
  for (const char* token : {"first", "second"}) {
    ASSERT_EQ(
        base::write_file_atomically(base::real_file_system(), file, std::string(token) + " \n"),
        ok());
    EXPECT_THAT(text(call(url, options)), HasSubstr(fmt::format("auth=[Bearer {}]", token)));
  }
  HttpClientOptions basic;
  basic.basic_auth = BasicAuth{"", file, {"", file}};
  EXPECT_THAT(text(call(url, basic)), HasSubstr("auth=[Basic c2Vjb25kOnNlY29uZA==]"));
  EXPECT_EQ(base::real_file_system().remove_recursively(directory), ok());
}

TEST_P(HttpClientTest, RedirectKeepsCredentialsForTheSameOriginOnly) {
  const std::string other = serve(show);
  Router router;
  router.add("GET,POST", "/show", show);
  const auto redirect = [&](int status, std::string location) {
    return [status, location = std::move(location)](const HttpRequest&) {
      HttpResponse response = HttpResponse::text(status, "moved");
      response.headers.add("Location", location);
      return response;
    };
  };
  router.add("GET,POST", "/same", redirect(302, "/show?a=1"));
  router.add("GET,POST", "/keep", redirect(307, "show"));
  router.add("GET,POST", "/other", redirect(302, other + "/there"));
  router.add("GET", "/back", redirect(302, "/other"));
  router.add("GET", "/loop", redirect(301, "/loop"));
  router.add("GET", "/file", redirect(302, "file:///etc/passwd"));
  const std::string url = serve([&](const HttpRequest& request) { return router.route(request); });
  HttpClientOptions options;
  options.basic_auth = BasicAuth{"user", "", {"pass", ""}};
  options.headers = {{"X-Key", "secret"}};
  const auto post = [&](const std::string& path) {
    ClientRequest request = get(url + path);
    request.method = "POST";
    request.body = "data";
    request.headers.add("Content-Type", "text/x");
    request.headers.add("Cookie", "c");
    request.options = std::make_shared<const HttpClientOptions>(options);
    return text(call(std::move(request)));
  };
  const std::string kept = "auth=[Basic dXNlcjpwYXNz] agent=[Tocsin] key=[secret]";
  EXPECT_EQ(post("/same"), "OK: GET /show?a=1 " + kept + " type=[] body=[]");
  EXPECT_EQ(post("/keep"), "OK: POST /show " + kept + " type=[text/x] body=[data]");
  EXPECT_EQ(post("/other"), "OK: GET /there auth=[] agent=[Tocsin] key=[] type=[] body=[]");
  EXPECT_THAT(text(call(url + "/back", options)), HasSubstr("auth=[] agent=[Tocsin] key=[]"));
  EXPECT_THAT(text(call(url + "/loop", options)), HasSubstr("stopped after 10 redirects"));
  EXPECT_THAT(text(call(url + "/file", options)),
              HasSubstr("unsupported protocol scheme \"file\""));
  options.follow_redirects = false;
  EXPECT_EQ(call(url + "/same", options)->status, 302);
}

TEST_P(HttpClientTest, DecodesGzipWhenItAskedForIt) {
  const std::string big(100'000, 'x');
  const std::string url = serve([&](const HttpRequest&) { return HttpResponse::text(200, big); });
  ClientRequest request = get(url);
  request.accept_gzip = true;
  const auto zipped = call(request);
  ASSERT_TRUE(zipped.ok()) << zipped.status();
  EXPECT_TRUE(zipped->body == big);
  EXPECT_LT(zipped->wire_body_bytes, 2000u);
  EXPECT_FALSE(zipped->headers.has("Content-Encoding"));
  EXPECT_FALSE(zipped->headers.has("Content-Length"));
  request.accept_gzip = false;
  EXPECT_EQ(call(request)->wire_body_bytes, big.size());
}

TEST_P(HttpClientTest, BodyLimitStopsPlainBodiesAndBombs) {
  const std::string head = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n";
  const std::string bomb = gzip(std::string(64 << 20, '\0'));
  const auto exploded = answered_with(head + bomb, 1 << 20);
  EXPECT_EQ(exploded.status().code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(text(exploded), "body size limit exceeded");
  EXPECT_EQ(text(answered_with("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n01234567890", 10)),
            "body size limit exceeded");
  EXPECT_EQ(text(answered_with("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789", 10)),
            "OK: 0123456789");
  EXPECT_EQ(text(answered_with(head + gzip("fits") + gzip(" well"), 9)), "OK: fits well");
}

TEST_P(HttpClientTest, BrokenResponsesAreErrors) {
  const std::string prefix = "Get \"http://" + listener_.address() + "\": ";
  EXPECT_EQ(text(answered_with("")), prefix + "EOF");
  EXPECT_EQ(text(answered_with("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")),
            prefix + "unexpected EOF");
  const std::string head = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n";
  EXPECT_EQ(text(answered_with(head + gzip(std::string(5000, 'x')).substr(0, 20))),
            prefix + "unexpected EOF");
  EXPECT_THAT(text(answered_with(head + "not gzip at all")), StartsWith(prefix + "gzip: "));
  // What is no HTTP to the direct exchange, curl is asked about too.
  const std::string greeting = "220 smtp.example.org ESMTP\r\n";
  if (GetParam()) script([&](RawSocket socket) { socket.write(greeting); });
  const std::string refused = text(answered_with(greeting));
  EXPECT_THAT(refused, AllOf(StartsWith(prefix), Not(HasSubstr("deadline"))));
  EXPECT_EQ(text(answered_with("HTTP/1.1 200 OK\r\nX: " + std::string(50'000, 'x') +
                               "\r\nContent-Length: 1\r\n\r\nb")),
            "OK: b");
}

TEST_P(HttpClientTest, ConnectionRefusedReadsAsInGo) {
  listener_.close();
  const std::string address = listener_.address();
  const auto response = call(get("http://" + address + "/metrics"));
  EXPECT_EQ(response.status().code(), StatusCode::kUnavailable);
  EXPECT_EQ(text(response),
            fmt::format("Get \"http://{}/metrics\": dial tcp {}: connect: connection refused",
                        address, address));
}

TEST_P(HttpClientTest, ErrorsHideSecrets) {
  listener_.close();
  ClientRequest request = get("http://user:pa55@" + listener_.address() + "/t0ken");
  request.method = "POST";
  EXPECT_THAT(text(call(request)), StartsWith("Post \"http://user:***@127.0.0.1:"));
  request.hide_url = true;
  EXPECT_EQ(text(call(request)), "Post \"<redacted>\": dial tcp: connect: connection refused");
  request.url = "http://h/%zz/t0ken";
  EXPECT_THAT(text(call(request)), Not(HasSubstr("t0ken")));
  request.hide_url = false;
  request.url = "http://user:pa55@h:port/";
  EXPECT_THAT(text(call(request)), Not(HasSubstr("pa55")));
}

TEST_P(HttpClientTest, SilentServerEndsInTheDeadline) {
  Waiter<bool> over;
  ClientRequest request = get(script([&](RawSocket socket) {
    socket.read_until("\r\n\r\n");
    over.wait();
  }));
  request.timeout = base::Duration(50);
  const auto response = call(request);
  over.set(true);
  player_.stop();  // it uses `over`
  EXPECT_EQ(response.status().code(), StatusCode::kDeadlineExceeded);
  EXPECT_EQ(text(response), "Get \"" + request.url + "\": context deadline exceeded");
}

TEST_P(HttpClientTest, RefusesRequestsItCannotSend) {
  const auto check = [&](ClientRequest request, std::string_view error) {
    const auto response = call(std::move(request));
    EXPECT_EQ(response.status().code(), StatusCode::kInvalidArgument) << error;
    EXPECT_THAT(text(response), HasSubstr(error));
  };
  check(get("ftp://h/"), "unsupported protocol scheme \"ftp\"");
  check(get("/path"), "unsupported protocol scheme \"\"");
  check(get("http:///path"), "no Host in request URL");
  check(get("http://h:port/"), "parse \"http://h:port/\": invalid port");
  ClientRequest split = get("http://h/");
  split.headers.add("X-A", "a\r\nX-B: b");
  check(split, "invalid header field value for \"X-A\"");
  ClientRequest named = get("http://h/");
  named.headers.add("X A", "a");
  check(named, "invalid header field name \"X A\"");
  ClientRequest method = get("http://h/");
  method.method = "GET /x HTTP/1.1\r\n";
  check(method, "invalid method");
  ClientRequest tls = get("https://h/");
  HttpClientOptions options;
  options.tls.min_version = "SSL3";
  tls.options = std::make_shared<const HttpClientOptions>(options);
  check(tls, "unknown TLS version: SSL3");
}

TEST_P(HttpClientTest, TlsFailuresSaySo) {
  HttpClientOptions options;
  const std::string url = "https" + script([](RawSocket socket) {
                                      socket.read_some();
                                      socket.write("this is no TLS");
                                    }).substr(4);
  EXPECT_THAT(text(call(url, options)), HasSubstr("tls: "));
  options.tls.ca_file = "/nonexistent/ca.pem";
  options.tls.server_name = "other.example.org";
  EXPECT_THAT(
      text(call("https" + script([](RawSocket socket) { socket.read_some(); }).substr(4), options)),
      HasSubstr("tls: "));
}

TEST_P(HttpClientTest, SendsServerNameWhileItConnectsToTheHost) {
  Waiter<std::string> hello;
  HttpClientOptions options;
  options.tls.server_name = "sni.example.org";
  const std::string url =
      "https" + script([&](RawSocket socket) { hello.set(socket.read_some()); }).substr(4);
  EXPECT_FALSE(call(url, options).ok());
  EXPECT_THAT(hello.wait().value_or(""), HasSubstr("sni.example.org"));
}

TEST_P(HttpClientTest, GoesThroughTheProxy) {
  Waiter<std::string> seen;
  HttpClientOptions options;
  options.proxy_url = script([&](RawSocket socket) {
    seen.set(socket.read_until("\r\n\r\n"));
    socket.write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nproxy");
  });
  EXPECT_EQ(text(call("http://target.example.org/x", options)), "OK: proxy");
  EXPECT_THAT(seen.wait().value_or(""), StartsWith("GET http://target.example.org/x HTTP/1.1\r\n"));
  const std::string url = serve(show);
  options.no_proxy = "127.0.0.1";
  EXPECT_THAT(text(call(url, options)), StartsWith("OK: GET / "));
}

TEST_P(HttpClientTest, AboveTheLimitRequestsWaitAndThenFail) {
  make_client({.max_in_flight = 1});
  Waiter<bool> entered;
  Waiter<bool> release;
  const std::string url = serve([&](const HttpRequest& request) {
    if (request.query.has("wait")) {
      entered.set(true);
      release.wait();
    }
    return show(request);
  });
  Waiter<std::string> running;
  Waiter<std::string> waiting;
  client_->send(get(url + "/?wait"), [&](const auto& response) { running.set(text(response)); });
  ASSERT_TRUE(entered.wait());
  client_->send(get(url + "/waiting"), [&](const auto& response) { waiting.set(text(response)); });
  const auto refused = call(get(url));
  EXPECT_EQ(refused.status().code(), StatusCode::kResourceExhausted);
  EXPECT_FALSE(waiting.is_set());
  release.set(true);
  EXPECT_THAT(running.wait().value_or(""), StartsWith("OK: "));
  EXPECT_THAT(waiting.wait().value_or(""), StartsWith("OK: GET /waiting"));
}

TEST_P(HttpClientTest, DestructionCancelsWhatIsInFlight) {
  Waiter<bool> over;
  Waiter<StatusCode> result;
  Waiter<bool> entered;
  const std::string url = script([&](RawSocket socket) {
    socket.read_until("\r\n\r\n");
    entered.set(true);
    over.wait();
  });
  client_->send(get(url), [&](const auto& response) { result.set(response.status().code()); });
  ASSERT_TRUE(entered.wait());
  client_.reset();
  EXPECT_TRUE(result.is_set());
  EXPECT_EQ(result.wait(), StatusCode::kCancelled);
  over.set(true);
  player_.stop();  // it uses `over`
}

TEST_P(HttpClientTest, CallbackMaySendAgainAndDestroyTheClient) {
  const std::string url = serve(show);
  Waiter<bool> done;
  client_->send(get(url), [&](const auto&) {
    client_->send(get(url), [&](const auto& second) {
      EXPECT_TRUE(second.ok());
      client_.reset();
      done.set(true);
    });
  });
  EXPECT_TRUE(done.wait());
}

TEST_P(HttpClientTest, ManyRequestsAtOnce) {
  const std::string url = serve(show);
  std::atomic<int> good = 0;
  std::atomic<int> left = 200;
  Waiter<bool> done;
  for (int i = 0; i < 200; ++i) {
    client_->send(
        get(url + "/" + std::to_string(i)), [&, i](const StatusOr<ClientResponse>& response) {
          if (response.ok() && response->body.starts_with("GET /" + std::to_string(i) + " "))
            ++good;
          if (--left == 0) done.set(true);
        });
  }
  EXPECT_TRUE(done.wait());
  EXPECT_EQ(good, 200);
}

TEST_P(HttpClientTest, ReadsEveryFraming) {
  const std::string head = "HTTP/1.1 200 OK\r\n";
  const auto body = [this](const std::string& bytes) { return text(answered_with(bytes)); };
  EXPECT_EQ(body(head + "Content-Length: 3\r\n\r\nabc"), "OK: abc");
  EXPECT_EQ(body(head + "Content-Length: 0\r\n\r\n"), "OK: ");
  EXPECT_EQ(body(head + "\r\nto the end"), "OK: to the end");
  EXPECT_EQ(body("HTTP/1.0 200 OK\r\n\r\nold"), "OK: old");
  EXPECT_EQ(body("HTTP/1.1 204 No Content\r\n\r\n"), "OK: ");
  EXPECT_EQ(body("HTTP/1.1 100 Continue\r\n\r\n" + head + "Content-Length: 1\r\n\r\nx"), "OK: x");
  const std::string chunked = head + "Transfer-Encoding: chunked\r\n\r\n";
  EXPECT_EQ(body(chunked + "4;name=value\r\nabcd\r\n2\r\nef\r\n0\r\nX-Trailer: 1\r\n\r\n"),
            "OK: abcdef");
  const std::string big(300'000, 'x');
  EXPECT_EQ(body(chunked + fmt::format("{:x}\r\n{}\r\n0\r\n\r\n", big.size(), big)), "OK: " + big);
  EXPECT_THAT(body(chunked + "4\r\nab"), HasSubstr("unexpected EOF"));
  EXPECT_THAT(body(chunked + "zz\r\nab"), Not(StartsWith("OK")));
}

TEST_P(HttpClientTest, AConnectionThatItsServerClosedIsReplaced) {
  const std::string answer = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n";
  const std::string url = script([&](RawSocket socket) {
    socket.read_until("\r\n\r\n");
    socket.write(answer + "1");
    socket.read_until("\r\n\r\n");  // and closes: as if it had been idle for too long
  });
  script([&](RawSocket socket) {
    socket.read_until("\r\n\r\n");
    socket.write(answer + "2");
  });
  EXPECT_EQ(text(call(get(url))), "OK: 1");
  EXPECT_EQ(text(call(get(url))), "OK: 2");
}

TEST_P(HttpClientTest, AsksAtAUnixSocket) {
  char directory[] = "/tmp/tocsin_client_XXXXXX";
  ASSERT_NE(mkdtemp(directory), nullptr);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = std::string(directory) + "/s";
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  const int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ASSERT_EQ(bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  ASSERT_EQ(listen(listener, 1), 0);
  ASSERT_TRUE(player_.post([listener] {
    RawSocket socket(accept(listener, nullptr, nullptr));
    const std::string head = socket.read_until("\r\n\r\n");
    EXPECT_THAT(head, HasSubstr("Host: app.example:1"));
    socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
  }));
  ClientRequest request = get("http://app.example:1/metrics");
  request.unix_socket = path;
  EXPECT_EQ(text(call(request)), "OK: hi");
  close(listener);
  unlink(path.c_str());
  request.unix_socket = path + ".gone";
  EXPECT_EQ(text(call(request)), "Get \"http://app.example:1/metrics\": dial unix " + path +
                                     ".gone: connect: no such file or directory");
  rmdir(directory);
}

// curl asks again.
class DirectClientTest : public HttpClientTest {};

TEST_P(DirectClientTest, HalfAnAnswerIsNotAskedForAgain) {
  const std::string url = script([&](RawSocket socket) {
    socket.read_until("\r\n\r\n");
    socket.write("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1");
    socket.read_until("\r\n\r\n");
    socket.write("HTTP/1.1 200");
  });
  EXPECT_EQ(text(call(get(url))), "OK: 1");
  EXPECT_THAT(text(call(get(url))), HasSubstr("EOF"));
}

TEST_P(DirectClientTest, LeavesATargetThatRedirectsToCurl) {
  std::atomic<int> asked = 0;
  const std::string url = serve([&](const HttpRequest& request) {
    ++asked;
    if (request.target == "/to") return HttpResponse::text(200, "there");
    HttpResponse response = HttpResponse::text(302, "");
    response.headers.add("Location", "/to");
    return response;
  });
  EXPECT_EQ(text(call(get(url + "/from"))), "OK: there");
  EXPECT_EQ(asked.exchange(0), 3) << "the redirect was seen twice";
  EXPECT_EQ(text(call(get(url + "/from"))), "OK: there");
  EXPECT_EQ(asked, 2) << "and is remembered";
}

INSTANTIATE_TEST_SUITE_P(, DirectClientTest, ::testing::Values(true));
INSTANTIATE_TEST_SUITE_P(, HttpClientTest, ::testing::Bool(),
                         [](const auto& test_case) { return test_case.param ? "Direct" : "Curl"; });

}  // namespace
}  // namespace tocsin::net
