// SPDX-License-Identifier: Apache-2.0
#include "tsdb/query/column_merger.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace tocsin::tsdb {

using storage::SeriesColumn;

namespace {

using Bitmap = std::vector<std::uint64_t>;

std::size_t words_of(std::size_t rows) { return (rows + 63) / 64; }

// Appends bits [begin, begin + count) of `from` to the first `size` bits of `to`; an empty `from`
// is all ones. Bits of `to` above `size` are 0 before and after it.
void append_bits(const Bitmap& from, std::uint32_t begin, std::uint32_t count, std::size_t size,
                 Bitmap* to) {
  to->resize(words_of(size + count));
  for (std::uint32_t done = 0; done < count;) {
    const unsigned shift = (begin + done) % 64;
    const std::uint32_t here = std::min({64 - shift, count - done});
    std::uint64_t bits = from.empty() ? ~std::uint64_t{0} : from[(begin + done) / 64] >> shift;
    if (here < 64) bits &= (std::uint64_t{1} << here) - 1;
    const std::size_t at = size + done;
    (*to)[at / 64] |= bits << (at % 64);
    if (at % 64 + here > 64) (*to)[at / 64 + 1] |= bits >> (64 - at % 64);
    done += here;
  }
}

bool is_full(const Bitmap& bitmap, std::uint32_t rows) {
  std::size_t ones = 0;
  for (const std::uint64_t word : bitmap) ones += static_cast<std::size_t>(std::popcount(word));
  return ones == rows;
}

// What a reader need not look at is left out.
void drop_empty(SeriesColumn* column) {
  if (!column->present.empty() && is_full(column->present, column->rows)) column->present.clear();
  if (std::ranges::all_of(column->start_ms, [](std::int64_t ms) { return ms == 0; })) {
    column->start_ms.clear();
  }
}

void truncate(std::uint32_t rows, SeriesColumn* column) {
  column->rows = rows;
  column->floats.resize(rows);
  if (!column->start_ms.empty()) column->start_ms.resize(rows);
  if (column->present.empty()) return;
  column->present.resize(words_of(rows));
  if (rows % 64 != 0) column->present.back() &= (std::uint64_t{1} << (rows % 64)) - 1;
}

void remove_front(std::uint32_t rows, SeriesColumn* column) {
  if (rows == 0) return;
  if (!column->present.empty()) {
    Bitmap rest;
    append_bits(column->present, rows, column->rows - rows, 0, &rest);
    column->present = std::move(rest);
  }
  column->floats.erase(column->floats.begin(), column->floats.begin() + rows);
  if (!column->start_ms.empty()) {
    column->start_ms.erase(column->start_ms.begin(), column->start_ms.begin() + rows);
  }
  column->first += rows;
  column->rows -= rows;
}

}  // namespace

void ColumnMerger::add(SeriesColumn* column) {
  if (column->rows == 0) return;
  const std::int64_t* const ms = column->times->ms.data() + column->first;
  std::uint32_t begin = 0;
  std::uint32_t end = column->rows;
  if (ms[0] < min_ms_ || ms[end - 1] > max_ms_) {
    begin = static_cast<std::uint32_t>(std::lower_bound(ms, ms + end, min_ms_) - ms);
    end = static_cast<std::uint32_t>(std::upper_bound(ms + begin, ms + end, max_ms_) - ms);
  }
  while (begin < end && !column->has(begin)) ++begin;
  while (begin < end && !column->has(end - 1)) --end;
  if (begin < end) parts_.push_back({column, begin, end, ms[begin], ms[end - 1]});
}

Status ColumnMerger::decode(std::span<const Piece> head) {
  decoded_.clear();
  decoded_.reserve(head.size());  // parts point to them
  for (const Piece& piece : head) {
    const auto begin = piece.times->ms.begin();
    const auto end = begin + piece.length;
    const auto from = std::lower_bound(begin, end, min_ms_);
    const auto until = std::upper_bound(from, end, max_ms_);
    if (from == until) continue;
    SeriesColumn& column = decoded_.emplace_back();
    column.times = piece.times;
    column.first = static_cast<std::uint32_t>(from - begin);
    column.rows = static_cast<std::uint32_t>(until - from);
    DecodedRows rows;
    if (!decode_rows(piece.log(), piece.length, column.first, column.first + column.rows, &rows)) {
      return data_loss("a change log of the head is damaged");
    }
    column.floats = std::move(rows.floats);
    if (!is_full(rows.present, column.rows)) column.present = std::move(rows.present);
    add(&column);
  }
  return ok();
}

SeriesColumn ColumnMerger::take_single() {
  const Part& part = parts_.front();
  SeriesColumn column = std::move(*part.column);
  if (part.end != column.rows) truncate(part.end, &column);
  // Rows without a sample may stay in front: then series keep sharing their rows.
  const auto begin = column.times->ms.begin() + column.first;
  const auto in_range = std::lower_bound(begin, begin + column.rows, min_ms_);
  remove_front(static_cast<std::uint32_t>(in_range - begin), &column);
  return column;
}

SeriesColumn ColumnMerger::append() {
  SeriesColumn out;
  bool partial = false;
  bool starts = false;
  for (const Part& part : parts_) {
    out.rows += part.end - part.begin;
    partial = partial || !part.column->present.empty();
    starts = starts || !part.column->start_ms.empty();
  }
  out.times = times_of_parts();
  out.floats.reserve(out.rows);
  if (starts) out.start_ms.reserve(out.rows);
  if (partial) out.present.reserve(words_of(out.rows));
  for (const Part& part : parts_) {
    const SeriesColumn& from = *part.column;
    const std::size_t size = out.floats.size();
    out.floats.insert(out.floats.end(), from.floats.begin() + part.begin,
                      from.floats.begin() + part.end);
    if (partial) append_bits(from.present, part.begin, part.end - part.begin, size, &out.present);
    if (!starts) continue;
    if (from.start_ms.empty()) {
      out.start_ms.resize(out.floats.size());
    } else {
      out.start_ms.insert(out.start_ms.end(), from.start_ms.begin() + part.begin,
                          from.start_ms.begin() + part.end);
    }
  }
  return out;
}

SeriesColumn ColumnMerger::interleave() {
  struct Sample {
    std::int64_t ms;
    double value;
    std::int64_t start_ms;
  };
  const auto earlier = [](const Sample& a, const Sample& b) { return a.ms < b.ms; };
  std::vector<Sample> samples;
  bool starts = false;
  for (const Part& part : parts_) {
    const SeriesColumn& from = *part.column;
    const auto sorted = static_cast<std::ptrdiff_t>(samples.size());
    starts = starts || !from.start_ms.empty();
    for (std::uint32_t row = part.begin; row < part.end; ++row) {
      if (!from.has(row)) continue;
      samples.push_back({from.times->ms[from.first + row], from.floats[row],
                         from.start_ms.empty() ? 0 : from.start_ms[row]});
    }
    // Stable: of equal times the first source's stays in front.
    std::inplace_merge(samples.begin(), samples.begin() + sorted, samples.end(), earlier);
  }
  samples.erase(std::unique(samples.begin(), samples.end(),
                            [](const Sample& a, const Sample& b) { return a.ms == b.ms; }),
                samples.end());
  SeriesColumn out;
  out.rows = static_cast<std::uint32_t>(samples.size());
  std::vector<std::int64_t> ms;
  ms.reserve(samples.size());
  out.floats.reserve(samples.size());
  for (const Sample& sample : samples) {
    ms.push_back(sample.ms);
    out.floats.push_back(sample.value);
    if (starts) out.start_ms.push_back(sample.start_ms);
  }
  out.times = shared(std::move(ms));
  return out;
}

StatusOr<SeriesColumn> ColumnMerger::merge(std::span<SeriesColumn> sealed,
                                           std::span<const Piece> head) {
  parts_.clear();
  for (SeriesColumn& column : sealed) add(&column);
  RETURN_IF_ERROR(decode(head));
  if (parts_.empty()) return SeriesColumn();
  SeriesColumn out;
  if (parts_.size() == 1) {
    out = take_single();
  } else {
    std::vector<Part> given = parts_;
    std::ranges::stable_sort(parts_, {}, &Part::first_ms);
    const bool apart = std::ranges::adjacent_find(parts_, [](const Part& a, const Part& b) {
                         return a.last_ms >= b.first_ms;
                       }) == parts_.end();
    if (!apart) parts_ = std::move(given);  // the order decides which of two samples counts
    out = apart ? append() : interleave();
  }
  drop_empty(&out);
  return out;
}

TimesPtr ColumnMerger::times_of_parts() {
  std::vector<Place> places;
  places.reserve(parts_.size());
  for (const Part& part : parts_) {
    places.emplace_back(part.column->times.get(), part.column->first + part.begin,
                        part.end - part.begin);
  }
  const auto [at, inserted] = made_.try_emplace(std::move(places));
  Made& made = at->second;
  if (!inserted) return made.times;
  auto column = std::make_shared<storage::TimestampColumn>();
  for (const Part& part : parts_) {
    const auto begin = part.column->times->ms.begin() + part.column->first;
    column->ms.insert(column->ms.end(), begin + part.begin, begin + part.end);
    made.sources.push_back(part.column->times);
  }
  return made.times = std::move(column);
}

TimesPtr ColumnMerger::shared(std::vector<std::int64_t> ms) {
  if (interleaved_ == nullptr || interleaved_->ms != ms) {
    auto column = std::make_shared<storage::TimestampColumn>();
    column->ms = std::move(ms);
    interleaved_ = std::move(column);
  }
  return interleaved_;
}

}  // namespace tocsin::tsdb
