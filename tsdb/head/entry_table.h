// SPDX-License-Identifier: Apache-2.0
//
// EntryTable<T>: small values by a dense index, in pages that exist only where a value is.
//
// Indexes are handed out once and go for good, so a plain vector would grow for ever. A confined
// value.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace tocsin::tsdb {

// T has a bool-like member `exists`.
template <typename T>
class EntryTable {
 public:
  // Null when there is none.
  T* find(std::size_t index) const {
    const std::size_t page = index / kPage;
    if (page >= pages_.size() || pages_[page] == nullptr) return nullptr;
    T& entry = pages_[page]->entries[index % kPage];
    return entry.exists ? &entry : nullptr;
  }
  // Returns false when it is there already.
  bool add(std::size_t index) {
    const std::size_t page = index / kPage;
    if (page >= pages_.size()) pages_.resize(page + 1);
    if (pages_[page] == nullptr) pages_[page] = std::make_unique<Page>();
    T& entry = pages_[page]->entries[index % kPage];
    if (entry.exists) return false;
    entry = T();
    entry.exists = true;
    return true;
  }
  void remove(std::size_t index) {
    T* entry = find(index);
    if (entry == nullptr) return;
    *entry = T();
    std::unique_ptr<Page>& page = pages_[index / kPage];
    const auto exists = [](const T& other) { return static_cast<bool>(other.exists); };
    if (std::ranges::none_of(page->entries, exists)) page.reset();
  }

 private:
  static constexpr std::size_t kPage = 32;
  struct Page {  // nothing else: a size that the allocator has
    std::array<T, kPage> entries{};
  };
  std::vector<std::unique_ptr<Page>> pages_;
};

}  // namespace tocsin::tsdb
