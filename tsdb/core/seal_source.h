// SPDX-License-Identifier: Apache-2.0
//
// SealSource: the closed chunks of the head as what a run is made of.
//
// Change logs become row changes without a double in between. Borrows the chunks, the index and
// what goes beside.
// Threads: confined.
// Errors: kDataLoss for a damaged change log.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/status.h"
#include "tsdb/catalog/catalog.h"
#include "tsdb/core/side_seal.h"
#include "tsdb/head/chunk.h"
#include "tsdb/index/series_index.h"
#include "tsdb/merge/rows_joiner.h"
#include "tsdb/run/run_store.h"

namespace tocsin::tsdb {

// Appends the rows of a change log; false when it is damaged.
bool append_log(std::string_view log, std::uint32_t length, RowChanges* out);

class SealSource {
 public:
  SealSource(std::span<const ChunkPtr> chunks, const SeriesIndex& index, const SideSeal& side);

  // Their days count with those of the series around them. REQUIRES: ascending, and unchanged until
  // the last take().
  void count_days_of(std::span<const RunSideInput> beside) { beside_ = beside; }
  bool empty() const { return begin_ == sources_.size(); }
  // Takes series off the front until the run has about `max_samples`; adds their days to `days`.
  // The plan is valid until the next call.
  StatusOr<RunPlan> take(std::uint64_t max_samples, RunDays* days);

 private:
  struct Source {
    storage::SeriesId id;
    const Chunk* chunk;
    std::uint32_t slot;
  };

  Status add_days(const Source& source, RunDays* days) const;
  // Of what is beside, up to and with `id`.
  Status add_days_beside(std::uint64_t id, RunDays* days);
  Status read(std::size_t begin, RunRows* out);
  void fill_starts(storage::SeriesId id, RunRows* rows) const;

  const std::span<const ChunkPtr> chunks_;
  const SeriesIndex& index_;
  const SideSeal& side_;
  const std::shared_ptr<const void> names_;  // keeps views of names valid
  std::vector<Source> sources_;              // by series, then by time
  std::size_t begin_ = 0;
  std::span<const RunSideInput> beside_;  // whose days are not counted yet
  RowsJoiner joiner_;
  std::vector<RunRows> parts_;
};

}  // namespace tocsin::tsdb
