// SPDX-License-Identifier: Apache-2.0
//
// SideSeal: what a seal does with the side data of the head: samples become side blocks of the run,
// start timestamps of floats become part of their tiles.
//
// Borrows: SideStore. Threads: confined to the seal.
// Errors: kDataLoss when the head's own bytes are damaged.
#pragma once

#include <unordered_map>
#include <vector>

#include "tsdb/catalog/catalog.h"
#include "tsdb/query/side_merger.h"
#include "tsdb/run/run_store.h"
#include "tsdb/side/side_store.h"

namespace tocsin::tsdb {

// Adds the days on which the series has side samples.
Status add_side_days(const RunSideInput& series, RunDays* days);

class SideSeal {
 public:
  static StatusOr<SideSeal> make(SideStore& store, std::uint64_t epoch);

  bool has_starts() const { return !starts_.empty(); }
  void fill_starts(storage::SeriesId id, storage::SeriesColumn* column) const;
  // Everything that is not in tiles; once.
  std::vector<RunSideInput> take() { return std::move(inputs_); }
  // Call when the run exists.
  void drop() { store_->drop(sealed_); }

 private:
  explicit SideSeal(SideStore& store) : store_(&store) {}
  Status add(std::span<const SideStore::Sealed> of_one);

  SideStore* store_;
  std::vector<SideStore::Sealed> sealed_;
  std::vector<RunSideInput> inputs_;
  std::unordered_map<storage::SeriesId, StartChanges> starts_;
};

}  // namespace tocsin::tsdb
