// SPDX-License-Identifier: Apache-2.0
//
// Decoding goes by runs of one word and by blocks of 64, never by single values, into one of two
// sinks: doubles for queries, changes for merging. The bytes are in value_encoder.cc.
#include <algorithm>
#include <array>
#include <bit>

#include "base/check.h"
#include "tsdb/tile/bit_pack.h"
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

// Words become doubles. The loops over whole blocks have constant bounds, so they are vectorised.
class FloatSink {
 public:
  FloatSink(unsigned exponent, double* out)
      : raw_(exponent == kRawExponent),
        divide_(exponent != 0),
        power_(raw_ ? 1.0 : kPowers[exponent]),
        out_(out) {}

  void fill(std::size_t count, std::uint64_t word) {
    out_ = std::fill_n(out_, count, value_of(word));
  }
  void block(const Block& words, std::size_t count) {
    if (count != kPackBlock || raw_) {
      for (std::size_t i = 0; i < count; ++i) *out_++ = value_of(words[i]);
      return;
    }
    for (std::size_t i = 0; i < kPackBlock; ++i) {
      out_[i] = static_cast<double>(static_cast<std::int64_t>(words[i]));
    }
    if (divide_) {
      for (std::size_t i = 0; i < kPackBlock; ++i) out_[i] /= power_;
    }
    out_ += kPackBlock;
  }

 private:
  double value_of(std::uint64_t word) const {
    if (raw_) return std::bit_cast<double>(word);
    return static_cast<double>(static_cast<std::int64_t>(word)) / power_;
  }

  const bool raw_;
  const bool divide_;
  const double power_;
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
  void block(const Block& words, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) out_->append(1, kind_, words[i]);
  }

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
  for (std::uint32_t i = 0; i < changes; ++i) {
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

  void run(Block& block, std::size_t count) {
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
  for (std::uint32_t done = 0; done < count;) {
    const std::size_t size = std::min<std::size_t>(kPackBlock, count - done);
    if (!unpack_block(in, size, block)) return false;
    integrator.run(block, size);
    sink->block(block, size);
    done += static_cast<std::uint32_t>(size);
  }
  return true;
}

template <typename Sink>
bool read_coded_sparse(ByteReader* in, std::uint64_t value, std::uint32_t count, Sink* sink) {
  const std::uint32_t changes = in->varint32(count);
  ByteReader gap_bytes(in->bytes(in->varint32()));
  NumberDecoder gaps;
  NumberDecoder deltas;
  if (!in->ok() || !gaps.open(&gap_bytes) || !deltas.open(in)) return false;
  std::size_t left = count;
  Block gap_block;
  Block delta_block;
  for (std::uint32_t done = 0; done < changes;) {
    const std::size_t size = std::min<std::size_t>(kPackBlock, changes - done);
    if (!gaps.read(std::span(gap_block).first(size))) return false;
    if (!deltas.read(std::span(delta_block).first(size))) return false;
    for (std::size_t i = 0; i < size; ++i) {
      if (left < 2 || gap_block[i] > left - 2) return false;
      sink->fill(gap_block[i] + 1, value);
      left -= gap_block[i] + 1;
      value += delta_block[i];
    }
    done += static_cast<std::uint32_t>(size);
  }
  sink->fill(left, value);
  return gaps.at_end() && deltas.at_end();
}

template <typename Sink>
bool read_coded(ByteReader* in, std::uint64_t first, std::uint32_t count, Sink* sink) {
  const unsigned order = in->byte();
  if (order == 3) return read_coded_sparse(in, first, count, sink);
  NumberDecoder numbers;
  if (!in->ok() || order > 2 || !numbers.open(in)) return false;
  Integrator integrator(order, first);
  sink->fill(1, first);
  Block block;
  for (std::uint32_t done = 1; done < count;) {
    const std::size_t size = std::min<std::size_t>(kPackBlock, count - done);
    if (!numbers.read(std::span(block).first(size))) return false;
    integrator.run(block, size);
    sink->block(block, size);
    done += static_cast<std::uint32_t>(size);
  }
  return numbers.at_end();
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

bool decode_values(ByteReader* in, const ValueShape& shape, std::vector<double>* out) {
  if (shape.count == 0) return true;
  unsigned head = 0;
  std::vector<Patch> patches;
  if (!read_head(in, shape, &head, &patches)) return false;
  const std::size_t begin = out->size();
  out->resize(begin + shape.count);
  FloatSink sink(head >> 3U, out->data() + begin);
  if (!read_body(in, head, shape.count, &sink)) return false;
  for (const Patch& patch : patches) (*out)[begin + patch.row] = std::bit_cast<double>(patch.bits);
  return true;
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
