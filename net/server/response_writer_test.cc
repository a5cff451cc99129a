// SPDX-License-Identifier: Apache-2.0
#include "net/server/response_writer.h"

#include <gtest/gtest.h>

#include "net/curl/inflater.h"
#include "net/server/listen_address.h"

namespace tocsin::net {
namespace {

TEST(HttpDate, IsImfFixdate) {
  EXPECT_EQ(http_date(base::from_ms(0)), "Thu, 01 Jan 1970 00:00:00 GMT");
  EXPECT_EQ(http_date(base::from_ms(784111777999)), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(http_date(base::from_ms(1709164799000)), "Wed, 28 Feb 2024 23:59:59 GMT");
}

TEST(AcceptsGzip, FollowsTheWeights) {
  const auto check = [](std::string_view header, bool want) {
    EXPECT_EQ(accepts_gzip(header), want) << header;
  };
  check("", false);
  check("gzip", true);
  check("GZip", true);
  check("x-gzip", true);
  check("br, gzip;q=0.001", true);
  check("gzip;q=0", false);
  check("gzip ; q = 0.0", false);
  check("gzip;q=0.5", true);
  check("*", true);
  check("*;q=0", false);
  check("*, gzip;q=0", false);
  check("gzip, *;q=0", true);
  check("identity", false);
  check("gzipped", false);
  check(",,;", false);
}

TEST(GzipStream, EachPieceCanBeDecodedAtOnce) {
  GzipStream stream;
  Inflater inflater(0);
  std::string out;
  for (const char* piece : {"one ", "two ", "three"}) {
    ASSERT_EQ(inflater.append(stream.compress(piece), &out), ok());
    EXPECT_TRUE(out.ends_with(piece)) << out;
  }
  EXPECT_EQ(inflater.finish().code(), StatusCode::kDataLoss);
  ASSERT_EQ(inflater.append(stream.finish(), &out), ok());
  EXPECT_EQ(inflater.finish(), ok());
  EXPECT_EQ(out, "one two three");
}

TEST(Gzip, EmptyAndBigRoundTrip) {
  for (const std::size_t size : {0u, 1u, 70'000u, 3'000'000u}) {
    const std::string data(size, 'z');
    Inflater inflater(0);
    std::string out;
    ASSERT_EQ(inflater.append(gzip(data), &out), ok());
    EXPECT_EQ(inflater.finish(), ok());
    EXPECT_TRUE(out == data) << size;
  }
}

TEST(ResponseWriter, StatusDecidesAboutBodies) {
  RequestTraits traits;
  traits.keep_alive = true;
  for (const int status : {204, 304}) {
    const ResponseWriter writer(HttpResponse::text(status, "dropped"), traits, true,
                                base::from_ms(0));
    EXPECT_EQ(writer.body(), "");
    EXPECT_EQ(writer.head().find("Content-Length"), std::string::npos) << writer.head();
    EXPECT_TRUE(writer.keeps_alive());
  }
  const ResponseWriter empty(HttpResponse::text(200, ""), traits, true, base::from_ms(0));
  EXPECT_EQ(empty.head(),
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n"
            "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\nContent-Length: 0\r\n\r\n");
}

TEST(ResponseWriter, CompressesBodiesThatAreNotSmall) {
  RequestTraits traits;
  traits.takes_gzip = true;
  const auto size_of = [&](std::size_t size) {
    return ResponseWriter(HttpResponse::text(200, std::string(size, 'x')), traits, true,
                          base::from_ms(0))
        .body()
        .size();
  };
  EXPECT_EQ(size_of(4096), 4096U);
  EXPECT_LT(size_of(4097), 100U);
}

TEST(ResponseWriter, StreamEndsWithTheLastChunk) {
  HttpResponse response;
  response.stream = [left = std::make_shared<int>(2)]() -> StatusOr<std::string> {
    return (*left)-- > 0 ? "ab" : "";
  };
  RequestTraits traits;
  traits.keep_alive = true;
  ResponseWriter writer(response, traits, true, base::from_ms(0));
  ASSERT_TRUE(writer.is_stream());
  EXPECT_EQ(*writer.next(), "2\r\nab\r\n");
  EXPECT_EQ(*writer.next(), "2\r\nab\r\n");
  EXPECT_EQ(*writer.next(), "0\r\n\r\n");
  EXPECT_EQ(*writer.next(), "");
}

TEST(ListenAddress, TakesHostsPortsAndBrackets) {
  const auto check = [](std::string_view text, std::string_view host, int port) {
    const auto address = ListenAddress::parse(text);
    ASSERT_TRUE(address.ok()) << address.status();
    EXPECT_EQ(address->host, host) << text;
    EXPECT_EQ(address->port, port) << text;
  };
  check(":9090", "", 9090);
  check("0.0.0.0:0", "0.0.0.0", 0);
  check("localhost:65535", "localhost", 65535);
  check("[::1]:80", "::1", 80);
}

}  // namespace
}  // namespace tocsin::net
