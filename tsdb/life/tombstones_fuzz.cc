// SPDX-License-Identifier: Apache-2.0
//
// The file of deleted intervals: what decodes is sorted, does not touch, and encodes to what decodes to
// the same. Input: the file behind its magic, without its checksum.
#include "tsdb/life/tombstones.h"

#include "base/check.h"
#include "base/record_log.h"
#include "base/testing/fuzz.h"
#include "tsdb/tile/coding.h"

namespace tocsin::tsdb {
namespace {

void check_list(const Tombstones& stones) {
  const std::vector<Tombstone> list = stones.list();
  CHECK(list.size() == stones.size());
  for (std::size_t i = 0; i < list.size(); ++i) {
    const Interval& deleted = list[i].deleted;
    CHECK(deleted.min_ms <= deleted.max_ms);
    CHECK(stones.covers(list[i].id, deleted.min_ms) && stones.covers(list[i].id, deleted.max_ms));
    if (i == 0) continue;
    const Tombstone& before = list[i - 1];
    CHECK(before.id < list[i].id ||
          (before.id == list[i].id && before.deleted.max_ms < deleted.min_ms &&
           before.deleted.max_ms + 1 < deleted.min_ms));
  }
}

void check_gaps(const Tombstones& stones, storage::SeriesId id) {
  const std::span<const Interval> deleted = stones.of(id);
  const std::vector<Interval> left = gaps({INT64_MIN, INT64_MAX}, deleted);
  CHECK(left.size() <= deleted.size() + 1);
  for (const Interval& interval : left) {
    CHECK(interval.min_ms <= interval.max_ms);
    CHECK(!stones.covers(id, interval.min_ms) && !stones.covers(id, interval.max_ms));
  }
}

void fuzz(std::string_view bytes) {
  std::string file = "TCSNTMB1" + std::string(bytes);
  static_cast<void>(Tombstones::decode(file));  // its checksum is right by chance only
  put_fixed(&file, base::crc32c(file));
  const StatusOr<Tombstones> stones = Tombstones::decode(file);
  if (!stones.ok()) return;
  check_list(*stones);
  for (const Tombstone& one : stones->list()) check_gaps(*stones, one.id);
  const StatusOr<Tombstones> again = Tombstones::decode(stones->encode());
  CHECK(again.ok() && *again == *stones);
}

}  // namespace

TOCSIN_FUZZ_TARGET(tombstones, fuzz)

}  // namespace tocsin::tsdb
