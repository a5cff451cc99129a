// SPDX-License-Identifier: Apache-2.0
//
// The frames of WebSocket (RFC 6455), as a client makes and reads them.
//
//   fin, opcode | mask, length | longer length (0, 2 or 8 bytes) | masking key (4, clients) | data
//
// WebSocketReader puts messages together from frames. Confined.
// Errors: kDataLoss for what is no frame of a server, kResourceExhausted above kMaxMessage. Useless
// after an error.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"

namespace tocsin::exporters::app {

enum class WebSocketOpcode : std::uint8_t {
  kContinuation = 0,
  kText = 1,
  kBinary = 2,
  kClose = 8,
  kPing = 9,
  kPong = 10
};

struct WebSocketMessage {
  WebSocketOpcode opcode = WebSocketOpcode::kText;
  std::string data;
};

// A whole message in one frame, masked with `key`.
std::string encode_websocket_frame(const WebSocketMessage& message, std::uint32_t key);

// What Sec-WebSocket-Accept has to be for this Sec-WebSocket-Key.
std::string websocket_accept(std::string_view key);

class WebSocketReader {
 public:
  static constexpr std::size_t kMaxMessage = 1 << 20;

  void append(std::string_view bytes) { buffer_.append(bytes); }
  // The next message or control frame; nothing when more bytes are needed.
  StatusOr<std::optional<WebSocketMessage>> next();

 private:
  struct Frame {
    bool is_last = false;
    WebSocketOpcode opcode = WebSocketOpcode::kText;
    std::string data;
  };
  StatusOr<std::optional<Frame>> next_frame();

  std::string buffer_;
  std::optional<WebSocketMessage> partial_;  // a message whose last frame has not come
};

}  // namespace tocsin::exporters::app
