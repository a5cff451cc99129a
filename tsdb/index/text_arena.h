// SPDX-License-Identifier: Apache-2.0
//
// TextArena: texts that may leave, in chunks, readable without a lock by who holds a pin.
//
// A text that is released stays where it is; sweep() moves the living out of chunks that are mostly
// dead and gives up those chunks. A chunk that was given up is freed when every pin from before has
// gone: pins form a chain, each keeping what was given up after it.
// Owns: the chunks.
// Threads: confined; const methods may run together, a pin may be dropped anywhere.
// Errors: none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace tocsin::tsdb {

class TextArena {
 public:
  // Copies `text`; `owner` is who is told when it moves. The result is valid until it is released
  // or moved, and beyond that for holders of a pin.
  const char* put(std::string_view text, std::uint32_t owner);
  // REQUIRES: `text` came from put() or a move and has `size` bytes.
  void release(const char* text, std::size_t size);

  // Calls at(owner) for the current place of an owner's text (a string_view; empty when it has
  // none) and moved(owner, new place) for each text that was moved.
  template <typename At, typename Moved>
  void sweep(At at, Moved moved);

  std::shared_ptr<const void> pin() const { return grave_; }
  std::size_t memory_bytes() const { return bytes_; }

 private:
  static constexpr std::size_t kChunkBytes = 64U << 10;
  static constexpr std::size_t kHeader = sizeof(std::uint32_t);  // number of the chunk

  struct Chunk {
    std::unique_ptr<char[]> data;
    std::size_t size = 0;
    std::size_t used = 0;
    std::size_t live = 0;               // bytes of texts not released, with headers
    std::vector<std::uint32_t> owners;  // of texts put here; some have left
    bool holds(const char* p) const { return p >= data.get() && p < data.get() + size; }
  };
  struct Grave {
    std::vector<std::unique_ptr<char[]>> chunks;
    std::shared_ptr<Grave> next;
  };

  std::uint32_t chunk_for(std::size_t bytes);
  void give_up(Chunk* chunk);
  void bury();

  std::vector<Chunk> chunks_;  // a chunk without data is free to use
  std::vector<std::uint32_t> free_;
  std::uint32_t current_ = UINT32_MAX;
  std::size_t bytes_ = 0;
  std::vector<std::unique_ptr<char[]>> given_up_;
  std::shared_ptr<Grave> grave_ = std::make_shared<Grave>();
};

template <typename At, typename Moved>
void TextArena::sweep(At at, Moved moved) {
  const std::size_t count = chunks_.size();
  for (std::uint32_t i = 0; i < count; ++i) {
    if (chunks_[i].data == nullptr || i == current_ || chunks_[i].live * 2 >= chunks_[i].used) {
      continue;
    }
    const std::vector<std::uint32_t> owners = std::move(chunks_[i].owners);
    for (const std::uint32_t owner : owners) {
      const std::string_view text = at(owner);
      if (!text.empty() && chunks_[i].holds(text.data())) moved(owner, put(text, owner));
    }
    give_up(&chunks_[i]);
    free_.push_back(i);
  }
  bury();
}

}  // namespace tocsin::tsdb
