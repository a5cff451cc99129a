// SPDX-License-Identifier: Apache-2.0
//
// TokenArena: the growing change logs of one group in blocks of memory. A log is a chain of pieces,
// so that it never moves and leaves no holes that only a smaller log could fill: a first one of 16
// bytes, which is all that a series needs whose value does not change, then pieces of 32, of which 4
// lead to the piece before.
//
// Logs are given back together, by clear(), or one by one. A confined value.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace tocsin::tsdb {

class TokenArena {
 public:
  static constexpr std::size_t kMaxLog = 4096;  // bytes

  // Appends to the log of *size bytes (0: a new one) whose last piece is at *at; moves both.
  // REQUIRES: the log stays within kMaxLog.
  void append(std::uint32_t* at, std::uint16_t* size, std::string_view bytes);
  // Appends the log to `out`.
  void copy(std::uint32_t at, std::uint16_t size, std::string* out) const;
  void release(std::uint32_t at, std::uint16_t size);
  // Forgets all logs and gives their memory back.
  void clear() { *this = TokenArena(); }
  std::size_t memory_bytes() const { return bytes_; }

 private:
  static constexpr std::uint32_t kUnit = 8;      // bytes; places are multiples of it
  static constexpr std::uint32_t kUnitBits = 9;  // of a block
  enum Kind : std::uint8_t { kFirst, kLater };
  static constexpr std::array<std::uint32_t, 2> kBytes = {16, 32};
  static constexpr std::size_t kLink = sizeof(std::uint32_t);
  static constexpr std::size_t kFirstRoom = kBytes[kFirst];
  static constexpr std::size_t kLaterRoom = kBytes[kLater] - kLink;

  // Bytes that are used of the last piece of a log. REQUIRES: size != 0.
  static std::size_t used_of_last(std::size_t size) {
    return size <= kFirstRoom ? size : (size - kFirstRoom - 1) % kLaterRoom + 1;
  }
  char* place(std::uint32_t at) const {
    return blocks_[at >> kUnitBits].get() + (at & ((1U << kUnitBits) - 1)) * kUnit;
  }
  std::uint32_t before(std::uint32_t at) const;
  std::uint32_t allocate(Kind kind);
  void give(std::uint32_t at, Kind kind);
  void add_block();

  std::vector<std::unique_ptr<char[]>> blocks_;
  std::uint32_t last_bytes_ = 0;  // of the newest block
  std::uint32_t last_used_ = 0;
  std::size_t bytes_ = 0;
  // First free place of each kind, plus 1; the next is stored in it.
  std::array<std::uint32_t, 2> free_{};
};

}  // namespace tocsin::tsdb
