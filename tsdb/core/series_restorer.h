// SPDX-License-Identifier: Apache-2.0
//
// SeriesRestorer: puts the series of the journal into the index, in large parts, on a thread that
// exists only when there is more than one part: the index costs as much as all samples of a replay.
//
// Hides: the thread and what waits for it (at most kMaxWaiting parts; then add() waits).
// Borrows: the index, which nobody else uses until finish() returned.
// Threads: confined to the one that replays. Errors: of SeriesIndex::restore(), by a later add() or
// by finish().
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <vector>

#include "base/executor.h"
#include "base/mutex.h"
#include "base/status.h"
#include "tsdb/index/series_index.h"

namespace tocsin::tsdb {

class SeriesRestorer {
 public:
  explicit SeriesRestorer(SeriesIndex& index) : index_(index) {}
  ~SeriesRestorer();
  SeriesRestorer(const SeriesRestorer&) = delete;
  SeriesRestorer& operator=(const SeriesRestorer&) = delete;

  Status add(NamedSeries series);
  // Waits until all series are in the index.
  Status finish();

 private:
  static constexpr std::size_t kPart = 16 << 10;
  static constexpr std::size_t kMaxWaiting = 4;
  using Part = std::vector<NamedSeries>;

  Status hand_over();
  void run();

  SeriesIndex& index_;
  Part part_;
  std::unique_ptr<base::ThreadPool> thread_;
  base::Mutex mutex_;
  base::CondVar changed_;
  std::deque<Part> waiting_ ABSL_GUARDED_BY(mutex_);
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  Status status_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tocsin::tsdb
