// SPDX-License-Identifier: Apache-2.0
//
// Queryable: how samples come out of a store, in columns.
//
// select() resolves matchers to series without decoding a sample; the Selection then hands out
// whole-range columns in batches of up to kBatchSeries series (a tile), which may be read from
// several threads. Series of one group share one TimestampColumn object, so a reader computes
// window bounds once per handle:
//
//   ASSIGN_OR_RETURN(auto selection, queryable.select(matchers, hints, context));
//   for (size_t b = 0; b < selection->batch_count(); ++b) {
//     ColumnBatch batch;
//     RETURN_IF_ERROR(selection->read(b, &batch));
//     for (const SeriesColumn& c : batch.series) use(c.times->ms, c.floats);
//   }
//
// Ranges here are closed: [mint, maxt]. Staleness markers are ordinary values of a column.
// Threads: Queryable is shared. A Selection is an immutable snapshot of the matched series; its
// const methods may be called from several threads, each with its own ColumnBatch.
// Errors:
// kCancelled / kDeadlineExceeded from the token, kResourceExhausted from the account or a limit,
// kDataLoss for a damaged tile (its series are then missing from the batch's answer: see
// warnings()).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"
#include "model/histogram.h"
#include "model/labels.h"
#include "model/matcher.h"
#include "model/timestamp.h"
#include "storage/limits.h"
#include "storage/types.h"

namespace tocsin::storage {

inline constexpr std::size_t kBatchSeries = 64;

struct SelectHints {
  model::Timestamp mint;     // closed
  model::Timestamp maxt;     // closed
  model::Duration step{0};   // of a range query; 0 for an instant query
  model::Duration range{0};  // window of the enclosing range function; 0 without
  std::string function;      // enclosing function or aggregation, "" without
  // Labels the query needs: with by_labels only these, otherwise all but these. Advice: a store may
  // return more labels, never fewer.
  std::vector<std::string> projection;
  bool by_labels = false;
  std::size_t limit = 0;  // series; 0 without
};

// What a query brings along. Borrowed for the life of the Selection. Null members: unlimited.
struct QueryContext {
  MemoryAccount* memory = nullptr;
  const CancelToken* cancel = nullptr;
};

// Ascending timestamps shared by the series of a group. Immutable once handed out.
struct TimestampColumn {
  std::vector<std::int64_t> ms;
};

// One series' samples in [mint, maxt]. `times->ms[first + i]` is the time of row i, for i in
// [0, rows). A row without a sample of this series is absent from `present` (null: all rows
// present).
struct SeriesColumn {
  std::uint32_t series = 0;  // index into Selection::series()
  std::shared_ptr<const TimestampColumn> times;
  std::uint32_t first = 0;
  std::uint32_t rows = 0;
  // Either floats or histograms has `rows` entries per kind:
  std::vector<double> floats;          // floats[i] belongs to row i; unspecified where not present
  std::vector<std::uint64_t> present;  // bitmap over rows, bit i of word i/64; empty: all present
  std::vector<std::pair<std::uint32_t, model::FloatHistogram>>
      histograms;                      // (row, histogram), ascending
  std::vector<std::int64_t> start_ms;  // start timestamp per row, 0 = none; empty: none at all

  bool has(std::uint32_t row) const {
    return present.empty() || ((present[row / 64] >> (row % 64)) & 1U) != 0;
  }
};

struct ColumnBatch {
  std::vector<SeriesColumn>
      series;  // ascending by series index; series without samples are left out
};

struct SeriesEntry {
  SeriesId id;
  GroupId group;  // series of one group are likely to share timestamp columns
};

struct LastValue {
  std::int64_t time_ms = 0;
  double value = 0;
  bool found = false;
};

class Selection {
 public:
  virtual ~Selection() = default;
  // All matched series, in the store's order; known before samples are read. Some may have none.
  virtual std::span<const SeriesEntry> series() const = 0;
  virtual model::Labels labels(std::size_t series) const = 0;

  // Batch b holds series [b * kBatchSeries, ...); reads [mint, maxt] of the hints.
  std::size_t batch_count() const { return (series().size() + kBatchSeries - 1) / kBatchSeries; }
  virtual Status read(std::size_t batch, ColumnBatch* out) const = 0;

  // For each series of the batch the newest float sample in the half-open interval (at - lookback,
  // at], without decoding where the store keeps it; a staleness marker counts as found. Returns
  // kUnimplemented when a series of the batch has histograms or other samples it cannot answer for:
  // then use read(). out is resized to the batch.
  virtual Status last(std::size_t batch, model::Timestamp at, model::Duration lookback,
                      std::vector<LastValue>* out) const = 0;

  // Problems that left data out, e.g. a damaged tile; for the API's warnings.
  virtual std::vector<std::string> warnings() const { return {}; }
};

struct LabelHints {
  model::Timestamp mint;
  model::Timestamp maxt;
  std::size_t limit =
      0;  // 0: no limit; a result cut short holds `limit` entries and sets truncated
};

struct LabelResult {
  std::vector<std::string> values;  // sorted, unique
  bool truncated = false;
};

class Queryable {
 public:
  virtual ~Queryable() = default;
  virtual StatusOr<std::unique_ptr<Selection>> select(const model::Matchers& matchers,
                                                      const SelectHints& hints,
                                                      const QueryContext& context) const = 0;
  // Names of labels, or values of one, over the series that match (all when matchers is empty) and
  // have samples in [mint, maxt] (a store may answer by whole days).
  virtual StatusOr<LabelResult> label_names(const model::Matchers& matchers,
                                            const LabelHints& hints,
                                            const QueryContext& context) const = 0;
  virtual StatusOr<LabelResult> label_values(std::string_view name, const model::Matchers& matchers,
                                             const LabelHints& hints,
                                             const QueryContext& context) const = 0;
  // Label sets that match any of `matcher_sets`, sorted.
  virtual StatusOr<std::vector<model::Labels>> series(
      const std::vector<model::Matchers>& matcher_sets, const LabelHints& hints,
      const QueryContext& context) const = 0;
};

}  // namespace tocsin::storage
