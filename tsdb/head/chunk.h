// SPDX-License-Identifier: Apache-2.0
//
// Chunk: the closed rows of a group, and Piece: what one series has of a chunk, open or closed.
//
// A chunk is immutable and shared: by the group it came from, by readers, and by the sealer until a
// run holds its rows. Pieces of one series never overlap in time, and a later `order` means later
// samples. Values.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "storage/queryable.h"
#include "storage/types.h"

namespace tocsin::tsdb {

using TimesPtr = std::shared_ptr<const storage::TimestampColumn>;

struct Chunk;
using ChunkPtr = std::shared_ptr<const Chunk>;

struct Piece {
  TimesPtr times;
  std::uint32_t length = 0;  // rows of `times` that the log covers
  std::uint64_t order = 0;   // of its chunk; UINT64_MAX for an open one
  ChunkPtr chunk;            // that holds the log
  std::uint32_t slot = 0;
  std::string own_log;  // without a chunk

  std::string_view log() const;
};

// The log of a series with times of its own, which has for each row
//   varint(zigzag(step - step before) << 1 | changed) [change log token without a gap, when changed]
// where the step is the time since the row before, and the first row follows one at `base_ms`.
Piece decode_own_log(std::string_view log, std::uint32_t rows, std::int64_t base_ms);

struct Chunk : std::enable_shared_from_this<Chunk> {
  std::uint64_t order = 0;  // chunks closed later have a larger one
  std::uint64_t epoch = 0;  // of the head when it was filled
  storage::GroupId group;
  TimesPtr times;            // null: each series has times of its own
  std::int64_t base_ms = 0;  // of own logs
  std::int64_t min_ms = 0;
  std::int64_t max_ms = 0;
  // By slot:
  std::vector<storage::SeriesId> ids;  // 0: the slot was moved out
  std::vector<std::uint32_t> lengths;  // rows of the change log
  std::vector<std::uint32_t> offsets;  // of the change logs in `tokens`; one more than slots
  std::string tokens;

  // The slot of a series that was in slot `hint` at some time; slots() when it has none here.
  std::uint32_t find(storage::SeriesId id, std::uint32_t hint) const {
    if (hint < ids.size() && ids[hint] == id) return hint;
    return static_cast<std::uint32_t>(std::find(ids.begin(), ids.end(), id) - ids.begin());
  }
  std::uint32_t slots() const { return static_cast<std::uint32_t>(ids.size()); }
  std::string_view log(std::uint32_t slot) const {
    return std::string_view(tokens).substr(offsets[slot], offsets[slot + 1] - offsets[slot]);
  }
  // What a slot holds.
  Piece piece(std::uint32_t slot) const;
  std::size_t memory_bytes() const { return tokens.capacity() + ids.capacity() * 16; }
};

inline std::string_view Piece::log() const {
  return chunk ? chunk->log(slot) : std::string_view(own_log);
}

}  // namespace tocsin::tsdb
