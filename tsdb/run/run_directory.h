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
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/mutex.h"
#include "base/status.h"
#include "tsdb/kv/kv_store.h"
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

class RunDirectories {
 public:
  // Borrows: kv. Keeps at least one directory, whatever its size.
  RunDirectories(const KvStore& kv, std::size_t max_bytes) : kv_(kv), max_bytes_(max_bytes) {}

  StatusOr<std::shared_ptr<const RunDirectory>> get(const RunRecord& run);
  void forget(RunId id);
  std::size_t cached_bytes() const;

 private:
  StatusOr<std::shared_ptr<const RunDirectory>> load(const RunRecord& run) const;

  struct Entry {
    std::shared_ptr<const RunDirectory> directory;
    std::uint64_t last_use = 0;
  };
  struct Cache {
    std::unordered_map<RunId, Entry> entries;
    std::size_t bytes = 0;
    std::uint64_t uses = 0;
  };
  const KvStore& kv_;
  const std::size_t max_bytes_;
  base::Guarded<Cache> cache_;
};

}  // namespace tocsin::tsdb
