// SPDX-License-Identifier: Apache-2.0
//
// RunDirectory: which series a run holds and where; RunDirectories: a cache of them.
//
// A directory takes 8 bytes per series in memory. They are loaded when a run is first read and the
// cache keeps the recently used ones within a limit, so memory does not grow with the number of
// runs.
// Threads: RunDirectory is an immutable value; RunDirectories is shared. Errors: kDataLoss
// for a damaged directory, naming run and part.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "tsdb/kv/kv_store.h"
#include "tsdb/run/run_cache.h"
#include "tsdb/run/run_format.h"

namespace tocsin::tsdb {

struct RunDirectory {
  // By id; an id may occur more than once. The series is in slot `position % 64` of tile `position
  // / 64`.
  std::vector<std::uint32_t> ids;
  std::vector<std::uint32_t> positions;

  bool contains(storage::SeriesId id) const;
};

// REQUIRES: ids ascending. One frame per part.
std::vector<std::string> encode_directory(const RunDirectory& directory);
Status append_directory_part(std::string_view frame, RunDirectory* directory);

// Reads the `parts` frames of a directory of this kind, in order. `append` takes each of them.
Status read_directory_parts(const KvStore& kv, const RunRecord& run, FrameKind kind,
                            std::uint32_t parts,
                            const std::function<Status(std::string_view frame)>& append);

Status read_directory(const KvStore& kv, const RunRecord& run, RunDirectory* directory);
std::size_t bytes_of(const RunDirectory& directory);
using RunDirectories = DirectoryCache<RunDirectory>;

}  // namespace tocsin::tsdb
