// SPDX-License-Identifier: Apache-2.0
#include "formats/line_table.h"

#include <cstring>

#include "base/check.h"
#include "base/hash.h"

namespace tocsin::formats {
namespace {

constexpr std::size_t kFirstSlots = 1024;
constexpr std::uint32_t kMaxText = 1U << 30;

std::uint32_t hash_of(std::string_view text, std::uint8_t tag) {
  const std::uint64_t hash = base::xxhash64(text) + tag * 0x9e3779b97f4a7c15ULL;
  return static_cast<std::uint32_t>(hash ^ (hash >> 32U));
}

}  // namespace

LineTable::LineTable(Options options) : options_(options), slots_(kFirstSlots, kNone) {}

LineTable::~LineTable() {
  for (std::atomic<Record*>& chunk : chunks_) {
    Record* const records = chunk.load(std::memory_order_relaxed);
    if (records == nullptr) break;
    for (std::uint32_t i = 0; i < kChunk; ++i) delete[] records[i].line.text;
    delete[] records;
  }
}

// The slot of the line, or the empty slot where it belongs.
std::size_t LineTable::find_slot(std::string_view text, std::uint8_t tag,
                                 std::uint32_t hash) const {
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t slot = hash & mask;; slot = (slot + 1) & mask) {
    if (slots_[slot] == kNone) return slot;
    const Record& known = record(slots_[slot]);
    if (known.hash == hash && known.line.tag == tag && known.line.view() == text) return slot;
  }
}

std::optional<LineTable::Acquired> LineTable::acquire(std::string_view text, std::uint8_t tag) {
  const std::uint32_t hash = hash_of(text, tag);
  base::MutexLock lock(mutex_);
  const std::size_t slot = find_slot(text, tag, hash);
  if (slots_[slot] != kNone) {
    ++record(slots_[slot]).references;
    return Acquired{slots_[slot], false};
  }
  const std::optional<Id> id = add(text, tag, hash);
  if (!id) {
    ++stats_.refused;
    return std::nullopt;
  }
  slots_[slot] = *id;
  if (stats_.lines * 2 > slots_.size()) grow();
  return Acquired{*id, true};
}

std::optional<LineTable::Id> LineTable::add(std::string_view text, std::uint8_t tag,
                                            std::uint32_t hash) {
  const std::uint64_t bytes = text.size() + sizeof(Record) + 2 * sizeof(Id);
  if (text.size() > kMaxText || stats_.bytes + bytes > options_.max_bytes) return std::nullopt;
  Id id = next_;
  if (!free_.empty()) {
    id = free_.back();
    free_.pop_back();
  } else if (next_ == kMaxLines) {
    return std::nullopt;
  } else {
    if (next_ % kChunk == 0) {
      chunks_[next_ / kChunk].store(new Record[kChunk](), std::memory_order_release);
    }
    ++next_;
  }
  char* const copy = new char[text.size()];
  std::memcpy(copy, text.data(), text.size());
  record(id) = {{copy, static_cast<std::uint32_t>(text.size()), tag}, 1, hash};
  ++stats_.lines;
  stats_.bytes += bytes;
  return id;
}

void LineTable::retain(std::span<const Id> ids) {
  if (ids.empty()) return;
  base::MutexLock lock(mutex_);
  for (const Id id : ids) ++record(id).references;
}

void LineTable::release(std::span<const Id> ids) {
  if (ids.empty()) return;
  base::MutexLock lock(mutex_);
  for (const Id id : ids) {
    DCHECK(record(id).references != 0);
    if (--record(id).references == 0) forget(id);
  }
}

void LineTable::forget(Id id) {
  Record& gone = record(id);
  const std::size_t mask = slots_.size() - 1;
  std::size_t hole = find_slot(gone.line.view(), gone.line.tag, gone.hash);
  CHECK(slots_[hole] == id);
  // Lines behind the hole move up, unless that would put them before their own place.
  for (std::size_t slot = (hole + 1) & mask; slots_[slot] != kNone; slot = (slot + 1) & mask) {
    const std::size_t home = record(slots_[slot]).hash & mask;
    if (((slot - home) & mask) < ((slot - hole) & mask)) continue;
    slots_[hole] = slots_[slot];
    hole = slot;
  }
  slots_[hole] = kNone;
  --stats_.lines;
  stats_.bytes -= gone.line.size + sizeof(Record) + 2 * sizeof(Id);
  delete[] gone.line.text;
  gone = {};
  free_.push_back(id);
}

void LineTable::grow() {
  std::vector<Id> old(slots_.size() * 2, kNone);
  old.swap(slots_);
  const std::size_t mask = slots_.size() - 1;
  for (const Id id : old) {
    if (id == kNone) continue;
    std::size_t slot = record(id).hash & mask;
    while (slots_[slot] != kNone) slot = (slot + 1) & mask;
    slots_[slot] = id;
  }
}

LineTable::Stats LineTable::stats() const {
  base::MutexLock lock(mutex_);
  return stats_;
}

}  // namespace tocsin::formats
