// SPDX-License-Identifier: Apache-2.0
#include "exporters/app/probe/websocket_frames.h"

#include "base/hash.h"

namespace tocsin::exporters::app {
namespace {

constexpr std::size_t kMaxControl = 125;

bool is_control(WebSocketOpcode opcode) { return static_cast<unsigned>(opcode) >= 8; }

void append_big_endian(std::uint64_t value, std::size_t bytes, std::string* out) {
  for (std::size_t i = bytes; i > 0; --i) {
    out->push_back(static_cast<char>(value >> (8 * (i - 1)) & 0xFF));
  }
}

}  // namespace

std::string encode_websocket_frame(const WebSocketMessage& message, std::uint32_t key) {
  std::string out;
  out.push_back(static_cast<char>(0x80U | static_cast<unsigned>(message.opcode)));
  const std::size_t size = message.data.size();
  if (size <= 125) {
    out.push_back(static_cast<char>(0x80U | size));
  } else if (size <= 0xFFFF) {
    out.push_back(static_cast<char>(0x80U | 126U));
    append_big_endian(size, 2, &out);
  } else {
    out.push_back(static_cast<char>(0x80U | 127U));
    append_big_endian(size, 8, &out);
  }
  std::string mask;
  append_big_endian(key, 4, &mask);
  out.append(mask);
  for (std::size_t i = 0; i < size; ++i) {
    out.push_back(static_cast<char>(message.data[i] ^ mask[i % 4]));
  }
  return out;
}

std::string websocket_accept(std::string_view key) {
  const auto digest = base::sha1(std::string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
  return base::base64_encode({reinterpret_cast<const char*>(digest.data()), digest.size()});
}

StatusOr<std::optional<WebSocketReader::Frame>> WebSocketReader::next_frame() {
  const auto byte = [this](std::size_t i) { return static_cast<unsigned char>(buffer_[i]); };
  if (buffer_.size() < 2) return std::optional<Frame>();
  if ((byte(0) & 0x70) != 0) return data_loss("websocket: reserved bits are set");
  if ((byte(1) & 0x80) != 0) return data_loss("websocket: the server masks its frames");
  const unsigned opcode = byte(0) & 0xFU;
  if ((opcode > 2 && opcode < 8) || opcode > 10) {
    return data_loss("websocket: unknown opcode {}", opcode);
  }
  std::uint64_t size = byte(1) & 0x7FU;
  const std::size_t more = size == 126 ? 2 : size == 127 ? 8 : 0;
  if (buffer_.size() < 2 + more) return std::optional<Frame>();
  if (more != 0) size = 0;
  for (std::size_t i = 0; i < more; ++i) size = size << 8 | byte(2 + i);
  Frame frame{(byte(0) & 0x80) != 0, static_cast<WebSocketOpcode>(opcode), {}};
  if (is_control(frame.opcode) && (size > kMaxControl || !frame.is_last)) {
    return data_loss("websocket: bad control frame");
  }
  if (size > kMaxMessage) {
    return resource_exhausted("websocket: a message of more than {} bytes", kMaxMessage);
  }
  if (buffer_.size() < 2 + more + size) return std::optional<Frame>();
  frame.data = buffer_.substr(2 + more, size);
  buffer_.erase(0, 2 + more + size);
  return std::optional(std::move(frame));
}

StatusOr<std::optional<WebSocketMessage>> WebSocketReader::next() {
  for (;;) {
    ASSIGN_OR_RETURN(std::optional<Frame> frame, next_frame());
    if (!frame) return std::optional<WebSocketMessage>();
    if (is_control(frame->opcode)) {
      return std::optional(WebSocketMessage{frame->opcode, std::move(frame->data)});
    }
    const bool continues = frame->opcode == WebSocketOpcode::kContinuation;
    if (continues != partial_.has_value()) return data_loss("websocket: frames out of order");
    if (!partial_) partial_ = WebSocketMessage{frame->opcode, {}};
    if (partial_->data.size() + frame->data.size() > kMaxMessage) {
      return resource_exhausted("websocket: a message of more than {} bytes", kMaxMessage);
    }
    partial_->data.append(frame->data);
    if (frame->is_last) return std::exchange(partial_, std::nullopt);
  }
}

}  // namespace tocsin::exporters::app
