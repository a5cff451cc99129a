// SPDX-License-Identifier: Apache-2.0
//
// TokenArena: the growing change logs of one group in blocks of memory, in size classes with at most
// half of slack; a log that outgrows its class moves and leaves its place to others.
//
// Logs are given back together, by clear(). A confined value.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace tocsin::tsdb {

class TokenArena {
 public:
  static constexpr std::size_t kMaxLog = 4096;  // bytes

  // Appends to the log at *at of *size bytes (0: a new one); may move it.
  // REQUIRES: the log stays within kMaxLog.
  void append(std::uint32_t* at, std::uint16_t* size, std::string_view bytes);
  std::string_view log(std::uint32_t at, std::uint16_t size) const {
    return size == 0 ? std::string_view() : std::string_view(place(at), size);
  }
  void release(std::uint32_t at, std::uint16_t size);
  // Forgets all logs and gives their memory back.
  void clear() { *this = TokenArena(); }
  std::size_t memory_bytes() const { return bytes_; }

 private:
  static constexpr std::uint32_t kUnit = 8;      // bytes; places are multiples of it
  static constexpr std::uint32_t kUnitBits = 9;  // of a block
  static constexpr std::size_t kClasses = 18;
  static constexpr std::uint32_t kNone = UINT32_MAX;

  static std::size_t class_of(std::size_t size);
  static std::size_t class_bytes(std::size_t size_class);
  char* place(std::uint32_t at) const {
    return blocks_[at >> kUnitBits].get() + (at & ((1U << kUnitBits) - 1)) * kUnit;
  }
  std::uint32_t allocate(std::size_t size_class);
  void give(std::uint32_t at, std::size_t size_class);
  void add_block(std::size_t at_least);

  std::vector<std::unique_ptr<char[]>> blocks_;
  std::uint32_t last_bytes_ = 0;  // of the newest block
  std::uint32_t last_used_ = 0;
  std::size_t bytes_ = 0;
  // First free place of each class, plus 1; the next is stored in it.
  std::array<std::uint32_t, kClasses> free_{};
};

}  // namespace tocsin::tsdb
