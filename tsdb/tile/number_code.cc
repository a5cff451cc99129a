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
constexpr unsigned kMaxShift = 15;
constexpr unsigned kUnsigned = 8;  // with `kept`: there are no classes of negative numbers
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

// Of a signed number.
std::uint64_t shifted(std::uint64_t value, unsigned shift) {
  return static_cast<std::uint64_t>(static_cast<std::int64_t>(value) >> shift);
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

// Lengths of codes, 1 to 11, and the places that have none: 12 to 15 for 1 to 4 of them; 0 and two
// nibbles, the low one first, for 5 to 260.
constexpr unsigned kNibbleSkip = 11;
constexpr unsigned kMaxNibbleSkip = 4;
constexpr unsigned kMaxSkip = 260;

class NibbleWriter {
 public:
  explicit NibbleWriter(std::string* out) : out_(out) {}
  void put(unsigned nibble) {
    if (high_) {
      out_->back() = static_cast<char>(static_cast<std::uint8_t>(out_->back()) | nibble << 4U);
    } else {
      out_->push_back(static_cast<char>(nibble));
    }
    high_ = !high_;
  }
  void skip(unsigned places) {
    while (places > 0) {
      const unsigned now = std::min(places, kMaxSkip);
      if (now <= kMaxNibbleSkip) {
        put(kNibbleSkip + now);
      } else {
        put(0);
        put((now - kMaxNibbleSkip - 1) & 15U);
        put((now - kMaxNibbleSkip - 1) >> 4U);
      }
      places -= now;
    }
  }

 private:
  std::string* const out_;
  bool high_ = false;
};

class NibbleReader {
 public:
  explicit NibbleReader(ByteReader* in) : in_(in) {}
  unsigned next() {
    high_ = !high_;
    if (!high_) return byte_ >> 4U;
    byte_ = in_->byte();
    return byte_ & 15U;
  }
  // The length of the next class; moves `place` to it.
  unsigned length(std::uint64_t* place) {
    for (;;) {
      const unsigned nibble = next();
      if (!in_->ok() || (nibble != 0 && nibble <= kNibbleSkip)) return nibble;
      if (nibble != 0) {
        *place += nibble - kNibbleSkip;
        continue;
      }
      const unsigned low = next();
      *place += kMaxNibbleSkip + 1 + (low | next() << 4U);
    }
  }

 private:
  ByteReader* const in_;
  unsigned byte_ = 0;
  bool high_ = false;
};

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

namespace {

// Bits of the codes of all numbers: Huffman's, which are whole bits and so more than the entropy where a
// class is common. Joins the two lightest again and again; what is joined is ascending, and follows
// what was read of `weights`.
std::uint64_t code_bits(std::vector<std::uint32_t>* weights) {
  std::ranges::sort(*weights);
  std::uint64_t bits = 0;
  std::size_t leaf = 0;
  std::size_t joined = 0;
  std::size_t joined_end = 0;
  const std::size_t count = weights->size();
  const auto lightest = [&] {
    std::vector<std::uint32_t>& w = *weights;
    if (leaf < count && (joined == joined_end || w[leaf] <= w[joined])) return w[leaf++];
    return w[joined++];
  };
  for (std::size_t left = count; left > 1; --left) {
    const std::uint32_t sum = lightest() + lightest();
    bits += sum;
    (*weights)[joined_end++] = sum;
  }
  return bits;
}

}  // namespace

std::size_t NumberEncoder::plan(std::span<const std::uint64_t> values) {
  std::uint64_t any = 0;
  for (const std::uint64_t value : values) any |= value;
  // Sizes of memory and of files come in pages.
  shift_ = any == 0 ? 0 : std::min(static_cast<unsigned>(std::countr_zero(any)), kMaxShift);
  // Counted at the finest cut; coarser ones follow by adding up.
  by_symbol_.assign(kSymbols, 0);
  for (const std::uint64_t value : values) {
    ++by_symbol_[split(shifted(value, shift_), kMaxKept).symbol];
  }
  std::vector<Class> finest;
  for (std::uint32_t symbol = 0; symbol < kSymbols; ++symbol) {
    if (by_symbol_[symbol] != 0) finest.push_back({symbol, by_symbol_[symbol], 0, 0});
  }
  std::vector<std::uint32_t> weights;
  std::uint64_t best = UINT64_MAX;
  for (unsigned kept = 0; kept <= kMaxKept; ++kept) {
    std::vector<Class> classes;
    std::uint64_t bits = 0;
    for (const Class& one : finest) {
      const std::uint64_t magnitude = magnitude_of(one.symbol, kMaxKept);
      const Split coarse = split((one.symbol & 1U) != 0 ? 0 - magnitude : magnitude, kept);
      bits += std::uint64_t{coarse.low_bits} * one.count;
      // Symbols of both signs interleave, so equal coarse ones may have one other between them.
      auto at = classes.rbegin();
      while (at != classes.rend() && at->symbol > coarse.symbol) ++at;
      if (at != classes.rend() && at->symbol == coarse.symbol) {
        at->count += one.count;
      } else {
        classes.insert(at.base(), {coarse.symbol, one.count, 0, 0});
      }
    }
    weights.clear();
    for (const Class& one : classes) weights.push_back(one.count);
    bits += 24 + 5 * classes.size() + code_bits(&weights);
    if (bits < best && classes.size() <= kMaxClasses) {
      best = bits;
      kept_ = kept;
      classes_ = std::move(classes);
    }
  }
  return best == UINT64_MAX ? SIZE_MAX : static_cast<std::size_t>(best / 8);
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

bool NumberEncoder::write_code(std::string* out) {
  if (classes_.empty() || classes_.size() > kMaxClasses || !make_lengths()) return false;
  if (classes_.size() > 1) make_codes();
  const bool unsigned_only =
      std::ranges::none_of(classes_, [](const Class& one) { return (one.symbol & 1U) != 0; });
  out->push_back(static_cast<char>(kept_ | (unsigned_only ? kUnsigned : 0U) | shift_ << 4U));
  put_varint(out, classes_.size());
  NibbleWriter nibbles(out);
  std::uint32_t next = 0;
  for (std::uint32_t i = 0; i < classes_.size(); ++i) {
    const Class& one = classes_[i];
    by_symbol_[one.symbol] = i;
    const std::uint32_t place = one.symbol >> (unsigned_only ? 1U : 0U);
    nibbles.skip(place - next);
    nibbles.put(std::max(one.length, 1U));
    next = place + 1;
  }
  return true;
}

void NumberEncoder::write_list(std::span<const std::uint64_t> values, std::string* out) const {
  BitWriter bits(out);
  for (const std::uint64_t value : values) {
    const Split parts = split(shifted(value, shift_), kept_);
    const Class& its = classes_[by_symbol_[parts.symbol]];
    bits.put(its.code, its.length);
    const unsigned first = std::min(parts.low_bits, 32U);
    const std::uint64_t low = parts.magnitude & ((std::uint64_t{1} << parts.low_bits) - 1);
    bits.put(low & 0xffffffffU & ((std::uint64_t{1} << first) - 1), first);
    if (parts.low_bits > 32) bits.put(low >> 32U, parts.low_bits - 32);
  }
  bits.finish();
}

bool NumberDecoder::open(ByteReader* in) {
  const unsigned head = in->byte();
  const unsigned kept = head & (kUnsigned - 1);
  const std::uint32_t count = in->varint32(kMaxClasses);
  if (!in->ok() || kept > kMaxKept || count == 0) return false;
  shift_ = head >> 4U;
  const unsigned scale = (head & kUnsigned) != 0 ? 1U : 0U;
  std::array<std::uint8_t, kMaxClasses> lengths;
  NibbleReader nibbles(in);
  std::uint64_t place = 0;
  for (std::uint32_t i = 0; i < count; ++i, ++place) {
    lengths[i] = static_cast<std::uint8_t>(nibbles.length(&place));
    if (!in->ok() || place << scale >= kSymbols) return false;
    const auto symbol = static_cast<std::uint32_t>(place << scale);
    const unsigned low_bits = low_bits_of(symbol, kept);
    if (low_bits > 63 - kept) return false;
    bases_[i] = {magnitude_of(symbol, kept), (std::uint64_t{1} << low_bits) - 1,
                 (symbol & 1U) != 0 ? ~std::uint64_t{0} : 0};
  }
  return fill_table(std::span(lengths).first(count));
}

// Codes of one length are ascending in the order of classes, and begin where those of the length before
// end. A table for codes of up to n bits becomes one for n + 1 bits by being there twice.
bool NumberDecoder::fill_table(std::span<const std::uint8_t> lengths) {
  const auto low_bits = [this](std::size_t i) {
    return static_cast<unsigned>(std::popcount(bases_[i].low_mask));
  };
  if (lengths.size() == 1) {
    table_bits_ = 0;
    longest_ = low_bits(0);
    table_[0] = {0, static_cast<std::uint8_t>(longest_), 0};
    return true;
  }
  std::array<std::uint16_t, kMaxLength + 2> begin{};  // of the classes of a length in by_length
  for (const unsigned length : lengths) {
    if (length == 0 || length > kMaxLength) return false;
    ++begin[length + 1];
  }
  std::uint32_t used = 0;
  table_bits_ = 0;
  for (unsigned length = 1; length <= kMaxLength; ++length) {
    if (begin[length + 1] != 0) table_bits_ = length;
    used += std::uint32_t{begin[length + 1]} << (kMaxLength - length);
    begin[length + 1] = static_cast<std::uint16_t>(begin[length + 1] + begin[length]);
  }
  if (used != 1U << kMaxLength) return false;  // all codes are used, none twice
  std::array<std::uint16_t, kMaxClasses> by_length;
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    by_length[begin[lengths[i]]++] = static_cast<std::uint16_t>(i);
  }
  longest_ = 0;
  std::uint32_t code = 0;
  std::size_t next = 0;
  for (unsigned length = 1; length <= table_bits_; ++length) {
    code <<= 1U;
    if (length > 1)
      std::copy_n(table_.begin(), 1U << (length - 1), table_.begin() + (1U << (length - 1)));
    for (; next < begin[length]; ++next) {
      const unsigned bits = length + low_bits(by_length[next]);
      longest_ = std::max(longest_, bits);
      table_[reversed(code++, length)] = {static_cast<std::uint8_t>(length),
                                          static_cast<std::uint8_t>(bits), by_length[next]};
    }
  }
  return true;
}

namespace {

// Numbers that are read between two looks at the end of the bits.
constexpr std::size_t kStride = 12;
constexpr std::size_t kMaxNumberBits = 11 + 63;
constexpr std::size_t kPadding = kStride * kMaxNumberBits / 8 + 16;

}  // namespace

// Reads from a copy of its list with room behind it, so that only every few numbers a look must be
// taken at where the bits end.
struct NumberDecoder::Cursor {
  static constexpr std::size_t kBytes = kMaxList * kMaxNumberBits / 8 + 1;

  // False when no list can be that long.
  bool open(const List& list) {
    if (list.bits.size() > kBytes || list.out.size() > kMaxList) return false;
    std::memcpy(bytes.data(), list.bits.data(), list.bits.size());
    std::memset(bytes.data() + list.bits.size(), 0, kPadding);
    out = list.out.data();
    left = list.out.size();
    end = list.bits.size() * 8;
    return true;
  }
  std::uint64_t peek() const {
    return load_fixed<std::uint64_t>(bytes.data() + bit / 8) >> (bit % 8);
  }

  std::size_t bit = 0;
  std::size_t end = 0;
  std::uint64_t* out = nullptr;
  std::size_t left = 0;
  std::array<char, kBytes + kPadding> bytes;
};

// Reads kPerLoad numbers from the 57 bits or more of one load. REQUIRES: they fit in.
template <unsigned kPerLoad>
inline void NumberDecoder::step(Cursor* cursor) const {
  const std::uint64_t mask = (std::uint64_t{1} << table_bits_) - 1;
  std::uint64_t word = cursor->peek();
  for (unsigned i = 0; i < kPerLoad; ++i) {
    const Entry entry = table_[word & mask];
    const Base& base = bases_[entry.index];
    const std::uint64_t low = (word >> entry.length) & base.low_mask;
    *cursor->out++ = ((base.magnitude + low) ^ base.sign) - base.sign;
    word >>= entry.bits;
    cursor->bit += entry.bits;
  }
  cursor->left -= kPerLoad;
}

// Reads a number of any size.
std::uint64_t NumberDecoder::take(Cursor* cursor) const {
  const std::uint64_t mask = (std::uint64_t{1} << table_bits_) - 1;
  const Entry entry = table_[cursor->peek() & mask];
  const Base& base = bases_[entry.index];
  cursor->bit += entry.length;
  std::uint64_t word = cursor->peek();
  const unsigned low_bits = entry.bits - entry.length;
  // A load that begins within a byte lacks the top bits.
  if (low_bits > 57U) {
    const std::size_t bit = cursor->bit;
    cursor->bit += 32;
    word = (word & 0xffffffffU) | cursor->peek() << 32U;
    cursor->bit = bit;
  }
  cursor->bit += low_bits;
  return ((base.magnitude + (word & base.low_mask)) ^ base.sign) - base.sign;
}

// Reads `count` numbers of each list, a multiple of kStride.
template <std::size_t kLists, unsigned kPerLoad>
bool NumberDecoder::side_by_side(Cursor* cursors, std::size_t count) const {
  for (; count > 0; count -= kStride) {
    for (std::size_t i = 0; i < kStride; i += kPerLoad) {
      for (std::size_t k = 0; k < kLists; ++k) step<kPerLoad>(&cursors[k]);
    }
    for (std::size_t k = 0; k < kLists; ++k) {
      if (cursors[k].bit > cursors[k].end) return false;
    }
  }
  return true;
}

template <unsigned kPerLoad>
bool NumberDecoder::read_with(std::span<Cursor> cursors) const {
  std::size_t common = SIZE_MAX;
  for (const Cursor& cursor : cursors) common = std::min(common, cursor.left);
  common -= common % kStride;
  bool good = true;
  switch (cursors.size()) {
    case 4:
      good = side_by_side<4, kPerLoad>(cursors.data(), common);
      break;
    case 3:
      good = side_by_side<3, kPerLoad>(cursors.data(), common);
      break;
    case 2:
      good = side_by_side<2, kPerLoad>(cursors.data(), common);
      break;
    default:
      break;
  }
  for (Cursor& cursor : cursors) {
    good = good && side_by_side<1, kPerLoad>(&cursor, cursor.left - cursor.left % kStride);
  }
  return good;
}

bool NumberDecoder::read(std::span<const List> lists) const {
  DCHECK(lists.size() <= kMaxLists);
  std::array<Cursor, kMaxLists> cursors;
  for (std::size_t i = 0; i < lists.size(); ++i) {
    if (!cursors[i].open(lists[i])) return false;
  }
  const std::span<Cursor> used = std::span(cursors).first(lists.size());
  bool good = true;
  if (longest_ <= 19) {
    good = read_with<3>(used);
  } else if (longest_ <= 28) {
    good = read_with<2>(used);
  } else if (longest_ <= 57) {
    good = read_with<1>(used);
  }
  for (Cursor& cursor : used) {
    for (; good && cursor.left > 0; --cursor.left) {
      *cursor.out++ = take(&cursor);
      good = cursor.bit <= cursor.end;
    }
    good = good && cursor.end - cursor.bit < 8;
  }
  if (shift_ == 0) return good;
  for (const List& list : lists) {
    for (std::uint64_t& number : list.out) number <<= shift_;
  }
  return good;
}

}  // namespace tocsin::tsdb
