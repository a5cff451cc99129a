// SPDX-License-Identifier: Apache-2.0
//
// Symbols: every label name and value once, as a dense 32-bit number.
//
// Text lives in an append-only arena, so a view returned by text() stays valid as long as the
// Symbols, also while others are interned: regular expressions run over it without a lock. Symbols
// are not freed before the object is: a value that left the index keeps its ~40 bytes until a
// restart.
// Threads: confined; const methods may run together.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "tsdb/index/id_table.h"

namespace tocsin::tsdb {

using Symbol = std::uint32_t;
inline constexpr Symbol kNoSymbol = IdTable::kNone;

class Symbols {
 public:
  Symbol intern(std::string_view text);
  // kNoSymbol when the text was never interned.
  Symbol find(std::string_view text) const;
  // REQUIRES: symbol was returned by intern.
  std::string_view text(Symbol symbol) const { return texts_[symbol]; }

  std::size_t size() const { return texts_.size(); }
  std::size_t memory_bytes() const;

 private:
  std::string_view store(std::string_view text);

  IdTable table_;
  std::vector<std::string_view> texts_;
  std::vector<std::unique_ptr<char[]>> chunks_;
  char* free_ = nullptr;  // in the newest shared chunk
  std::size_t free_bytes_ = 0;
  std::size_t arena_bytes_ = 0;
};

}  // namespace tocsin::tsdb
