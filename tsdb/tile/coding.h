// SPDX-License-Identifier: Apache-2.0
//
// Varints, zigzag and little-endian integers: appending to a string, and a bounds-checked reader.
//
// Values and pure functions. A ByteReader that ran out of bytes, or met an overlong varint, stays
// failed and returns zeros: check ok() once at the end of a piece.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace tocsin::tsdb {

static_assert(std::endian::native == std::endian::little, "formats are written in memory order");

inline std::uint64_t zigzag(std::uint64_t delta) { return (delta << 1U) ^ (0 - (delta >> 63U)); }
inline std::uint64_t unzigzag(std::uint64_t value) { return (value >> 1U) ^ (0 - (value & 1U)); }

inline void put_varint(std::string* out, std::uint64_t value) {
  while (value >= 0x80) {
    out->push_back(static_cast<char>(value | 0x80U));
    value >>= 7U;
  }
  out->push_back(static_cast<char>(value));
}
inline void put_signed(std::string* out, std::int64_t value) {
  put_varint(out, zigzag(static_cast<std::uint64_t>(value)));
}
inline unsigned varint_size(std::uint64_t value) {
  return value == 0 ? 1U : (static_cast<unsigned>(std::bit_width(value)) + 6U) / 7U;
}

template <typename T>
void put_fixed(std::string* out, T value) {
  char bytes[sizeof(T)];
  std::memcpy(bytes, &value, sizeof(T));
  out->append(bytes, sizeof(T));
}
template <typename T>
T load_fixed(const char* p) {
  T value;
  std::memcpy(&value, p, sizeof(T));
  return value;
}

class ByteReader {
 public:
  explicit ByteReader(std::string_view data) : data_(data) {}

  bool ok() const { return ok_; }
  bool at_end() const { return data_.empty(); }
  std::size_t remaining() const { return data_.size(); }

  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && !data_.empty(); shift += 7) {
      const auto byte = static_cast<std::uint8_t>(data_.front());
      data_.remove_prefix(1);
      if (shift == 63 && byte > 1) break;
      value |= static_cast<std::uint64_t>(byte & 0x7fU) << shift;
      if (byte < 0x80) return value;
    }
    return fail();
  }
  // A varint of at most `limit`; a larger one fails the reader.
  std::uint32_t varint32(std::uint32_t limit = 0xffffffffU) {
    const std::uint64_t value = varint();
    return static_cast<std::uint32_t>(value <= limit ? value : fail());
  }
  std::int64_t signed_varint() { return static_cast<std::int64_t>(unzigzag(varint())); }
  template <typename T>
  T fixed() {
    const std::string_view taken = bytes(sizeof(T));
    return taken.size() == sizeof(T) ? load_fixed<T>(taken.data()) : T{};
  }
  std::uint8_t byte() { return fixed<std::uint8_t>(); }
  // A view of the next `count` bytes; empty when there are fewer.
  std::string_view bytes(std::size_t count) {
    if (count > data_.size()) {
      fail();
      return {};
    }
    const std::string_view taken = data_.substr(0, count);
    data_.remove_prefix(count);
    return taken;
  }
  // Marks the data as wrong; returns 0.
  std::uint64_t fail() {
    ok_ = false;
    data_ = {};
    return 0;
  }

 private:
  std::string_view data_;
  bool ok_ = true;
};

}  // namespace tocsin::tsdb
