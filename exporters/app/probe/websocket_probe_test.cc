// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "exporters/app/probe/websocket_frames.h"
#include "exporters/app/testing/probe_fixture.h"

namespace tocsin::exporters::app {
namespace {

using net::testing::RawSocket;
using ::testing::HasSubstr;
using testing::ScriptServer;

using WebSocketProbeTest = testing::ProbeTest;

// Reads the request and agrees to it.
std::string upgrade(RawSocket& peer) {
  std::string request = peer.read_until("\r\n\r\n");
  constexpr std::string_view kKey = "Sec-WebSocket-Key: ";
  const std::size_t at = request.find(kKey) + kKey.size();
  const std::string key = request.substr(at, request.find('\r', at) - at);
  peer.write(
      fmt::format("HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\n"
                  "Connection: keep-alive, Upgrade\r\nSec-WebSocket-Accept: {}\r\n\r\n",
                  websocket_accept(key)));
  return request;
}

std::string server_frame(unsigned first, std::string_view data) {
  return std::string{static_cast<char>(first), static_cast<char>(data.size())} + std::string(data);
}

TEST_F(WebSocketProbeTest, Upgrades) {
  const std::string file = ::testing::TempDir() + "probe_key";
  ASSERT_TRUE(base::write_file_atomically(base::real_file_system(), file, "s3cret\n").ok());
  std::string request;
  {
    ScriptServer server([&request](RawSocket& peer) { request = upgrade(peer); });
    const Seen seen = probe(
        "{prober: websocket, websocket: {headers: {Origin: {values: ['http://x']}, X-Key: "
        "{files: [probe_key]}}, http_config: {http_headers: {X-B: {values: [b]}}, "
        "authorization: {credentials: t}}}}",
        "ws://" + server.address() + "/ws?a=1");
    EXPECT_TRUE(seen.success) << seen.log;
    EXPECT_THAT(seen.page, HasSubstr("probe_websocket_connection_upgraded 1\n"));
    EXPECT_THAT(seen.page, HasSubstr("probe_websocket_status_code 101\n"));
    EXPECT_THAT(seen.page, HasSubstr("probe_websocket_failed_due_to_regex 0\n"));
    EXPECT_THAT(seen.page, HasSubstr("probe_websocket_duration_seconds{phase=\"connect\"} "));
  }
  EXPECT_THAT(request, HasSubstr("GET /ws?a=1 HTTP/1.1\r\n"));
  EXPECT_THAT(request, HasSubstr("Sec-WebSocket-Version: 13\r\n"));
  EXPECT_THAT(request, HasSubstr("Origin: http://x\r\n"));
  EXPECT_THAT(request, HasSubstr("X-Key: s3cret\r\n"));
  EXPECT_THAT(request, HasSubstr("X-B: b\r\n"));
  EXPECT_THAT(request, HasSubstr("Authorization: Bearer t\r\n"));
}

TEST_F(WebSocketProbeTest, FailsWhenTheServerDoesNotAgree) {
  const auto check = [this](std::string_view answer, std::string_view line) {
    ScriptServer server([answer](RawSocket& peer) {
      peer.read_until("\r\n\r\n");
      peer.write(answer);
    });
    const Seen seen = probe("{prober: websocket}", "ws://" + server.address());
    EXPECT_FALSE(seen.success) << answer;
    EXPECT_THAT(seen.page, HasSubstr("probe_websocket_connection_upgraded 0\n")) << answer;
    EXPECT_THAT(seen.page, HasSubstr(std::string(line) + "\n")) << answer;
  };
  check("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", "probe_websocket_status_code 403");
  check("HTTP/1.1 101 Switching\r\n\r\n", "probe_websocket_status_code 101");
  check(
      "HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Accept: d3Jvbmc=\r\n\r\n",
      "probe_websocket_status_code 101");
  check("", "probe_websocket_status_code 0");
  EXPECT_FALSE(probe("{prober: websocket}", "http://127.0.0.1/").success);
}

TEST_F(WebSocketProbeTest, Converses) {
  std::string sent;
  {
    ScriptServer server([&sent](RawSocket& peer) {
      upgrade(peer);
      // A ping between two pieces of a message.
      peer.write(server_frame(0x01, "hello ") + server_frame(0x89, "p") +
                 server_frame(0x80, "user 7"));
      sent = peer.read_all();
    });
    const Seen seen = probe(
        "{prober: websocket, websocket: {query_response: [{expect: 'user (\\d+)', send: "
        "'id=$1'}]}}",
        "ws://" + server.address());
    EXPECT_TRUE(seen.success) << seen.log;
  }
  const auto unmasked = [&sent](std::size_t at) {
    const auto size = static_cast<std::size_t>(sent[at + 1] & 0x7F);
    std::string data;
    for (std::size_t i = 0; i < size; ++i) {
      data.push_back(static_cast<char>(sent[at + 6 + i] ^ sent[at + 2 + i % 4]));
    }
    return data;
  };
  ASSERT_EQ(sent.size(), 7U + 10U + 8U);
  EXPECT_EQ(sent[0], '\x8A');
  EXPECT_EQ(unmasked(0), "p");
  EXPECT_EQ(sent[7], '\x81');
  EXPECT_EQ(unmasked(7), "id=7");
}

TEST_F(WebSocketProbeTest, FailsOnAnotherMessageOrNone) {
  const auto check = [this](std::string frames, std::string_view why) {
    ScriptServer server([&frames](RawSocket& peer) {
      upgrade(peer);
      peer.write(frames);
      peer.read_all();
    });
    const Seen seen =
        probe("{prober: websocket, timeout: 100ms, websocket: {query_response: [{expect: ok}]}}",
              "ws://" + server.address());
    EXPECT_FALSE(seen.success) << why;
    EXPECT_THAT(seen.log, HasSubstr(std::string(why)));
  };
  check(server_frame(0x81, "no"), "did not match");
  check(server_frame(0x88, ""), "closed the connection");
  check(server_frame(0xC1, "x"), "reserved bits");
  check(server_frame(0x80, "x"), "out of order");
  check("", "i/o timeout");
}

TEST(WebSocketFrames, AcceptIsThatOfTheStandard) {
  EXPECT_EQ(websocket_accept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

TEST(WebSocketFrames, AreReadByteByByte) {
  using namespace std::string_literals;
  const std::string wire = server_frame(0x01, "ab") + server_frame(0x00, "c") +
                           "\x80\x7E\x00\x02"s + "de" + "\x82\x7F\0\0\0\0\0\0\0\x01"s + "z";
  WebSocketReader reader;
  std::vector<std::string> messages;
  for (const char c : wire) {
    reader.append({&c, 1});
    const auto message = reader.next();
    ASSERT_TRUE(message.ok());
    if (*message) messages.push_back((*message)->data);
  }
  EXPECT_THAT(messages, ::testing::ElementsAre("abcde", "z"));
}

TEST(WebSocketFrames, AreBounded) {
  using namespace std::string_literals;
  WebSocketReader reader;
  reader.append("\x82\x7F\0\0\0\0\x7F\xFF\xFF\xFF"s);
  EXPECT_EQ(reader.next().status().code(), StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace tocsin::exporters::app
