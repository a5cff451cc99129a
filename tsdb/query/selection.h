// SPDX-License-Identifier: Apache-2.0
//
// TsdbSelection: matched series whose samples come from runs and head together.
//
// read() looks at the head first and at the runs after it: what is sealed in between is then seen
// twice, never not at all, and ColumnMerger drops the second copy. Memory is charged while a batch
// is put together and released when it is handed over: who keeps columns charges them.
// last() asks the head, which after a start knows no samples but the journal's: the first query reads
// the others, and the head keeps them.
// Borrows: Core, and the members of the QueryContext.
// Threads: shared after construction.
// Errors: see storage/queryable.h; a damaged tile is a warning and leaves its series out.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "storage/queryable.h"
#include "tsdb/core/core.h"

namespace tocsin::tsdb {

class TsdbSelection final : public storage::Selection {
 public:
  TsdbSelection(const Core& core, const storage::QueryContext& context, model::Timestamp mint,
                model::Timestamp maxt, std::vector<storage::SeriesEntry> series)
      : core_(core),
        context_(context),
        min_ms_(base::to_ms(mint)),
        max_ms_(base::to_ms(maxt)),
        series_(std::move(series)) {
    core_.reading.fetch_add(1, std::memory_order_relaxed);
  }
  ~TsdbSelection() override { core_.reading.fetch_sub(1, std::memory_order_relaxed); }

  std::span<const storage::SeriesEntry> series() const override { return series_; }
  model::Labels labels(std::size_t series) const override;
  Status read(std::size_t batch, storage::ColumnBatch* out) const override;
  Status last(std::size_t batch, model::Timestamp at, model::Duration lookback,
              std::vector<storage::LastValue>* out) const override;
  std::vector<std::string> warnings() const override { return *warnings_.lock(); }

 private:
  // Columns of the given series of series_ (in any order), ascending; those without samples with 0 rows.
  StatusOr<std::vector<storage::SeriesColumn>> columns(std::vector<std::uint32_t> series,
                                                       std::int64_t min_ms,
                                                       std::int64_t max_ms) const;
  // For series of which the head knows no sample and has no side: lets it know the newest of those
  // that runs have in (after_ms, at_ms], and names them in `learned`. Those that columns() has to
  // answer for are added to `unsure`; the rest have nothing there.
  Status learn(std::vector<std::uint32_t> series, std::int64_t after_ms, std::int64_t at_ms,
               std::vector<std::uint32_t>* learned, std::vector<std::uint32_t>* unsure) const;

  const Core& core_;
  const storage::QueryContext context_;
  const std::int64_t min_ms_;
  const std::int64_t max_ms_;
  const std::vector<storage::SeriesEntry> series_;
  base::Guarded<std::vector<std::string>> warnings_;
};

}  // namespace tocsin::tsdb
