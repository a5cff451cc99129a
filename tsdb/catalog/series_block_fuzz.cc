// SPDX-License-Identifier: Apache-2.0
//
// Blocks of label sets and keys of the series family: what decodes stays within its tables and encodes
// to what decodes to the same. Input: 'k' and a key, or 'b' and a block without its checksum.
#include "tsdb/catalog/series_block.h"

#include "base/check.h"
#include "base/record_log.h"
#include "base/testing/fuzz.h"
#include "tsdb/catalog/catalog_keys.h"
#include "tsdb/tile/coding.h"

namespace tocsin::tsdb {
namespace {

void check_key(std::string_view key) {
  static_cast<void>(day_in_key(key));
  const std::optional<PairText> pair = pair_in_key(key);
  if (!pair) return;
  const std::string again = pair_key(*day_in_key(key), pair->name, pair->value);
  const std::optional<PairText> second = pair_in_key(again);
  CHECK(second && second->name == pair->name && second->value == pair->value);
}

std::vector<std::string> texts_of(const SeriesRows& rows) {
  std::vector<std::string> texts;
  for (const SeriesRows::Row& row : rows.rows) {
    texts.emplace_back();
    merge_labels(rows, row, &texts.back());
  }
  return texts;
}

void check_block(std::string_view body) {
  std::string block(body);
  put_fixed(&block, base::crc32c(block));
  const StatusOr<SeriesRows> rows = decode_block(block);
  if (!rows.ok()) return;
  const StatusOr<SeriesRows> again = decode_block(encode_block(*rows));
  CHECK(again.ok() && texts_of(*again) == texts_of(*rows));
  RowsBuilder builder;
  for (const SeriesRows::Row& row : rows->rows) {
    CHECK(find_row(*rows, row.id) == &row);
    builder.add(*rows, row);
  }
  const SeriesRows rebuilt = builder.take();
  CHECK(texts_of(rebuilt) == texts_of(*rows));
}

void fuzz(std::string_view bytes) {
  if (bytes.empty()) return;
  if (bytes.front() == 'k') return check_key(bytes.substr(1));
  check_block(bytes.substr(1));
}

}  // namespace

TOCSIN_FUZZ_TARGET(series_block, fuzz)

}  // namespace tocsin::tsdb
