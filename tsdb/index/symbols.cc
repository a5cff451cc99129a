// SPDX-License-Identifier: Apache-2.0
#include "tsdb/index/symbols.h"

#include <algorithm>
#include <functional>

#include "base/check.h"

namespace tocsin::tsdb {
namespace {

constexpr std::size_t kChunkBytes = 64U << 10;

std::uint64_t hash_of(std::string_view text) { return std::hash<std::string_view>{}(text); }

}  // namespace

Symbol Symbols::intern(std::string_view text) {
  const Symbol known = find(text);
  if (known != kNoSymbol) return known;
  CHECK(texts_.size() < kNoSymbol);
  const Symbol symbol = static_cast<Symbol>(texts_.size());
  texts_.push_back(store(text));
  table_.insert(hash_of(text), symbol);
  return symbol;
}

Symbol Symbols::find(std::string_view text) const {
  return table_.find(hash_of(text), [&](Symbol symbol) { return texts_[symbol] == text; });
}

std::string_view Symbols::store(std::string_view text) {
  char* target = nullptr;
  if (text.size() > kChunkBytes / 4) {
    // A long text gets a chunk of its own, so that it does not waste the rest of a shared one.
    chunks_.push_back(std::make_unique<char[]>(text.size()));
    arena_bytes_ += text.size();
    target = chunks_.back().get();
  } else {
    if (text.size() > free_bytes_) {
      chunks_.push_back(std::make_unique<char[]>(kChunkBytes));
      arena_bytes_ += kChunkBytes;
      free_ = chunks_.back().get();
      free_bytes_ = kChunkBytes;
    }
    target = free_;
    free_ += text.size();
    free_bytes_ -= text.size();
  }
  std::copy(text.begin(), text.end(), target);
  return {target, text.size()};
}

std::size_t Symbols::memory_bytes() const {
  return arena_bytes_ + texts_.capacity() * sizeof(std::string_view) + table_.memory_bytes();
}

}  // namespace tocsin::tsdb
