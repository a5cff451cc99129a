// SPDX-License-Identifier: Apache-2.0
//
// The codecs inside tiles, each on its own, and a round trip of the bytes taken as values. Input: the
// codec, the count of values, their bytes.
#include <bit>

#include "base/check.h"
#include "base/testing/fuzz.h"
#include "tsdb/tile/bit_pack.h"
#include "tsdb/tile/time_codec.h"
#include "tsdb/tile/value_codec.h"

namespace tocsin::tsdb {
namespace {

// When all values decode, so does any range of them, and to the same.
void decode_parts(const ByteReader& bytes, const ValueShape& shape) {
  std::vector<double> all;
  ByteReader in = bytes;
  const bool good = decode_values(&in, shape, &all);
  CHECK(!good || all.size() == shape.count);
  for (const std::uint32_t part : {1U, 2U, 3U}) {
    const ValueRange range{shape.count * (part - 1) / 3, shape.count * part / 3};
    std::vector<double> some;
    in = bytes;
    const bool part_good = decode_values(&in, shape, range, &some);
    CHECK(part_good || !good);
    if (!part_good) continue;
    CHECK(some.size() == range.end - range.begin || shape.count == 0);
    for (std::size_t i = 0; good && i < some.size(); ++i) {
      CHECK(std::bit_cast<std::uint64_t>(some[i]) ==
            std::bit_cast<std::uint64_t>(all[range.begin + i]));
    }
  }
}

void decode(std::uint8_t codec, std::uint32_t count, ByteReader* in) {
  std::vector<std::int64_t> integers;
  std::uint64_t words[kPackBlock];
  const ValueShape shape{count, {}, count, count % 2 == 0};
  switch (codec % 6) {
    case 0:
      decode_parts(*in, shape);
      break;
    case 4:
      if (RowChanges rows; decode_values(in, shape, &rows)) CHECK(rows.rows == count);
      break;
    case 1:
      if (decode_times(in, &integers)) CHECK(integers.size() <= kMaxRows);
      break;
    case 2:
      if (std::vector<std::uint64_t> bitmap; decode_presence(in, count, &bitmap)) {
        CHECK(bitmap.empty() || bitmap.size() == (count + 63) / 64);
      }
      break;
    case 3:
      if (decode_changes(in, count, &integers)) CHECK(integers.size() == count);
      break;
    default:
      static_cast<void>(unpack_block(in, std::min<std::size_t>(count, kPackBlock), words));
  }
}

// The bytes as doubles, and as small steps of a number with a short decimal form.
void round_trip(std::string_view bytes) {
  std::vector<double> values;
  for (ByteReader in(bytes); in.remaining() >= 8;)
    values.push_back(std::bit_cast<double>(in.fixed<std::uint64_t>()));
  double sum = 0;
  for (const char c : bytes) values.push_back((sum += c) / 100);
  if (values.empty()) return;
  RowChanges rows;
  rows.append(values, {});
  for (const Effort effort : {Effort::kSeal, Effort::kCold}) {
    std::string encoded;
    const bool patched = ValueEncoder(effort).encode(rows, &encoded);
    std::vector<double> decoded;
    ByteReader in(encoded);
    CHECK(decode_values(&in, {rows.rows, {}, rows.rows, patched}, &decoded));
    CHECK(decoded.size() == values.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
      CHECK(std::bit_cast<std::uint64_t>(values[i]) == std::bit_cast<std::uint64_t>(decoded[i]));
    }
    decode_parts(ByteReader(encoded), {rows.rows, {}, rows.rows, patched});
  }
}

void fuzz(std::string_view bytes) {
  ByteReader in(bytes);
  const std::uint8_t codec = in.byte();
  const std::uint32_t count = in.varint32(5000);
  if (!in.ok()) return;
  if (codec == 'v') return round_trip(bytes.substr(bytes.size() - in.remaining()));
  decode(codec, count, &in);
}

}  // namespace

TOCSIN_FUZZ_TARGET(codec, fuzz)

}  // namespace tocsin::tsdb
