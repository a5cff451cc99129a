// SPDX-License-Identifier: Apache-2.0
//
// The files that RocksDB works with: the system's, but so that a failed write leaves it able to go
// on. Private to tsdb/kv.
//
// Every error of writing says that it can be tried again: only then does RocksDB 7.8.3, in a thread of
// its own, try until it can go on. And while it is in doubt whether a change reached the manifest (its
// write or sync failed), no table is deleted: RocksDB deletes what it could not add, and the next start
// may find that it was added. See docs/decisions/0020-no-log-below-the-journal.md.
// Threads: shared.
#pragma once

#include <memory>

#include <rocksdb/env.h>

namespace tocsin::tsdb {

class KvFiles {
 public:
  KvFiles();
  ~KvFiles();
  KvFiles(const KvFiles&) = delete;
  KvFiles& operator=(const KvFiles&) = delete;

  rocksdb::Env* env() const { return env_.get(); }
  // From now on nothing is written, renamed or deleted, and all of it succeeds: RocksDB 7.8.3 waits
  // forever when it is closed while it tries to get going.
  void give_up();

 private:
  class Files;
  std::shared_ptr<Files> files_;
  std::unique_ptr<rocksdb::Env> env_;
};

}  // namespace tocsin::tsdb
