// SPDX-License-Identifier: Apache-2.0
//
// DirectoryCache: directories of runs that were read lately. RunCache: parts of runs that were, and
// SecondTouch, which keeps what is read once out of one. Private to tsdb/run.
//
// A part is named by its run and its number there; ids of runs are never used twice, so neither a
// part nor a directory ever changes.
// Threads: shared. Errors: of reading a directory.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <unordered_map>
#include <utility>

#include "base/mutex.h"
#include "base/status.h"
#include "tsdb/kv/kv_store.h"
#include "tsdb/run/run_format.h"

namespace tocsin::tsdb {

// Keeps directories within `max_bytes`, and at least one whatever its size. It is told about a
// Directory by two functions beside it: Status read_directory(const KvStore&, const RunRecord&,
// Directory*) and std::size_t bytes_of(const Directory&).
template <typename Directory>
class DirectoryCache {
 public:
  using Ptr = std::shared_ptr<const Directory>;

  // Borrows: kv.
  DirectoryCache(const KvStore& kv, std::size_t max_bytes) : kv_(kv), max_bytes_(max_bytes) {}

  StatusOr<Ptr> get(const RunRecord& run) {
    if (Ptr known = find(run.info.id)) return known;
    auto directory = std::make_shared<Directory>();
    RETURN_IF_ERROR(read_directory(kv_, run, directory.get()));
    put(run.info.id, directory);
    return Ptr(std::move(directory));
  }

  void forget(RunId id) {
    const auto cache = cache_.lock();
    if (const auto it = cache->entries.find(id); it != cache->entries.end()) drop(*cache, it);
  }

  std::size_t cached_bytes() const { return cache_.lock()->bytes; }

 private:
  struct Entry {
    Ptr directory;
    std::uint64_t last_use = 0;
  };
  using Entries = std::unordered_map<RunId, Entry>;
  struct Cache {
    Entries entries;
    std::size_t bytes = 0;
    std::uint64_t uses = 0;
  };

  Ptr find(RunId id) {
    const auto cache = cache_.lock();
    const auto it = cache->entries.find(id);
    if (it == cache->entries.end()) return nullptr;
    it->second.last_use = ++cache->uses;
    return it->second.directory;
  }

  void put(RunId id, Ptr directory) {
    const auto cache = cache_.lock();
    const auto [at, is_new] = cache->entries.try_emplace(id);
    if (is_new) cache->bytes += bytes_of(*directory);
    at->second = {std::move(directory), ++cache->uses};
    while (cache->bytes > max_bytes_ && cache->entries.size() > 1) {
      drop(*cache, std::ranges::min_element(cache->entries, {}, [](const auto& entry) {
        return entry.second.last_use;
      }));
    }
  }

  static void drop(Cache& cache, typename Entries::iterator at) {
    cache.bytes -= bytes_of(*at->second.directory);
    cache.entries.erase(at);
  }

  const KvStore& kv_;
  const std::size_t max_bytes_;
  base::Guarded<Cache> cache_;
};

// kBytesOf says what a value takes, with all that it holds.
template <typename Value, std::size_t (*kBytesOf)(const Value&)>
class RunCache {
 public:
  using Ptr = std::shared_ptr<const Value>;

  explicit RunCache(std::size_t max_bytes) : max_bytes_(max_bytes) {}

  // Null when it is not known.
  Ptr find(RunId run, std::uint32_t number) {
    const Key key(run, number);
    Parts gone;  // freed after the lock
    const auto cache = cache_.lock();
    if (const auto it = cache->fresh.find(key); it != cache->fresh.end()) return it->second;
    const auto it = cache->old.find(key);
    if (it == cache->old.end()) return nullptr;
    Ptr value = it->second;
    drop_old(*cache, key);
    gone = add(*cache, key, value);
    return value;
  }

  // Keeps nothing that is larger than half of the whole.
  void put(RunId run, std::uint32_t number, Ptr value) {
    if (bytes_of(value) > max_bytes_ / 2) return;
    const Key key(run, number);
    Parts gone;  // freed after the lock
    const auto cache = cache_.lock();
    if (cache->fresh.contains(key)) return;
    drop_old(*cache, key);
    gone = add(*cache, key, std::move(value));
  }

  void forget(RunId run) {
    const auto cache = cache_.lock();
    forget_in(&cache->fresh, &cache->fresh_bytes, run);
    forget_in(&cache->old, &cache->old_bytes, run);
  }

  // At most max_bytes.
  std::size_t memory_bytes() const {
    const auto cache = cache_.lock();
    return cache->fresh_bytes + cache->old_bytes;
  }

 private:
  using Key = std::pair<RunId, std::uint32_t>;
  using Parts = std::map<Key, Ptr>;
  struct Cache {
    // Parts move to `fresh` when they are used; when that is half of everything, `old` goes and
    // `fresh` takes its place.
    Parts fresh;
    Parts old;
    std::size_t fresh_bytes = 0;
    std::size_t old_bytes = 0;
  };
  // Beside the value: the map's node, and the counter, each from malloc.
  static constexpr std::size_t kPartBytes = 160;

  static std::size_t bytes_of(const Ptr& value) { return kPartBytes + kBytesOf(*value); }

  static void drop_old(Cache& cache, const Key& key) {
    const auto it = cache.old.find(key);
    if (it == cache.old.end()) return;
    cache.old_bytes -= bytes_of(it->second);
    cache.old.erase(it);
  }

  // Returns what had to go.
  Parts add(Cache& cache, const Key& key, Ptr value) const {
    const std::size_t bytes = bytes_of(value);
    Parts gone;
    if (cache.fresh_bytes + bytes > max_bytes_ / 2) {
      gone = std::exchange(cache.old, std::exchange(cache.fresh, {}));
      cache.old_bytes = std::exchange(cache.fresh_bytes, 0);
    }
    cache.fresh_bytes += bytes;
    cache.fresh.emplace(key, std::move(value));
    return gone;
  }

  static void forget_in(Parts* parts, std::size_t* bytes, RunId run) {
    const auto begin = parts->lower_bound(Key(run, 0));
    auto end = begin;
    for (; end != parts->end() && end->first.first == run; ++end) *bytes -= bytes_of(end->second);
    parts->erase(begin, end);
  }

  const std::size_t max_bytes_;
  base::Guarded<Cache> cache_;
};

// Remembers which parts were touched lately, about kSlots of them. A query over everything touches
// each part once: keeping those would put out what other queries ask for again and again.
class SecondTouch {
 public:
  // Whether the part was touched before; now it was.
  bool touch(RunId run, std::uint32_t number) {
    // The finalizer of SplitMix64, so that neighbours spread. 0 is an empty slot.
    std::uint64_t name = run.value() * 0x9e3779b97f4a7c15ULL + number + 1;
    name = (name ^ (name >> 30U)) * 0xbf58476d1ce4e5b9ULL;
    name = (name ^ (name >> 27U)) * 0x94d049bb133111ebULL;
    name ^= name >> 31U;
    return slots_[name % kSlots].exchange(name, std::memory_order_relaxed) == name;
  }

 private:
  static constexpr std::size_t kSlots = 1024;
  std::array<std::atomic<std::uint64_t>, kSlots> slots_{};
};

}  // namespace tocsin::tsdb
