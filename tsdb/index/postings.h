// SPDX-License-Identifier: Apache-2.0
//
// Postings: a set of 32-bit series ids; the one door to CRoaring.
//
// 16 bytes; a set of at most three ids needs no more: most name=value pairs of a large store have one
// series, or one at a time of those that replace each other. A value that is moved, or copied with
// clone().
// Threads: confined; const methods may run
// together.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

struct roaring_bitmap_s;

namespace tocsin::tsdb {

class Postings {
 public:
  Postings() = default;
  ~Postings();
  Postings(Postings&& other) noexcept;
  Postings& operator=(Postings&& other) noexcept;
  Postings(const Postings&) = delete;
  Postings& operator=(const Postings&) = delete;

  static Postings of(std::span<const std::uint32_t> ids);
  static Postings union_of(std::span<const Postings* const> sets);
  static Postings intersection_of(const Postings& a, const Postings& b);
  Postings clone() const;

  // Return whether the set changed.
  bool add(std::uint32_t id);
  bool remove(std::uint32_t id);
  void remove_many(std::span<const std::uint32_t> ids);  // fastest when ascending
  // Adds ids, which are fastest when ascending and when they lie close together.
  void add_many(std::span<const std::uint32_t> ids);
  void add_range(std::uint32_t first, std::uint32_t last);  // closed
  void unite(const Postings& other);

  bool contains(std::uint32_t id) const;
  std::uint64_t count() const { return count_; }
  bool empty() const { return count_ == 0; }
  bool intersects(const Postings& other) const;

  void intersect(const Postings& other);
  void subtract(const Postings& other);

  // Ascending; the first `limit` (0: all).
  std::vector<std::uint32_t> ids(std::size_t limit = 0) const;
  std::size_t memory_bytes() const;  // besides sizeof(Postings)

  // Bytes for the store; kDataLoss for bytes that are no set.
  std::string encode() const;
  static StatusOr<Postings> decode(std::string_view bytes);

 private:
  static constexpr std::uint32_t kFew = 3;

  bool is_bitmap() const { return count_ > kFew; }
  roaring_bitmap_s* bitmap() const;  // REQUIRES: is_bitmap()
  // The ids of a set that is no bitmap, ascending.
  std::span<const std::uint32_t> few() const { return {words_.data(), count_}; }
  bool add_to_few(std::uint32_t id);
  // The ids as a bitmap of the caller's, who gives it back to adopt(). The set is empty until then.
  roaring_bitmap_s* take_bitmap();
  // Takes ownership. REQUIRES: the set is empty.
  void adopt(roaring_bitmap_s* bitmap);
  void recount(std::uint64_t before);
  void clear();

  // A bitmap exactly where there are more than kFew ids; its address is then in the last two words,
  // aligned so that a leak checker finds it.
  alignas(roaring_bitmap_s*) std::uint32_t count_ = 0;
  std::array<std::uint32_t, kFew> words_{};
};

}  // namespace tocsin::tsdb
