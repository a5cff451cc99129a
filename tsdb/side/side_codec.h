// SPDX-License-Identifier: Apache-2.0
//
// SideCodec: side samples <-> bytes, each against the one before it. The same bytes are in memory,
// in the journal and in runs.
//
//   entry = head u8: 0 and 1 kind (0 float, 1 integer histogram, 2 float histogram, 3 start change),
//           4 out of order, 8 the start timestamp changes
//           zigzag (ms - ms of the entry before) | [zigzag (start - start of the entry before)]
//           float: token code varint, extra (head/change_log.h) | histogram (histogram_codec.h)
// The first entry is against 0, no start, and no histogram, so bytes that begin a coding are whole
// in themselves. docs/formats/tsdb_side.md.
// Values; confined.
// Errors: a damaged entry fails the reader; kDataLoss from decode_side().
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "tsdb/side/histogram_codec.h"
#include "tsdb/side/side_sample.h"

namespace tocsin::tsdb {

class SideCodec {
 public:
  // The id of the sample is not written. Reset hints are kept as they are.
  void put(const SideSample& sample, std::string* out);
  // Reads one entry; leaves sample->id.
  void read(ByteReader* in, SideSample* sample);

  // The reset hint that storage gives `sample`, put next: see HistogramCodec::hint_of.
  model::CounterResetHint hint_of(const SideSample& sample) const;

 private:
  std::int64_t time_ms_ = 0;
  std::int64_t start_ms_ = 0;
  Decimal base_;
  HistogramCodec histograms_;
};

// Bounds of what is coded without a restart: in one chunk of a series.
inline constexpr std::uint32_t kMaxSideEntries = 512;
inline constexpr std::uint64_t kMaxSideBuckets = 1U << 22U;

// Buckets of the sample, 0 for others than histograms.
std::uint64_t buckets_of(const SideValue& value);

// Appends the samples of a chunk of series `id` to `out`.
Status decode_side(std::string_view bytes, storage::SeriesId id, std::vector<SideSample>* out);

}  // namespace tocsin::tsdb
