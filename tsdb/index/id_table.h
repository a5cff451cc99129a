// SPDX-License-Identifier: Apache-2.0
//
// IdTable: a hash table of 32-bit ids whose keys live elsewhere; 8 bytes per slot, linear probing.
//
//   uint32_t id = table.find(hash, [&](uint32_t candidate) { return text(candidate) == wanted; });
//
// A value.
// Threads: confined; const methods may run together.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tocsin::tsdb {

class IdTable {
 public:
  static constexpr std::uint32_t kNone = 0xffffffffU;

  // What the table keeps of a hash. Spreads it, so that weak hashes of small integers do not
  // cluster.
  static std::uint32_t tag_of(std::uint64_t hash) {
    return static_cast<std::uint32_t>((hash * 0x9e3779b97f4a7c15ULL) >> 32U);
  }

  // Returns the id with this hash for which equal(id), or kNone.
  template <typename Equal>
  std::uint32_t find(std::uint64_t hash, Equal equal) const {
    return find_tag(tag_of(hash), equal);
  }
  template <typename Equal>
  std::uint32_t find_tag(std::uint32_t tag, Equal equal) const {
    const std::size_t slot = find_slot(tag, equal);
    return slot == kNoSlot ? kNone : slots_[slot].id;
  }

  // REQUIRES: no equal key is present; id is not kNone.
  void insert(std::uint64_t hash, std::uint32_t id) { insert_tag(tag_of(hash), id); }
  void insert_tag(std::uint32_t tag, std::uint32_t id) {
    if ((size_ + 1) * 4 > slots_.size() * 3) resize(slots_.empty() ? 16 : slots_.size() * 2);
    place(Slot{tag, id});
    ++size_;
  }

  // Returns false when there was nothing to remove.
  template <typename Equal>
  bool erase(std::uint64_t hash, Equal equal) {
    return erase_tag(tag_of(hash), equal);
  }
  template <typename Equal>
  bool erase_tag(std::uint32_t tag, Equal equal) {
    const std::size_t slot = find_slot(tag, equal);
    if (slot == kNoSlot) return false;
    close_gap(slot);
    --size_;
    if (slots_.size() > 64 && size_ * 8 < slots_.size()) resize(slots_.size() / 2);
    return true;
  }
  // Asks for what a later find_tag() will need.
  void prefetch(std::uint32_t tag) const {
    if (!slots_.empty()) __builtin_prefetch(&slots_[tag & (slots_.size() - 1)]);
  }

  std::size_t size() const { return size_; }
  std::size_t memory_bytes() const { return slots_.capacity() * sizeof(Slot); }

 private:
  struct Slot {
    std::uint32_t tag = 0;
    std::uint32_t id = kNone;
  };
  static constexpr std::size_t kNoSlot = ~std::size_t{0};

  template <typename Equal>
  std::size_t find_slot(std::uint32_t tag, Equal& equal) const {
    if (slots_.empty()) return kNoSlot;
    const std::size_t mask = slots_.size() - 1;
    for (std::size_t i = tag & mask; slots_[i].id != kNone; i = (i + 1) & mask) {
      if (slots_[i].tag == tag && equal(slots_[i].id)) return i;
    }
    return kNoSlot;
  }

  void place(Slot slot) {
    const std::size_t mask = slots_.size() - 1;
    std::size_t i = slot.tag & mask;
    while (slots_[i].id != kNone) i = (i + 1) & mask;
    slots_[i] = slot;
  }

  void resize(std::size_t slots) {
    std::vector<Slot> old(slots);
    old.swap(slots_);
    for (const Slot& slot : old) {
      if (slot.id != kNone) place(slot);
    }
  }

  // Moves later members of the probe chain back, so that no tombstone is needed.
  void close_gap(std::size_t gap) {
    const std::size_t mask = slots_.size() - 1;
    slots_[gap] = Slot();
    for (std::size_t i = (gap + 1) & mask; slots_[i].id != kNone; i = (i + 1) & mask) {
      const std::size_t home = slots_[i].tag & mask;
      if (((i - home) & mask) < ((i - gap) & mask)) continue;  // its home lies behind the gap
      slots_[gap] = slots_[i];
      slots_[i] = Slot();
      gap = i;
    }
  }

  std::vector<Slot> slots_;  // a power of two, at most 3/4 full
  std::size_t size_ = 0;
};

}  // namespace tocsin::tsdb
