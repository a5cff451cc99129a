// SPDX-License-Identifier: Apache-2.0
#include "tsdb/query/column_merger.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace tocsin::tsdb {

using storage::SeriesColumn;

ColumnMerger::Part ColumnMerger::cut(const TimesPtr& times, std::uint32_t first,
                                     std::uint32_t rows) const {
  const auto begin = times->ms.begin() + first;
  const auto end = begin + rows;
  auto from = std::lower_bound(begin, end, min_ms_);
  if (!parts_.empty()) from = std::max(from, std::upper_bound(begin, end, last_ms_));
  const auto until = std::upper_bound(begin, end, max_ms_);
  if (from >= until) return {times, first, 0};
  return {times, static_cast<std::uint32_t>(from - times->ms.begin()),
          static_cast<std::uint32_t>(until - from)};
}

// Takes the part's rows, which were appended to rows_, as far as the last one that is present.
void ColumnMerger::close_part(const Part& part, std::size_t values_before) {
  std::size_t end = rows_.floats.size();
  while (end > values_before && ((rows_.present[(end - 1) / 64] >> ((end - 1) % 64)) & 1U) == 0)
    --end;
  rows_.floats.resize(end);
  if (starts_.size() > end) starts_.resize(end);
  rows_.present.resize((end + 63) / 64);
  if (end == values_before) return;
  const auto rows = static_cast<std::uint32_t>(end - values_before);
  parts_.push_back({part.times, part.first, rows});
  last_ms_ = part.times->ms[part.first + rows - 1];
}

void ColumnMerger::add_sealed(const SeriesColumn& column) {
  const Part part = cut(column.times, column.first, column.rows);
  const std::size_t before = rows_.floats.size();
  const std::uint32_t skip = part.first - column.first;
  for (std::uint32_t row = skip; row < skip + part.rows; ++row) {
    rows_.append(1, column.has(row)
                        ? std::optional(std::bit_cast<std::uint64_t>(column.floats[row]))
                        : std::nullopt);
  }
  if (!column.start_ms.empty()) {
    starts_.resize(before);
    const auto first = column.start_ms.begin() + skip;
    starts_.insert(starts_.end(), first, first + part.rows);
  }
  close_part(part, before);
}

Status ColumnMerger::add_piece(const Piece& piece) {
  const Part part = cut(piece.times, 0, piece.length);
  if (part.rows == 0) return ok();
  const std::size_t before = rows_.floats.size();
  if (!decode_rows(piece.log(), piece.length, part.first, part.first + part.rows, &rows_)) {
    return data_loss("a change log of the head is damaged");
  }
  close_part(part, before);
  return ok();
}

StatusOr<SeriesColumn> ColumnMerger::merge(std::span<const SeriesColumn> sealed,
                                           std::span<const Piece> head) {
  parts_.clear();
  rows_ = {};
  starts_.clear();
  last_ms_ = INT64_MIN;
  // Columns of different runs may begin with rows of other series: what orders them is their first
  // sample.
  std::vector<std::pair<std::int64_t, const SeriesColumn*>> order;
  for (const SeriesColumn& column : sealed) {
    std::uint32_t row = 0;
    while (row < column.rows && !column.has(row)) ++row;
    if (row < column.rows) order.emplace_back(column.times->ms[column.first + row], &column);
  }
  std::stable_sort(order.begin(), order.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  for (const auto& [time, column] : order) add_sealed(*column);
  for (const Piece& piece : head) RETURN_IF_ERROR(add_piece(piece));
  SeriesColumn out;
  if (parts_.empty()) return out;
  out.rows = static_cast<std::uint32_t>(rows_.floats.size());
  if (parts_.size() == 1) {
    out.times = parts_[0].times;
    out.first = parts_[0].first;
  } else {
    out.times = times_of(parts_);
  }
  if (rows_.count_present() != out.rows) out.present = std::move(rows_.present);
  out.floats = std::move(rows_.floats);
  if (std::ranges::any_of(starts_, [](std::int64_t start_ms) { return start_ms != 0; })) {
    starts_.resize(out.rows);
    out.start_ms = std::move(starts_);
  }
  return out;
}

TimesPtr ColumnMerger::times_of(const std::vector<Part>& parts) {
  const auto [at, inserted] = merged_.try_emplace(parts);
  if (inserted) {
    auto column = std::make_shared<storage::TimestampColumn>();
    for (const Part& part : parts) {
      const auto begin = part.times->ms.begin() + part.first;
      column->ms.insert(column->ms.end(), begin, begin + part.rows);
    }
    at->second = std::move(column);
  }
  return at->second;
}

}  // namespace tocsin::tsdb
