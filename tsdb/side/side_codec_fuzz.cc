// SPDX-License-Identifier: Apache-2.0
//
// Side samples: any bytes are refused or decoded, and what decoded is coded and decoded to the same.
#include "tsdb/side/side_codec.h"

#include "base/check.h"
#include "base/testing/fuzz.h"

namespace tocsin::tsdb {
namespace {

void fuzz(std::string_view bytes) {
  std::vector<SideSample> samples;
  if (!decode_side(bytes, storage::SeriesId(1), &samples).ok()) return;
  SideCodec codec;
  std::string again;
  for (const SideSample& sample : samples) {
    static_cast<void>(codec.hint_of(sample));
    codec.put(sample, &again);
  }
  std::vector<SideSample> read;
  CHECK(decode_side(again, storage::SeriesId(1), &read).ok());
  CHECK(read.size() == samples.size());
  for (std::size_t i = 0; i < read.size(); ++i) {
    CHECK(read[i].time_ms == samples[i].time_ms && read[i].start_ms == samples[i].start_ms);
    CHECK(same_value(read[i].value, samples[i].value));
  }
}

}  // namespace

TOCSIN_FUZZ_TARGET(side_codec, fuzz)

}  // namespace tocsin::tsdb
