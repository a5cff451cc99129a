// SPDX-License-Identifier: Apache-2.0
//
// values = head u8 (layout | exponent << 3; exponent 31: raw) | patches if patched | body
// See value_codec.h for the idea and docs/formats/tsdb_runs.md for the bodies.
#include <algorithm>
#include <array>
#include <bit>

#include "base/check.h"
#include "tsdb/tile/bit_pack.h"
#include "tsdb/tile/value_codec.h"

namespace tocsin::tsdb {
namespace {

constexpr unsigned kRawExponent = 31;
// Values that have no decimal below 2^53 are looked at again until so many had none at all.
constexpr int kMaxFailures = 4;

constexpr std::array<std::int64_t, 19> kPowers = [] {
  std::array<std::int64_t, 19> powers{1};
  for (std::size_t i = 1; i < powers.size(); ++i) powers[i] = powers[i - 1] * 10;
  return powers;
}();

// The mantissa of the same value with a larger exponent; false when it has none.
bool rescale(const Change& change, unsigned exponent, std::uint64_t* mantissa) {
  const unsigned shift = exponent - change.kind;
  *mantissa = change.word;
  if (shift == 0 || change.word == 0) return true;
  std::int64_t scaled = 0;
  if (shift >= kPowers.size() ||
      __builtin_mul_overflow(static_cast<std::int64_t>(change.word), kPowers[shift], &scaled)) {
    return false;
  }
  *mantissa = static_cast<std::uint64_t>(scaled);
  // Below 2^53 both forms are the same quotient of exact doubles.
  constexpr std::int64_t kExact = std::int64_t{1} << 53U;
  if (scaled > -kExact && scaled < kExact) return true;
  return decimal_bits(scaled, exponent) == bits_of(change);
}

// Bits without a short decimal, such as times with 7 digits behind the point, may have a long one.
class Longer {
 public:
  Change of(const Change& change) {
    if (change.kind != Change::kRaw || failures_ >= kMaxFailures) return change;
    std::int64_t mantissa = 0;
    unsigned exponent = 0;
    if (!find_decimal(change.word, hint_, &mantissa, &exponent)) {
      ++failures_;
      return change;
    }
    hint_ = exponent;
    failures_ = 0;
    return {change.row, static_cast<std::uint8_t>(exponent), static_cast<std::uint64_t>(mantissa)};
  }

 private:
  int failures_ = 0;
  unsigned hint_ = 0;
};

}  // namespace

void ValueEncoder::add_run(std::uint32_t count, std::uint64_t word) {
  if (runs_.empty() || runs_.back().word != word) runs_.push_back({count_, word});
  count_ += count;
}

void ValueEncoder::to_raw(const RowChanges& rows) {
  runs_.clear();
  patches_.clear();
  count_ = 0;
  for (std::size_t at = 0; at < rows.changes.size(); ++at) {
    const Change& change = rows.changes[at];
    if (change.kind != Change::kAbsent) add_run(rows.end_of(at) - change.row, bits_of(change));
  }
}

// A patched row repeats the word before it; rows before the first word repeat that one.
bool ValueEncoder::to_decimals(const RowChanges& rows) {
  runs_.clear();
  patches_.clear();
  count_ = 0;
  exponent_ = 0;
  Longer first_pass;
  for (const Change& given : rows.changes) {
    const Change change = first_pass.of(given);
    if (change.kind <= kMaxExponent) exponent_ = std::max<unsigned>(exponent_, change.kind);
  }
  const std::size_t allowed = rows.rows / 8 + 1;
  Longer longer;
  for (std::size_t at = 0; at < rows.changes.size(); ++at) {
    const Change change = longer.of(rows.changes[at]);
    if (change.kind == Change::kAbsent) continue;
    const std::uint32_t count = rows.end_of(at) - change.row;
    std::uint64_t mantissa = 0;
    if (change.kind <= kMaxExponent && rescale(change, exponent_, &mantissa)) {
      if (runs_.empty() && count_ != 0) runs_.push_back({0, mantissa});
      add_run(count, mantissa);
      continue;
    }
    if (patches_.size() + count > allowed) return false;
    const std::uint64_t bits = bits_of(change);
    for (std::uint32_t i = 0; i < count; ++i) patches_.push_back({count_++, bits});
  }
  return !runs_.empty();
}

bool ValueEncoder::encode(const RowChanges& rows, std::string* out) {
  const std::size_t before = out->size();
  const bool decimal = to_decimals(rows);
  if (decimal) {
    append_body(exponent_, out);
    // Long mantissas can cost more than the bits themselves.
    if (out->size() - before <= std::size_t{count_} * 6) return !patches_.empty();
  }
  std::string as_decimals = decimal ? out->substr(before) : std::string();
  const bool patched = !patches_.empty();
  out->resize(before);
  to_raw(rows);
  append_body(kRawExponent, out);
  if (!decimal || out->size() - before <= as_decimals.size()) return false;
  out->resize(before);
  out->append(as_decimals);
  return patched;
}

void ValueEncoder::append_patches(std::string* out) const {
  put_varint(out, patches_.size());
  std::uint32_t next = 0;
  for (const Patch& patch : patches_) {
    put_varint(out, patch.row - next);
    put_fixed(out, patch.bits);
    next = patch.row + 1;
  }
}

void ValueEncoder::append_body(unsigned exponent, std::string* out) {
  const std::size_t head = out->size();
  out->push_back('\0');
  if (!patches_.empty()) append_patches(out);
  const auto finish = [&](ValueLayout layout) {
    (*out)[head] = static_cast<char>(static_cast<unsigned>(layout) | exponent << 3U);
  };
  if (exponent == kRawExponent) {
    put_fixed(out, runs_[0].word);
  } else {
    put_varint(out, zigzag(runs_[0].word));
  }
  if (runs_.size() == 1) return finish(ValueLayout::kConstant);
  const std::size_t sparse = sparse_size();
  // Packed differences take at least two bytes per block and one per change that is left out.
  if (sparse <= count_ / 32 + std::min<std::size_t>(runs_.size(), count_ / 8)) {
    append_sparse(out);
    return finish(ValueLayout::kSparse);
  }
  words_.resize(count_);
  for (std::size_t i = 0; i < runs_.size(); ++i) {
    const std::uint32_t end = i + 1 < runs_.size() ? runs_[i + 1].begin : count_;
    std::fill(words_.begin() + runs_[i].begin, words_.begin() + end, runs_[i].word);
  }
  body_.clear();
  ValueLayout layout = pack_best(&body_);
  if (sparse <= body_.size()) {
    body_.clear();
    append_sparse(&body_);
    layout = ValueLayout::kSparse;
  }
  if (effort_ == Effort::kCold && code_best(body_.size(), &coded_)) {
    body_.swap(coded_);
    layout = ValueLayout::kCoded;
  }
  out->append(body_);
  finish(layout);
}

std::size_t ValueEncoder::sparse_size() const {
  std::size_t size = varint_size(runs_.size() - 1);
  for (std::size_t i = 1; i < runs_.size(); ++i) {
    const std::uint64_t delta = zigzag(runs_[i].word - runs_[i - 1].word);
    if ((delta >> 63U) != 0) return SIZE_MAX;  // no room for the gap's bit
    const std::uint32_t gap = runs_[i].begin - runs_[i - 1].begin;
    size += varint_size(delta << 1U) + (gap > 1 ? varint_size(gap - 2) : 0);
  }
  return size;
}

void ValueEncoder::append_sparse(std::string* out) const {
  put_varint(out, runs_.size() - 1);
  for (std::size_t i = 1; i < runs_.size(); ++i) {
    const std::uint64_t delta = zigzag(runs_[i].word - runs_[i - 1].word);
    const std::uint32_t gap = runs_[i].begin - runs_[i - 1].begin;
    put_varint(out, (delta << 1U) | (gap > 1 ? 1U : 0U));
    if (gap > 1) put_varint(out, gap - 2);
  }
}

// Of the words after the first one: their distance to it, to the one before, or the change of that.
void ValueEncoder::differences(unsigned order) {
  numbers_.resize(words_.size() - 1);
  std::uint64_t last_delta = 0;
  for (std::size_t i = 1; i < words_.size(); ++i) {
    const std::uint64_t delta = words_[i] - words_[order == 0 ? 0 : i - 1];
    numbers_[i - 1] = order == 2 ? delta - last_delta : delta;
    last_delta = delta;
  }
}

// Packs the differences whose numbers are shortest. What blocks will take as their base is guessed
// for all of them together: words from the smallest one, increments (but for a few resets) from the
// smallest one, changes of increments with a sign.
ValueLayout ValueEncoder::pack_best(std::string* out) {
  constexpr std::array<ValueLayout, 3> kLayouts = {ValueLayout::kPlain, ValueLayout::kDelta,
                                                   ValueLayout::kDelta2};
  const auto width = [](std::uint64_t number) {
    return static_cast<std::uint64_t>(std::bit_width(number));
  };
  std::int64_t smallest = static_cast<std::int64_t>(words_[0]);
  std::uint64_t increment = ~std::uint64_t{0};
  std::size_t negative = 0;
  for (std::size_t i = 1; i < words_.size(); ++i) {
    const std::uint64_t delta = words_[i] - words_[i - 1];
    smallest = std::min(smallest, static_cast<std::int64_t>(words_[i]));
    negative += delta >> 63U;
    if (delta >> 63U == 0) increment = std::min(increment, delta);
  }
  const bool grows = negative <= words_.size() / 32;
  std::array<std::uint64_t, 3> bits{};
  std::uint64_t last_delta = 0;
  for (std::size_t i = 1; i < words_.size(); ++i) {
    const std::uint64_t delta = words_[i] - words_[i - 1];
    bits[0] += width(words_[i] - static_cast<std::uint64_t>(smallest));
    bits[1] += width(grows && delta >> 63U == 0 ? delta - increment : zigzag(delta));
    bits[2] += width(zigzag(delta - last_delta));
    last_delta = delta;
  }
  const auto order =
      static_cast<unsigned>(std::min_element(bits.begin(), bits.end()) - bits.begin());
  differences(order);
  for (std::size_t begin = 0; begin < numbers_.size(); begin += kPackBlock) {
    const std::size_t count = std::min(kPackBlock, numbers_.size() - begin);
    pack_block(std::span(numbers_).subspan(begin, count), out);
  }
  return kLayouts[order];
}

// coded body = order u8 (0 to 2) | code | marks | lists        or        3 | that of code_sparse()
bool ValueEncoder::code_best(std::size_t limit, std::string* out) {
  out->clear();
  unsigned best_order = 3;
  std::size_t best = limit - limit / 32;  // slower to decode, so it must be worth it
  for (const unsigned order : {1U, 0U, 2U}) {
    differences(order);
    const std::size_t size = numbers_code_.plan(numbers_) + 1;
    if (size >= best) continue;
    best = size;
    best_order = order;
  }
  if (runs_.size() < count_ / 2 && code_sparse(out) && out->size() < best) return true;
  out->clear();
  return best_order != 3 && code_segments(best_order, out) && out->size() < limit;
}

// The first value of each segment stands in its mark, the others in its list.
bool ValueEncoder::code_segments(unsigned order, std::string* out) {
  differences(order);
  std::vector<std::uint64_t> listed;
  for (std::size_t i = 0; i < numbers_.size(); ++i) {
    if ((i + 1) % kSegmentValues != 0) listed.push_back(numbers_[i]);
  }
  out->push_back(static_cast<char>(order));
  if (numbers_code_.plan(listed) == SIZE_MAX || !numbers_code_.write_code(out)) return false;
  lists_.clear();
  std::size_t last_size = 0;
  for (std::size_t begin = 0; begin < count_; begin += kSegmentValues) {
    const std::size_t end = std::min<std::size_t>(begin + kSegmentValues, count_);
    if (begin != 0) {
      put_varint(out, zigzag(words_[begin] - words_[begin - kSegmentValues]));
      if (order == 2) put_varint(out, zigzag(words_[begin] - words_[begin - 1]));
    }
    const std::size_t before = lists_.size();
    numbers_code_.write_list(std::span(numbers_).subspan(begin, end - begin - 1), &lists_);
    const std::size_t size = lists_.size() - before;
    if (end != count_) put_varint(out, zigzag(size - last_size));
    last_size = size;
  }
  out->append(lists_);
  return true;
}

// 3 | changes varint | code of gaps - 1 | code of deltas | marks | lists
bool ValueEncoder::code_sparse(std::string* out) {
  const std::size_t changes = runs_.size() - 1;
  out->push_back(3);
  put_varint(out, changes);
  std::vector<std::uint64_t> gaps;
  numbers_.clear();
  for (std::size_t i = 1; i < runs_.size(); ++i) {
    gaps.push_back(runs_[i].begin - runs_[i - 1].begin - 1);
    numbers_.push_back(runs_[i].word - runs_[i - 1].word);
  }
  if (gaps_code_.plan(gaps) == SIZE_MAX || !gaps_code_.write_code(out)) return false;
  if (numbers_code_.plan(numbers_) == SIZE_MAX || !numbers_code_.write_code(out)) return false;
  lists_.clear();
  for (std::size_t begin = 0; begin < changes; begin += kSegmentChanges) {
    const std::size_t end = std::min<std::size_t>(begin + kSegmentChanges, changes);
    const std::size_t before = lists_.size();
    gaps_code_.write_list(std::span(gaps).subspan(begin, end - begin), &lists_);
    const std::size_t middle = lists_.size();
    numbers_code_.write_list(std::span(numbers_).subspan(begin, end - begin), &lists_);
    put_varint(out, middle - before);
    if (end == changes) break;
    put_varint(out, lists_.size() - middle);
    put_varint(out, runs_[end].begin - runs_[begin].begin);
    put_varint(out, zigzag(runs_[end].word - runs_[begin].word));
  }
  out->append(lists_);
  return true;
}

}  // namespace tocsin::tsdb
