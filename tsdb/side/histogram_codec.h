// SPDX-License-Identifier: Apache-2.0
//
// HistogramCodec: native histograms <-> bytes, each against the one before it.
//
//   histogram = flags u8: 1 layout follows, 2 and 4 the reset hint, 8 staleness marker (then
//               nothing follows) | [layout] | sum value | counts
//   layout    = schema zigzag | zero threshold u64 bits | positive spans | negative spans | bounds
//   spans     = count varint | (offset zigzag | length varint)*
//   bounds    = count varint | u64 bits each
//   counts    = of: all observations, zero bucket, positive and negative buckets, each against the
//               same count of the histogram before (after a layout: against 0)
//     integer   0, varint n: n + 1 counts as before; else zigzag of the difference. What the number
//               of all observations grew by is put less what the buckets grew by.
//     float     0, varint n: as before; else token code + 1, extra (head/change_log.h)
// Values; confined.
// Errors: a damaged histogram fails the reader.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tsdb/head/change_log.h"
#include "tsdb/side/side_sample.h"

namespace tocsin::tsdb {

class HistogramCodec {
 public:
  // REQUIRES: valid ones, of no more than kMaxHistogramBuckets.
  void put(const model::Histogram& h, std::string* out);
  void put(const model::FloatHistogram& h, std::string* out);
  void read(ByteReader* in, model::Histogram* h);
  void read(ByteReader* in, model::FloatHistogram* h);

  // What storage says of a histogram that follows the last one: kNotReset when no count is smaller,
  // kGauge for gauges, otherwise kUnknown, and the reader has to compare.
  model::CounterResetHint hint_of(const SideValue& value) const;
  // Says that the next histogram does not follow the last one in time.
  void interrupt() { comparable_ = false; }

 private:
  struct Layout {
    std::int32_t schema = 0;
    std::uint64_t zero_threshold = 0;  // bits, as those of bounds
    std::vector<model::HistogramSpan> positive;
    std::vector<model::HistogramSpan> negative;
    std::vector<std::uint64_t> bounds;
    bool floats = false;
    friend bool operator==(const Layout&, const Layout&) = default;
  };
  // Counts in the order above: integers, or bits of floats.
  using Counts = std::vector<std::uint64_t>;
  static constexpr std::size_t kFirstBucket = 2;

  template <typename H>
  static Layout layout_of(const H& h, bool floats);
  static Counts counts_of(const model::Histogram& h);
  static Counts counts_of(const model::FloatHistogram& h);
  template <typename H>
  void put_any(const H& h, bool floats, std::string* out);
  template <typename H>
  bool read_any(ByteReader* in, bool floats, H* h);
  static void put_layout(const Layout& layout, std::string* out);
  static Layout read_layout(ByteReader* in, bool floats);
  void put_integers(const Counts& counts, std::string* out) const;
  void put_floats(const Counts& counts, std::string* out);
  bool read_integers(ByteReader* in, Counts* counts) const;
  bool read_floats(ByteReader* in, Counts* counts);
  bool grew(const Layout& layout, const Counts& counts) const;

  Layout layout_;
  Counts counts_;
  Decimal sum_;
  Decimal number_;
  bool known_ = false;
  bool comparable_ = false;  // the last one was put or read in order, and no staleness marker
  bool gauge_ = false;
};

}  // namespace tocsin::tsdb
