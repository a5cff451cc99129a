// SPDX-License-Identifier: Apache-2.0
//
// SeriesCache: from the key of a series in remote-write requests to its reference in the store.
//
// 16 open-addressed parts, each a table of 16-byte slots that is replaced when it has to grow. A
// slot is written once and its reference last, so that look-ups take no lock: a request holds the
// tables it started with.
// Bounds: Options::max_series, above which new keys are not kept. When a part has to grow, entries
// of series that the store has no longer in memory are dropped, and those that were not looked up since
// the part was made, if that was Options::idle ago.
// Threads: shared; a View is confined.
// Errors: none: what is not found is looked up by labels. References above 32 bits are not kept.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "base/hash.h"
#include "base/mutex.h"
#include "base/time.h"
#include "storage/types.h"

namespace tocsin::web {

class SeriesCache {
  class Table;
  static constexpr std::size_t kParts = 16;

 public:
  struct Options {
    std::size_t max_series = 50'000'000;
    base::Duration idle{30LL * 60 * 1000};
  };
  struct Entry {
    base::Hash128 key;
    storage::SeriesRef ref;
  };

  // Whether the store has the series in memory; called under the lock of a part.
  using IsActive = std::function<bool(storage::SeriesRef)>;

  SeriesCache(Options options, IsActive is_active);
  ~SeriesCache();
  SeriesCache(const SeriesCache&) = delete;
  SeriesCache& operator=(const SeriesCache&) = delete;

  // What one request sees; take a new one for each.
  class View {
   public:
    explicit View(const SeriesCache& cache) : cache_(cache) {}
    // Fetches what find() will read: worth it some dozens of keys ahead.
    void prefetch(base::Hash128 key);
    // Reference 0 when the key is not known.
    storage::SeriesRef find(base::Hash128 key);

   private:
    const Table& table_of(base::Hash128 key);

    const SeriesCache& cache_;
    std::array<std::shared_ptr<const Table>, kParts> tables_;
  };

  // Adds the entries, or replaces the references of keys that are there.
  void put(std::span<const Entry> entries, base::SteadyTime now);

  std::size_t size() const;
  std::size_t memory_bytes() const;

 private:
  struct Part {
    mutable base::Mutex mutex;
    std::shared_ptr<Table> table ABSL_GUARDED_BY(mutex);
  };
  static std::size_t part_of(base::Hash128 key) { return key.high >> 60U; }

  const Options options_;
  const IsActive is_active_;
  std::array<Part, kParts> parts_;
};

}  // namespace tocsin::web
