// SPDX-License-Identifier: Apache-2.0
#include "tsdb/tile/number_code.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>

#include "base/check.h"

namespace tocsin::tsdb {
namespace {

constexpr unsigned kMaxKept = 4;
constexpr unsigned kMaxLength = 11;
constexpr std::size_t kMaxClasses = 512;
constexpr unsigned kEscape = 15;
constexpr std::uint32_t kSymbols = 130U << kMaxKept;

// The class of a number is (size class << 1 | negative). Magnitudes below 2^(kept + 1) are classes
// of their own.
struct Split {
  std::uint32_t symbol;
  unsigned low_bits;
  std::uint64_t magnitude;
};

Split split(std::uint64_t value, unsigned kept) {
  const bool negative = static_cast<std::int64_t>(value) < 0;
  const std::uint64_t magnitude = negative ? 0 - value : value;
  const auto width = static_cast<unsigned>(std::bit_width(magnitude));
  const unsigned low = width > kept + 1 ? width - 1 - kept : 0;
  const std::uint64_t size = (std::uint64_t{low} << kept) + (magnitude >> low);
  return {static_cast<std::uint32_t>(size << 1U) | (negative ? 1U : 0U), low, magnitude};
}

unsigned low_bits_of(std::uint32_t symbol, unsigned kept) {
  const std::uint32_t size = symbol >> 1U;
  return size < (2U << kept) ? 0 : (size >> kept) - 1;
}

std::uint64_t magnitude_of(std::uint32_t symbol, unsigned kept) {
  const std::uint32_t size = symbol >> 1U;
  const unsigned low = low_bits_of(symbol, kept);
  return (std::uint64_t{size} - (std::uint64_t{low} << kept)) << low;
}

std::uint32_t reversed(std::uint32_t code, unsigned length) {
  std::uint32_t result = 0;
  for (unsigned i = 0; i < length; ++i) result |= ((code >> i) & 1U) << (length - 1 - i);
  return result;
}

// Canonical codes, lowest bit first, of lengths given in order of symbols; false when they do not
// make a complete code.
bool canonical_codes(std::span<const unsigned> lengths, std::vector<std::uint32_t>* codes) {
  std::array<std::uint32_t, kMaxLength + 2> next{};
  for (const unsigned length : lengths) {
    if (length == 0 || length > kMaxLength) return false;
    ++next[length + 1];
  }
  std::uint32_t code = 0;
  for (unsigned length = 1; length <= kMaxLength; ++length) {
    code = (code + next[length]) << 1U;
    next[length] = code;
  }
  // next[length] now is the first code; of the longest one all must be used up.
  std::uint64_t used = 0;
  for (const unsigned length : lengths) used += std::uint64_t{1} << (kMaxLength - length);
  if (used != std::uint64_t{1} << kMaxLength) return false;
  codes->clear();
  for (const unsigned length : lengths) codes->push_back(reversed(next[length]++, length));
  return true;
}

class BitWriter {
 public:
  explicit BitWriter(std::string* out) : out_(out) {}
  // REQUIRES: count <= 32.
  void put(std::uint64_t bits, unsigned count) {
    word_ |= bits << filled_;
    filled_ += count;
    if (filled_ >= 32) {
      put_fixed(out_, static_cast<std::uint32_t>(word_));
      word_ >>= 32U;
      filled_ -= 32;
    }
  }
  void finish() {
    for (; filled_ > 0; filled_ -= std::min(filled_, 8U), word_ >>= 8U) {
      out_->push_back(static_cast<char>(word_));
    }
  }

 private:
  std::string* const out_;
  std::uint64_t word_ = 0;
  unsigned filled_ = 0;
};

}  // namespace

std::size_t NumberEncoder::plan(std::span<const std::uint64_t> values) {
  // Counted at the finest cut; coarser ones follow by adding up.
  by_symbol_.assign(kSymbols, 0);
  for (const std::uint64_t value : values) ++by_symbol_[split(value, kMaxKept).symbol];
  std::vector<Class> finest;
  for (std::uint32_t symbol = 0; symbol < kSymbols; ++symbol) {
    if (by_symbol_[symbol] != 0) finest.push_back({symbol, by_symbol_[symbol], 0, 0});
  }
  double best = HUGE_VAL;
  for (unsigned kept = 0; kept <= kMaxKept; ++kept) {
    std::vector<Class> classes;
    double bits = 0;
    for (const Class& one : finest) {
      const std::uint64_t magnitude = magnitude_of(one.symbol, kMaxKept);
      const Split coarse = split((one.symbol & 1U) != 0 ? 0 - magnitude : magnitude, kept);
      bits += coarse.low_bits * static_cast<double>(one.count);
      // Symbols of both signs interleave, so equal coarse ones may have one other between them.
      auto at = classes.rbegin();
      while (at != classes.rend() && at->symbol > coarse.symbol) ++at;
      if (at != classes.rend() && at->symbol == coarse.symbol) {
        at->count += one.count;
      } else {
        classes.insert(at.base(), {coarse.symbol, one.count, 0, 0});
      }
    }
    const auto total = static_cast<double>(values.size());
    for (const Class& one : classes) bits += one.count * std::log2(total / one.count);
    bits += 24 + 9 * static_cast<double>(classes.size()) + 0.02 * total;
    if (bits < best && classes.size() <= kMaxClasses) {
      best = bits;
      kept_ = kept;
      classes_ = std::move(classes);
    }
  }
  return best == HUGE_VAL ? SIZE_MAX : static_cast<std::size_t>(best / 8);
}

// Huffman's lengths; when one is too long the counts are flattened and it is done again.
bool NumberEncoder::make_lengths() {
  const std::size_t count = classes_.size();
  if (count < 2) return true;
  std::vector<std::uint64_t> weights;
  for (const Class& one : classes_) weights.push_back(one.count);
  for (;;) {
    std::vector<std::pair<std::uint64_t, std::size_t>> heap;
    std::vector<std::size_t> parent(2 * count - 1);
    for (std::size_t i = 0; i < count; ++i) heap.emplace_back(weights[i], i);
    std::make_heap(heap.begin(), heap.end(), std::greater<>());
    for (std::size_t node = count; node < 2 * count - 1; ++node) {
      std::uint64_t weight = 0;
      for (int child = 0; child < 2; ++child) {
        std::pop_heap(heap.begin(), heap.end(), std::greater<>());
        weight += heap.back().first;
        parent[heap.back().second] = node;
        heap.pop_back();
      }
      heap.emplace_back(weight, node);
      std::push_heap(heap.begin(), heap.end(), std::greater<>());
    }
    std::vector<unsigned> depth(2 * count - 1);
    unsigned longest = 0;
    for (std::size_t node = 2 * count - 2; node-- > 0;) {
      depth[node] = depth[parent[node]] + 1;
      longest = std::max(longest, depth[node]);
    }
    if (longest <= kMaxLength) {
      for (std::size_t i = 0; i < count; ++i) classes_[i].length = depth[i];
      return true;
    }
    for (std::uint64_t& weight : weights) weight = weight / 2 + 1;
  }
}

void NumberEncoder::make_codes() {
  std::vector<unsigned> lengths;
  for (const Class& one : classes_) lengths.push_back(one.length);
  std::vector<std::uint32_t> codes;
  CHECK(canonical_codes(lengths, &codes));
  for (std::size_t i = 0; i < classes_.size(); ++i) classes_[i].code = codes[i];
}

bool NumberEncoder::write(std::span<const std::uint64_t> values, std::string* out) {
  if (classes_.empty() || classes_.size() > kMaxClasses || !make_lengths()) return false;
  if (classes_.size() > 1) make_codes();
  out->push_back(static_cast<char>(kept_));
  put_varint(out, classes_.size());
  std::uint32_t next = 0;
  for (std::uint32_t i = 0; i < classes_.size(); ++i) by_symbol_[classes_[i].symbol] = i;
  for (const Class& one : classes_) {
    const std::uint32_t gap = one.symbol - next;
    const std::uint32_t high = std::min(gap, kEscape);
    out->push_back(static_cast<char>(high << 4U | one.length));
    if (high == kEscape) put_varint(out, gap - kEscape);
    next = one.symbol + 1;
  }
  BitWriter bits(out);
  for (const std::uint64_t value : values) {
    const Split parts = split(value, kept_);
    const Class& its = classes_[by_symbol_[parts.symbol]];
    bits.put(its.code, its.length);
    const unsigned first = std::min(parts.low_bits, 32U);
    const std::uint64_t low = parts.magnitude & ((std::uint64_t{1} << parts.low_bits) - 1);
    bits.put(low & 0xffffffffU & ((std::uint64_t{1} << first) - 1), first);
    if (parts.low_bits > 32) bits.put(low >> 32U, parts.low_bits - 32);
  }
  bits.finish();
  return true;
}

bool NumberDecoder::open(ByteReader* in) {
  const unsigned kept = in->byte();
  const std::uint32_t count = in->varint32(kMaxClasses);
  if (!in->ok() || kept > kMaxKept || count == 0) return false;
  std::vector<std::pair<std::uint32_t, unsigned>> classes;
  std::uint64_t next = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    const unsigned byte = in->byte();
    std::uint64_t gap = byte >> 4U;
    if (gap == kEscape) gap += in->varint32(1U << 16U);
    const std::uint64_t symbol = next + gap;
    if (!in->ok() || symbol >= kSymbols) return false;
    classes.emplace_back(static_cast<std::uint32_t>(symbol), byte & 15U);
    next = symbol + 1;
  }
  bits_ = in->bytes(in->remaining());
  position_ = 0;
  return fill_table(classes, kept);
}

bool NumberDecoder::fill_table(std::span<const std::pair<std::uint32_t, unsigned>> classes,
                               unsigned kept) {
  bases_.clear();
  for (const auto& [symbol, length] : classes) {
    if (low_bits_of(symbol, kept) > 63 - kept) return false;
    bases_.push_back({magnitude_of(symbol, kept), (symbol & 1U) != 0 ? ~std::uint64_t{0} : 0});
  }
  table_bits_ = 0;
  if (classes.size() == 1) {
    table_[0] = {0, static_cast<std::uint8_t>(low_bits_of(classes[0].first, kept)), 0};
    return true;
  }
  std::vector<unsigned> lengths;
  for (const auto& [symbol, length] : classes) {
    lengths.push_back(length);
    table_bits_ = std::max(table_bits_, length);
  }
  std::vector<std::uint32_t> codes;
  if (!canonical_codes(lengths, &codes)) return false;
  for (std::size_t i = 0; i < classes.size(); ++i) {
    const Entry entry{static_cast<std::uint8_t>(lengths[i]),
                      static_cast<std::uint8_t>(low_bits_of(classes[i].first, kept)),
                      static_cast<std::uint16_t>(i)};
    for (std::uint32_t at = codes[i]; at < 1U << table_bits_; at += 1U << lengths[i]) {
      table_[at] = entry;
    }
  }
  return true;
}

std::uint64_t NumberDecoder::peek(std::size_t bit) const {
  const std::size_t byte = bit / 8;
  if (byte + 8 <= bits_.size()) return load_fixed<std::uint64_t>(bits_.data() + byte) >> (bit % 8);
  std::uint64_t word = 0;
  if (byte < bits_.size()) std::memcpy(&word, bits_.data() + byte, bits_.size() - byte);
  return word >> (bit % 8);
}

bool NumberDecoder::read(std::span<std::uint64_t> out) {
  const std::size_t end = bits_.size() * 8;
  const std::uint64_t mask = (std::uint64_t{1} << table_bits_) - 1;
  std::size_t position = position_;
  for (std::uint64_t& value : out) {
    std::uint64_t word = peek(position);  // at least 57 bits, or all there are
    const Entry entry = table_[word & mask];
    word >>= entry.length;
    position += entry.length;
    if (entry.length + entry.low_bits > 57U) {
      word = peek(position);
      // A load that begins within a byte lacks the top bits.
      if (entry.low_bits > 57U) {
        word = (word & 0xffffffffU) | peek(position + 32) << 32U;
      }
    }
    const std::uint64_t low = word & ((std::uint64_t{1} << entry.low_bits) - 1);
    const Base base = bases_[entry.index];
    value = ((base.magnitude + low) ^ base.sign) - base.sign;
    position += entry.low_bits;
    if (position > end) return false;
  }
  position_ = position;
  return true;
}

bool NumberDecoder::at_end() const { return bits_.size() * 8 - position_ < 8; }

}  // namespace tocsin::tsdb
