// SPDX-License-Identifier: Apache-2.0
#include "tsdb/index/label_store.h"

#include "base/check.h"

namespace tocsin::tsdb {
namespace {

void append_varint(std::vector<std::uint8_t>* out, std::uint32_t value) {
  while (value >= 0x80) {
    out->push_back(static_cast<std::uint8_t>(value | 0x80U));
    value >>= 7U;
  }
  out->push_back(static_cast<std::uint8_t>(value));
}

// Reads trusted bytes: nothing but append_varint wrote them.
std::uint32_t read_varint(const std::uint8_t** p) {
  std::uint32_t value = 0;
  for (unsigned shift = 0;; shift += 7) {
    const std::uint8_t byte = *(*p)++;
    value |= static_cast<std::uint32_t>(byte & 0x7fU) << shift;
    if (byte < 0x80) return value;
  }
}

}  // namespace

void LabelStore::put(std::uint32_t id, std::span<const SymbolPair> labels) {
  const std::size_t number = id / kPageIds;
  if (number >= pages_.size()) pages_.resize(number + 1);
  if (pages_[number] == nullptr) pages_[number] = std::make_unique<Page>();
  Page& page = *pages_[number];
  CHECK(page.begin[id % kPageIds] == 0);
  CHECK(page.bytes.size() < 0xffffffffU);
  page.begin[id % kPageIds] = static_cast<std::uint32_t>(page.bytes.size()) + 1;
  append_varint(&page.bytes, static_cast<std::uint32_t>(labels.size()));
  for (const SymbolPair& pair : labels) {
    append_varint(&page.bytes, pair.name);
    append_varint(&page.bytes, pair.value);
  }
  if (++page.live == kPageIds) page.bytes.shrink_to_fit();
}

void LabelStore::erase(std::uint32_t id) {
  Page& page = *pages_[id / kPageIds];
  CHECK(page.begin[id % kPageIds] != 0);
  page.begin[id % kPageIds] = 0;
  if (--page.live == 0) pages_[id / kPageIds].reset();
}

const std::uint8_t* LabelStore::find(std::uint32_t id) const {
  const std::size_t number = id / kPageIds;
  if (number >= pages_.size() || pages_[number] == nullptr) return nullptr;
  const Page& page = *pages_[number];
  const std::uint32_t begin = page.begin[id % kPageIds];
  return begin == 0 ? nullptr : page.bytes.data() + (begin - 1);
}

std::vector<SymbolPair> LabelStore::get(std::uint32_t id) const {
  std::vector<SymbolPair> result;
  const std::uint8_t* p = find(id);
  if (p == nullptr) return result;
  result.resize(read_varint(&p));
  for (SymbolPair& pair : result) {
    pair.name = read_varint(&p);
    pair.value = read_varint(&p);
  }
  return result;
}

Symbol LabelStore::value(std::uint32_t id, Symbol name) const {
  const std::uint8_t* p = find(id);
  if (p == nullptr) return kNoSymbol;
  for (std::uint32_t left = read_varint(&p); left > 0; --left) {
    const Symbol candidate = read_varint(&p);
    const Symbol symbol = read_varint(&p);
    if (candidate == name) return symbol;
  }
  return kNoSymbol;
}

std::size_t LabelStore::memory_bytes() const {
  std::size_t total = pages_.capacity() * sizeof(pages_[0]);
  for (const auto& page : pages_) {
    if (page != nullptr) total += sizeof(Page) + page->bytes.capacity();
  }
  return total;
}

}  // namespace tocsin::tsdb
