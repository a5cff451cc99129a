// SPDX-License-Identifier: Apache-2.0
//
// Snapshots: a folder below `snapshots/` that opens as a database and holds exactly what was
// visible at one moment; and putting one back.
//
// A snapshot is made under a name that begins with a dot and gets its own when it is whole, on the
// disk. Runs are hard links, the journal and the tombstones are copies.
// Borrows: Core. Threads: shared; waits for seals, merges and retention, and they for it; appends
// and queries go on.
// Errors: of the files and the store, kResourceExhausted on a full disk; nothing is left then.
// Read next: docs/operating.md.
#pragma once

#include <functional>
#include <string>

#include "tsdb/core/core.h"

namespace tocsin::tsdb {

// Returns the snapshot's name. Without the head it holds runs only.
struct SnapshotOptions {
  bool skip_head = false;
};
StatusOr<std::string> write_snapshot(Core& core, const SnapshotOptions& options);

// Deletes what a crash left of snapshots that were never whole.
Status remove_unfinished_snapshots(base::FileSystem& files, const std::string& directory);

// In a database folder while a snapshot is being put back there.
inline constexpr std::string_view kRestoringName = "restoring";

// Copies the snapshot (or any database that is not open) in `from` into `to`, which must be empty,
// absent, or left by a restore that did not end. `progress` gets the bytes copied so far.
Status restore_snapshot(base::FileSystem& files, const std::string& from, const std::string& to,
                        const std::function<void(std::uint64_t)>& progress);

}  // namespace tocsin::tsdb
