// SPDX-License-Identifier: Apache-2.0
//
// KvTables: a batch as table files, one per family, that RocksDB can take in as they are. Private to
// tsdb/kv.
//
// Owns: its files, until they are taken; what is left goes with it.
// Threads: confined. Errors: kResourceExhausted and kUnavailable from the files.
#pragma once

#include <array>
#include <memory>
#include <string>

#include <rocksdb/cache.h>

#include "base/status.h"
#include "tsdb/kv/kv_store.h"

namespace tocsin::tsdb {

class KvTables {
 public:
  // Writes and syncs PREFIX-FAMILY.sst.
  static StatusOr<KvTables> write(const KvBatch& batch, const std::string& prefix,
                                  const std::shared_ptr<rocksdb::Cache>& cache);
  ~KvTables();
  KvTables(KvTables&&) = default;
  KvTables& operator=(KvTables&&) = delete;

  // "" when the batch does not change the family.
  const std::string& path(Family family) const { return paths_[static_cast<std::size_t>(family)]; }

 private:
  KvTables() = default;
  std::array<std::string, 2> paths_;  // by Family: meta, series
};

}  // namespace tocsin::tsdb
