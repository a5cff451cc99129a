// SPDX-License-Identifier: Apache-2.0
//
// KvStore: the one door to RocksDB, with the three column families of the database.
//
// All are only ever fed whole files, which become visible by one record of RocksDB's manifest; its
// memtables and its log stay empty. meta and series get a small table per batch. samples get what
// SampleFile makes, and are dropped by key range: RocksDB has nothing to compact or to merge there.
// A change that fails is as if it had not been tried, and the next one tries to get going again.
// Hides: RocksDB and its options.
// Owns: the directory and RocksDB's own two threads.
// Threads: shared; changes wait for each other, reads for nobody.
// Errors: kDataLoss for corruption, kResourceExhausted when the disk is full, kNotFound for an absent
// key, kFailedPrecondition when another process holds the directory, kUnavailable for other I/O.
// Read next: docs/decisions/0010-runs-in-rocksdb.md, 0020-no-log-below-the-journal.md.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace tocsin::tsdb {

enum class Family : std::uint8_t { kMeta, kSeries, kSamples };

// Changes that become visible together. A value.
class KvBatch {
 public:
  struct Change {
    Family family;
    bool erase;
    std::string key;
    std::string value;
  };
  // REQUIRES: family is not kSamples.
  void put(Family family, std::string key, std::string value);
  void erase(Family family, std::string key);
  void append(const KvBatch& more);
  const std::vector<Change>& changes() const { return changes_; }
  std::size_t bytes() const { return bytes_; }

 private:
  std::vector<Change> changes_;
  std::size_t bytes_ = 0;
};

// A file of samples being written, keys ascending.
class SampleFile {
 public:
  static StatusOr<std::unique_ptr<SampleFile>> create(const std::string& path);
  ~SampleFile();
  SampleFile(const SampleFile&) = delete;
  SampleFile& operator=(const SampleFile&) = delete;

  Status put(std::string_view key, std::string_view value);
  // Syncs and closes the file and returns its size. REQUIRES: at least one put.
  StatusOr<std::uint64_t> finish();

 private:
  struct Impl;
  explicit SampleFile(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

enum class KvMode : std::uint8_t {
  kReadWrite,
  kReadOnly  // must exist; the folder is not touched, and no right to write there is needed
};

class KvStore {
 public:
  static StatusOr<std::unique_ptr<KvStore>> open(const std::string& directory,
                                                 KvMode mode = KvMode::kReadWrite);
  ~KvStore();
  KvStore(const KvStore&) = delete;
  KvStore& operator=(const KvStore&) = delete;

  StatusOr<std::string> get(Family family, std::string_view key) const;
  // The same for a key that is often absent, which is then no error.
  StatusOr<std::optional<std::string>> find(Family family, std::string_view key) const;
  // Calls visit(i, status, value) for each key in order; the value is valid during the call. Reads
  // pass the cache by. REQUIRES: keys ascending.
  using Visit = std::function<void(std::size_t, const Status&, std::string_view)>;
  void get_samples(std::span<const std::string> keys, const Visit& visit) const;
  // Calls visit for each key that starts with `prefix`, ascending, until it fails.
  using Scan = std::function<Status(std::string_view key, std::string_view value)>;
  Status scan(Family family, std::string_view prefix, const Scan& visit) const;

  // Returns after the batch survives a power cut. On error nothing of it is visible in this
  // process.
  Status commit(const KvBatch& batch);

  // Moves a finished file into the samples. Its keys must not overlap others. On error it stays at
  // `path`.
  Status ingest(const std::string& path);
  // Deletes the sample files that lie in [begin, end) as a whole, without tombstones.
  Status drop_sample_files(const std::string& begin, const std::string& end);
  struct FileRange {
    std::string smallest;
    std::string largest;
    std::uint64_t bytes = 0;
    std::string path;
  };
  std::vector<FileRange> sample_files() const;

  std::uint64_t bytes_on_disk() const;
  // Memory of what it read of meta and series, and of their memtables. At most 32 MiB.
  std::size_t cached_bytes() const;
  // Forgets what it read: for the end of work that will not read the same again.
  void release_cache();
  // Makes a consistent copy with hard links; `directory` must not exist.
  Status checkpoint(const std::string& directory);

 private:
  struct Impl;
  explicit KvStore(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tocsin::tsdb
