// SPDX-License-Identifier: Apache-2.0
#include "tsdb/head/token_arena.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/check.h"

namespace tocsin::tsdb {
namespace {

constexpr std::uint32_t kFirstBlock = 128;

}  // namespace

// Classes: 8 16 24 32, then a half and a whole of each power of two: 48 64 96 128 ... 3072 4096.
std::size_t TokenArena::class_of(std::size_t size) {
  if (size <= 32) return (size + 7) / 8 - 1;
  const auto below = static_cast<std::size_t>(std::bit_width(size - 1) - 1);  // 2^below < size
  const std::size_t half = std::size_t{3} << (below - 1);
  return 4 + (below - 5) * 2 + (size > half ? 1 : 0);
}

std::size_t TokenArena::class_bytes(std::size_t size_class) {
  if (size_class < 4) return (size_class + 1) * 8;
  const std::size_t below = 5 + (size_class - 4) / 2;
  return size_class % 2 == 0 ? std::size_t{3} << (below - 1) : std::size_t{2} << below;
}

void TokenArena::give(std::uint32_t at, std::size_t size_class) {
  std::memcpy(place(at), &free_[size_class], sizeof(std::uint32_t));
  free_[size_class] = at + 1;
}

void TokenArena::add_block(std::size_t at_least) {
  // What is left of the newest block serves smaller logs.
  while (last_bytes_ - last_used_ >= kUnit) {
    const std::size_t left = last_bytes_ - last_used_;
    std::size_t size_class = class_of(std::min(left, kMaxLog));
    if (class_bytes(size_class) > left) --size_class;
    const auto block = static_cast<std::uint32_t>(blocks_.size() - 1);
    give(block << kUnitBits | last_used_ / kUnit, size_class);
    last_used_ += static_cast<std::uint32_t>(class_bytes(size_class));
  }
  CHECK(blocks_.size() < (1U << (32 - kUnitBits)) - 1);
  const std::size_t doubled = std::clamp<std::size_t>(last_bytes_ * 2, kFirstBlock, kMaxLog);
  last_bytes_ = static_cast<std::uint32_t>(std::max(doubled, std::bit_ceil(at_least)));
  last_used_ = 0;
  bytes_ += last_bytes_;
  blocks_.emplace_back(new char[last_bytes_]);
}

std::uint32_t TokenArena::allocate(std::size_t size_class) {
  if (const std::uint32_t first = free_[size_class]; first != 0) {
    std::memcpy(&free_[size_class], place(first - 1), sizeof(std::uint32_t));
    return first - 1;
  }
  const std::size_t bytes = class_bytes(size_class);
  if (last_bytes_ - last_used_ < bytes) add_block(bytes);
  const std::uint32_t at =
      static_cast<std::uint32_t>(blocks_.size() - 1) << kUnitBits | last_used_ / kUnit;
  last_used_ += static_cast<std::uint32_t>(bytes);
  return at;
}

void TokenArena::append(std::uint32_t* at, std::uint16_t* size, std::string_view bytes) {
  const std::size_t grown = *size + bytes.size();
  CHECK(grown <= kMaxLog);
  if (bytes.empty()) return;
  if (*size == 0) {
    *at = allocate(class_of(grown));
  } else if (class_of(grown) != class_of(*size)) {
    const std::uint32_t moved = allocate(class_of(grown));
    std::memcpy(place(moved), place(*at), *size);
    give(*at, class_of(*size));
    *at = moved;
  }
  std::memcpy(place(*at) + *size, bytes.data(), bytes.size());
  *size = static_cast<std::uint16_t>(grown);
}

void TokenArena::release(std::uint32_t at, std::uint16_t size) {
  if (size != 0) give(at, class_of(size));
}

}  // namespace tocsin::tsdb
