// SPDX-License-Identifier: Apache-2.0
#include "tsdb/head/token_arena.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace tocsin::tsdb {
namespace {

constexpr std::uint32_t kFirstBlock = 128;
constexpr std::uint32_t kMaxBlock = 4096;

}  // namespace

std::uint32_t TokenArena::before(std::uint32_t at) const {
  std::uint32_t link;
  std::memcpy(&link, place(at), kLink);
  return link;
}

void TokenArena::give(std::uint32_t at, Kind kind) {
  std::memcpy(place(at), &free_[kind], sizeof(std::uint32_t));
  free_[kind] = at + 1;
}

void TokenArena::add_block() {
  // What is left of the newest block is too little for a later piece.
  if (last_bytes_ - last_used_ >= kBytes[kFirst]) {
    const auto block = static_cast<std::uint32_t>(blocks_.size() - 1);
    give(block << kUnitBits | last_used_ / kUnit, kFirst);
  }
  CHECK(blocks_.size() < (1U << (32 - kUnitBits)) - 1);
  last_bytes_ = std::clamp(last_bytes_ * 2, kFirstBlock, kMaxBlock);
  last_used_ = 0;
  bytes_ += last_bytes_;
  blocks_.emplace_back(new char[last_bytes_]);
}

std::uint32_t TokenArena::allocate(Kind kind) {
  if (const std::uint32_t first = free_[kind]; first != 0) {
    std::memcpy(&free_[kind], place(first - 1), sizeof(std::uint32_t));
    return first - 1;
  }
  if (last_bytes_ - last_used_ < kBytes[kind]) add_block();
  const std::uint32_t at =
      static_cast<std::uint32_t>(blocks_.size() - 1) << kUnitBits | last_used_ / kUnit;
  last_used_ += kBytes[kind];
  return at;
}

void TokenArena::append(std::uint32_t* at, std::uint16_t* size, std::string_view bytes) {
  CHECK(*size + bytes.size() <= kMaxLog);
  while (!bytes.empty()) {
    const bool first = *size < kFirstRoom;
    const std::size_t room = first ? kFirstRoom : kLaterRoom;
    std::size_t used = *size == 0 ? 0 : used_of_last(*size);
    if (used == 0 || (!first && (*size == kFirstRoom || used == room))) {
      const std::uint32_t added = allocate(first ? kFirst : kLater);
      if (!first) std::memcpy(place(added), at, kLink);
      *at = added;
      used = 0;
    }
    const std::size_t count = std::min(bytes.size(), room - used);
    std::memcpy(place(*at) + (first ? 0 : kLink) + used, bytes.data(), count);
    *size = static_cast<std::uint16_t>(*size + count);
    bytes.remove_prefix(count);
  }
}

void TokenArena::copy(std::uint32_t at, std::uint16_t size, std::string* out) const {
  const std::size_t begin = out->size();
  out->resize(begin + size);
  char* const log = out->data() + begin;
  std::size_t left = size;
  for (; left > kFirstRoom; at = before(at)) {
    const std::size_t used = used_of_last(left);
    left -= used;
    std::memcpy(log + left, place(at) + kLink, used);
  }
  if (left != 0) std::memcpy(log, place(at), left);
}

void TokenArena::release(std::uint32_t at, std::uint16_t size) {
  std::size_t left = size;
  while (left > kFirstRoom) {
    left -= used_of_last(left);
    const std::uint32_t earlier = before(at);
    give(at, kLater);
    at = earlier;
  }
  if (left != 0) give(at, kFirst);
}

}  // namespace tocsin::tsdb
