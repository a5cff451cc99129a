// SPDX-License-Identifier: Apache-2.0
//
// Snapshots: a folder below `snapshots/` that opens as a database and holds exactly what was
// visible at one moment. snapshot_folder.h puts one back.
//
// A snapshot is made under a name that begins with a dot and gets its own when it is whole, on the
// disk. Runs are hard links, the journal and the tombstones are copies.
// Borrows: Core. Threads: shared; waits for seals, merges and retention, and they for it; appends
// and queries go on.
// Errors: of the files and the store, kResourceExhausted on a full disk; nothing is left then.
// Read next: docs/operating.md.
#pragma once

#include <string>

#include "tsdb/core/core.h"
#include "tsdb/snapshot_folder.h"

namespace tocsin::tsdb {

// Returns the snapshot's name. Without the head it holds runs only.
struct SnapshotOptions {
  bool skip_head = false;
};
StatusOr<std::string> write_snapshot(Core& core, const SnapshotOptions& options);

// Deletes what a crash left of snapshots that were never whole.
Status remove_unfinished_snapshots(base::FileSystem& files, const std::string& directory);

}  // namespace tocsin::tsdb
