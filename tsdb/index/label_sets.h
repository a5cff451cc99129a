// SPDX-License-Identifier: Apache-2.0
//
// LabelSets: lists of pairs that series have in common, each stored once and counted.
//
// The labels of a series are two lists: those of its target (instance, job, zone: shared with all
// series of the target) and those of its metric (name, le: shared with the same metric of other
// targets). So a million series of a thousand targets need two thousand lists.
//
//   record in the arena = uses u32 | count u32 | pair u32 * count; a list's number is its place
// Owns: the arena, which is reused and does not shrink.
// Threads: confined; const methods may run together.
// Errors: none.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "tsdb/index/id_table.h"
#include "tsdb/index/label_pairs.h"

namespace tocsin::tsdb {

using SetId = std::uint32_t;

class LabelSets {
 public:
  // Finds or adds the list and counts one use. REQUIRES: at most 2^14 - 2 pairs.
  SetId acquire(std::span<const PairId> pairs);
  void acquire(SetId set, std::uint32_t uses) { record(set)[0] += uses; }
  // Ends a use; the list goes with the last.
  void release(SetId set);

  // In the order of acquire().
  std::span<const PairId> pairs(SetId set) const {
    const std::uint32_t* at = record(set);
    return {at + 2, at[1]};
  }

  std::size_t count() const { return table_.size(); }
  std::size_t memory_bytes() const;

 private:
  static constexpr std::uint32_t kChunkBits = 14;
  static constexpr std::uint32_t kChunkWords = 1U << kChunkBits;

  std::uint32_t* record(SetId set) { return &chunks_[set >> kChunkBits][set % kChunkWords]; }
  const std::uint32_t* record(SetId set) const {
    return &chunks_[set >> kChunkBits][set % kChunkWords];
  }
  SetId allocate(std::uint32_t count);

  std::vector<std::unique_ptr<std::uint32_t[]>> chunks_;
  std::uint32_t used_ = kChunkWords;  // of the last chunk
  std::vector<SetId> free_by_count_;  // heads of lists; the next one is in word 0
  IdTable table_;
};

// SeriesTable: the two lists of each series by id. Pages of 64 consecutive ids: ids that arrived
// together leave together. Threads: confined; const methods may run together.
class SeriesTable {
 public:
  struct Row {
    SetId target = kNone;  // kNone: there is no such series
    SetId metric = kNone;
  };

  // REQUIRES: id is absent.
  void put(std::uint32_t id, Row row);
  // REQUIRES: id is present.
  void erase(std::uint32_t id);
  Row find(std::uint32_t id) const {
    const std::size_t page = id / kPageIds;
    if (page >= pages_.size() || pages_[page] == nullptr) return Row();
    return pages_[page]->rows[id % kPageIds];
  }
  bool has(std::uint32_t id) const { return find(id).target != kNone; }
  std::size_t memory_bytes() const;

 private:
  static constexpr std::uint32_t kPageIds = 64;
  struct Page {  // nothing else: a size that the allocator has
    std::array<Row, kPageIds> rows;
  };

  std::vector<std::unique_ptr<Page>> pages_;
  std::size_t live_pages_ = 0;
};

}  // namespace tocsin::tsdb
