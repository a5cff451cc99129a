// SPDX-License-Identifier: Apache-2.0
#include "storage/testing/mem_selection.h"

#include <algorithm>
#include <set>
#include <utility>

namespace tocsin::storage::testing {

namespace {

using ColumnPtr = std::shared_ptr<const TimestampColumn>;

// One column per group (the union of its members' timestamps), and one per distinct list of
// timestamps for series without a group.
std::vector<ColumnPtr> share_columns(const std::vector<MemSelected>& matched) {
  std::map<std::uint32_t, std::set<std::int64_t>> rows_of_group;
  for (const MemSelected& s : matched) {
    if (!s.entry.group) continue;
    for (const auto& [t, sample] : s.samples) rows_of_group[s.entry.group.value()].insert(t);
  }
  std::map<std::uint32_t, ColumnPtr> by_group;
  for (const auto& [group, rows] : rows_of_group) {
    by_group[group] =
        std::make_shared<const TimestampColumn>(TimestampColumn{{rows.begin(), rows.end()}});
  }
  std::map<std::vector<std::int64_t>, ColumnPtr> by_rows;
  std::vector<ColumnPtr> columns;
  for (const MemSelected& s : matched) {
    if (s.entry.group) {
      columns.push_back(by_group[s.entry.group.value()]);
      continue;
    }
    std::vector<std::int64_t> rows;
    for (const auto& [t, sample] : s.samples) rows.push_back(t);
    ColumnPtr& column = by_rows[rows];
    if (column == nullptr) column = std::make_shared<const TimestampColumn>(TimestampColumn{rows});
    columns.push_back(column);
  }
  return columns;
}

class MemSelection final : public Selection {
 public:
  MemSelection(std::vector<MemSelected> matched, const QueryContext& context)
      : matched_(std::move(matched)), columns_(share_columns(matched_)), context_(context) {
    for (const MemSelected& s : matched_) entries_.push_back(s.entry);
  }
  ~MemSelection() override {
    if (context_.memory != nullptr) context_.memory->release(charged_);
  }

  Status charge() {
    std::uint64_t bytes = 0;
    for (const MemSelected& s : matched_) bytes += s.samples.size() * sizeof(MemSample);
    if (context_.memory != nullptr) RETURN_IF_ERROR(context_.memory->charge(bytes));
    charged_ = bytes;
    return ok();
  }

  std::span<const SeriesEntry> series() const override { return entries_; }
  model::Labels labels(std::size_t series) const override { return matched_[series].labels; }

  Status read(std::size_t batch, ColumnBatch* out) const override {
    if (context_.cancel != nullptr) RETURN_IF_ERROR(context_.cancel->check());
    out->series.clear();
    const std::size_t end = std::min((batch + 1) * kBatchSeries, matched_.size());
    for (std::size_t i = batch * kBatchSeries; i < end; ++i) {
      if (!matched_[i].samples.empty()) out->series.push_back(column(i));
    }
    return ok();
  }

  Status last(std::size_t batch, model::Timestamp at, model::Duration lookback,
              std::vector<LastValue>* out) const override {
    const std::size_t begin = batch * kBatchSeries;
    const std::size_t end = std::min(begin + kBatchSeries, matched_.size());
    out->assign(end - begin, LastValue{});
    for (std::size_t i = begin; i < end; ++i) {
      const MemSamples& samples = matched_[i].samples;
      auto it = samples.upper_bound(model::to_ms(at));
      if (it == samples.begin()) continue;
      --it;
      if (it->first <= model::to_ms(at - lookback)) continue;
      if (it->second.histogram != nullptr) return unimplemented("histogram samples");
      (*out)[i - begin] = {it->first, it->second.value, true};
    }
    return ok();
  }

 private:
  SeriesColumn column(std::size_t i) const {
    const MemSamples& samples = matched_[i].samples;
    SeriesColumn c;
    c.series = static_cast<std::uint32_t>(i);
    c.times = columns_[i];
    const std::vector<std::int64_t>& ms = c.times->ms;
    const auto from = std::lower_bound(ms.begin(), ms.end(), samples.begin()->first);
    const auto to = std::upper_bound(ms.begin(), ms.end(), samples.rbegin()->first);
    c.first = static_cast<std::uint32_t>(from - ms.begin());
    c.rows = static_cast<std::uint32_t>(to - from);
    c.floats.assign(c.rows, 0);
    const bool all = samples.size() == c.rows;
    if (!all) c.present.assign((c.rows + 63) / 64, 0);
    for (std::uint32_t row = 0; row < c.rows; ++row) {
      auto it = samples.find(ms[c.first + row]);
      if (it == samples.end()) continue;
      if (!all) c.present[row / 64] |= std::uint64_t{1} << (row % 64);
      c.floats[row] = it->second.value;
      if (it->second.histogram != nullptr) c.histograms.emplace_back(row, *it->second.histogram);
      if (it->second.start_ms != 0) {
        c.start_ms.resize(c.rows, 0);
        c.start_ms[row] = it->second.start_ms;
      }
    }
    return c;
  }

  std::vector<MemSelected> matched_;
  std::vector<ColumnPtr> columns_;
  std::vector<SeriesEntry> entries_;
  QueryContext context_;
  std::uint64_t charged_ = 0;
};

}  // namespace

StatusOr<std::unique_ptr<Selection>> make_mem_selection(std::vector<MemSelected> matched,
                                                        const QueryContext& context) {
  auto selection = std::make_unique<MemSelection>(std::move(matched), context);
  RETURN_IF_ERROR(selection->charge());
  return std::unique_ptr<Selection>(std::move(selection));
}

}  // namespace tocsin::storage::testing
