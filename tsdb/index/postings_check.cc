// SPDX-License-Identifier: Apache-2.0
//
//   set       = cookie u32 | flags | header u32 * count | offsets | container * count
//   cookie    12346, behind it count u32, no flags; or 12347 + ((count - 1) << 16), flags: a bit per
//             container, set for runs
//   header    high half of the ids u16, ascending | number of ids - 1 u16
//   offsets   u32 * count; left out with flags and fewer than four containers
//   container runs: number u16, (first u16, last - first u16)*; at most 4096 ids: the low halves u16,
//             ascending; more: 8192 bytes of bits
#include "tsdb/index/postings_check.h"

#include <bit>
#include <cstdint>
#include <cstring>

namespace tocsin::tsdb {
namespace {

constexpr std::uint32_t kWithoutRuns = 12346;
constexpr std::uint32_t kWithRuns = 12347;
constexpr std::uint32_t kMaxContainers = 1U << 16;
constexpr std::uint32_t kMaxInArray = 4096;
constexpr std::uint32_t kFewContainers = 4;  // below it, and with runs: no offsets
constexpr std::size_t kBitsBytes = 8192;

static_assert(std::endian::native == std::endian::little);

// What is taken is a null view when there are fewer bytes.
class Parts {
 public:
  explicit Parts(std::string_view bytes) : rest_(bytes) {}

  std::string_view take(std::size_t size) {
    if (size > rest_.size()) return {};
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }
  template <typename T>
  bool number(T* value) {
    const std::string_view bytes = take(sizeof(T));
    if (bytes.empty()) return false;
    std::memcpy(value, bytes.data(), sizeof(T));
    return true;
  }
  bool at_end() const { return rest_.empty(); }

 private:
  std::string_view rest_;
};

std::uint16_t half_at(std::string_view bytes, std::size_t index) {
  std::uint16_t value = 0;
  std::memcpy(&value, bytes.data() + index * sizeof(value), sizeof(value));
  return value;
}

bool is_array(Parts* in, std::uint32_t ids) {
  const std::string_view halves = in->take(ids * sizeof(std::uint16_t));
  if (halves.empty()) return false;
  for (std::size_t i = 1; i < ids; ++i) {
    if (half_at(halves, i - 1) >= half_at(halves, i)) return false;
  }
  return true;
}

bool is_bits(Parts* in, std::uint32_t ids) {
  const std::string_view bits = in->take(kBitsBytes);
  if (bits.empty()) return false;
  int count = 0;
  for (std::size_t at = 0; at < kBitsBytes; at += sizeof(std::uint64_t)) {
    std::uint64_t word = 0;
    std::memcpy(&word, bits.data() + at, sizeof(word));
    count += std::popcount(word);
  }
  return static_cast<std::uint32_t>(count) == ids;
}

bool is_runs(Parts* in, std::uint32_t ids) {
  std::uint16_t runs = 0;
  if (!in->number(&runs)) return false;
  std::uint32_t count = 0;
  std::int64_t last = -1;
  for (std::uint32_t i = 0; i < runs; ++i) {
    std::uint16_t first = 0;
    std::uint16_t more = 0;
    if (!in->number(&first) || !in->number(&more) || first <= last) return false;
    last = std::int64_t{first} + more;
    if (last > UINT16_MAX) return false;
    count += std::uint32_t{more} + 1;
  }
  return count == ids;
}

// The number of containers, and which of them are runs.
bool read_cookie(Parts* in, std::uint32_t* count, std::string_view* flags) {
  std::uint32_t cookie = 0;
  if (!in->number(&cookie)) return false;
  if (cookie == kWithoutRuns) return in->number(count) && *count <= kMaxContainers;
  if ((cookie & 0xffffU) != kWithRuns) return false;
  *count = (cookie >> 16U) + 1;
  *flags = in->take((*count + 7) / 8);
  return !flags->empty();
}

}  // namespace

bool is_portable_set(std::string_view bytes) {
  Parts in(bytes);
  std::uint32_t count = 0;
  std::string_view flags;
  if (!read_cookie(&in, &count, &flags)) return false;
  if (count == 0) return in.at_end();
  const std::string_view headers = in.take(count * 2 * sizeof(std::uint16_t));
  if (headers.empty()) return false;
  const bool has_offsets = flags.empty() || count >= kFewContainers;
  if (has_offsets && in.take(count * sizeof(std::uint32_t)).empty()) return false;
  for (std::size_t i = 0; i < count; ++i) {
    if (i > 0 && half_at(headers, 2 * (i - 1)) >= half_at(headers, 2 * i)) return false;
    const std::uint32_t ids = half_at(headers, 2 * i + 1) + 1U;
    const bool runs = !flags.empty() && ((static_cast<unsigned>(flags[i / 8]) >> (i % 8)) & 1U);
    const bool sound = runs                 ? is_runs(&in, ids)
                       : ids <= kMaxInArray ? is_array(&in, ids)
                                            : is_bits(&in, ids);
    if (!sound) return false;
  }
  return in.at_end();
}

}  // namespace tocsin::tsdb
