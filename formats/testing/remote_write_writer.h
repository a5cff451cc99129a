// SPDX-License-Identifier: Apache-2.0
//
// WireWriter: builds protobuf messages field by field, for tests of what reads them. A value.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <string>
#include <string_view>

namespace tocsin::formats::testing {

class WireWriter {
 public:
  WireWriter& varint(std::uint32_t field, std::uint64_t value) {
    raw_varint(field << 3U);
    raw_varint(value);
    return *this;
  }
  WireWriter& sint(std::uint32_t field, std::int64_t value) { return varint(field, zigzag(value)); }
  WireWriter& number(std::uint32_t field, std::int64_t value) {
    return varint(field, static_cast<std::uint64_t>(value));
  }
  WireWriter& fixed64(std::uint32_t field, double value) {
    raw_varint((field << 3U) | 1U);
    raw_double(value);
    return *this;
  }
  WireWriter& bytes(std::uint32_t field, std::string_view value) {
    raw_varint((field << 3U) | 2U);
    raw_varint(value.size());
    text_.append(value);
    return *this;
  }
  WireWriter& message(std::uint32_t field, const WireWriter& value) {
    return bytes(field, value.text_);
  }
  WireWriter& packed(std::uint32_t field, std::initializer_list<std::uint64_t> values) {
    WireWriter inner;
    for (const std::uint64_t value : values) inner.raw_varint(value);
    return message(field, inner);
  }
  WireWriter& packed_sint(std::uint32_t field, std::initializer_list<std::int64_t> values) {
    WireWriter inner;
    for (const std::int64_t value : values) inner.raw_varint(zigzag(value));
    return message(field, inner);
  }
  WireWriter& packed_double(std::uint32_t field, std::initializer_list<double> values) {
    WireWriter inner;
    for (const double value : values) inner.raw_double(value);
    return message(field, inner);
  }
  WireWriter& raw(std::string_view bytes) {
    text_.append(bytes);
    return *this;
  }
  const std::string& text() const { return text_; }

 private:
  static std::uint64_t zigzag(std::int64_t value) {
    return (static_cast<std::uint64_t>(value) << 1U) ^ static_cast<std::uint64_t>(value >> 63);
  }
  void raw_varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7U) text_.push_back(static_cast<char>(value | 0x80U));
    text_.push_back(static_cast<char>(value));
  }
  void raw_double(double value) {
    char bits[8];
    std::memcpy(bits, &value, sizeof bits);
    text_.append(bits, sizeof bits);
  }

  std::string text_;
};

// Messages of remote write 1.0.
using Pairs = std::initializer_list<std::pair<std::string_view, std::string_view>>;

inline WireWriter v1_labels(Pairs pairs) {
  WireWriter series;
  for (const auto& [name, value] : pairs) {
    series.message(1, WireWriter().bytes(1, name).bytes(2, value));
  }
  return series;
}
inline WireWriter sample(double value, std::int64_t timestamp_ms) {
  return WireWriter().fixed64(1, value).number(2, timestamp_ms);
}
inline WireWriter v1_series(Pairs pairs, double value, std::int64_t timestamp_ms) {
  return v1_labels(pairs).message(2, sample(value, timestamp_ms));
}

// A snappy block of literals only: valid, and made without the library.
inline std::string snappy_block(std::string_view text) {
  std::string out;
  std::size_t size = text.size();
  for (; size >= 0x80; size >>= 7U) out.push_back(static_cast<char>(size | 0x80U));
  out.push_back(static_cast<char>(size));
  while (!text.empty()) {
    const std::string_view piece = text.substr(0, 60);
    out.push_back(static_cast<char>((piece.size() - 1) << 2U));
    out.append(piece);
    text.remove_prefix(piece.size());
  }
  return out;
}

}  // namespace tocsin::formats::testing
