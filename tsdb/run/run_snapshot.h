// SPDX-License-Identifier: Apache-2.0
//
// RunStore::Snapshot: the list of runs at one moment, and reading of one run. Private to tsdb/run.
//
// Holding a Run keeps its file: RunStore deletes the file of a dropped run when nobody else holds
// the Run.
// Threads: immutable, shared. Errors: as RunStore::read.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tsdb/kv/kv_store.h"
#include "tsdb/run/run_cache.h"
#include "tsdb/run/run_directory.h"
#include "tsdb/run/run_format.h"
#include "tsdb/run/run_side.h"
#include "tsdb/run/run_store.h"
#include "tsdb/tile/tile.h"

namespace tocsin::tsdb {

struct Run {
  RunRecord record;
};

inline std::size_t bytes_of_times(const storage::TimestampColumn& times) {
  return sizeof(times) + times.ms.capacity() * sizeof(std::int64_t);
}
inline std::size_t bytes_of_tile(const Tile& tile) { return sizeof(tile) + tile.memory_bytes(); }

// The batches of a query share most timestamp columns, and a query is often asked again.
using TimesCache = RunCache<storage::TimestampColumn, bytes_of_times>;
using TileCache = RunCache<Tile, bytes_of_tile>;

// Open as long as somebody reads from it.
struct RunFiles {
  explicit RunFiles(std::unique_ptr<KvStore> store) : kv(std::move(store)) {}

  // The run was dropped: what is known of it is not asked for again.
  void forget(RunId run) const {
    directories.forget(run);
    side_directories.forget(run);
    times.forget(run);
    tiles.forget(run);
  }

  // Memory for directories of runs: 8 million series.
  static constexpr std::size_t kDirectoryBytes = 64U << 20;

  const std::unique_ptr<KvStore> kv;
  // And for those of side samples: 400,000 series.
  static constexpr std::size_t kSideDirectoryBytes = 16U << 20;
  mutable RunDirectories directories{*kv, kDirectoryBytes};
  mutable SideDirectories side_directories{*kv, kSideDirectoryBytes};
  // And for timestamp columns, and tiles that were read twice.
  static constexpr std::size_t kTimesBytes = 8U << 20;
  mutable TimesCache times{kTimesBytes};
  static constexpr std::size_t kTilesBytes = 16U << 20;
  mutable TileCache tiles{kTilesBytes};
  mutable SecondTouch touched_tiles;
};

class RunStore::Snapshot {
 public:
  Snapshot(std::shared_ptr<const RunFiles> files, std::vector<std::shared_ptr<const Run>> runs);

  // Ascending by id.
  const std::vector<std::shared_ptr<const Run>>& runs() const { return runs_; }
  const std::vector<RunInfo>& infos() const { return infos_; }
  const RunFiles& files() const { return *files_; }

 private:
  std::shared_ptr<const RunFiles> files_;
  std::vector<std::shared_ptr<const Run>> runs_;
  std::vector<RunInfo> infos_;
};

struct ReadRequest {
  std::span<const storage::SeriesId> ids;                          // ascending
  std::int64_t min_ms = 0;                                         // closed
  std::int64_t max_ms = 0;                                         // closed
  std::vector<std::vector<storage::SeriesColumn>>* out = nullptr;  // one per id
  std::vector<std::string>* warnings = nullptr;
  bool cached = true;  // false: what is on the disk is looked at, whatever is known of it
};

// Whether reading failed because bytes are wrong, missing or of a newer program: such data is left
// out with a warning, while other errors fail the query.
bool is_damage(const Status& status);

// Appends what `run` has to request.out.
Status read_run(const RunFiles& files, const RunRecord& run, const ReadRequest& request);

}  // namespace tocsin::tsdb
