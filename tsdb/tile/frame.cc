// SPDX-License-Identifier: Apache-2.0
#include "tsdb/tile/frame.h"

#include "base/check.h"
#include "base/record_log.h"

namespace tocsin::tsdb {
namespace {

constexpr std::string_view kMagic = "TcRn";
constexpr std::size_t kHeadBytes = 6;
constexpr std::size_t kCrcBytes = 4;

}  // namespace

std::string make_frame(FrameKind kind, std::string_view payload) {
  std::string frame;
  frame.reserve(kHeadBytes + payload.size() + kCrcBytes);
  frame.append(kMagic);
  frame.push_back(static_cast<char>(kFrameVersion));
  frame.push_back(static_cast<char>(kind));
  frame.append(payload);
  put_fixed(&frame, base::crc32c(frame));
  return frame;
}

StatusOr<std::string_view> open_frame(FrameKind kind, std::string_view frame) {
  if (frame.size() < kHeadBytes + kCrcBytes || !frame.starts_with(kMagic)) {
    return data_loss("no frame");
  }
  const std::string_view body = frame.substr(0, frame.size() - kCrcBytes);
  if (base::crc32c(body) != load_fixed<std::uint32_t>(frame.data() + body.size())) {
    return data_loss("checksum mismatch");
  }
  // Behind the checksum: what differs here was written so.
  const auto version = static_cast<std::uint8_t>(frame[4]);
  if (version != kFrameVersion) {
    return unimplemented("not supported yet: frame version {}", version);
  }
  if (static_cast<std::uint8_t>(frame[5]) != static_cast<std::uint8_t>(kind)) {
    return data_loss("frame of another kind");
  }
  return body.substr(kHeadBytes);
}

void put_slots(std::span<const std::string> pieces, std::string* out) {
  std::size_t total = 0;
  for (const std::string& piece : pieces) total += piece.size();
  CHECK(total <= 0xffffffffU);
  const bool is_short = total <= 0xffffU;
  put_varint(out, pieces.size());
  out->push_back(is_short ? 2 : 4);
  std::uint32_t end = 0;
  for (const std::string& piece : pieces) {
    end += static_cast<std::uint32_t>(piece.size());
    if (is_short) {
      put_fixed(out, static_cast<std::uint16_t>(end));
    } else {
      put_fixed(out, end);
    }
  }
  for (const std::string& piece : pieces) out->append(piece);
}

bool Slots::parse(ByteReader* in, std::uint32_t max_count) {
  count_ = in->varint32(max_count);
  width_ = in->byte();
  if (!in->ok() || (width_ != 2 && width_ != 4)) return false;
  ends_ = in->bytes(std::size_t{count_} * width_);
  pieces_ = in->bytes(in->remaining());
  if (!in->ok()) return false;
  std::uint32_t last = 0;
  for (std::uint32_t i = 0; i < count_; ++i) {
    const std::uint32_t end = end_of(i);
    if (end < last) return false;
    last = end;
  }
  return last == pieces_.size();
}

std::uint32_t Slots::end_of(std::uint32_t number) const {
  const char* p = ends_.data() + std::size_t{number} * width_;
  return width_ == 2 ? load_fixed<std::uint16_t>(p) : load_fixed<std::uint32_t>(p);
}

std::string_view Slots::piece(std::uint32_t number) const {
  const std::uint32_t begin = number == 0 ? 0 : end_of(number - 1);
  return pieces_.substr(begin, end_of(number) - begin);
}

}  // namespace tocsin::tsdb
