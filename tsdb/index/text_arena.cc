// SPDX-License-Identifier: Apache-2.0
#include "tsdb/index/text_arena.h"

#include <cstring>
#include <utility>

#include "base/check.h"

namespace tocsin::tsdb {

std::uint32_t TextArena::chunk_for(std::size_t bytes) {
  // A long text gets a chunk of its own, so that it does not waste the rest of a shared one.
  const bool alone = bytes > kChunkBytes / 4;
  if (!alone && current_ != UINT32_MAX && chunks_[current_].used + bytes <= kChunkBytes) {
    return current_;
  }
  std::uint32_t number = 0;
  if (free_.empty()) {
    number = static_cast<std::uint32_t>(chunks_.size());
    chunks_.emplace_back();
  } else {
    number = free_.back();
    free_.pop_back();
  }
  Chunk& chunk = chunks_[number];
  chunk.size = alone ? bytes : kChunkBytes;
  chunk.data = std::make_unique<char[]>(chunk.size);
  bytes_ += chunk.size;
  if (!alone) current_ = number;
  return number;
}

const char* TextArena::put(std::string_view text, std::uint32_t owner) {
  const std::size_t bytes = text.size() + kHeader;
  const std::uint32_t number = chunk_for(bytes);
  Chunk& chunk = chunks_[number];
  char* const place = chunk.data.get() + chunk.used;
  std::memcpy(place, &number, kHeader);
  std::memcpy(place + kHeader, text.data(), text.size());
  chunk.used += bytes;
  chunk.live += bytes;
  chunk.owners.push_back(owner);
  return place + kHeader;
}

void TextArena::release(const char* text, std::size_t size) {
  std::uint32_t number = 0;
  std::memcpy(&number, text - kHeader, kHeader);
  Chunk& chunk = chunks_[number];
  DCHECK(chunk.holds(text) && chunk.live >= size + kHeader);
  chunk.live -= size + kHeader;
}

void TextArena::give_up(Chunk* chunk) {
  bytes_ -= chunk->size;
  given_up_.push_back(std::move(chunk->data));
  *chunk = Chunk();
}

void TextArena::bury() {
  if (given_up_.empty()) return;
  grave_->chunks = std::move(given_up_);
  given_up_.clear();
  grave_->next = std::make_shared<Grave>();
  grave_ = grave_->next;
}

}  // namespace tocsin::tsdb
