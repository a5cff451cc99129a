// SPDX-License-Identifier: Apache-2.0
#include "tsdb/merge/rows_joiner.h"

#include <algorithm>
#include <utility>

namespace tocsin::tsdb {

void RowsJoiner::join(std::vector<RunRows>* parts, RunRows* out) {
  slices_.clear();
  for (RunRows& part : *parts) {
    const std::uint32_t begin = part.rows.first_present();
    const std::uint32_t end = part.rows.end_present();
    if (begin >= end) continue;
    const std::vector<std::int64_t>& ms = part.times->ms;
    slices_.push_back({&part, begin, end, ms[part.first + begin], ms[part.first + end - 1]});
  }
  out->rows.clear();
  out->times = nullptr;
  out->first = 0;
  out->own_times = false;
  if (slices_.empty()) return;
  if (slices_.size() == 1) {
    *out = std::move(*slices_[0].part);
    return;
  }
  std::ranges::stable_sort(slices_, {}, &Slice::first_ms);
  bool apart = true;
  for (std::size_t i = 1; i < slices_.size(); ++i) {
    apart = apart && slices_[i - 1].last_ms < slices_[i].first_ms;
  }
  out->own_times = !apart || std::ranges::any_of(
                                 slices_, [](const Slice& slice) { return slice.part->own_times; });
  if (apart) {
    out->times = out->own_times ? joined_times() : times_of_slices();
    append(out);
  } else {
    interleave(out);
  }
}

void RowsJoiner::append(RunRows* out) const {
  for (const Slice& slice : slices_) out->rows.append(slice.part->rows, slice.begin, slice.end);
}

RowsJoiner::TimesPtr RowsJoiner::times_of_slices() {
  std::vector<Place> key;
  for (const Slice& slice : slices_) {
    key.emplace_back(slice.part->times.get(), slice.part->first + slice.begin,
                     slice.end - slice.begin);
  }
  if (const auto it = made_.find(key); it != made_.end()) return it->second.times;
  Made made{joined_times(), {}};
  for (const Slice& slice : slices_) made.sources.push_back(slice.part->times);
  rows_kept_ += made.times->ms.size();
  if (rows_kept_ > max_rows_kept_) {
    made_.clear();
    rows_kept_ = made.times->ms.size();
  }
  TimesPtr times = made.times;
  made_.emplace(std::move(key), std::move(made));
  return times;
}

RowsJoiner::TimesPtr RowsJoiner::joined_times() const {
  auto column = std::make_shared<storage::TimestampColumn>();
  for (const Slice& slice : slices_) {
    const auto begin = slice.part->times->ms.begin() + slice.part->first;
    column->ms.insert(column->ms.end(), begin + slice.begin, begin + slice.end);
  }
  return column;
}

void RowsJoiner::interleave(RunRows* out) const {
  struct Sample {
    std::int64_t ms;
    std::uint64_t word;
    std::int64_t start_ms;
    std::uint8_t kind;
  };
  std::vector<Sample> samples;
  bool starts = false;
  for (const Slice& slice : slices_) {
    const RowChanges& rows = slice.part->rows;
    starts = starts || !rows.start_ms.empty();
    for (std::size_t at = 0; at < rows.changes.size(); ++at) {
      const Change& change = rows.changes[at];
      if (change.kind == Change::kAbsent) continue;
      for (std::uint32_t row = change.row; row < rows.end_of(at); ++row) {
        samples.push_back({slice.part->times->ms[slice.part->first + row], change.word,
                           rows.start_ms.empty() ? 0 : rows.start_ms[row], change.kind});
      }
    }
  }
  std::ranges::stable_sort(samples, {}, &Sample::ms);
  auto column = std::make_shared<storage::TimestampColumn>();
  std::vector<std::int64_t> start_ms;
  for (const Sample& sample : samples) {
    if (!column->ms.empty() && column->ms.back() == sample.ms) continue;
    column->ms.push_back(sample.ms);
    out->rows.append(1, sample.kind, sample.word);
    if (starts) start_ms.push_back(sample.start_ms);
  }
  out->rows.start_ms = std::move(start_ms);
  out->times = std::move(column);
}

}  // namespace tocsin::tsdb
