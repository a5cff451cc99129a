// SPDX-License-Identifier: Apache-2.0
#include "tsdb/kv/kv_tables.h"

#include <algorithm>
#include <vector>

#include <rocksdb/sst_file_writer.h>

#include "base/file_system.h"
#include "tsdb/kv/kv_options.h"

namespace tocsin::tsdb {
namespace {

using Changes = std::vector<const KvBatch::Change*>;

// Ascending by key; of several changes of one key the last counts.
Changes changes_of(const KvBatch& batch, Family family) {
  Changes changes;
  for (const KvBatch::Change& change : batch.changes()) {
    if (change.family == family) changes.push_back(&change);
  }
  const auto key = [](const KvBatch::Change* change) -> const std::string& { return change->key; };
  std::ranges::stable_sort(changes, {}, key);
  std::size_t kept = 0;
  for (std::size_t i = 0; i < changes.size(); ++i) {
    if (i + 1 < changes.size() && changes[i + 1]->key == changes[i]->key) continue;
    changes[kept++] = changes[i];
  }
  changes.resize(kept);
  return changes;
}

rocksdb::Status write_table(const Changes& changes, const std::string& path,
                            const rocksdb::Options& options) {
  rocksdb::SstFileWriter writer(rocksdb::EnvOptions(), options, nullptr, false);
  rocksdb::Status status = writer.Open(path);
  for (auto change = changes.begin(); status.ok() && change != changes.end(); ++change) {
    const KvBatch::Change& one = **change;
    status = one.erase ? writer.Delete(one.key) : writer.Put(one.key, one.value);
  }
  return status.ok() ? writer.Finish() : status;
}

}  // namespace

KvTables::~KvTables() {
  for (const std::string& path : paths_) {
    // RocksDB has moved it, or the next start removes it.
    if (!path.empty()) static_cast<void>(base::real_file_system().remove(path));
  }
}

StatusOr<KvTables> KvTables::write(const KvBatch& batch, const std::string& prefix,
                                   const std::shared_ptr<rocksdb::Cache>& cache) {
  const rocksdb::Options options(rocksdb::DBOptions(), small_values_options(cache));
  KvTables tables;
  for (const Family family : {Family::kMeta, Family::kSeries}) {
    const Changes changes = changes_of(batch, family);
    if (changes.empty()) continue;
    std::string& path = tables.paths_[static_cast<std::size_t>(family)];
    path = fmt::format("{}-{}.sst", prefix, family == Family::kMeta ? "meta" : "series");
    RETURN_IF_ERROR(to_status(write_table(changes, path, options), "writing metadata"));
  }
  return tables;
}

}  // namespace tocsin::tsdb
