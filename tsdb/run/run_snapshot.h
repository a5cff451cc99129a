// SPDX-License-Identifier: Apache-2.0
//
// RunStore::Snapshot: the list of runs at one moment, and reading of one run. Private to tsdb/run.
//
// Holding a Run keeps its file: RunStore deletes the file of a dropped run when nobody else holds
// the Run.
// Threads: immutable, shared. Errors: as RunStore::read.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "tsdb/kv/kv_store.h"
#include "tsdb/run/run_directory.h"
#include "tsdb/run/run_format.h"
#include "tsdb/run/run_side.h"
#include "tsdb/run/run_store.h"

namespace tocsin::tsdb {

struct Run {
  RunRecord record;
};

// TimesCache: timestamp columns of runs that were read lately. The batches of a query share most of
// them, and a query is often asked again.
// Threads: shared. Errors: none.
class TimesCache {
 public:
  using TimesPtr = std::shared_ptr<const storage::TimestampColumn>;

  explicit TimesCache(std::size_t max_bytes) : max_bytes_(max_bytes) {}
  // Null when it is not known.
  TimesPtr find(RunId run, std::uint32_t column);
  void put(RunId run, std::uint32_t column, TimesPtr times);
  // At most max_bytes.
  std::size_t memory_bytes() const;

 private:
  // Of a column beside its rows: the map's node, the column and its counter, each from malloc. Where
  // each series has its own times that is more than the rows are.
  static constexpr std::size_t kColumnBytes = 192;
  using Columns = std::map<std::pair<RunId, std::uint32_t>, TimesPtr>;
  struct Cache {
    // Columns move to `fresh` when they are used; when that is half of everything, `old` goes and
    // `fresh` takes its place.
    Columns fresh;
    Columns old;
    std::size_t fresh_bytes = 0;
    std::size_t old_bytes = 0;
  };
  static std::size_t bytes_of(const TimesPtr& times) {
    return kColumnBytes + times->ms.capacity() * sizeof(std::int64_t);
  }
  static void drop_old(Cache& cache, const Columns::key_type& key);
  void add(Cache& cache, const Columns::key_type& key, TimesPtr times) const;

  const std::size_t max_bytes_;
  base::Guarded<Cache> cache_;
};

// Open as long as somebody reads from it.
struct RunFiles {
  explicit RunFiles(std::unique_ptr<KvStore> store) : kv(std::move(store)) {}

  // Memory for directories of runs: 8 million series.
  static constexpr std::size_t kDirectoryBytes = 64U << 20;

  const std::unique_ptr<KvStore> kv;
  // And for those of side samples: 400,000 series.
  static constexpr std::size_t kSideDirectoryBytes = 16U << 20;
  mutable RunDirectories directories{*kv, kDirectoryBytes};
  mutable SideDirectories side_directories{*kv, kSideDirectoryBytes};
  // And for timestamp columns.
  static constexpr std::size_t kTimesBytes = 8U << 20;
  mutable TimesCache times{kTimesBytes};
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
