// SPDX-License-Identifier: Apache-2.0
//
// ValueCache: which values of a label a regular expression matched, so that a dashboard that asks
// again only pays for values that are new.
//
// Values are named by their position in the list of the label's values, which only grows within an
// epoch. Bounded by bytes; what was not used for longest goes first.
// Threads: shared. Errors: none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/mutex.h"
#include "base/string_map.h"

namespace tocsin::tsdb {

struct ValueMatches {
  std::uint64_t epoch = 0;
  std::size_t covered = 0;          // positions looked at
  std::size_t hits = 0;             // of these
  std::vector<std::uint64_t> bits;  // bit i % 64 of word i / 64 is position i

  bool hit(std::size_t position) const {
    return ((bits[position / 64] >> (position % 64)) & 1U) != 0;
  }
};

class ValueCache {
 public:
  static constexpr std::size_t kMaxBytes = 16U << 20;

  struct Stats {
    std::uint64_t hits = 0;
    std::uint64_t misses = 0;
    std::size_t bytes = 0;
  };

  static std::string key(std::string_view name, std::string_view pattern);
  // Null when absent. It may be of an older epoch or cover fewer values: then it still helps or is
  // replaced.
  std::shared_ptr<const ValueMatches> find(const std::string& key);
  void put(const std::string& key, std::shared_ptr<const ValueMatches> matches);
  Stats stats() const;

 private:
  struct Entry {
    std::shared_ptr<const ValueMatches> matches;
    std::uint64_t last_use = 0;
  };
  struct State {
    StringMap<Entry> entries;
    std::uint64_t uses = 0;
    Stats stats;
  };
  static std::size_t bytes_of(const std::string& key, const ValueMatches& matches) {
    return sizeof(Entry) + sizeof(ValueMatches) + key.size() + matches.bits.capacity() * 8;
  }

  base::Guarded<State> state_;
};

}  // namespace tocsin::tsdb
