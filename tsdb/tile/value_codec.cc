// SPDX-License-Identifier: Apache-2.0
//
// values = head u8 (layout | kRaw | kPatched) | exponent u8 unless raw
//          | patches if kPatched: count, then per patch gap and bits | body
// See value_codec.h for the idea and docs/formats/tsdb_runs.md for the bodies.
#include "tsdb/tile/value_codec.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <optional>
#include <utility>

#include "base/check.h"
#include "tsdb/tile/bit_pack.h"

namespace tocsin::tsdb {
namespace {

constexpr std::uint8_t kLayoutMask = 0x07;
constexpr std::uint8_t kRaw = 0x08;
constexpr std::uint8_t kPatched = 0x10;

constexpr unsigned kMaxExponent = 18;
constexpr std::array<double, kMaxExponent + 1> kPowersOfTen = {
    1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8, 1e9,
    1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18};

std::uint64_t bits_of(double value) { return std::bit_cast<std::uint64_t>(value); }

double from_decimal(std::uint64_t mantissa, unsigned exponent) {
  return static_cast<double>(static_cast<std::int64_t>(mantissa)) / kPowersOfTen[exponent];
}

// Finds the mantissa that decodes to exactly these bits.
bool to_decimal(double value, unsigned exponent, std::uint64_t* mantissa) {
  const double scaled = value * kPowersOfTen[exponent];
  if (!(std::fabs(scaled) < 9.2e18)) return false;  // also NaN
  *mantissa = static_cast<std::uint64_t>(std::llrint(scaled));
  return bits_of(from_decimal(*mantissa, exponent)) == bits_of(value);
}

struct Patch {
  std::uint32_t row;
  std::uint64_t bits;
};

struct Decimals {
  unsigned exponent = 0;
  std::vector<std::uint64_t> mantissas;  // a patched row repeats the one before
  std::vector<Patch> patches;
};

// The smallest exponent that fits all values but at most `allowed`.
std::optional<unsigned> common_exponent(std::span<const double> values, std::size_t allowed) {
  unsigned exponent = 0;
  std::size_t misses = 0;
  std::uint64_t mantissa = 0;
  for (const double value : values) {
    unsigned wanted = exponent;
    while (wanted <= kMaxExponent && !to_decimal(value, wanted, &mantissa)) ++wanted;
    if (wanted <= kMaxExponent) {
      exponent = wanted;
    } else if (++misses > allowed) {
      return std::nullopt;
    }
  }
  return exponent;
}

std::optional<Decimals> to_decimals(std::span<const double> values) {
  const std::size_t allowed = values.size() / 8 + 1;
  const std::optional<unsigned> exponent = common_exponent(values, allowed);
  if (!exponent) return std::nullopt;
  Decimals result;
  result.exponent = *exponent;
  result.mantissas.resize(values.size());
  std::uint64_t last = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    std::uint64_t mantissa = 0;
    if (to_decimal(values[i], result.exponent, &mantissa)) {
      last = mantissa;
    } else {
      result.patches.push_back({static_cast<std::uint32_t>(i), bits_of(values[i])});
      if (result.patches.size() > allowed) return std::nullopt;
    }
    result.mantissas[i] = last;
  }
  // Rows before the first mantissa repeat that one instead of 0.
  std::size_t first = 0;
  while (first < result.patches.size() && result.patches[first].row == first) ++first;
  if (first < values.size()) {
    std::fill_n(result.mantissas.begin(), first, result.mantissas[first]);
  }
  return result;
}

void append_sparse(std::span<const std::uint64_t> mantissas, std::string* out) {
  put_varint(out, zigzag(mantissas[0]));
  std::uint64_t changes = 0;
  for (std::size_t i = 1; i < mantissas.size(); ++i) changes += mantissas[i] != mantissas[i - 1];
  put_varint(out, changes);
  std::size_t last = 0;
  for (std::size_t i = 1; i < mantissas.size(); ++i) {
    if (mantissas[i] == mantissas[i - 1]) continue;
    const std::uint64_t delta = zigzag(mantissas[i] - mantissas[i - 1]);
    const std::size_t gap = i - last;
    last = i;
    put_varint(out, (delta << 1U) | (gap > 1 ? 1U : 0U));
    if (gap > 1) put_varint(out, gap - 2);
  }
}

bool fits_sparse(std::span<const std::uint64_t> mantissas) {
  for (std::size_t i = 1; i < mantissas.size(); ++i) {
    if ((zigzag(mantissas[i] - mantissas[i - 1]) >> 63U) != 0) return false;
  }
  return true;
}

void append_packed(std::span<const std::uint64_t> mantissas, bool second_order, std::string* out) {
  put_varint(out, zigzag(mantissas[0]));
  std::array<std::uint64_t, kPackBlock> block;
  std::size_t filled = 0;
  std::uint64_t last_delta = 0;
  for (std::size_t i = 1; i < mantissas.size(); ++i) {
    const std::uint64_t delta = mantissas[i] - mantissas[i - 1];
    block[filled++] = zigzag(second_order ? delta - last_delta : delta);
    last_delta = delta;
    if (filled == kPackBlock || i + 1 == mantissas.size()) {
      pack_block(std::span(block).first(filled), out);
      filled = 0;
    }
  }
}

void append_patches(const std::vector<Patch>& patches, std::string* out) {
  put_varint(out, patches.size());
  std::uint32_t next = 0;
  for (const Patch& patch : patches) {
    put_varint(out, patch.row - next);
    put_fixed(out, patch.bits);
    next = patch.row + 1;
  }
}

void encode_decimals(const Decimals& decimals, std::string* out) {
  const std::span<const std::uint64_t> mantissas = decimals.mantissas;
  std::string body;
  ValueLayout layout = ValueLayout::kConstant;
  const bool constant = std::all_of(mantissas.begin(), mantissas.end(),
                                    [&](std::uint64_t m) { return m == mantissas[0]; });
  if (constant) {
    put_varint(&body, zigzag(mantissas[0]));
  } else {
    append_packed(mantissas, false, &body);
    layout = ValueLayout::kDelta;
    std::string other;
    const auto offer = [&](ValueLayout candidate) {
      if (other.size() < body.size()) {
        body.swap(other);
        layout = candidate;
      }
      other.clear();
    };
    append_packed(mantissas, true, &other);
    offer(ValueLayout::kDelta2);
    if (fits_sparse(mantissas)) {
      append_sparse(mantissas, &other);
      offer(ValueLayout::kSparse);
    }
  }
  const bool patched = !decimals.patches.empty();
  out->push_back(static_cast<char>(static_cast<std::uint8_t>(layout) | (patched ? kPatched : 0)));
  out->push_back(static_cast<char>(decimals.exponent));
  if (patched) append_patches(decimals.patches, out);
  out->append(body);
}

void encode_raw(std::span<const double> values, std::string* out) {
  std::uint64_t changes = 0;
  for (std::size_t i = 1; i < values.size(); ++i) {
    changes += bits_of(values[i]) != bits_of(values[i - 1]);
  }
  ValueLayout layout =
      changes * 10 + 12 < values.size() * 8 ? ValueLayout::kSparse : ValueLayout::kFixed;
  if (changes == 0) layout = ValueLayout::kConstant;
  out->push_back(static_cast<char>(static_cast<std::uint8_t>(layout) | kRaw));
  put_fixed(out, bits_of(values[0]));
  if (layout == ValueLayout::kSparse) put_varint(out, changes);
  std::size_t last = 0;
  for (std::size_t i = 1; i < values.size() && layout != ValueLayout::kConstant; ++i) {
    if (layout == ValueLayout::kSparse) {
      if (bits_of(values[i]) == bits_of(values[i - 1])) continue;
      put_varint(out, i - last - 1);
      last = i;
    }
    put_fixed(out, bits_of(values[i]));
  }
}

// Decoding. Mantissas go straight into the bits of `out`; to_doubles() turns them into values.

bool read_patches(ByteReader* in, std::uint32_t count, std::vector<Patch>* patches) {
  const std::uint32_t patch_count = in->varint32(count);
  std::uint64_t next = 0;
  for (std::uint32_t i = 0; i < patch_count && in->ok(); ++i) {
    const std::uint64_t row = next + in->varint32(count);
    const auto bits = in->fixed<std::uint64_t>();
    if (row >= count) return false;
    patches->push_back({static_cast<std::uint32_t>(row), bits});
    next = row + 1;
  }
  return in->ok();
}

bool read_sparse(ByteReader* in, bool raw, std::span<std::uint64_t> out) {
  std::uint64_t value = raw ? in->fixed<std::uint64_t>() : unzigzag(in->varint());
  const std::uint32_t changes = in->varint32(static_cast<std::uint32_t>(out.size()));
  std::size_t filled = 0;
  for (std::uint32_t i = 0; i < changes && in->ok(); ++i) {
    std::uint64_t gap = 1;
    std::uint64_t next = 0;
    if (raw) {
      gap += in->varint32(static_cast<std::uint32_t>(out.size()));
      next = in->fixed<std::uint64_t>();
    } else {
      const std::uint64_t token = in->varint();
      if ((token & 1U) != 0)
        gap = 2 + std::uint64_t{in->varint32(static_cast<std::uint32_t>(out.size()))};
      next = value + unzigzag(token >> 1U);
    }
    // The old value holds for `gap` rows; at least one row is left for the new one.
    if (!in->ok() || gap >= out.size() - filled) return false;
    std::fill_n(out.begin() + static_cast<std::ptrdiff_t>(filled), gap, value);
    filled += gap;
    value = next;
  }
  std::fill(out.begin() + static_cast<std::ptrdiff_t>(filled), out.end(), value);
  return in->ok();
}

bool read_packed(ByteReader* in, bool second_order, std::span<std::uint64_t> out) {
  std::uint64_t value = unzigzag(in->varint());
  std::uint64_t delta = 0;
  if (!in->ok()) return false;
  out[0] = value;
  std::array<std::uint64_t, kPackBlock> block;
  for (std::size_t i = 1; i < out.size();) {
    const std::size_t size = std::min(kPackBlock, out.size() - i);
    if (!unpack_block(in, std::span(block).first(size))) return false;
    for (std::size_t j = 0; j < size; ++j) {
      const std::uint64_t residual = unzigzag(block[j]);
      delta = second_order ? delta + residual : residual;
      value += delta;
      out[i++] = value;
    }
  }
  return true;
}

bool read_fixed(ByteReader* in, std::span<std::uint64_t> out) {
  const std::string_view bytes = in->bytes(out.size() * sizeof(std::uint64_t));
  if (!in->ok()) return false;
  std::memcpy(out.data(), bytes.data(), bytes.size());
  return true;
}

bool read_body(ByteReader* in, std::uint8_t head, std::span<std::uint64_t> out) {
  const bool raw = (head & kRaw) != 0;
  switch (static_cast<ValueLayout>(head & kLayoutMask)) {
    case ValueLayout::kConstant:
      std::fill(out.begin(), out.end(), raw ? in->fixed<std::uint64_t>() : unzigzag(in->varint()));
      return in->ok();
    case ValueLayout::kSparse:
      return read_sparse(in, raw, out);
    case ValueLayout::kDelta:
    case ValueLayout::kDelta2:
      return !raw && read_packed(in, (head & kLayoutMask) == 3, out);
    case ValueLayout::kFixed:
      return raw && read_fixed(in, out);
  }
  return false;
}

}  // namespace

void encode_values(std::span<const double> values, std::string* out) {
  if (values.empty()) return;
  if (const std::optional<Decimals> decimals = to_decimals(values)) {
    std::string encoded;
    encode_decimals(*decimals, &encoded);
    // Long mantissas can cost more than the bits themselves.
    if (encoded.size() <= values.size() * sizeof(double) + 1) {
      out->append(encoded);
      return;
    }
  }
  encode_raw(values, out);
}

bool decode_values(ByteReader* in, std::uint32_t count, std::vector<double>* out) {
  if (count == 0) return true;
  const std::uint8_t head = in->byte();
  const bool raw = (head & kRaw) != 0;
  const unsigned exponent = raw ? 0 : in->byte();
  if (!in->ok() || exponent > kMaxExponent || head > (kLayoutMask | kRaw | kPatched)) return false;
  std::vector<Patch> patches;
  if ((head & kPatched) != 0 && (raw || !read_patches(in, count, &patches))) return false;
  std::vector<std::uint64_t> words(count);
  if (!read_body(in, head, words)) return false;
  const std::size_t begin = out->size();
  out->resize(begin + count);
  double* values = out->data() + begin;
  if (raw) {
    for (std::uint32_t i = 0; i < count; ++i) values[i] = std::bit_cast<double>(words[i]);
  } else {
    for (std::uint32_t i = 0; i < count; ++i) values[i] = from_decimal(words[i], exponent);
  }
  for (const Patch& patch : patches) values[patch.row] = std::bit_cast<double>(patch.bits);
  return true;
}

ValueLayout layout_of(std::string_view encoded) {
  CHECK(!encoded.empty());
  return static_cast<ValueLayout>(static_cast<std::uint8_t>(encoded[0]) & kLayoutMask);
}

}  // namespace tocsin::tsdb
