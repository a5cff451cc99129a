// SPDX-License-Identifier: Apache-2.0
//
// What the servers make of bytes: each case has one answer for both, or two and a row in
// docs/operating.md.
#include <map>

#include <gtest/gtest.h>

#include "base/file_system.h"
#include "net/testing/raw_socket.h"
#include "net/testing/server_test.h"

namespace tocsin::net {
namespace {

using testing::echo;
using testing::RawHttp;
using testing::ServerKind;
using testing::Waiter;

constexpr std::size_t kMaxBody = 1000;

class HttpProtocolTest : public testing::ServerTest {
 protected:
  static HttpServerOptions small() {
    HttpServerOptions options = local();
    options.max_body_bytes = kMaxBody;
    options.max_header_bytes = 8192;
    return options;
  }
};

INSTANTIATE_TEST_SUITE_P(Servers, HttpProtocolTest, testing::both_servers(),
                         testing::name_of_server);

// After the bytes of every case comes this request, unless the client ends the stream. When it is
// answered the server has understood where the one before ended.
constexpr std::string_view kNext = "GET /next HTTP/1.1\r\nHost: h\r\n\r\n";

struct Case {
  const char* name;
  std::string bytes;
  // "STATUS" of each answer, for 200 with what the handler got; then "next" or "closed".
  const char* answer;
  const char* civetweb = "";  // where that differs: a row of docs/operating.md
  bool ends = false;          // the client ends its side instead of sending the next request
};

std::string with_head(std::string_view lines, std::string_view body = "") {
  return fmt::format("POST / HTTP/1.1\r\nHost: h\r\n{}\r\n{}", lines, body);
}

// Requests that are as they should be, whatever is unusual about them.
std::vector<Case> good_cases() {
  std::string many;
  for (int i = 0; i < 100; ++i) many += fmt::format("X-{}: y\r\n", i);
  return {
      {"get", "GET /a?b=c HTTP/1.1\r\nHost: h\r\n\r\n", "200 GET /a?b=c ; next"},
      {"no spaces after colons", "GET / HTTP/1.1\r\nHost:h\r\n\r\n", "200 GET / ; next"},
      {"tabs around a value", "GET / HTTP/1.1\r\nHost:\t h \t\r\n\r\n", "200 GET / ; next",
       "400; closed"},
      {"an empty value", "GET / HTTP/1.1\r\nHost: h\r\nX:\r\n\r\n", "200 GET / ; next"},
      {"an empty host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", "200 GET / ; next"},
      {"a host in upper case", "GET / HTTP/1.1\r\nHOST: h\r\n\r\n", "200 GET / ; next"},
      {"a body of a get", "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nab",
       "200 GET / ab; next"},
      {"a length of zero", with_head("Content-Length: 0\r\n"), "200 POST / ; next"},
      {"a length with zeros before it", with_head("Content-Length: 003\r\n", "abc"),
       "200 POST / abc; next"},
      {"no length", with_head(""), "200 POST / ; next"},
      {"pipelined",
       with_head("Content-Length: 3\r\n", "abc") +
           "PUT /2 HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nde"
           "DELETE /3 HTTP/1.1\r\nHost: h\r\n\r\n",
       "200 POST / abc; 200 PUT /2 de; 200 DELETE /3 ; next"},
      {"close", "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", "200 GET / ; closed"},
      {"close among others", "GET / HTTP/1.1\r\nHost: h\r\nConnection: TE, Close\r\n\r\n",
       "200 GET / ; closed"},
      {"1.0", "GET / HTTP/1.0\r\n\r\n", "200 GET / ; closed"},
      {"1.0 that stays", "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", "200 GET / ; next"},
      {"an end after the request", "GET / HTTP/1.1\r\nHost: h\r\n\r\n", "200 GET / ; closed", "",
       true},
      {"an end after the body", with_head("Content-Length: 2\r\n", "ab"), "200 POST / ab; closed",
       "", true},
      {"escapes", "GET /%41%2F%00?%zz HTTP/1.1\r\nHost: h\r\n\r\n",
       "200 GET /%41%2F%00?%zz ; next"},
      {"two slashes", "GET //a HTTP/1.1\r\nHost: h\r\n\r\n", "200 GET //a ; next"},
      {"dots", "GET /a/../../b HTTP/1.1\r\nHost: h\r\n\r\n", "200 GET /a/../../b ; next"},
      {"a hundred headers", "GET / HTTP/1.1\r\nHost: h\r\n" + many + "\r\n", "200 GET / ; next",
       "431; closed"},
      {"the whole URL", "GET http://h/a HTTP/1.1\r\nHost: h\r\n\r\n", "200 GET http://h/a ; next",
       "closed"},
      {"an unknown method", "BREW / HTTP/1.1\r\nHost: h\r\n\r\n", "200 BREW / ; next",
       "400; closed"},
      {"a method in lower case", "get / HTTP/1.1\r\nHost: h\r\n\r\n", "200 get / ; next",
       "400; closed"},
      {"a line that goes on", "GET / HTTP/1.1\r\nHost: h\r\nX: a\r\n b\r\n\r\n", "200 GET / ; next",
       "400; closed"},
  };
}

std::vector<Case> chunk_cases() {
  const auto chunked = [](std::string_view body) {
    return with_head("Transfer-Encoding: chunked\r\n", body);
  };
  return {
      {"chunks", chunked("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"), "200 POST / abcde; next"},
      {"no chunks", chunked("0\r\n\r\n"), "200 POST / ; next"},
      {"chunks in capitals",
       with_head("TRANSFER-ENCODING: Chunked\r\n", "A\r\n0123456789\r\n0\r\n\r\n"),
       "200 POST / 0123456789; next"},
      {"extensions of chunks", chunked("3;a=b\r\nabc\r\n0;c\r\n\r\n"), "200 POST / abc; next",
       "400; closed"},
      {"a trailer", chunked("3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n"), "200 POST / abc; next",
       "200 POST / abc; closed"},
      {"a request as a trailer", chunked("0\r\nGET /evil HTTP/1.1\r\nHost: h\r\n\r\n"),
       "400; closed", "200 POST / ; closed"},
      {"a chunk without a size", chunked("\r\nabc\r\n0\r\n\r\n"), "400; closed"},
      {"a chunk with a bad size", chunked("zz\r\nabc\r\n0\r\n\r\n"), "400; closed"},
      {"a chunk with a sign", chunked("+3\r\nabc\r\n0\r\n\r\n"), "400; closed"},
      {"a chunk in C's hex", chunked("0x3\r\nabc\r\n0\r\n\r\n"), "400; closed"},
      {"a chunk longer than it says", chunked("3\r\nabcde\r\n0\r\n\r\n"), "400; closed"},
      {"a chunk above 64 bits", chunked("10000000000000003\r\nabc\r\n0\r\n\r\n"), "400; closed"},
      {"chunks above the limit", chunked("3e9\r\n" + std::string(1001, 'x') + "\r\n0\r\n\r\n"),
       "413; closed"},
      {"chunks that end early", chunked("5\r\nab"), "400; closed", "", true},
  };
}

// Two readings are possible, and a proxy in front may have the other one.
std::vector<Case> length_cases() {
  const auto with = [](std::string_view lines, std::string_view body = "abc") {
    return with_head(lines, body);
  };
  const std::string chunks = "0\r\n\r\n";
  return {
      {"two lengths", with("Content-Length: 3\r\nContent-Length: 5\r\n"), "400; closed"},
      {"the same length twice", with("Content-Length: 3\r\nContent-Length: 3\r\n"), "400; closed"},
      {"a list of lengths", with("Content-Length: 3, 3\r\n"), "400; closed"},
      {"a length and chunks", with("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", chunks),
       "400; closed"},
      {"chunks and a length", with("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", chunks),
       "400; closed"},
      {"chunks and a length of zero",
       with("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n", chunks), "400; closed"},
      {"a length with a sign", with("Content-Length: +3\r\n"), "400; closed"},
      {"a negative length", with("Content-Length: -3\r\n"), "400; closed"},
      {"a length in hex", with("Content-Length: 0x3\r\n"), "400; closed"},
      {"an empty length", with("Content-Length:\r\n", ""), "400; closed"},
      {"a length with a space in it", with("Content-Length: 1 1\r\n"), "400; closed"},
      {"a length above 64 bits", with("Content-Length: 18446744073709551619\r\n"), "400; closed",
       "413; closed"},
      {"a length above the limit", with("Content-Length: 1001\r\n"), "413; closed"},
      {"a space before the colon", with("Content-Length : 3\r\n"), "400; closed"},
      {"a space before the colon of chunks", with("Transfer-Encoding : chunked\r\n", chunks),
       "400; closed"},
      {"a length on a line that goes on", with("Content-Length:\r\n 3\r\n"), "200 POST / abc; next",
       "400; closed"},
      {"a header that starts with a space", with(" Content-Length: 3\r\n"), "400; closed"},
      {"a coding that is no coding", with("Transfer-Encoding: xchunked\r\n", chunks),
       "400; closed"},
      {"an empty coding", with("Transfer-Encoding:\r\n", ""), "400; closed"},
      {"identity", with("Transfer-Encoding: identity\r\n", ""), "400; closed"},
      {"chunks twice", with("Transfer-Encoding: chunked, chunked\r\n", chunks), "400; closed"},
      {"chunks and identity", with("Transfer-Encoding: chunked, identity\r\n", chunks),
       "400; closed"},
      {"compressed chunks", with("Transfer-Encoding: gzip, chunked\r\n", chunks), "400; closed"},
      {"two codings", with("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", chunks),
       "400; closed"},
      {"two codings, the other way",
       with("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n", chunks),
       "400; closed"},
      {"chunks of 1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks,
       "400; closed"},
      {"a tab in a coding", with("Transfer-Encoding: \vchunked\r\n", chunks), "400; closed"},
      {"a body that ends early", with("Content-Length: 9\r\n"), "400; closed", "", true},
  };
}

std::vector<Case> bad_cases() {
  const auto get = [](std::string_view lines) {
    return fmt::format("GET / HTTP/1.1\r\n{}\r\n", lines);
  };
  return {
      {"no host", get(""), "400; closed"},
      {"two hosts", get("Host: a\r\nHost: b\r\n"), "400; closed"},
      {"no colon", get("Host: h\r\nX\r\n"), "400; closed"},
      {"no name", get("Host: h\r\n: x\r\n"), "400; closed"},
      {"a space in a name", get("Host: h\r\nX Y: z\r\n"), "400; closed"},
      {"a zero byte in a value", get(std::string("Host: h\r\nX: a\0b\r\n", 15)), "400; closed"},
      {"a carriage return in a value", get("Host: h\r\nX: a\rY: b\r\n"), "400; closed"},
      {"a zero byte in the target", std::string("GET /\0 HTTP/1.1\r\nHost: h\r\n\r\n", 28),
       "400; closed"},
      {"a space in the target", "GET /a b HTTP/1.1\r\nHost: h\r\n\r\n", "400; closed"},
      {"two spaces before the target", "GET  / HTTP/1.1\r\nHost: h\r\n\r\n", "400; closed"},
      {"a relative target", "GET a HTTP/1.1\r\nHost: h\r\n\r\n", "400; closed"},
      {"a broken escape", "GET /%zz HTTP/1.1\r\nHost: h\r\n\r\n", "400; closed"},
      {"a bad method", "G@T / HTTP/1.1\r\nHost: h\r\n\r\n", "400; closed"},
      {"no version", "GET /\r\n\r\n", "400; closed"},
      {"an unknown version", "GET / HTTP/9.9\r\nHost: h\r\n\r\n", "400; closed", "505; closed"},
      {"version 2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "400; closed"},
      {"a version in lower case", "GET / http/1.1\r\nHost: h\r\n\r\n", "400; closed"},
      {"line feeds", "GET / HTTP/1.1\nHost: h\n\n", "400; closed"},
      {"a line feed among lines", "GET / HTTP/1.1\r\nHost: h\nX: y\r\n\r\n", "400; closed"},
      {"a TLS hello", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", "400; closed"},
      {"long headers", get("Host: h\r\nX: " + std::string(9000, 'x') + "\r\n"), "431; closed",
       "400; closed"},
      {"a long target", "GET /" + std::string(9000, 'x') + " HTTP/1.1\r\nHost: h\r\n\r\n",
       "431; closed", "400; closed"},
      {"another expectation", with_head("Content-Length: 1\r\nExpect: tea\r\n", "x"),
       "417; closed"},
      {"a request that ends early", "GET / HT", "400; closed", "", true},
      {"nothing", "", "closed", "", true},
  };
}

std::vector<Case> all_cases() {
  std::vector<Case> out;
  for (const auto& some : {good_cases(), chunk_cases(), length_cases(), bad_cases()}) {
    out.insert(out.end(), some.begin(), some.end());
  }
  return out;
}

std::string expected(const Case& one, ServerKind kind) {
  return kind == ServerKind::kCivetweb && *one.civetweb != '\0' ? one.civetweb : one.answer;
}

std::string read_answers(RawHttp* http) {
  std::string out;
  for (;;) {
    const auto reply = http->read_reply();
    if (reply.status == 0) return out + "closed";
    if (reply.body == "GET /next ") return out + "next";
    out += std::to_string(reply.status);
    if (reply.status == 200) out += " " + reply.body;
    out += "; ";
  }
}

TEST_P(HttpProtocolTest, EveryCaseHasItsAnswer) {
  const std::string address = start(small(), echo);
  for (const Case& one : all_cases()) {
    RawHttp http(address);
    http.socket().write(one.bytes + std::string(one.ends ? "" : kNext));
    if (one.ends) http.socket().finish_sending();
    EXPECT_EQ(read_answers(&http), expected(one, GetParam())) << one.name;
  }
}

// Wherever the network cuts a request, the handler gets the same.
TEST_P(HttpProtocolTest, RequestsArriveInAnyPieces) {
  const std::string address = start(small(), echo);
  for (const Case& one : all_cases()) {
    const std::string answer = expected(one, GetParam());
    if (!answer.starts_with("200") || one.ends) continue;
    const std::string bytes = one.bytes + std::string(kNext);
    const std::size_t step = 1 + bytes.size() / 100;
    for (std::size_t cut = 1; cut < bytes.size(); cut += step) {
      RawHttp http(address);
      ASSERT_TRUE(http.socket().write(bytes.substr(0, cut)));
      http.socket().write(bytes.substr(cut));
      ASSERT_EQ(read_answers(&http), answer) << one.name << " cut at " << cut;
    }
  }
}

TEST(HttpProtocolDocs, EveryDifferenceIsARowOfTheManual) {
  const StatusOr<std::string> manual =
      base::real_file_system().read_file(TOCSIN_SOURCE_DIR "/docs/operating.md", 1 << 20);
  ASSERT_EQ(manual.status(), ok());
  constexpr std::string_view kTitle = "| request | Beast | civetweb |\n|---|---|---|\n";
  const std::size_t begin = manual->find(kTitle);
  ASSERT_NE(begin, std::string::npos);
  std::string_view rows = std::string_view(*manual).substr(begin + kTitle.size());
  std::string documented;
  while (rows.starts_with("| ")) {
    documented.append(rows.substr(0, rows.find('\n') + 1));
    rows.remove_prefix(rows.find('\n') + 1);
  }
  std::string tested;
  for (const Case& one : all_cases()) {
    if (*one.civetweb == '\0') continue;
    tested += fmt::format("| {} | `{}` | `{}` |\n", one.name, one.answer, one.civetweb);
  }
  EXPECT_EQ(documented, tested);
}

TEST_P(HttpProtocolTest, SlowClientsAreDropped) {
  HttpServerOptions options = small();
  options.read_timeout = base::Duration(50);
  const std::string address = start(options, echo);
  RawHttp silent(address);
  EXPECT_TRUE(silent.is_closed());
  for (const char* begin :
       {"GET / HT", "GET / HTTP/1.1\r\nHost: h\r\n",
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nhalf",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"}) {
    RawHttp half(address);
    half.socket().write(begin);
    const int status = half.read_reply().status;
    EXPECT_TRUE(status == 0 || status == 400 || status == 408) << status << " for " << begin;
    EXPECT_TRUE(half.is_closed()) << begin;
  }
}

TEST_P(HttpProtocolTest, ReaderThatTakesNothingIsDropped) {
  HttpServerOptions options = small();
  options.write_timeout = base::Duration(50);
  Waiter<bool> dropped;
  const std::string address = start(options, [&dropped](const HttpRequest&) {
    HttpResponse response;
    const auto at_end = std::shared_ptr<int>(new int(0), [&dropped](int* p) {
      delete p;
      dropped.set(true);
    });
    response.stream = [at_end]() -> StatusOr<std::string> { return std::string(1 << 20, 'x'); };
    return response;
  });
  RawHttp stuck(address);
  stuck.socket().set_receive_buffer(4096);
  stuck.socket().write("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(dropped.wait());  // the endless stream is destroyed
}

// civetweb has a thread for each connection, and so makes the others wait; for no longer than this.
TEST_P(HttpProtocolTest, IdleConnectionsHoldUpOthersOnlyForATime) {
  HttpServerOptions options = small();
  options.read_timeout = base::Duration(100);
  const std::string address = start(options, echo);
  std::vector<RawHttp> idle;
  for (int i = 0; i < 20; ++i) idle.emplace_back(address);
  EXPECT_EQ(RawHttp(address).get("/a").body, "GET /a ");
}

TEST_P(HttpProtocolTest, ManyConnectionsAtOnceAreAllServed) {
  HttpServerOptions options = small();
  options.max_concurrent = 100;
  const std::string address = start(options, echo);
  std::vector<RawHttp> clients;
  for (int i = 0; i < 100; ++i) {
    clients.emplace_back(address);
    clients.back().socket().write(
        fmt::format("GET /{} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", i));
  }
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(clients[static_cast<std::size_t>(i)].read_reply().body, fmt::format("GET /{} ", i));
  }
}

TEST_P(HttpProtocolTest, ClientsThatLeaveDoNoHarm) {
  const std::string big(4 << 20, 'x');
  const std::string address = start(small(), [&](const HttpRequest& request) {
    return request.query.has("big") ? HttpResponse::text(200, big) : echo(request);
  });
  for (int i = 0; i < 30; ++i) {
    RawHttp http(address);
    http.socket().write("GET /?big HTTP/1.1\r\nHost: h\r\n\r\n");
    if (i % 3 == 1) {
      EXPECT_FALSE(http.socket().read_some(1000).empty());
    }
    if (i % 3 == 2) http.socket().finish_sending();
  }
  EXPECT_EQ(RawHttp(address).get("/?big").body.size(), big.size());
}

TEST_P(HttpProtocolTest, StopFinishesAStream) {
  Waiter<bool> entered;
  Waiter<bool> release;
  const std::string address = start(small(), [&](const HttpRequest&) {
    HttpResponse response;
    response.stream = [&, pieces = std::make_shared<int>(0)]() -> StatusOr<std::string> {
      if (++*pieces == 2) {
        entered.set(true);
        release.wait();
      }
      return *pieces <= 5 ? std::string("piece ") : std::string();
    };
    return response;
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
  release.set(true);
  const auto reply = http.read_reply();
  EXPECT_EQ(reply.body, "piece piece piece piece piece ");
  EXPECT_TRUE(reply.complete);
  EXPECT_TRUE(http.is_closed());
  EXPECT_TRUE(stopped.wait());
}

TEST_P(HttpProtocolTest, StopDoesNotWaitForRequestsThatHaveNotCome) {
  const std::string address = start(small(), echo);
  RawHttp half(address);
  half.socket().write("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nhalf");
  EXPECT_EQ(RawHttp(address).get("/").status, 200);
  server_->stop();
  EXPECT_NE(half.read_reply().status, 200);
  EXPECT_TRUE(half.is_closed());
}

}  // namespace
}  // namespace tocsin::net
