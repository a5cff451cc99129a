// SPDX-License-Identifier: Apache-2.0
#include "tsdb/merge/run_merger.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <utility>

#include "tsdb/merge/rows_joiner.h"
#include "tsdb/merge/run_cursor.h"
#include "tsdb/run/run_side.h"
#include "tsdb/side/side_clean.h"

namespace tocsin::tsdb {
namespace {

// Makes rows in the intervals absent.
void hide(std::span<const Interval> deleted, RunRows* rows) {
  if (deleted.empty() || rows->rows.rows == 0) return;
  const auto begin = rows->times->ms.begin() + rows->first;
  const auto end = begin + rows->rows.rows;
  RowChanges kept;
  for (const Interval& interval : deleted) {
    const auto low = std::lower_bound(begin, end, interval.min_ms);
    const auto high = std::upper_bound(low, end, interval.max_ms);
    if (low == high) continue;
    kept.append(rows->rows, kept.rows, static_cast<std::uint32_t>(low - begin));
    kept.append_absent(static_cast<std::uint32_t>(high - low));
  }
  kept.append(rows->rows, kept.rows, rows->rows.rows);
  rows->rows = std::move(kept);
}

class Merger {
 public:
  // Half of the memory is for reading, a quarter each for joining and for writing.
  Merger(const MergeInput& input, RunWriter* out, const MergeNotes& notes)
      : input_(input), out_(out), notes_(notes), joiner_(input.column_bytes / 4) {
    out->limit_columns(input.column_bytes / 4);
  }

  Status run(const RunFiles& files) {
    for (const auto& run : input_.runs) {
      RunCursor& cursor =
          cursors_.emplace_back(files, run->record, input_.column_bytes / 2 / input_.runs.size());
      RETURN_IF_ERROR(noted(cursor.open(), cursor));
    }
    while (RunCursor* first = smallest()) {
      RETURN_IF_ERROR(merge_series(std::string(first->name()), first->id()));
      note_memory();
      if (input_.pause) RETURN_IF_ERROR(input_.pause());
    }
    return merge_side(files);
  }

 private:
  Status noted(const Status& status, const RunCursor& cursor) {
    if (is_damage(status)) *notes_.damaged = cursor.run();
    return status;
  }

  void note_memory() {
    std::size_t bytes = joiner_.memory_bytes() + out_->memory_bytes();
    for (const RunCursor& cursor : cursors_) bytes += cursor.memory_bytes();
    *notes_.peak_bytes = std::max(*notes_.peak_bytes, bytes);
  }

  // The cursor at the smallest (name, id); null when all are at their end.
  RunCursor* smallest() {
    RunCursor* best = nullptr;
    for (RunCursor& cursor : cursors_) {
      if (cursor.at_end()) continue;
      if (best == nullptr) {
        best = &cursor;
        continue;
      }
      const int order = cursor.name().compare(best->name());
      if (order < 0 || (order == 0 && cursor.id() < best->id())) best = &cursor;
    }
    return best;
  }

  Status merge_series(const std::string& name, std::uint64_t id) {
    parts_.clear();
    for (RunCursor& cursor : cursors_) {
      while (!cursor.at_end() && cursor.id() == id && cursor.name() == name) {
        RETURN_IF_ERROR(noted(cursor.read(&parts_.emplace_back()), cursor));
        RETURN_IF_ERROR(noted(cursor.next(), cursor));
      }
    }
    joiner_.join(&parts_, &joined_);
    const storage::SeriesId series(id);
    if (input_.deleted != nullptr) hide(input_.deleted->of(series), &joined_);
    return out_->add(name, series, joined_);
  }

  // Chunks of a series stand behind each other, the oldest run's first, as they are read.
  Status merge_side(const RunFiles& files) {
    std::map<storage::SeriesId, std::vector<SideChunk>> chunks;
    for (const auto& run : input_.runs) {
      if (run->record.side_blocks == 0) continue;
      std::vector<std::string> problems;
      StatusOr<std::vector<RunSideInput>> side =
          read_side(*files.kv, files.side_directories, run->record, &problems);
      Status status = side.status();
      if (!problems.empty()) status = data_loss("{}", problems.front());
      if (is_damage(status)) *notes_.damaged = run->record.info.id;
      RETURN_IF_ERROR(status);
      for (RunSideInput& one : *side) {
        std::vector<SideChunk>& out = chunks[one.id];
        std::move(one.chunks.begin(), one.chunks.end(), std::back_inserter(out));
      }
    }
    std::vector<RunSideInput> merged;
    for (auto& [id, of_one] : chunks) {
      if (input_.deleted != nullptr) {
        RETURN_IF_ERROR(remove_deleted(input_.deleted->of(id), id, &of_one));
      }
      if (!of_one.empty()) merged.push_back({id, std::move(of_one)});
    }
    out_->add_side(std::move(merged));
    return ok();
  }

  const MergeInput& input_;
  RunWriter* const out_;
  const MergeNotes notes_;
  std::vector<RunCursor> cursors_;
  RowsJoiner joiner_;
  std::vector<RunRows> parts_;
  RunRows joined_;
};

}  // namespace

Status merge_runs(const RunFiles& files, const MergeInput& input, RunWriter* out,
                  const MergeNotes& notes) {
  return Merger(input, out, notes).run(files);
}

}  // namespace tocsin::tsdb
