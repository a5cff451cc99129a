// SPDX-License-Identifier: Apache-2.0
//
// The codec of one series' values: bit-exact for every double, cheapest of several layouts.
//
// Monitoring values repeat (70 %) and have a short decimal form. So values become integer mantissas
// of a power of ten shared by the series, decoded as mantissa / 10^k: division is correctly rounded
// and was checked by who made the decimal. What has no such form (NaN, -0, staleness markers) is a
// patch: row and bits; when there are too many patches all values are kept as bits.
// docs/formats/tsdb_runs.md has the bytes. The decoders take hostile bytes: they fail, or return
// some values.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tsdb/tile/coding.h"
#include "tsdb/tile/number_code.h"
#include "tsdb/tile/rows.h"

namespace tocsin::tsdb {

enum class ValueLayout : std::uint8_t {
  kConstant = 0,  // one value
  kSparse = 1,    // changes only: gap and delta
  kDelta = 2,     // bit-packed deltas with patched exceptions
  kDelta2 = 3,    // bit-packed deltas of deltas
  kPlain = 4,     // bit-packed numbers
  kCoded = 5,     // one of the number codes
};

// How long to look for a small encoding. A later tier is written less often and read less often.
enum class Effort : std::uint8_t {
  kSeal,  // fast to write and to read
  kCold,  // the smallest: also the number code, slower to read
};

// Encodes one series after the other; its buffers are reused. Confined.
class ValueEncoder {
 public:
  explicit ValueEncoder(Effort effort) : effort_(effort) {}

  // Appends the values of the present rows. Returns whether the encoding has patches, which the
  // decoder must be told. REQUIRES: at least one row is present.
  bool encode(const RowChanges& rows, std::string* out);

 private:
  struct Run {
    std::uint32_t begin;  // among the present rows
    std::uint64_t word;
  };
  struct Patch {
    std::uint32_t row;
    std::uint64_t bits;
  };

  bool to_decimals(const RowChanges& rows);
  void to_raw(const RowChanges& rows);
  void add_run(std::uint32_t count, std::uint64_t word);
  void append_patches(std::string* out) const;
  void append_body(unsigned exponent, std::string* out);
  std::size_t sparse_size() const;
  void append_sparse(std::string* out) const;
  ValueLayout pack_best(std::string* out);
  void differences(unsigned order);
  bool code_best(std::size_t limit, std::string* out);
  bool code_segments(unsigned order, std::string* out);
  bool code_sparse(std::string* out);

  const Effort effort_;
  unsigned exponent_ = 0;
  std::uint32_t count_ = 0;  // present rows
  std::vector<Run> runs_;    // neighbours differ
  std::vector<Patch> patches_;
  std::vector<std::uint64_t> words_;    // of all present rows
  std::vector<std::uint64_t> numbers_;  // differences of them
  std::string body_;
  std::string coded_;
  std::string lists_;
  NumberEncoder numbers_code_;
  NumberEncoder gaps_code_;
};

// Coded values begin anew after so many, and changes after so many: a reader of a few rows decodes
// the segments that hold them.
inline constexpr std::uint32_t kSegmentValues = 256;
inline constexpr std::uint32_t kSegmentChanges = 128;

// What the values belong to.
struct ValueShape {
  std::uint32_t rows = 0;
  std::span<const std::uint64_t> present;  // bitmap over rows; empty: all
  std::uint32_t count = 0;                 // rows that are present
  bool patched = false;
};

// Some of the values that are present, by their number among those.
struct ValueRange {
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
};

// Appends `count` values to `out`; false on damaged bytes. The presence of `shape` does not matter.
bool decode_values(ByteReader* in, const ValueShape& shape, std::vector<double>* out);
// Appends those of the range, which are the same when all values decode; what is not needed for them
// may be damaged, and is not taken from `in`. REQUIRES: range.begin <= range.end <= shape.count.
bool decode_values(ByteReader* in, const ValueShape& shape, ValueRange range,
                   std::vector<double>* out);
// Appends all rows to `out`.
bool decode_values(ByteReader* in, const ValueShape& shape, RowChanges* out);

// The layout chosen for an encoding, for tests and statistics. REQUIRES: not empty.
ValueLayout layout_of(std::string_view encoded);

}  // namespace tocsin::tsdb
