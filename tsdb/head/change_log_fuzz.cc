// SPDX-License-Identifier: Apache-2.0
//
// Change logs: a damaged one is refused or gives as many rows as it says; decimals give their bits back.
#include "tsdb/head/change_log.h"

#include "base/check.h"
#include "base/testing/fuzz.h"

namespace tocsin::tsdb {
namespace {

void fuzz(std::string_view bytes) {
  ByteReader reader(bytes);
  const std::uint32_t length = reader.varint32(5000);
  const std::uint32_t begin = length == 0 ? 0 : reader.byte() % length;
  if (!reader.ok()) return;
  const std::string_view log = bytes.substr(bytes.size() - reader.remaining());
  DecodedRows rows;
  if (decode_rows(log, length, begin, length, &rows)) CHECK(rows.floats.size() == length - begin);
  for (; reader.remaining() >= 8;) {
    const auto bits = reader.fixed<std::uint64_t>();
    const std::optional<Decimal> decimal =
        to_decimal(bits, static_cast<std::uint8_t>(begin % (kMaxDecimalExponent + 1U)));
    if (decimal) CHECK(from_decimal(*decimal) == bits);
  }
}

}  // namespace

TOCSIN_FUZZ_TARGET(change_log, fuzz)

}  // namespace tocsin::tsdb
