// SPDX-License-Identifier: Apache-2.0
#include "tsdb/tile/bit_pack.h"

#include <algorithm>
#include <array>
#include <bit>
#include <utility>

#include "base/check.h"

namespace tocsin::tsdb {
namespace {

constexpr unsigned kFromBase = 0x80;
constexpr std::size_t kBufferBytes = kPackBlock * 8 + 16;

std::size_t packed_bytes(std::size_t count, unsigned width) { return (count * width + 7) / 8; }

constexpr std::uint64_t mask_of(unsigned width) {
  return width == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << width) - 1;
}

struct Choice {
  unsigned width = 0;
  std::size_t bytes = 0;
};

// The width with the fewest bytes.
Choice best_width(std::span<const std::uint64_t> values) {
  std::array<std::uint8_t, 65> counts{};
  unsigned top = 0;
  for (const std::uint64_t value : values) {
    const auto bits = static_cast<unsigned>(std::bit_width(value));
    ++counts[bits];
    top = std::max(top, bits);
  }
  Choice best{top, packed_bytes(values.size(), top)};
  std::size_t exceptions = 0;
  for (unsigned width = top; width-- > 0;) {
    exceptions += counts[width + 1];
    if (exceptions > values.size() / 2) break;
    if (counts[width] == 0 && width != 0) continue;
    std::size_t cost = packed_bytes(values.size(), width);
    for (unsigned bits = width + 1; bits <= top && cost < best.bytes; ++bits) {
      cost += counts[bits] * (1 + (bits - width + 6) / 7);
    }
    if (cost < best.bytes) best = {width, cost};
  }
  return best;
}

void write_block(std::span<const std::uint64_t> values, unsigned width, std::string* out) {
  const std::uint64_t mask = mask_of(width);
  std::array<char, kBufferBytes> packed{};
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::uint64_t low = values[i] & mask;
    const std::size_t bit = i * width;
    const unsigned shift = bit % 8;
    char* p = packed.data() + bit / 8;
    const std::uint64_t word = load_fixed<std::uint64_t>(p) | (low << shift);
    std::memcpy(p, &word, sizeof(word));
    if (shift + width > 64) p[8] = static_cast<char>(low >> (64 - shift));
  }
  out->append(packed.data(), packed_bytes(values.size(), width));
  if (width == 64) return;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if ((values[i] >> width) != 0) out->push_back(static_cast<char>(i));
  }
  for (const std::uint64_t value : values) {
    if ((value >> width) != 0) put_varint(out, value >> width);
  }
}

std::uint8_t count_exceptions(std::span<const std::uint64_t> values, unsigned width) {
  if (width == 64) return 0;
  const auto count =
      std::ranges::count_if(values, [width](std::uint64_t value) { return (value >> width) != 0; });
  return static_cast<std::uint8_t>(count);
}

// Eight numbers take `width` bytes, so the shifts of a group are constants.
template <unsigned kWidth>
void unpack_all(const char* p, std::uint64_t* out) {
  for (unsigned group = 0; group < kPackBlock / 8; ++group, p += kWidth, out += 8) {
#pragma GCC unroll 8
    for (unsigned i = 0; i < 8; ++i) {
      const unsigned shift = i * kWidth % 8;
      const char* at = p + i * kWidth / 8;
      std::uint64_t word = load_fixed<std::uint64_t>(at) >> shift;
      if (shift + kWidth > 64) {  // then shift is not 0
        const auto next = static_cast<std::uint64_t>(static_cast<std::uint8_t>(at[8]));
        word |= next << ((64 - shift) % 64);
      }
      out[i] = word & mask_of(kWidth);
    }
  }
}

using Unpack = void (*)(const char*, std::uint64_t*);
template <std::size_t... kWidths>
constexpr std::array<Unpack, sizeof...(kWidths)> make_unpackers(
    std::index_sequence<kWidths...> /*widths*/) {
  return {&unpack_all<static_cast<unsigned>(kWidths)>...};
}
constexpr std::array<Unpack, 65> kUnpackers = make_unpackers(std::make_index_sequence<65>());

}  // namespace

void pack_block(std::span<const std::uint64_t> values, std::string* out) {
  DCHECK(!values.empty() && values.size() <= kPackBlock);
  std::array<std::uint64_t, kPackBlock> zigzags;
  std::array<std::uint64_t, kPackBlock> offsets;
  std::int64_t base = static_cast<std::int64_t>(values[0]);
  for (std::size_t i = 0; i < values.size(); ++i) {
    zigzags[i] = zigzag(values[i]);
    base = std::min(base, static_cast<std::int64_t>(values[i]));
  }
  // The smallest number is the base unless it is an outlier: a counter that began again.
  if (base < 0) {
    std::array<std::int64_t, kPackBlock> sorted{};
    std::transform(values.begin(), values.end(), sorted.begin(),
                   [](std::uint64_t v) { return static_cast<std::int64_t>(v); });
    const std::size_t at = values.size() / 16;
    std::nth_element(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(at),
                     sorted.begin() + static_cast<std::ptrdiff_t>(values.size()));
    base = sorted[at];
  }
  for (std::size_t i = 0; i < values.size(); ++i) {
    offsets[i] = values[i] - static_cast<std::uint64_t>(base);
  }
  const auto plain = std::span(zigzags).first(values.size());
  const auto based = std::span(offsets).first(values.size());
  const Choice without = best_width(plain);
  const Choice with = best_width(based);
  const std::uint64_t base_code = zigzag(static_cast<std::uint64_t>(base));
  const bool from_base = with.bytes + varint_size(base_code) < without.bytes;
  const auto chosen = from_base ? based : plain;
  const unsigned width = from_base ? with.width : without.width;
  out->push_back(static_cast<char>(width | (from_base ? kFromBase : 0U)));
  out->push_back(static_cast<char>(count_exceptions(chosen, width)));
  if (from_base) put_varint(out, base_code);
  write_block(chosen, width, out);
}

bool unpack_block(ByteReader* in, std::size_t count, std::uint64_t (&values)[kPackBlock]) {
  const unsigned head = in->byte();
  const unsigned width = head & ~kFromBase;
  const unsigned exceptions = in->byte();
  if (width > 64 || exceptions > count || (width == 64 && exceptions != 0)) return false;
  const std::uint64_t base = (head & kFromBase) != 0 ? unzigzag(in->varint()) : 0;
  const std::string_view bytes = in->bytes(packed_bytes(count, width));
  if (!in->ok()) return false;
  if (in->remaining() >= 16 && count == kPackBlock) {
    kUnpackers[width](bytes.data(), values);
  } else {
    // A copy with room behind it lets every load be a whole word.
    std::array<char, kBufferBytes> padded{};
    std::copy(bytes.begin(), bytes.end(), padded.begin());
    kUnpackers[width](padded.data(), values);
  }
  const std::string_view positions = in->bytes(exceptions);
  for (const char c : positions) {
    const std::size_t position = static_cast<std::uint8_t>(c);
    if (position >= count) return false;
    values[position] |= in->varint() << width;
  }
  if ((head & kFromBase) != 0) {
    for (std::uint64_t& value : values) value += base;
  } else {
    for (std::uint64_t& value : values) value = unzigzag(value);
  }
  return in->ok();
}

}  // namespace tocsin::tsdb
