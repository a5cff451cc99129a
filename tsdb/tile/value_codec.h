// SPDX-License-Identifier: Apache-2.0
//
// The codec of one series' values: bit-exact for every double, cheapest of several layouts.
//
// Monitoring values repeat (70 %) and have a short decimal form. So values become integer mantissas
// of a power of ten shared by the series, decoded as mantissa / 10^k: division is correctly rounded
// and was checked by the encoder for each value. What has no such form (NaN, -0, staleness markers)
// is a patch: row and bits; when there are too many patches all values are kept as bits.
// docs/formats/tsdb_runs.md has the bytes. Pure functions. The decoder takes hostile bytes: it
// fails, or returns some values.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tsdb/tile/coding.h"

namespace tocsin::tsdb {

enum class ValueLayout : std::uint8_t {
  kConstant = 0,  // one value
  kSparse = 1,    // changes only: gap and delta
  kDelta = 2,     // bit-packed deltas with patched exceptions
  kDelta2 = 3,    // bit-packed deltas of deltas
  kFixed = 4,     // 8 bytes per value
};

void encode_values(std::span<const double> values, std::string* out);
// Appends `count` values to `out`; false on damaged bytes.
bool decode_values(ByteReader* in, std::uint32_t count, std::vector<double>* out);

// The layout chosen for an encoding, for tests and statistics. REQUIRES: not empty.
ValueLayout layout_of(std::string_view encoded);

}  // namespace tocsin::tsdb
