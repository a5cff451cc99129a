// SPDX-License-Identifier: Apache-2.0
#include "tsdb/index/postings.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include <roaring/roaring.h>

#include "base/check.h"
#include "tsdb/index/postings_check.h"

namespace tocsin::tsdb {

static_assert(sizeof(Postings) == 16);

Postings::~Postings() { clear(); }

Postings::Postings(Postings&& other) noexcept
    : count_(std::exchange(other.count_, 0)), words_(other.words_) {}

Postings& Postings::operator=(Postings&& other) noexcept {
  std::swap(count_, other.count_);
  std::swap(words_, other.words_);
  return *this;
}

roaring_bitmap_s* Postings::bitmap() const {
  DCHECK(is_bitmap());
  roaring_bitmap_s* bitmap = nullptr;
  std::memcpy(&bitmap, &words_[1], sizeof bitmap);
  return bitmap;
}

void Postings::clear() {
  if (is_bitmap()) roaring_bitmap_free(bitmap());
  count_ = 0;
}

void Postings::adopt(roaring_bitmap_s* bitmap) {
  CHECK(bitmap != nullptr);
  DCHECK(count_ == 0);
  const std::uint64_t count = roaring_bitmap_get_cardinality(bitmap);
  CHECK(count <= UINT32_MAX);
  count_ = static_cast<std::uint32_t>(count);
  if (is_bitmap()) {
    std::memcpy(&words_[1], &bitmap, sizeof bitmap);
    return;
  }
  roaring_bitmap_to_uint32_array(bitmap, words_.data());
  roaring_bitmap_free(bitmap);
}

roaring_bitmap_s* Postings::take_bitmap() {
  roaring_bitmap_s* result = nullptr;
  if (is_bitmap()) {
    result = bitmap();
  } else {
    result = roaring_bitmap_of_ptr(count_, words_.data());
    CHECK(result != nullptr);
  }
  count_ = 0;
  return result;
}

Postings Postings::of(std::span<const std::uint32_t> ids) {
  Postings result;
  if (ids.size() <= kFew) {
    for (const std::uint32_t id : ids) result.add(id);
  } else {
    result.adopt(roaring_bitmap_of_ptr(ids.size(), ids.data()));
  }
  return result;
}

Postings Postings::union_of(std::span<const Postings* const> sets) {
  std::vector<const roaring_bitmap_t*> bitmaps;
  std::vector<std::uint32_t> others;
  for (const Postings* set : sets) {
    if (set->is_bitmap()) {
      bitmaps.push_back(set->bitmap());
    } else {
      others.insert(others.end(), set->few().begin(), set->few().end());
    }
  }
  std::sort(others.begin(), others.end());
  Postings result = of(others);
  if (bitmaps.empty()) return result;
  if (result.is_bitmap()) bitmaps.push_back(result.bitmap());
  Postings all;
  all.adopt(roaring_bitmap_or_many(bitmaps.size(), bitmaps.data()));
  if (!result.is_bitmap()) all.unite(result);
  return all;
}

Postings Postings::intersection_of(const Postings& a, const Postings& b) {
  Postings result;
  if (a.is_bitmap() && b.is_bitmap()) {
    result.adopt(roaring_bitmap_and(a.bitmap(), b.bitmap()));
    return result;
  }
  const Postings& small = a.is_bitmap() ? b : a;
  const Postings& other = &small == &a ? b : a;
  for (const std::uint32_t id : small.few()) {
    if (other.contains(id)) result.add(id);
  }
  return result;
}

Postings Postings::clone() const {
  Postings result;
  if (is_bitmap()) {
    result.adopt(roaring_bitmap_copy(bitmap()));
  } else {
    result.count_ = count_;
    result.words_ = words_;
  }
  return result;
}

// Ids come in contiguous ranges, which shrink to runs; powers of two keep the cost amortised.
void Postings::recount(std::uint64_t before) {
  if (count_ >= 64 && std::bit_width(count_) != std::bit_width(before)) {
    roaring_bitmap_run_optimize(bitmap());
    roaring_bitmap_shrink_to_fit(bitmap());
  }
}

bool Postings::add_to_few(std::uint32_t id) {
  const auto end = words_.begin() + count_;
  const auto at = std::lower_bound(words_.begin(), end, id);
  if (at != end && *at == id) return false;
  std::copy_backward(at, end, end + 1);
  *at = id;
  ++count_;
  return true;
}

bool Postings::add(std::uint32_t id) {
  if (count_ < kFew) return add_to_few(id);
  if (count_ == kFew) {
    if (contains(id)) return false;
    roaring_bitmap_t* const bitmap = take_bitmap();
    roaring_bitmap_add(bitmap, id);
    adopt(bitmap);
    return true;
  }
  if (!roaring_bitmap_add_checked(bitmap(), id)) return false;
  ++count_;
  recount(count_ - 1);
  return true;
}

void Postings::add_many(std::span<const std::uint32_t> ids) {
  if (ids.size() <= kFew) {
    for (const std::uint32_t id : ids) add(id);
    return;
  }
  const std::uint32_t before = count_;
  roaring_bitmap_t* const bitmap = take_bitmap();
  roaring_bitmap_add_many(bitmap, ids.size(), ids.data());
  adopt(bitmap);
  recount(before);
}

void Postings::add_range(std::uint32_t first, std::uint32_t last) {
  const std::uint32_t before = count_;
  roaring_bitmap_t* const bitmap = take_bitmap();
  roaring_bitmap_add_range_closed(bitmap, first, last);
  adopt(bitmap);
  recount(before);
}

void Postings::unite(const Postings& other) {
  if (!other.is_bitmap()) return add_many(other.few());
  const std::uint32_t before = count_;
  roaring_bitmap_t* const bitmap = take_bitmap();
  roaring_bitmap_or_inplace(bitmap, other.bitmap());
  adopt(bitmap);
  recount(before);
}

bool Postings::remove(std::uint32_t id) {
  if (!is_bitmap()) {
    const auto end = words_.begin() + count_;
    const auto at = std::lower_bound(words_.begin(), end, id);
    if (at == end || *at != id) return false;
    std::copy(at + 1, end, at);
    --count_;
    return true;
  }
  if (!roaring_bitmap_remove_checked(bitmap(), id)) return false;
  if (count_ - 1 > kFew) {
    --count_;
  } else {
    adopt(take_bitmap());
  }
  return true;
}

void Postings::remove_many(std::span<const std::uint32_t> ids) {
  // A set of them takes about as long to make as it takes to look for this many.
  constexpr std::size_t kOneByOne = 8;
  if (ids.size() > kOneByOne && is_bitmap()) return subtract(of(ids));
  for (const std::uint32_t id : ids) remove(id);
}

bool Postings::contains(std::uint32_t id) const {
  if (is_bitmap()) return roaring_bitmap_contains(bitmap(), id);
  return std::ranges::find(few(), id) != few().end();
}

bool Postings::intersects(const Postings& other) const {
  if (is_bitmap() && other.is_bitmap()) return roaring_bitmap_intersect(bitmap(), other.bitmap());
  const Postings& small = is_bitmap() ? other : *this;
  const Postings& large = &small == this ? other : *this;
  return std::ranges::any_of(small.few(), [&](std::uint32_t id) { return large.contains(id); });
}

void Postings::intersect(const Postings& other) { *this = intersection_of(*this, other); }

void Postings::subtract(const Postings& other) {
  if (is_bitmap() && other.is_bitmap()) {
    roaring_bitmap_t* const bitmap = take_bitmap();
    roaring_bitmap_andnot_inplace(bitmap, other.bitmap());
    adopt(bitmap);
  } else if (is_bitmap()) {
    for (const std::uint32_t id : other.few()) remove(id);
  } else {
    Postings rest;
    for (const std::uint32_t id : few()) {
      if (!other.contains(id)) rest.add(id);
    }
    *this = std::move(rest);
  }
}

std::vector<std::uint32_t> Postings::ids(std::size_t limit) const {
  const std::size_t wanted = limit == 0 ? count_ : std::min<std::size_t>(limit, count_);
  if (!is_bitmap()) return {few().begin(), few().begin() + static_cast<std::ptrdiff_t>(wanted)};
  std::vector<std::uint32_t> result(wanted);
  if (wanted == count_) {
    roaring_bitmap_to_uint32_array(bitmap(), result.data());
    return result;
  }
  roaring_uint32_iterator_t iterator;
  roaring_init_iterator(bitmap(), &iterator);
  const auto limit32 = static_cast<std::uint32_t>(wanted);  // below count, which fits
  CHECK(roaring_read_uint32_iterator(&iterator, result.data(), limit32) == limit32);
  return result;
}

std::size_t Postings::memory_bytes() const {
  if (!is_bitmap()) return 0;
  return sizeof(roaring_bitmap_t) + roaring_bitmap_size_in_bytes(bitmap());
}

// One id is its four bytes; more are a bitmap in Roaring's portable form, also where memory holds few.
std::string Postings::encode() const {
  std::string out;
  if (count_ <= 1) {
    out.assign(reinterpret_cast<const char*>(words_.data()), count_ * sizeof words_[0]);
    return out;
  }
  roaring_bitmap_t* const set =
      is_bitmap() ? bitmap() : roaring_bitmap_of_ptr(count_, words_.data());
  CHECK(set != nullptr);
  out.resize(roaring_bitmap_portable_size_in_bytes(set));
  roaring_bitmap_portable_serialize(set, out.data());
  if (!is_bitmap()) roaring_bitmap_free(set);
  return out;
}

StatusOr<Postings> Postings::decode(std::string_view bytes) {
  Postings result;
  if (bytes.empty()) return result;
  if (std::uint32_t id = 0; bytes.size() == sizeof id) {
    std::memcpy(&id, bytes.data(), sizeof id);
    result.add(id);
    return result;
  }
  if (!is_portable_set(bytes)) return data_loss("damaged postings");
  roaring_bitmap_t* bitmap = roaring_bitmap_portable_deserialize_safe(bytes.data(), bytes.size());
  if (bitmap == nullptr) return data_loss("damaged postings");
  if (roaring_bitmap_get_cardinality(bitmap) > UINT32_MAX) {  // no series has the id 0
    roaring_bitmap_free(bitmap);
    return data_loss("damaged postings");
  }
  result.adopt(bitmap);
  return result;
}

}  // namespace tocsin::tsdb
