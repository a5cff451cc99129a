// SPDX-License-Identifier: Apache-2.0
#include "tsdb/index/label_sets.h"

#include <algorithm>

#include "base/check.h"

namespace tocsin::tsdb {
namespace {

constexpr std::uint32_t kHeaderWords = 2;

std::uint64_t hash_of(std::span<const PairId> pairs) {
  std::uint64_t hash = pairs.size();
  for (const PairId pair : pairs) {
    hash = (hash ^ pair) * 0x9e3779b97f4a7c15ULL;
    hash ^= hash >> 32U;
  }
  return hash;
}

}  // namespace

SetId LabelSets::allocate(std::uint32_t count) {
  if (count < free_by_count_.size() && free_by_count_[count] != kNone) {
    const SetId set = free_by_count_[count];
    free_by_count_[count] = record(set)[0];
    return set;
  }
  const std::uint32_t words = count + kHeaderWords;
  CHECK(words <= kChunkWords);
  if (used_ + words > kChunkWords) {
    CHECK(chunks_.size() < (std::size_t{1} << (32 - kChunkBits)) - 1);
    chunks_.push_back(std::make_unique<std::uint32_t[]>(kChunkWords));
    used_ = 0;
  }
  const auto chunk = static_cast<std::uint32_t>(chunks_.size() - 1);
  const SetId set = (chunk << kChunkBits) | used_;
  used_ += words;
  return set;
}

SetId LabelSets::acquire(std::span<const PairId> pairs) {
  const std::uint64_t hash = hash_of(pairs);
  SetId set = table_.find(hash, [&](SetId other) {
    const std::span<const PairId> known = this->pairs(other);
    return std::equal(known.begin(), known.end(), pairs.begin(), pairs.end());
  });
  if (set != kNone) {
    ++record(set)[0];
    return set;
  }
  set = allocate(static_cast<std::uint32_t>(pairs.size()));
  std::uint32_t* const at = record(set);
  at[0] = 1;
  at[1] = static_cast<std::uint32_t>(pairs.size());
  std::copy(pairs.begin(), pairs.end(), at + kHeaderWords);
  table_.insert(hash, set);
  return set;
}

void LabelSets::release(SetId set) {
  std::uint32_t* const at = record(set);
  if (--at[0] != 0) return;
  const std::span<const PairId> gone = pairs(set);
  CHECK(table_.erase(hash_of(gone), [&](SetId other) { return other == set; }));
  const std::uint32_t count = at[1];
  if (count >= free_by_count_.size()) free_by_count_.resize(count + 1, kNone);
  at[0] = free_by_count_[count];
  free_by_count_[count] = set;
}

std::size_t LabelSets::memory_bytes() const {
  return chunks_.size() * kChunkWords * sizeof(std::uint32_t) + table_.memory_bytes();
}

void SeriesTable::put(std::uint32_t id, Row row) {
  const std::size_t number = id / kPageIds;
  if (number >= pages_.size()) pages_.resize(number + 1);
  if (pages_[number] == nullptr) {
    pages_[number] = std::make_unique<Page>();
    ++live_pages_;
  }
  Page& page = *pages_[number];
  CHECK(page.rows[id % kPageIds].target == kNone);
  page.rows[id % kPageIds] = row;
}

void SeriesTable::erase(std::uint32_t id) {
  Page& page = *pages_[id / kPageIds];
  CHECK(page.rows[id % kPageIds].target != kNone);
  page.rows[id % kPageIds] = Row();
  const auto exists = [](const Row& row) { return row.target != kNone; };
  if (std::ranges::any_of(page.rows, exists)) return;
  pages_[id / kPageIds].reset();
  --live_pages_;
}

std::size_t SeriesTable::memory_bytes() const {
  return pages_.capacity() * sizeof(pages_[0]) + live_pages_ * sizeof(Page);
}

}  // namespace tocsin::tsdb
