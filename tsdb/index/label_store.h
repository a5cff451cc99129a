// SPDX-License-Identifier: Apache-2.0
//
// LabelStore: the label sets of series by id, as varint pairs of symbols.
//
// Pages of 1024 consecutive ids own their bytes. Ids that arrived together leave together, so
// freeing a page when its last series is gone needs no compaction.
// Threads: confined; const methods
// may run together.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "tsdb/index/symbols.h"

namespace tocsin::tsdb {

struct SymbolPair {
  Symbol name = kNoSymbol;
  Symbol value = kNoSymbol;
};

class LabelStore {
 public:
  // REQUIRES: id is absent.
  void put(std::uint32_t id, std::span<const SymbolPair> labels);
  // REQUIRES: id is present.
  void erase(std::uint32_t id);
  bool has(std::uint32_t id) const { return find(id) != nullptr; }
  // Pairs in the order of put(); empty when absent.
  std::vector<SymbolPair> get(std::uint32_t id) const;
  // The value of one name, kNoSymbol when absent.
  Symbol value(std::uint32_t id, Symbol name) const;

  std::size_t memory_bytes() const;

 private:
  static constexpr std::uint32_t kPageIds = 1024;
  struct Page {
    std::array<std::uint32_t, kPageIds> begin{};  // offset + 1 in bytes, 0: absent
    std::vector<std::uint8_t> bytes;
    std::uint32_t live = 0;
  };

  // First byte of the encoding: varint count, then name and value per pair.
  const std::uint8_t* find(std::uint32_t id) const;

  std::vector<std::unique_ptr<Page>> pages_;
};

}  // namespace tocsin::tsdb
