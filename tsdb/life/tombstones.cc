// SPDX-License-Identifier: Apache-2.0
//
//   file = magic "TCSNTMB1" | version u32 | count varint | per interval, by series and time:
//          series - last series varint | min - last min zigzag | max - last max zigzag
//          | crc32c u32 of all before
// A deletion gives most series the same interval, so an interval takes about three bytes.
#include "tsdb/life/tombstones.h"

#include <algorithm>

#include "base/check.h"
#include "base/record_log.h"
#include "tsdb/tile/coding.h"

namespace tocsin::tsdb {
namespace {

constexpr std::string_view kMagic = "TCSNTMB1";
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kHeaderBytes = 12;
constexpr std::size_t kCrcBytes = 4;

std::uint64_t difference(std::int64_t a, std::int64_t b) {
  return static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b);
}
std::int64_t sum(std::int64_t a, std::uint64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + b);
}

bool touches(const Interval& earlier, const Interval& later) {
  return later.min_ms <= earlier.max_ms ||
         (earlier.max_ms != INT64_MAX && later.min_ms == earlier.max_ms + 1);
}

}  // namespace

Tombstones::Tombstones(std::vector<Tombstone> stones) {
  std::sort(stones.begin(), stones.end(), [](const Tombstone& a, const Tombstone& b) {
    return std::pair(a.id, a.deleted.min_ms) < std::pair(b.id, b.deleted.min_ms);
  });
  for (const Tombstone& stone : stones) {
    DCHECK(stone.deleted.min_ms <= stone.deleted.max_ms);
    if (!ids_.empty() && ids_.back() == stone.id && touches(intervals_.back(), stone.deleted)) {
      intervals_.back().max_ms = std::max(intervals_.back().max_ms, stone.deleted.max_ms);
      continue;
    }
    ids_.push_back(stone.id);
    intervals_.push_back(stone.deleted);
  }
}

std::span<const Interval> Tombstones::of(storage::SeriesId id) const {
  const auto [begin, end] = std::equal_range(ids_.begin(), ids_.end(), id);
  return std::span(intervals_)
      .subspan(static_cast<std::size_t>(begin - ids_.begin()),
               static_cast<std::size_t>(end - begin));
}

bool Tombstones::covers(storage::SeriesId id, std::int64_t ms) const {
  const std::span<const Interval> deleted = of(id);
  return std::any_of(deleted.begin(), deleted.end(),
                     [&](const Interval& interval) { return interval.contains(ms); });
}

std::vector<Tombstone> Tombstones::list() const {
  std::vector<Tombstone> stones;
  stones.reserve(ids_.size());
  for (std::size_t i = 0; i < ids_.size(); ++i) stones.push_back({ids_[i], intervals_[i]});
  return stones;
}

std::string Tombstones::encode() const {
  std::string out(kMagic);
  put_fixed(&out, kVersion);
  put_varint(&out, ids_.size());
  std::uint64_t last_id = 0;
  Interval last;
  for (std::size_t i = 0; i < ids_.size(); ++i) {
    put_varint(&out, ids_[i].value() - last_id);
    put_varint(&out, zigzag(difference(intervals_[i].min_ms, last.min_ms)));
    put_varint(&out, zigzag(difference(intervals_[i].max_ms, last.max_ms)));
    last_id = ids_[i].value();
    last = intervals_[i];
  }
  put_fixed(&out, base::crc32c(out));
  return out;
}

StatusOr<Tombstones> Tombstones::decode(std::string_view bytes) {
  if (bytes.size() < kHeaderBytes + kCrcBytes || !bytes.starts_with(kMagic)) {
    return data_loss("no tombstones");
  }
  const auto version = load_fixed<std::uint32_t>(bytes.data() + kMagic.size());
  if (version > kVersion) {
    return failed_precondition("the tombstones have format version {}, this program reads {}",
                               version, kVersion);
  }
  const std::string_view body = bytes.substr(0, bytes.size() - kCrcBytes);
  if (base::crc32c(body) != load_fixed<std::uint32_t>(bytes.data() + body.size())) {
    return data_loss("the checksum of the tombstones is wrong");
  }
  ByteReader in(body.substr(kHeaderBytes));
  std::vector<Tombstone> stones;
  std::uint64_t id = 0;
  Interval last;
  for (std::uint64_t left = in.varint(); left > 0 && in.ok(); --left) {
    id += in.varint();
    last.min_ms = sum(last.min_ms, unzigzag(in.varint()));
    last.max_ms = sum(last.max_ms, unzigzag(in.varint()));
    if (last.min_ms > last.max_ms) in.fail();
    if (in.ok()) stones.push_back({storage::SeriesId(id), last});
  }
  if (!in.ok() || !in.at_end()) return data_loss("the tombstones are damaged");
  return Tombstones(std::move(stones));
}

// Columns ---------------------------------------------------------------------------------------

namespace {

void clear_rows(std::uint32_t begin, std::uint32_t end, storage::SeriesColumn* column) {
  if (begin == end) return;
  if (column->present.empty()) {
    column->present.assign((std::size_t{column->rows} + 63) / 64, ~std::uint64_t{0});
    if (column->rows % 64 != 0) {
      column->present.back() = (std::uint64_t{1} << (column->rows % 64)) - 1;
    }
  }
  for (std::uint32_t row = begin; row < end; ++row) {
    column->present[row / 64] &= ~(std::uint64_t{1} << (row % 64));
  }
  std::erase_if(column->histograms,
                [&](const auto& entry) { return entry.first >= begin && entry.first < end; });
}

}  // namespace

void hide_deleted(std::span<const Interval> deleted, storage::SeriesColumn* column) {
  if (deleted.empty() || column->rows == 0) return;
  const auto first = column->times->ms.begin() + column->first;
  const auto last = first + column->rows;
  for (const Interval& interval : deleted) {
    const auto begin = std::lower_bound(first, last, interval.min_ms);
    const auto end = std::upper_bound(begin, last, interval.max_ms);
    clear_rows(static_cast<std::uint32_t>(begin - first), static_cast<std::uint32_t>(end - first),
               column);
  }
  while (column->rows != 0 && !column->has(column->rows - 1)) --column->rows;
  if (column->floats.size() > column->rows) column->floats.resize(column->rows);
  if (column->start_ms.size() > column->rows) column->start_ms.resize(column->rows);
  if (!column->present.empty()) column->present.resize((std::size_t{column->rows} + 63) / 64);
}

std::vector<Interval> gaps(Interval whole, std::span<const Interval> deleted) {
  std::vector<Interval> left;
  for (const Interval& interval : deleted) {
    if (interval.max_ms < whole.min_ms) continue;
    if (interval.min_ms > whole.max_ms) break;
    if (interval.min_ms > whole.min_ms) left.push_back({whole.min_ms, interval.min_ms - 1});
    if (interval.max_ms >= whole.max_ms) return left;
    whole.min_ms = interval.max_ms + 1;
  }
  if (whole.min_ms <= whole.max_ms) left.push_back(whole);
  return left;
}

}  // namespace tocsin::tsdb
