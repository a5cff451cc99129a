// SPDX-License-Identifier: Apache-2.0
#include "web/write/series_cache.h"

#include <algorithm>
#include <utility>

namespace tocsin::web {
namespace {

// Of `low` a slot keeps 31 bits; the other bit says that the entry was looked up.
constexpr std::uint32_t kUsed = 1;
constexpr std::size_t kMinSlots = 16;

std::uint32_t check_of(base::Hash128 key) { return static_cast<std::uint32_t>(key.low) & ~kUsed; }

}  // namespace

class SeriesCache::Table {
 public:
  Table(std::size_t slots, base::SteadyTime made) : made_(made), slots_(slots) {}

  std::uint32_t find(base::Hash128 key) const {
    for (std::size_t at = home(key.high);; at = next(at)) {
      const Slot& slot = slots_[at];
      const std::uint32_t ref = slot.ref.load(std::memory_order_acquire);
      if (ref == 0) return 0;
      if (slot.high.load(std::memory_order_relaxed) != key.high) continue;
      const std::uint32_t low = slot.low.load(std::memory_order_relaxed);
      if ((low & ~kUsed) != check_of(key)) continue;
      // Not written again and again: the slot's cache line is shared between cores.
      if ((low & kUsed) == 0) slot.low.fetch_or(kUsed, std::memory_order_relaxed);
      return ref;
    }
  }

  void prefetch(base::Hash128 key) const { __builtin_prefetch(&slots_[home(key.high)]); }

  // REQUIRES: !is_full(); one writer at a time.
  void put(std::uint64_t high, std::uint32_t low, std::uint32_t ref) {
    for (std::size_t at = home(high);; at = next(at)) {
      Slot& slot = slots_[at];
      if (slot.ref.load(std::memory_order_relaxed) == 0) {
        slot.high.store(high, std::memory_order_relaxed);
        slot.low.store(low, std::memory_order_relaxed);
        slot.ref.store(ref, std::memory_order_release);
        size_.fetch_add(1, std::memory_order_relaxed);
        return;
      }
      const bool same = slot.high.load(std::memory_order_relaxed) == high &&
                        ((slot.low.load(std::memory_order_relaxed) ^ low) & ~kUsed) == 0;
      if (same) return slot.ref.store(ref, std::memory_order_release);
    }
  }

  bool is_old(base::SteadyTime now, base::Duration idle) const { return now - made_ >= idle; }
  bool is_full() const { return size() + 1 > slots_.size() / 5 * 4; }
  std::size_t size() const { return size_.load(std::memory_order_relaxed); }
  std::size_t bytes() const { return slots_.size() * sizeof(Slot); }

  // A table with room for more. Without series that are not active, and without entries that were not
  // used, when this one is old enough for that to mean something.
  std::shared_ptr<Table> grown(base::SteadyTime now, base::Duration idle,
                               const IsActive& is_active) const {
    const bool drops_unused = is_old(now, idle);
    std::vector<const Slot*> kept;
    for (const Slot& slot : slots_) {
      const std::uint32_t ref = slot.ref.load(std::memory_order_relaxed);
      if (ref == 0 || !is_active(storage::SeriesRef(ref))) continue;
      if (drops_unused && (slot.low.load(std::memory_order_relaxed) & kUsed) == 0) continue;
      kept.push_back(&slot);
    }
    auto table =
        std::make_shared<Table>(kept.size() / 7 * 10 + kMinSlots, drops_unused ? now : made_);
    for (const Slot* slot : kept) {
      const std::uint32_t low = slot->low.load(std::memory_order_relaxed);
      table->put(slot->high.load(std::memory_order_relaxed), drops_unused ? low & ~kUsed : low,
                 slot->ref.load(std::memory_order_relaxed));
    }
    return table;
  }

 private:
  struct Slot {
    std::atomic<std::uint64_t> high{0};
    mutable std::atomic<std::uint32_t> low{0};
    std::atomic<std::uint32_t> ref{0};  // 0: free
  };

  // The top bits chose the part, those behind them choose the slot.
  std::size_t home(std::uint64_t high) const {
    const std::uint64_t bits = (high << 4U) >> 32U;
    return static_cast<std::size_t>((bits * slots_.size()) >> 32U);
  }
  std::size_t next(std::size_t at) const { return at + 1 == slots_.size() ? 0 : at + 1; }

  const base::SteadyTime made_;
  std::vector<Slot> slots_;
  std::atomic<std::size_t> size_{0};
};

SeriesCache::SeriesCache(Options options, IsActive is_active)
    : options_(options), is_active_(std::move(is_active)) {
  for (Part& part : parts_) {
    base::MutexLock lock(part.mutex);
    part.table = std::make_shared<Table>(kMinSlots, base::SteadyTime());
  }
}
SeriesCache::~SeriesCache() = default;

const SeriesCache::Table& SeriesCache::View::table_of(base::Hash128 key) {
  std::shared_ptr<const Table>& table = tables_[part_of(key)];
  if (table == nullptr) {
    const Part& part = cache_.parts_[part_of(key)];
    base::MutexLock lock(part.mutex);
    table = part.table;
  }
  return *table;
}

void SeriesCache::View::prefetch(base::Hash128 key) { table_of(key).prefetch(key); }

storage::SeriesRef SeriesCache::View::find(base::Hash128 key) {
  return storage::SeriesRef(table_of(key).find(key));
}

void SeriesCache::put(std::span<const Entry> entries, base::SteadyTime now) {
  const std::size_t limit = std::max<std::size_t>(options_.max_series / kParts, 1);
  for (const Entry& entry : entries) {
    if (entry.ref.value() == 0 || entry.ref.value() > UINT32_MAX) continue;
    Part& part = parts_[part_of(entry.key)];
    base::MutexLock lock(part.mutex);
    if (part.table->size() >= limit || part.table->is_full()) {
      if (part.table->size() >= limit && !part.table->is_old(now, options_.idle)) continue;
      part.table = part.table->grown(now, options_.idle, is_active_);
      if (part.table->size() >= limit) continue;
    }
    part.table->put(entry.key.high, check_of(entry.key) | kUsed,
                    static_cast<std::uint32_t>(entry.ref.value()));
  }
}

std::size_t SeriesCache::size() const {
  std::size_t sum = 0;
  for (const Part& part : parts_) {
    base::MutexLock lock(part.mutex);
    sum += part.table->size();
  }
  return sum;
}

std::size_t SeriesCache::memory_bytes() const {
  std::size_t sum = 0;
  for (const Part& part : parts_) {
    base::MutexLock lock(part.mutex);
    sum += part.table->bytes();
  }
  return sum;
}

}  // namespace tocsin::web
