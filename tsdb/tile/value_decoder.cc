// SPDX-License-Identifier: Apache-2.0
//
// Decoding goes by runs of one word and by blocks of 64, never by single values, into one of two
// sinks: doubles for queries, changes for merging. The bytes are in value_encoder.cc.
#include <algorithm>
#include <array>
#include <bit>

#include "base/check.h"
#include "tsdb/tile/bit_pack.h"
#include "tsdb/tile/time_codec.h"
#include "tsdb/tile/value_codec.h"

namespace tocsin::tsdb {
namespace {

constexpr unsigned kLayoutMask = 0x07;
constexpr unsigned kRawExponent = 31;

struct Patch {
  std::uint32_t row;
  std::uint64_t bits;
};

using Block = std::uint64_t[kPackBlock];

// Exact powers only: dividing by them is correctly rounded.
constexpr std::array<double, kMaxExponent + 1> kPowers = {
    1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

// Words become doubles, those of a range of values. The loops over whole blocks have constant bounds,
// so they are vectorised.
class FloatSink {
 public:
  FloatSink(unsigned exponent, ValueRange range, double* out)
      : raw_(exponent == kRawExponent),
        divide_(exponent != 0),
        power_(raw_ ? 1.0 : kPowers[exponent]),
        skip_(range.begin),
        left_(range.end - range.begin),
        out_(out) {}

  // Values that come before the first one that is wanted, and whether no more are.
  std::size_t skip() const { return skip_; }
  bool done() const { return left_ == 0; }
  // Segments of so many values that hold what is wanted.
  std::size_t segments(std::size_t size) const { return (skip_ + left_ + size - 1) / size; }
  // Passes over values. REQUIRES: count <= skip().
  void pass(std::size_t count) { skip_ -= count; }

  void fill(std::size_t count, std::uint64_t word) {
    const std::size_t passed = std::min(count, skip_);
    skip_ -= passed;
    count = std::min(count - passed, left_);
    left_ -= count;
    out_ = std::fill_n(out_, count, value_of(word));
  }
  void words(const std::uint64_t* words, std::size_t count) {
    const std::size_t passed = std::min(count, skip_);
    skip_ -= passed;
    words += passed;
    count = std::min(count - passed, left_);
    left_ -= count;
    for (; count >= kPackBlock && !raw_; count -= kPackBlock, words += kPackBlock) block(words);
    for (std::size_t i = 0; i < count; ++i) *out_++ = value_of(words[i]);
  }

 private:
  void block(const std::uint64_t* words) {
    for (std::size_t i = 0; i < kPackBlock; ++i) {
      out_[i] = static_cast<double>(static_cast<std::int64_t>(words[i]));
    }
    if (divide_) {
      for (std::size_t i = 0; i < kPackBlock; ++i) out_[i] /= power_;
    }
    out_ += kPackBlock;
  }
  double value_of(std::uint64_t word) const {
    if (raw_) return std::bit_cast<double>(word);
    return static_cast<double>(static_cast<std::int64_t>(word)) / power_;
  }

  const bool raw_;
  const bool divide_;
  const double power_;
  std::size_t skip_;
  std::size_t left_;
  double* out_;
};

class ChangeSink {
 public:
  ChangeSink(unsigned exponent, RowChanges* out)
      : kind_(exponent == kRawExponent ? Change::kRaw : static_cast<std::uint8_t>(exponent)),
        out_(out) {}

  void fill(std::size_t count, std::uint64_t word) {
    out_->append(static_cast<std::uint32_t>(count), kind_, word);
  }
  void words(const std::uint64_t* words, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) out_->append(1, kind_, words[i]);
  }
  // All values are wanted.
  static std::size_t skip() { return 0; }
  static bool done() { return false; }
  static std::size_t segments(std::size_t) { return SIZE_MAX; }
  static void pass(std::size_t) {}

 private:
  const std::uint8_t kind_;
  RowChanges* const out_;
};

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

template <typename Sink>
bool read_sparse(ByteReader* in, std::uint64_t value, std::uint32_t count, Sink* sink) {
  const std::uint32_t changes = in->varint32(count);
  std::size_t left = count;
  for (std::uint32_t i = 0; i < changes && !sink->done(); ++i) {
    const std::uint64_t token = in->varint();
    const std::uint64_t gap =
        (token & 1U) != 0 ? 2 + std::uint64_t{in->varint32(count)} : std::uint64_t{1};
    // The old value holds for `gap` rows; at least one row is left for the new one.
    if (!in->ok() || gap >= left) return false;
    sink->fill(gap, value);
    left -= gap;
    value += unzigzag(token >> 1U);
  }
  sink->fill(left, value);
  return in->ok();
}

// Turns the differences of a block into words.
class Integrator {
 public:
  Integrator(unsigned order, std::uint64_t first) : order_(order), first_(first), value_(first) {}

  // Goes on from a value and the delta that led to it.
  void restart(std::uint64_t value, std::uint64_t delta) {
    value_ = value;
    delta_ = delta;
  }
  void run(std::uint64_t* block, std::size_t count) {
    if (order_ == 0) {
      for (std::size_t i = 0; i < count; ++i) block[i] += first_;
    } else if (order_ == 1) {
      for (std::size_t i = 0; i < count; ++i) block[i] = value_ += block[i];
    } else {
      for (std::size_t i = 0; i < count; ++i) {
        delta_ += block[i];
        block[i] = value_ += delta_;
      }
    }
  }

 private:
  const unsigned order_;
  const std::uint64_t first_;
  std::uint64_t value_;
  std::uint64_t delta_ = 0;
};

template <typename Sink>
bool read_packed(ByteReader* in, Integrator integrator, std::uint32_t count, Sink* sink) {
  Block block;
  for (std::uint32_t done = 0; done < count && !sink->done();) {
    const std::size_t size = std::min<std::size_t>(kPackBlock, count - done);
    if (!unpack_block(in, size, block)) return false;
    integrator.run(block, size);
    sink->words(block, size);
    done += static_cast<std::uint32_t>(size);
  }
  return true;
}

// Changes [128 i, 128 (i + 1)): what they do together, and their lists.
struct ChangeSegment {
  std::uint64_t rows = 0;     // but for the last segment
  std::uint64_t advance = 0;  // of the value; but for the last segment
  std::uint32_t gap_bytes = 0;
  std::uint32_t delta_bytes = 0;
  std::string_view gaps;
  std::string_view deltas;
};

bool read_change_segments(ByteReader* in, std::uint32_t changes,
                          std::vector<ChangeSegment>* segments) {
  const std::size_t count = (changes + kSegmentChanges - 1) / kSegmentChanges;
  for (std::size_t i = 0; i < count && in->ok(); ++i) {
    ChangeSegment& one = segments->emplace_back();
    one.gap_bytes = in->varint32();
    if (i + 1 == count) break;
    one.delta_bytes = in->varint32();
    one.rows = in->varint32(kMaxRows);
    one.advance = unzigzag(in->varint());
  }
  for (ChangeSegment& one : *segments) {
    one.gaps = in->bytes(one.gap_bytes);
    const bool last = &one == &segments->back();
    one.deltas = in->bytes(last ? in->remaining() : one.delta_bytes);
  }
  return in->ok();
}

// The codes of gaps and deltas.
struct ChangeCodes {
  NumberDecoder gaps;
  NumberDecoder deltas;
};

// Reads one segment; takes its rows from `left`, of which it leaves at least one.
template <typename Sink>
bool read_changes(const ChangeCodes& codes, const ChangeSegment& segment, std::size_t count,
                  std::uint64_t* value, std::size_t* left, Sink* sink) {
  std::array<std::uint64_t, kSegmentChanges> gaps;
  std::array<std::uint64_t, kSegmentChanges> deltas;
  const NumberDecoder::List gap_list{segment.gaps, std::span(gaps).first(count)};
  const NumberDecoder::List delta_list{segment.deltas, std::span(deltas).first(count)};
  if (!codes.gaps.read({&gap_list, 1}) || !codes.deltas.read({&delta_list, 1})) return false;
  for (std::size_t i = 0; i < count; ++i) {
    if (*left < 2 || gaps[i] > *left - 2) return false;
    sink->fill(gaps[i] + 1, *value);
    *left -= gaps[i] + 1;
    *value += deltas[i];
  }
  return true;
}

template <typename Sink>
bool read_coded_sparse(ByteReader* in, std::uint64_t value, std::uint32_t count, Sink* sink) {
  const std::uint32_t changes = in->varint32(count);
  ChangeCodes codes;
  std::vector<ChangeSegment> segments;
  if (!in->ok() || !codes.gaps.open(in) || !codes.deltas.open(in) ||
      !read_change_segments(in, changes, &segments)) {
    return false;
  }
  std::size_t left = count;
  for (std::size_t i = 0; i < segments.size() && !sink->done(); ++i) {
    const ChangeSegment& one = segments[i];
    const bool last = i + 1 == segments.size();
    if (!last && (one.rows < kSegmentChanges || one.rows >= left)) return false;
    if (!last && one.rows <= sink->skip()) {
      sink->pass(one.rows);
      left -= one.rows;
      value += one.advance;
      continue;
    }
    const std::size_t left_after = left - one.rows;
    const std::uint64_t value_after = value + one.advance;
    const std::size_t size = last ? changes - i * kSegmentChanges : kSegmentChanges;
    if (!read_changes(codes, one, size, &value, &left, sink)) return false;
    if (!last && (left != left_after || value != value_after)) return false;
  }
  sink->fill(left, value);
  return true;
}

// Values [256 i, 256 (i + 1)): the first one, the delta that led to it, and the others' numbers.
struct ValueSegment {
  std::uint64_t first = 0;
  std::uint64_t delta = 0;
  std::uint32_t bytes = 0;
  std::uint32_t size = 0;
  std::string_view list;
};

bool read_value_segments(ByteReader* in, unsigned order, std::uint64_t first, std::uint32_t count,
                         std::vector<ValueSegment>* segments) {
  segments->reserve(count / kSegmentValues + 1);
  std::uint64_t bytes = 0;
  for (std::uint32_t begin = 0; begin < count && in->ok(); begin += kSegmentValues) {
    ValueSegment& one = segments->emplace_back();
    one.size = std::min(kSegmentValues, count - begin);
    if (begin != 0) first += unzigzag(in->varint());
    if (begin != 0 && order == 2) one.delta = unzigzag(in->varint());
    one.first = first;
    if (begin + one.size == count) break;
    bytes += unzigzag(in->varint());
    if (bytes > in->remaining()) return false;
    one.bytes = static_cast<std::uint32_t>(bytes);
  }
  for (ValueSegment& one : *segments) {
    one.list = in->bytes(&one == &segments->back() ? in->remaining() : one.bytes);
  }
  return in->ok();
}

// Reads up to kMaxLists segments.
template <typename Sink>
bool read_values(const NumberDecoder& numbers, std::span<const ValueSegment> segments,
                 Integrator integrator, Sink* sink) {
  std::array<std::array<std::uint64_t, kSegmentValues>, NumberDecoder::kMaxLists> words;
  std::array<NumberDecoder::List, NumberDecoder::kMaxLists> lists;
  for (std::size_t i = 0; i < segments.size(); ++i) {
    lists[i] = {segments[i].list, std::span(words[i]).subspan(1, segments[i].size - 1)};
  }
  if (!numbers.read(std::span(lists).first(segments.size()))) return false;
  for (std::size_t i = 0; i < segments.size(); ++i) {
    words[i][0] = segments[i].first;
    integrator.restart(segments[i].first, segments[i].delta);
    integrator.run(words[i].data() + 1, segments[i].size - 1);
    sink->words(words[i].data(), segments[i].size);
  }
  return true;
}

template <typename Sink>
bool read_coded(ByteReader* in, std::uint64_t first, std::uint32_t count, Sink* sink) {
  const unsigned order = in->byte();
  if (order == 3) return read_coded_sparse(in, first, count, sink);
  NumberDecoder numbers;
  std::vector<ValueSegment> segments;
  if (!in->ok() || order > 2 || !numbers.open(in) ||
      !read_value_segments(in, order, first, count, &segments)) {
    return false;
  }
  const std::span<const ValueSegment> all(segments);
  const std::size_t passed = sink->skip() / kSegmentValues;
  sink->pass(passed * kSegmentValues);
  for (std::size_t i = passed; i < all.size() && !sink->done();) {
    const std::size_t most = std::min(NumberDecoder::kMaxLists, sink->segments(kSegmentValues));
    const std::size_t size = std::min(most, all.size() - i);
    if (!read_values(numbers, all.subspan(i, size), Integrator(order, first), sink)) return false;
    i += size;
  }
  return true;
}

template <typename Sink>
bool read_body(ByteReader* in, unsigned head, std::uint32_t count, Sink* sink) {
  const bool raw = head >> 3U == kRawExponent;
  const std::uint64_t first = raw ? in->fixed<std::uint64_t>() : unzigzag(in->varint());
  if (!in->ok()) return false;
  switch (static_cast<ValueLayout>(head & kLayoutMask)) {
    case ValueLayout::kConstant:
      sink->fill(count, first);
      return true;
    case ValueLayout::kSparse:
      return read_sparse(in, first, count, sink);
    case ValueLayout::kDelta:
    case ValueLayout::kDelta2:
    case ValueLayout::kPlain: {
      constexpr std::array<unsigned, 5> kOrders = {0, 0, 1, 2, 0};
      sink->fill(1, first);
      return read_packed(in, Integrator(kOrders[head & kLayoutMask], first), count - 1, sink);
    }
    case ValueLayout::kCoded:
      return read_coded(in, first, count, sink);
  }
  return false;
}

// The head and the patches.
bool read_head(ByteReader* in, const ValueShape& shape, unsigned* head,
               std::vector<Patch>* patches) {
  *head = in->byte();
  const unsigned exponent = *head >> 3U;
  if (!in->ok() || (exponent > kMaxExponent && exponent != kRawExponent)) return false;
  return !shape.patched || read_patches(in, shape.count, patches);
}

void apply_patches(const std::vector<Patch>& patches, RowChanges* rows) {
  RowChanges patched;
  for (const Patch& patch : patches) {
    patched.append(*rows, patched.rows, patch.row);
    patched.append(1, Change::kRaw, patch.bits);
  }
  patched.append(*rows, patched.rows, rows->rows);
  *rows = std::move(patched);
}

// Appends rows that are present to `out`, with the absent ones between them.
void spread(const RowChanges& dense, const ValueShape& shape, RowChanges* out) {
  std::uint32_t next = 0;
  for (std::uint32_t row = 0; row < shape.rows;) {
    const bool present = ((shape.present[row / 64] >> (row % 64)) & 1U) != 0;
    std::uint32_t end = row + 1;
    while (end < shape.rows && (((shape.present[end / 64] >> (end % 64)) & 1U) != 0) == present) {
      ++end;
    }
    if (present) {
      out->append(dense, next, next + end - row);
      next += end - row;
    } else {
      out->append_absent(end - row);
    }
    row = end;
  }
}

}  // namespace

bool decode_values(ByteReader* in, const ValueShape& shape, ValueRange range,
                   std::vector<double>* out) {
  if (shape.count == 0) return true;
  unsigned head = 0;
  std::vector<Patch> patches;
  if (!read_head(in, shape, &head, &patches)) return false;
  const std::size_t begin = out->size();
  out->resize(begin + range.end - range.begin);
  FloatSink sink(head >> 3U, range, out->data() + begin);
  if (!read_body(in, head, shape.count, &sink)) return false;
  for (const Patch& patch : patches) {
    if (patch.row < range.begin || patch.row >= range.end) continue;
    (*out)[begin + patch.row - range.begin] = std::bit_cast<double>(patch.bits);
  }
  return true;
}

bool decode_values(ByteReader* in, const ValueShape& shape, std::vector<double>* out) {
  return decode_values(in, shape, {0, shape.count}, out);
}

bool decode_values(ByteReader* in, const ValueShape& shape, RowChanges* out) {
  RowChanges dense;
  if (shape.count != 0) {
    unsigned head = 0;
    std::vector<Patch> patches;
    if (!read_head(in, shape, &head, &patches)) return false;
    ChangeSink sink(head >> 3U, &dense);
    if (!read_body(in, head, shape.count, &sink)) return false;
    if (!patches.empty()) apply_patches(patches, &dense);
  }
  if (!shape.present.empty()) {
    spread(dense, shape, out);
  } else if (out->rows == 0) {
    *out = std::move(dense);
  } else {
    out->append(dense, 0, dense.rows);
  }
  return true;
}

ValueLayout layout_of(std::string_view encoded) {
  CHECK(!encoded.empty());
  return static_cast<ValueLayout>(static_cast<std::uint8_t>(encoded[0]) & kLayoutMask);
}

}  // namespace tocsin::tsdb
