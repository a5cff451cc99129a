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

Postings::~Postings() {
  if (bitmap_ != nullptr) roaring_bitmap_free(bitmap_);
}

Postings::Postings(Postings&& other) noexcept
    : bitmap_(std::exchange(other.bitmap_, nullptr)),
      count_(std::exchange(other.count_, 0)),
      single_(other.single_) {}

Postings& Postings::operator=(Postings&& other) noexcept {
  std::swap(bitmap_, other.bitmap_);
  std::swap(count_, other.count_);
  std::swap(single_, other.single_);
  return *this;
}

void Postings::adopt(roaring_bitmap_s* bitmap) {
  CHECK(bitmap != nullptr);
  if (bitmap_ != nullptr) roaring_bitmap_free(bitmap_);
  bitmap_ = bitmap;
  count_ = roaring_bitmap_get_cardinality(bitmap);
}

void Postings::become_bitmap() {
  if (bitmap_ != nullptr) return;
  roaring_bitmap_t* bitmap = roaring_bitmap_create();
  CHECK(bitmap != nullptr);
  if (count_ == 1) roaring_bitmap_add(bitmap, single_);
  bitmap_ = bitmap;
}

Postings Postings::of(std::span<const std::uint32_t> ids) {
  Postings result;
  if (ids.size() == 1) {
    result.add(ids[0]);
  } else if (!ids.empty()) {
    result.adopt(roaring_bitmap_of_ptr(ids.size(), ids.data()));
  }
  return result;
}

Postings Postings::union_of(std::span<const Postings* const> sets) {
  std::vector<const roaring_bitmap_t*> bitmaps;
  std::vector<std::uint32_t> singles;
  for (const Postings* set : sets) {
    if (set->bitmap_ != nullptr) {
      bitmaps.push_back(set->bitmap_);
    } else if (set->count_ == 1) {
      singles.push_back(set->single_);
    }
  }
  std::sort(singles.begin(), singles.end());
  Postings result = of(singles);
  if (bitmaps.empty()) return result;
  result.become_bitmap();
  bitmaps.push_back(result.bitmap_);
  result.adopt(roaring_bitmap_or_many(bitmaps.size(), bitmaps.data()));
  return result;
}

Postings Postings::intersection_of(const Postings& a, const Postings& b) {
  if (a.bitmap_ != nullptr && b.bitmap_ != nullptr) {
    Postings result;
    result.adopt(roaring_bitmap_and(a.bitmap_, b.bitmap_));
    return result;
  }
  const Postings& small = a.bitmap_ == nullptr ? a : b;
  const Postings& other = &small == &a ? b : a;
  Postings result;
  if (small.count_ == 1 && other.contains(small.single_)) result.add(small.single_);
  return result;
}

Postings Postings::clone() const {
  Postings result;
  result.count_ = count_;
  result.single_ = single_;
  if (bitmap_ != nullptr) result.adopt(roaring_bitmap_copy(bitmap_));
  return result;
}

// Ids come in contiguous ranges, which shrink to runs; powers of two keep the cost amortised.
void Postings::recount(std::uint64_t before) {
  if (count_ >= 64 && std::bit_width(count_) != std::bit_width(before)) {
    roaring_bitmap_run_optimize(bitmap_);
    roaring_bitmap_shrink_to_fit(bitmap_);
  }
}

bool Postings::add(std::uint32_t id) {
  if (bitmap_ == nullptr) {
    if (count_ == 0) {
      single_ = id;
      count_ = 1;
      return true;
    }
    if (single_ == id) return false;
    become_bitmap();
  }
  if (!roaring_bitmap_add_checked(bitmap_, id)) return false;
  ++count_;
  recount(count_ - 1);
  return true;
}

void Postings::add_many(std::span<const std::uint32_t> ids) {
  if (ids.size() < 2 && bitmap_ == nullptr) {
    for (const std::uint32_t id : ids) add(id);
    return;
  }
  become_bitmap();
  const std::uint64_t before = count_;
  if (ids.size() < 4) {
    for (const std::uint32_t id : ids) count_ += roaring_bitmap_add_checked(bitmap_, id) ? 1 : 0;
  } else {
    roaring_bitmap_add_many(bitmap_, ids.size(), ids.data());
    count_ = roaring_bitmap_get_cardinality(bitmap_);
  }
  recount(before);
}

void Postings::add_range(std::uint32_t first, std::uint32_t last) {
  become_bitmap();
  const std::uint64_t before = count_;
  roaring_bitmap_add_range_closed(bitmap_, first, last);
  count_ = roaring_bitmap_get_cardinality(bitmap_);
  recount(before);
}

void Postings::unite(const Postings& other) {
  if (other.bitmap_ == nullptr) {
    if (other.count_ == 1) add(other.single_);
    return;
  }
  become_bitmap();
  const std::uint64_t before = count_;
  roaring_bitmap_or_inplace(bitmap_, other.bitmap_);
  count_ = roaring_bitmap_get_cardinality(bitmap_);
  recount(before);
}

bool Postings::remove(std::uint32_t id) {
  if (bitmap_ == nullptr) {
    if (count_ == 0 || single_ != id) return false;
    count_ = 0;
    return true;
  }
  if (!roaring_bitmap_remove_checked(bitmap_, id)) return false;
  --count_;
  return true;
}

bool Postings::contains(std::uint32_t id) const {
  if (bitmap_ != nullptr) return roaring_bitmap_contains(bitmap_, id);
  return count_ == 1 && single_ == id;
}

bool Postings::intersects(const Postings& other) const {
  if (bitmap_ != nullptr && other.bitmap_ != nullptr) {
    return roaring_bitmap_intersect(bitmap_, other.bitmap_);
  }
  const Postings& small = bitmap_ == nullptr ? *this : other;
  const Postings& large = &small == this ? other : *this;
  return small.count_ == 1 && large.contains(small.single_);
}

void Postings::intersect(const Postings& other) { *this = intersection_of(*this, other); }

void Postings::subtract(const Postings& other) {
  if (bitmap_ != nullptr && other.bitmap_ != nullptr) {
    roaring_bitmap_andnot_inplace(bitmap_, other.bitmap_);
    count_ = roaring_bitmap_get_cardinality(bitmap_);
  } else if (bitmap_ != nullptr) {
    if (other.count_ == 1) remove(other.single_);
  } else if (count_ == 1 && other.contains(single_)) {
    count_ = 0;
  }
}

std::vector<std::uint32_t> Postings::ids(std::size_t limit) const {
  const std::size_t wanted =
      limit == 0 ? static_cast<std::size_t>(count_) : std::min<std::size_t>(limit, count_);
  std::vector<std::uint32_t> result;
  if (bitmap_ == nullptr) {
    if (count_ == 1) result.push_back(single_);
    return result;
  }
  result.resize(wanted);
  if (wanted == count_) {
    roaring_bitmap_to_uint32_array(bitmap_, result.data());
    return result;
  }
  roaring_uint32_iterator_t iterator;
  roaring_init_iterator(bitmap_, &iterator);
  const auto limit32 = static_cast<std::uint32_t>(wanted);  // below count, which fits
  CHECK(roaring_read_uint32_iterator(&iterator, result.data(), limit32) == limit32);
  return result;
}

std::size_t Postings::memory_bytes() const {
  if (bitmap_ == nullptr) return 0;
  return sizeof(roaring_bitmap_t) + roaring_bitmap_size_in_bytes(bitmap_);
}

std::string Postings::encode() const {
  if (bitmap_ == nullptr) {
    std::string out(count_ == 1 ? 4 : 0, '\0');
    if (count_ == 1) std::memcpy(out.data(), &single_, sizeof single_);
    return out;
  }
  std::string out(roaring_bitmap_portable_size_in_bytes(bitmap_), '\0');
  roaring_bitmap_portable_serialize(bitmap_, out.data());
  return out;
}

StatusOr<Postings> Postings::decode(std::string_view bytes) {
  Postings result;
  if (bytes.empty()) return result;
  if (bytes.size() == sizeof result.single_) {
    std::uint32_t id = 0;
    std::memcpy(&id, bytes.data(), sizeof id);
    result.add(id);
    return result;
  }
  if (!is_portable_set(bytes)) return data_loss("damaged postings");
  roaring_bitmap_t* bitmap = roaring_bitmap_portable_deserialize_safe(bytes.data(), bytes.size());
  if (bitmap == nullptr) return data_loss("damaged postings");
  result.adopt(bitmap);
  return result;
}

}  // namespace tocsin::tsdb
