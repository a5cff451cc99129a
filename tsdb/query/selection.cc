// SPDX-License-Identifier: Apache-2.0
#include "tsdb/query/selection.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "tsdb/query/column_merger.h"
#include "tsdb/query/series_finder.h"
#include "tsdb/query/side_lookup.h"
#include "tsdb/query/side_merger.h"

namespace tocsin::tsdb {

using storage::kBatchSeries;
using storage::SeriesColumn;
using storage::SeriesId;

namespace {

// Holds a charge on an account, if there is one, until destroyed.
class Charge {
 public:
  explicit Charge(storage::MemoryAccount* account) : account_(account) {}
  ~Charge() {
    if (account_ != nullptr) account_->release(bytes_);
  }
  Charge(const Charge&) = delete;
  Charge& operator=(const Charge&) = delete;

  Status add(std::uint64_t bytes) {
    if (account_ == nullptr) return ok();
    RETURN_IF_ERROR(account_->charge(bytes));
    bytes_ += bytes;
    return ok();
  }

 private:
  storage::MemoryAccount* const account_;
  std::uint64_t bytes_ = 0;
};

std::uint64_t bytes_of(const SeriesColumn& column) {
  std::uint64_t bytes = sizeof(column) + column.floats.size() * sizeof(double) +
                        column.present.size() * sizeof(std::uint64_t) +
                        column.start_ms.size() * sizeof(std::int64_t);
  for (const auto& [row, h] : column.histograms) {
    bytes += sizeof(h) + (h.positive_buckets.size() + h.negative_buckets.size()) * sizeof(double) +
             h.custom_values.size() * sizeof(double);
  }
  return bytes;
}

// REQUIRES: rows. The last row of a merged column holds a sample.
Newest newest_of(const SeriesColumn& column) {
  return {column.times->ms[column.first + column.rows - 1],
          std::bit_cast<std::uint64_t>(column.floats.back())};
}

}  // namespace

model::Labels TsdbSelection::labels(std::size_t series) const {
  StatusOr<model::Labels> found = labels_of(core_, series_[series].id);
  if (found.ok()) return *std::move(found);
  warnings_.lock()->push_back(std::string(message(found.status())));
  return {};
}

StatusOr<std::vector<SeriesColumn>> TsdbSelection::columns(std::vector<std::uint32_t> series,
                                                           std::int64_t min_ms,
                                                           std::int64_t max_ms) const {
  if (context_.cancel != nullptr) RETURN_IF_ERROR(context_.cancel->check());
  // Stores want ascending ids, of which a batch with several metrics has a few runs.
  std::ranges::sort(series, {}, [this](std::uint32_t at) { return series_[at].id; });
  std::vector<SeriesId> ids;
  for (const std::uint32_t at : series) ids.push_back(series_[at].id);
  const auto deleted = core_.tombstones.snapshot();  // before the samples: see its header
  std::vector<std::vector<Piece>> pieces(ids.size());
  for (std::size_t i = 0; i < ids.size(); ++i) core_.head.read(ids[i], min_ms, max_ms, &pieces[i]);
  ASSIGN_OR_RETURN(SideColumns side, side_of_head(core_, ids, min_ms, max_ms));
  const auto snapshot = core_.runs->snapshot();  // after the head: see the header
  std::vector<std::vector<SeriesColumn>> sealed(ids.size());
  std::vector<std::string> problems;
  RETURN_IF_ERROR(RunStore::read(*snapshot, ids, min_ms, max_ms, &sealed, &problems));
  RETURN_IF_ERROR(add_side_of_runs(*snapshot, ids, min_ms, max_ms, &side, &problems));
  if (!problems.empty()) {
    core_.metrics.corruptions.with({"run"}).inc(static_cast<double>(problems.size()));
    auto warnings = warnings_.lock();
    warnings->insert(warnings->end(), problems.begin(), problems.end());
  }
  Charge charge(context_.memory);
  for (const std::vector<SeriesColumn>& of_one : sealed) {
    for (const SeriesColumn& column : of_one) RETURN_IF_ERROR(charge.add(bytes_of(column)));
  }
  ColumnMerger merger(min_ms, max_ms);
  std::vector<SeriesColumn> out;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    ASSIGN_OR_RETURN(SeriesColumn column, merger.merge(sealed[i], pieces[i]));
    const bool handed_on = sealed[i].size() == 1 && sealed[i][0].floats.empty();
    if (!side.empty() && !side[i].empty()) {
      column = merge_side(std::move(column), std::move(side[i]), min_ms, max_ms);
    }
    hide_deleted(deleted->of(ids[i]), &column);
    column.series = series[i];
    if (!handed_on) RETURN_IF_ERROR(charge.add(bytes_of(column)));
    out.push_back(std::move(column));
  }
  const auto in_order = [](const SeriesColumn& a, const SeriesColumn& b) {
    return a.series < b.series;
  };
  if (!std::ranges::is_sorted(out, in_order)) std::ranges::sort(out, in_order);
  return out;
}

Status TsdbSelection::read(std::size_t batch, storage::ColumnBatch* out) const {
  out->series.clear();
  std::vector<std::uint32_t> wanted;
  for (std::size_t i = batch * kBatchSeries;
       i < std::min(series_.size(), (batch + 1) * kBatchSeries); ++i) {
    wanted.push_back(static_cast<std::uint32_t>(i));
  }
  ASSIGN_OR_RETURN(std::vector<SeriesColumn> all, columns(std::move(wanted), min_ms_, max_ms_));
  for (SeriesColumn& column : all) {
    if (column.rows != 0) out->series.push_back(std::move(column));
  }
  return ok();
}

Status TsdbSelection::learn(std::vector<std::uint32_t> series, std::int64_t after_ms,
                            std::int64_t at_ms, std::vector<std::uint32_t>* learned,
                            std::vector<std::uint32_t>* unsure) const {
  const std::int64_t sealed_max_ms = core_.sealed_max_ms.load();
  if (at_ms < sealed_max_ms || after_ms >= sealed_max_ms) {
    // The newest are not in the range that is asked for.
    unsure->insert(unsure->end(), series.begin(), series.end());
    return ok();
  }
  if (context_.cancel != nullptr) RETURN_IF_ERROR(context_.cancel->check());
  std::ranges::sort(series, {}, [this](std::uint32_t at) { return series_[at].id; });
  std::vector<SeriesId> ids;
  for (const std::uint32_t at : series) ids.push_back(series_[at].id);
  const Learning::Round round = core_.learning.begin();
  const auto deleted = core_.tombstones.snapshot();  // before the samples
  const auto snapshot = core_.runs->snapshot();
  std::vector<std::vector<SeriesColumn>> columns(ids.size());
  std::vector<std::vector<SideChunk>> side(ids.size());
  std::vector<std::string> problems;
  const std::int64_t min_ms = after_ms + 1;
  RETURN_IF_ERROR(RunStore::read(*snapshot, ids, min_ms, sealed_max_ms, &columns, &problems));
  RETURN_IF_ERROR(RunStore::read_side(*snapshot, ids, min_ms, sealed_max_ms, &side, &problems));
  Charge charge(context_.memory);
  ColumnMerger merger(min_ms, sealed_max_ms);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    // columns() names what is damaged, and the head could not. A series with histograms or late
    // samples has more than one newest sample; what is deleted may be cleaned away by now.
    if (!problems.empty() || !side[i].empty() || !deleted->of(ids[i]).empty()) {
      unsure->push_back(series[i]);
      continue;
    }
    if (columns[i].empty()) continue;
    for (const SeriesColumn& column : columns[i]) RETURN_IF_ERROR(charge.add(bytes_of(column)));
    ASSIGN_OR_RETURN(const SeriesColumn column, merger.merge(columns[i], {}));
    if (column.rows == 0) continue;
    const bool told =
        core_.learning.tell(round, [&] { core_.head.learn_newest(ids[i], newest_of(column)); });
    (told ? learned : unsure)->push_back(series[i]);
  }
  return ok();
}

Status TsdbSelection::last(std::size_t batch, model::Timestamp at, model::Duration lookback,
                           std::vector<storage::LastValue>* out) const {
  const std::int64_t at_ms = base::to_ms(at);
  const std::int64_t after_ms = at_ms - lookback.count();
  const std::size_t begin = batch * kBatchSeries;
  const std::size_t end = std::min(series_.size(), begin + kBatchSeries);
  out->assign(end - begin, {});
  std::vector<std::uint32_t> unsure, unknown;
  const auto deleted = core_.tombstones.snapshot();
  const auto ask_head = [&](std::uint32_t series, std::vector<std::uint32_t>* untold) {
    const SeriesId id = series_[series].id;
    const std::optional<Newest> newest = core_.head.newest(id);
    if (!newest || core_.head.side().has(id)) {
      unsure.push_back(series);
    } else if (newest->time_ms == kUnknownTime) {
      untold->push_back(series);
    } else if (newest->time_ms > at_ms || deleted->covers(id, newest->time_ms)) {
      unsure.push_back(series);
    } else if (newest->time_ms > after_ms) {
      (*out)[series - begin] = {newest->time_ms, std::bit_cast<double>(newest->bits), true};
    }
  };
  for (std::size_t i = begin; i < end; ++i) ask_head(static_cast<std::uint32_t>(i), &unknown);
  if (!unknown.empty()) {
    std::vector<std::uint32_t> learned;
    RETURN_IF_ERROR(learn(std::move(unknown), after_ms, at_ms, &learned, &unsure));
    for (const std::uint32_t series : learned) ask_head(series, &unsure);
  }
  if (unsure.empty()) return ok();
  ASSIGN_OR_RETURN(const std::vector<SeriesColumn> read,
                   columns(std::move(unsure), after_ms + 1, at_ms));
  for (const SeriesColumn& column : read) {
    if (column.rows == 0) continue;
    if (!column.histograms.empty()) return unimplemented("a series has histograms: use read()");
    const Newest newest = newest_of(column);
    (*out)[column.series - begin] = {newest.time_ms, std::bit_cast<double>(newest.bits), true};
  }
  return ok();
}

}  // namespace tocsin::tsdb
