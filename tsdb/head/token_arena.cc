// SPDX-License-Identifier: Apache-2.0
#include "tsdb/head/token_arena.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace tocsin::tsdb {
namespace {

// Pieces of a block. The largest block is one page less a few bytes.
constexpr std::uint32_t kFirstBlock = 8;
constexpr std::uint32_t kMaxBlock = 204;

}  // namespace

std::uint32_t TokenArena::link(std::uint32_t at) const {
  std::uint32_t other;
  std::memcpy(&other, place(at), kLink);
  return other;
}

void TokenArena::add_block() {
  CHECK(blocks_.size() < 1U << (32 - kIndexBits));
  last_pieces_ = std::clamp(last_pieces_ * 2, kFirstBlock, kMaxBlock);
  last_used_ = 0;
  bytes_ += last_pieces_ * kPiece;
  blocks_.emplace_back(new char[last_pieces_ * kPiece]);
}

std::uint32_t TokenArena::allocate() {
  if (free_ != 0) {
    const std::uint32_t at = free_ - 1;
    free_ = link(at);
    return at;
  }
  if (last_used_ == last_pieces_) add_block();
  return static_cast<std::uint32_t>(blocks_.size() - 1) << kIndexBits | last_used_++;
}

void TokenArena::append(TokenLog* log, std::string_view bytes) {
  CHECK(log->size + bytes.size() <= kMaxLog);
  std::size_t used = log->in_tail();
  for (;;) {
    const std::size_t count = std::min(bytes.size(), TokenLog::kTail - used);
    std::memcpy(log->tail.data() + used, bytes.data(), count);
    log->size = static_cast<std::uint16_t>(log->size + count);
    bytes.remove_prefix(count);
    if (bytes.empty()) return;
    const std::uint32_t piece = allocate();
    std::memcpy(place(piece), &log->at, kLink);
    std::memcpy(place(piece) + kLink, log->tail.data(), TokenLog::kTail);
    log->at = piece;
    used = 0;
  }
}

void TokenArena::copy(const TokenLog& log, std::string* out) const {
  const std::size_t begin = out->size();
  out->resize(begin + log.size);
  char* const bytes = out->data() + begin;
  std::size_t left = log.size - log.in_tail();
  std::memcpy(bytes + left, log.tail.data(), log.in_tail());
  for (std::uint32_t at = log.at; left != 0; at = link(at)) {
    left -= TokenLog::kTail;
    std::memcpy(bytes + left, place(at) + kLink, TokenLog::kTail);
  }
}

void TokenArena::release(const TokenLog& log) {
  std::uint32_t at = log.at;
  for (std::size_t left = log.size - log.in_tail(); left != 0; left -= TokenLog::kTail) {
    const std::uint32_t earlier = link(at);
    std::memcpy(place(at), &free_, kLink);
    free_ = at + 1;
    at = earlier;
  }
}

}  // namespace tocsin::tsdb
