// SPDX-License-Identifier: Apache-2.0
//
// Putting a snapshot back as the folder of a database.
//
// Pure functions over files. Errors: kFailedPrecondition when `to` is not empty or `from` is no
// snapshot; of the files, and then the folder does not open until the restore is done again.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/file_system.h"

namespace tocsin::tsdb {

// In a database folder while a snapshot is being put back there.
inline constexpr std::string_view kRestoringName = "restoring";

// Copies the snapshot (or any database that is not open) in `from` into `to`, which must be empty,
// absent, or left by a restore that did not end. `progress` gets the bytes copied so far.
Status restore_snapshot(base::FileSystem& files, const std::string& from, const std::string& to,
                        const std::function<void(std::uint64_t)>& progress);

}  // namespace tocsin::tsdb
