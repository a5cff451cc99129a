// SPDX-License-Identifier: Apache-2.0
//
// WireReader: one message of protobuf's wire format, field by field, without a schema.
//
//   while (reader.next()) {
//     switch (reader.field()) { case 1: if (!reader.bytes(&text)) ...; break; default: reader.skip(); }
//   }
//   if (!reader.ok()) ...
//
// A field read as another type than it has on the wire is damage, as are groups, field number 0,
// varints of more than 64 bits and lengths beyond the end. After damage next() is false.
// A value: borrows the bytes; confined.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace tocsin::formats {

class WireReader {
 public:
  enum Type : std::uint32_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

  WireReader() = default;
  explicit WireReader(std::string_view message)
      : p_(message.data()), end_(message.data() + message.size()) {}

  // Moves to the next field; its value must then be read or skipped.
  bool next() {
    if (p_ == end_) return false;
    std::uint64_t tag = 0;
    if (!raw_varint(&tag)) return false;
    field_ = static_cast<std::uint32_t>(tag >> 3U);
    type_ = static_cast<std::uint32_t>(tag & 7U);
    return (tag >> 32U) == 0 && field_ != 0 ? true : fail();
  }
  std::uint32_t field() const { return field_; }
  std::uint32_t type() const { return type_; }
  bool ok() const { return ok_; }
  const char* position() const { return p_; }

  bool varint(std::uint64_t* value) { return type_ == kVarint ? raw_varint(value) : fail(); }
  bool sint(std::int64_t* value) {  // zigzag
    std::uint64_t raw = 0;
    if (!varint(&raw)) return false;
    *value = static_cast<std::int64_t>((raw >> 1U) ^ (0 - (raw & 1U)));
    return true;
  }
  bool number(std::int64_t* value) {  // int64: two's complement
    std::uint64_t raw = 0;
    if (!varint(&raw)) return false;
    *value = static_cast<std::int64_t>(raw);
    return true;
  }
  bool fixed64(double* value) {
    if (type_ != kFixed64 || end_ - p_ < 8) return fail();
    std::uint64_t bits = 0;
    std::memcpy(&bits, p_, 8);
    static_assert(std::endian::native == std::endian::little);
    *value = std::bit_cast<double>(bits);
    p_ += 8;
    return true;
  }
  bool bytes(std::string_view* value) {
    std::uint64_t length = 0;
    if (!(type_ == kBytes ? raw_varint(&length) : fail())) return false;
    if (length > static_cast<std::uint64_t>(end_ - p_)) return fail();
    *value = std::string_view(p_, static_cast<std::size_t>(length));
    p_ += length;
    return true;
  }
  bool skip();
  // Passes over fields of bytes with the one-byte tag `tag` and less than 128 bytes, as far as they
  // follow each other; never damage.
  void skip_short(unsigned char tag) {
    while (end_ - p_ >= 2 && static_cast<unsigned char>(p_[0]) == tag) {
      const std::ptrdiff_t length = static_cast<signed char>(p_[1]);
      if (length < 0 || length > end_ - p_ - 2) return;
      p_ += 2 + length;
    }
  }

  // Reads a varint without a tag before it, as packed fields hold them.
  bool raw_varint(std::uint64_t* value) {
    if (p_ != end_ && static_cast<unsigned char>(*p_) < 0x80) [[likely]] {
      *value = static_cast<unsigned char>(*p_++);
      return true;
    }
    return long_varint(value);
  }
  bool at_end() const { return p_ == end_; }
  bool fail() {
    p_ = end_;
    ok_ = false;
    return false;
  }
  // What is left to read.
  std::string_view rest() const { return {p_, static_cast<std::size_t>(end_ - p_)}; }

 private:
  bool long_varint(std::uint64_t* value);

  const char* p_ = nullptr;
  const char* end_ = nullptr;
  std::uint32_t field_ = 0;
  std::uint32_t type_ = 0;
  bool ok_ = true;
};

}  // namespace tocsin::formats
