// SPDX-License-Identifier: Apache-2.0
//
// Admin: what an operator asks of a store.
//
// Threads: shared.
// Errors: kUnimplemented for what the store cannot do; the store stays usable.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"
#include "model/matcher.h"
#include "model/timestamp.h"

namespace tocsin::storage {

struct CardinalityEntry {
  std::string name;
  std::uint64_t value = 0;
};

struct StoreStats {
  std::uint64_t active_series = 0;
  std::uint64_t label_pairs = 0;
  std::uint64_t runs = 0;
  std::uint64_t bytes_on_disk = 0;
  std::uint64_t journal_bytes = 0;
  model::Timestamp min_time;  // oldest and newest sample; kMaxTime/kMinTime when empty
  model::Timestamp max_time;
  // Of what is in memory only; the same when there is nothing.
  model::Timestamp head_min_time;
  model::Timestamp head_max_time;
  std::uint64_t head_chunks = 0;
};

class Admin {
 public:
  virtual ~Admin() = default;
  // Marks samples of matching series in [mint, maxt] as deleted.
  virtual Status delete_series(const std::vector<model::Matchers>& matcher_sets,
                               model::Timestamp mint, model::Timestamp maxt) = 0;
  virtual Status clean_tombstones() = 0;
  // Writes everything in its smallest form; returns when done.
  virtual Status compact() = 0;
  // Makes a consistent copy below the store's snapshot directory and returns its name.
  virtual StatusOr<std::string> snapshot(bool skip_head) = 0;
  virtual StoreStats stats() const = 0;
  // Largest entries of: series per metric name, values per label name, series per name=value pair,
  // and bytes of the values of a label name if every series held its own.
  virtual std::vector<CardinalityEntry> series_by_metric(std::size_t limit) const = 0;
  virtual std::vector<CardinalityEntry> values_by_label(std::size_t limit) const = 0;
  virtual std::vector<CardinalityEntry> series_by_pair(std::size_t limit) const = 0;
  virtual std::vector<CardinalityEntry> bytes_by_label(std::size_t limit) const = 0;
};

}  // namespace tocsin::storage
