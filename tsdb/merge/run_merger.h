// SPDX-License-Identifier: Apache-2.0
//
// merge_runs: the samples of several runs, in metric order, into the file of a new one.
//
// Streams: memory is a tile and some timestamp columns of each run, and what RunWriter holds. It is
// counted; timestamps, the part that could grow, are kept within MergeInput::column_bytes.
// Samples that several runs have are written once, the oldest run's; deleted ones are left out.
// Errors: of RunCursor, of the writer, and of `pause`.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/status.h"
#include "tsdb/life/tombstones.h"
#include "tsdb/run/run_builder.h"
#include "tsdb/run/run_snapshot.h"

namespace tocsin::tsdb {

struct MergeInput {
  std::vector<std::shared_ptr<const Run>> runs;  // the oldest first
  const Tombstones* deleted = nullptr;           // null: nothing
  std::function<Status()> pause;          // called after each series; an error ends the merge
  std::size_t column_bytes = 128U << 20;  // see above
};

struct MergeNotes {
  std::optional<RunId>* damaged;  // the input that was, when it fails because of that
  std::size_t* peak_bytes;        // most memory that was held
};

Status merge_runs(const RunFiles& files, const MergeInput& input, RunWriter* out,
                  const MergeNotes& notes);

}  // namespace tocsin::tsdb
