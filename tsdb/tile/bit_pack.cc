// SPDX-License-Identifier: Apache-2.0
#include "tsdb/tile/bit_pack.h"

#include <array>
#include <bit>

#include "base/check.h"

namespace tocsin::tsdb {
namespace {

std::size_t packed_bytes(std::size_t count, unsigned width) { return (count * width + 7) / 8; }

std::uint64_t mask_of(unsigned width) {
  return width == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << width) - 1;
}

// The width with the fewest bytes; counts[b] values have b significant bits.
unsigned best_width(const std::array<std::uint32_t, 65>& counts, std::size_t count) {
  unsigned best = 64;
  std::size_t best_cost = packed_bytes(count, 64);
  for (unsigned width = 0; width < 64; ++width) {
    if (width != 0 && counts[width] == 0) continue;
    std::size_t cost = packed_bytes(count, width);
    for (unsigned bits = width + 1; bits <= 64 && cost < best_cost; ++bits) {
      cost += counts[bits] * (1 + (bits - width + 6) / 7);
    }
    if (cost < best_cost) {
      best = width;
      best_cost = cost;
    }
  }
  return best;
}

}  // namespace

void pack_block(std::span<const std::uint64_t> values, std::string* out) {
  DCHECK(values.size() <= kPackBlock);
  std::array<std::uint32_t, 65> counts{};
  for (const std::uint64_t value : values)
    ++counts[static_cast<std::size_t>(std::bit_width(value))];
  const unsigned width = best_width(counts, values.size());
  const std::uint64_t mask = mask_of(width);

  std::array<char, kPackBlock * 8 + 16> packed{};
  std::string positions;
  std::string highs;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::uint64_t low = values[i] & mask;
    const std::size_t bit = i * width;
    const unsigned shift = bit % 8;
    char* p = packed.data() + bit / 8;
    const std::uint64_t word = load_fixed<std::uint64_t>(p) | (low << shift);
    std::memcpy(p, &word, sizeof(word));
    if (shift + width > 64) p[8] = static_cast<char>(low >> (64 - shift));
    if (low != values[i]) {
      positions.push_back(static_cast<char>(i));
      put_varint(&highs, values[i] >> width);
    }
  }
  out->push_back(static_cast<char>(width));
  out->push_back(static_cast<char>(positions.size()));
  out->append(packed.data(), packed_bytes(values.size(), width));
  out->append(positions).append(highs);
}

bool unpack_block(ByteReader* in, std::span<std::uint64_t> values) {
  const unsigned width = in->byte();
  const unsigned exceptions = in->byte();
  if (width > 64 || exceptions > values.size() || (width == 64 && exceptions != 0)) return false;
  const std::string_view bytes = in->bytes(packed_bytes(values.size(), width));
  const std::string_view positions = in->bytes(exceptions);
  if (!in->ok()) return false;
  // A copy with room behind it lets every load be a whole word.
  std::array<char, kPackBlock * 8 + 16> packed;
  std::memcpy(packed.data(), bytes.data(), bytes.size());
  std::memset(packed.data() + bytes.size(), 0, 16);
  const std::uint64_t mask = mask_of(width);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::size_t bit = i * width;
    const unsigned shift = bit % 8;
    const char* p = packed.data() + bit / 8;
    std::uint64_t word = load_fixed<std::uint64_t>(p) >> shift;
    if (shift + width > 64) {
      word |= static_cast<std::uint64_t>(static_cast<std::uint8_t>(p[8])) << (64 - shift);
    }
    values[i] = word & mask;
  }
  for (const char c : positions) {
    const std::size_t position = static_cast<std::uint8_t>(c);
    if (position >= values.size()) return false;
    values[position] |= in->varint() << width;
  }
  return in->ok();
}

}  // namespace tocsin::tsdb
