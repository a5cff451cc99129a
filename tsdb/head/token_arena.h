// SPDX-License-Identifier: Apache-2.0
//
// TokenArena: the growing change logs of one group. The last bytes of a log lie in the log itself,
// next to those of its neighbours, because a group that gets a row appends to many of its logs
// and its memory was last touched a scrape interval ago; what came before is a chain of pieces in
// blocks of memory, so that a log never moves and leaves no holes that only a smaller log could
// fill. A series whose value does not change needs no piece.
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

// One log: all but its last bytes are in the arena.
struct TokenLog {
  static constexpr std::size_t kTail = 16;  // bytes

  std::uint32_t at = 0;        // the last piece
  std::uint16_t size = 0;      // bytes, with the tail
  std::uint16_t next_row = 0;  // of the owner: the arena does not look at it
  std::array<char, kTail> tail{};

  // Bytes in the tail; none only when the log is empty.
  std::size_t in_tail() const { return size == 0 ? 0 : (size - 1U) % kTail + 1; }
};

class TokenArena {
 public:
  static constexpr std::size_t kMaxLog = 4096;  // bytes

  // REQUIRES: the log stays within kMaxLog.
  void append(TokenLog* log, std::string_view bytes);
  // Appends the log to `out`.
  void copy(const TokenLog& log, std::string* out) const;
  // Gives back what the log has here; the log itself stays as it is.
  void release(const TokenLog& log);
  // Forgets all logs and gives their memory back.
  void clear() { *this = TokenArena(); }
  std::size_t memory_bytes() const { return bytes_; }

 private:
  static constexpr std::size_t kLink = sizeof(std::uint32_t);  // to the piece before
  static constexpr std::size_t kPiece = kLink + TokenLog::kTail;
  static constexpr std::uint32_t kIndexBits = 8;  // of a piece in its block

  char* place(std::uint32_t at) const {
    return blocks_[at >> kIndexBits].get() + (at & ((1U << kIndexBits) - 1)) * kPiece;
  }
  std::uint32_t link(std::uint32_t at) const;
  std::uint32_t allocate();
  void add_block();

  std::vector<std::unique_ptr<char[]>> blocks_;
  std::uint32_t last_pieces_ = 0;  // of the newest block
  std::uint32_t last_used_ = 0;
  std::uint32_t free_ = 0;  // the first free piece, plus 1; the next is its link
  std::size_t bytes_ = 0;
};

}  // namespace tocsin::tsdb
