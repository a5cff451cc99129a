// SPDX-License-Identifier: Apache-2.0
//
// LineTable: the texts that lines of metric pages begin with, each held once for all targets.
//
// Targets of one kind expose the same series names and comments; a page reader keeps four bytes per
// line and finds the text here. Equality is that of the bytes, so a hash collision is harmless.
// Lines are counted by reference: what no target holds any more is forgotten.
// Threads: shared. line() takes no lock; the others take one.
// Errors: none; acquire() refuses when the table is full.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/mutex.h"

namespace tocsin::formats {

class LineTable {
 public:
  using Id = std::uint32_t;  // below kMaxLines
  static constexpr std::uint32_t kMaxLines = 1U << 25;

  struct Options {
    std::uint64_t max_bytes = 2ULL << 30;
  };
  struct Line {
    const char* text;
    std::uint32_t size;
    std::uint8_t tag;
    std::string_view view() const { return {text, size}; }
  };
  struct Stats {
    std::uint64_t lines = 0;
    std::uint64_t bytes = 0;    // texts and what keeps them
    std::uint64_t refused = 0;  // since the start
  };
  struct Acquired {
    Id id;
    bool created;  // nobody else holds it
  };

  explicit LineTable(Options options);
  ~LineTable();
  LineTable(const LineTable&) = delete;
  LineTable& operator=(const LineTable&) = delete;

  // Finds or adds the line and adds one reference to it; nothing when the table is full. Lines with
  // equal texts and different tags are different lines.
  std::optional<Acquired> acquire(std::string_view text, std::uint8_t tag);
  // Adds one reference for each element. REQUIRES: the caller holds one of each.
  void retain(std::span<const Id> ids);
  // Gives back one reference for each element.
  void release(std::span<const Id> ids);
  // REQUIRES: the caller holds a reference. The text is valid for as long.
  const Line& line(Id id) const {
    return chunks_[id / kChunk].load(std::memory_order_acquire)[id % kChunk].line;
  }
  Stats stats() const;

 private:
  static constexpr std::uint32_t kChunk = 4096;
  static constexpr Id kNone = UINT32_MAX;
  struct Record {
    Line line;
    std::uint32_t references;
    std::uint32_t hash;
  };

  Record& record(Id id) const {
    return chunks_[id / kChunk].load(std::memory_order_relaxed)[id % kChunk];
  }
  std::size_t find_slot(std::string_view text, std::uint8_t tag, std::uint32_t hash) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::optional<Id> add(std::string_view text, std::uint8_t tag, std::uint32_t hash)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void forget(Id id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void grow() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Options options_;
  // Records never move, so that a holder of a reference may read its record without the lock.
  std::array<std::atomic<Record*>, kMaxLines / kChunk> chunks_{};

  mutable base::Mutex mutex_;
  std::vector<Id> slots_ ABSL_GUARDED_BY(mutex_);  // open addressing, at most half full
  std::vector<Id> free_ ABSL_GUARDED_BY(mutex_);
  Id next_ ABSL_GUARDED_BY(mutex_) = 0;
  Stats stats_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tocsin::formats
