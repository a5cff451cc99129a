// SPDX-License-Identifier: Apache-2.0
//
// Options of the database. A value; every limit has a default and a metric.
#pragma once

#include <cstdint>

#include "model/timestamp.h"

namespace tocsin::tsdb {

struct Options {
  model::Duration retention{15LL * 24 * 3600 * 1000};  // 0: keep everything
  std::uint64_t retention_bytes = 0;                   // of runs and journal; 0: no limit
  double retention_percentage = 0;       // of the disk's size, instead of retention_bytes; 0: none
  std::uint64_t retention_min_free = 0;  // drop runs when less is free on the disk; 0: off
  // Free disk space that ingestion leaves for sealing, which frees the journal. Below it samples
  // are refused until there is an eighth more than this.
  std::uint64_t reserve_bytes = 128ULL << 20;
  // A sample older than the newest of its series is taken when it is not older than this before the
  // newest of all; 0: never.
  model::Duration out_of_order_window{0};
  // The head becomes a run at this age, or when its samples span so much time,
  model::Duration seal_age{30LL * 60 * 1000};
  std::uint64_t seal_samples = 100'000'000;      // or with this many samples
  std::uint64_t seal_side_bytes = 128ULL << 20;  // or with this much beside in-order floats
  // or when samples in memory take this much: the larger of a fixed size and a size per series.
  std::uint64_t seal_min_bytes = 2ULL << 20;
  std::uint64_t seal_series_bytes = 64;
  // Above this much memory of samples that are in no run, commits wait, at most so long, and then
  // fail. 0: four times what makes a seal due (seal_min_bytes or seal_series_bytes, and
  // seal_side_bytes).
  std::uint64_t max_unsealed_bytes = 0;
  model::Duration max_commit_wait{2000};
  std::uint32_t seal_rows = 240;  // a group's chunk in memory is closed at this many rows
  std::uint64_t journal_segment_bytes = 64ULL << 20;
  model::Duration sync_interval{1000};  // fdatasync of the journal
  // A series without samples for this long, by the time of the data, leaves memory at the next seal;
  // up to two minutes sooner, because seals of so long are counted as one.
  model::Duration head_keep{2LL * 3600 * 1000};
  // The same when more than a fifth of the series in memory are without samples for so long: where
  // series are replaced all the time, memory would mostly hold those that are gone.
  model::Duration head_keep_crowded{5LL * 60 * 1000};
  std::uint64_t max_active_series = 50'000'000;  // kResourceExhausted above
  std::uint32_t max_new_series_per_minute = 0;   // kAborted above; 0: no limit
  std::size_t max_labels = 1024;                 // per series
  std::size_t max_label_name_bytes = 4U << 10;
  std::size_t max_label_value_bytes = 64U << 10;
  std::size_t max_label_bytes = 128U << 10;    // encoded, per series
  std::size_t max_exemplars = 0;               // in memory; 0: they are accepted and dropped
  std::size_t max_metadata_bytes = 64U << 20;  // of distinct metadata; more is dropped, counted
  std::size_t max_tombstones = 4'000'000;      // deleted intervals of all series
  // Look only: nothing in the folder is touched, and appends and changes are refused. Use it with
  // base::make_read_only_fs().
  bool read_only = false;
  bool background = true;  // false: tests call maintain()
};

}  // namespace tocsin::tsdb
