// SPDX-License-Identifier: Apache-2.0
//
// MemFs: a FileSystem in memory, and FaultFs: a wrapper that injects faults.
//
// FaultFs counts mutating operations (append, sync, truncate, rename, create, remove,
// sync_directory) from 1 and makes the chosen one fail; power_cut() drops every byte that was not
// synced, as a power cut would. Use it in loops: for every n, fail the n-th operation, reopen,
// check.
// Threads: shared.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/file_system.h"

namespace tocsin::base::testing {

// Directories exist implicitly once created; paths are compared as byte strings.
// `now` gives modification times (default: the epoch).
std::unique_ptr<FileSystem> make_mem_fs(std::function<Timestamp()> now = {});

class FaultFs final : public FileSystem {
 public:
  enum class Fault { kError, kDiskFull, kTornWrite };  // kTornWrite writes half, then fails

  // Borrows: inner.
  explicit FaultFs(FileSystem& inner);
  ~FaultFs() override;

  // Makes operation number `n` from now (1 = the next) fail; later ones work again unless `sticky`.
  void fail_at(std::uint64_t n, Fault fault, bool sticky);
  void clear();
  std::uint64_t operations() const;
  // Cuts every file written through this object back to its last synced length.
  void power_cut();

  StatusOr<std::unique_ptr<WritableFile>> open_writable(const std::string& path,
                                                        OpenMode mode) override;
  StatusOr<std::unique_ptr<RandomAccessFile>> open_random(const std::string& path) override;
  StatusOr<std::string> read_file(const std::string& path, std::uint64_t max_size) override;
  StatusOr<std::vector<std::string>> list(const std::string& directory) override;
  StatusOr<FileInfo> info(const std::string& path) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;
  Status create_directories(const std::string& path) override;
  Status remove_recursively(const std::string& path) override;
  Status sync_directory(const std::string& directory) override;
  StatusOr<std::unique_ptr<FileLock>> lock(const std::string& path) override;
  StatusOr<std::uint64_t> free_bytes(const std::string& path) override;
  StatusOr<std::uint64_t> total_bytes(const std::string& path) override;
  // From now on free_bytes() says this; nullopt: what the file system below says.
  void set_free_bytes(std::optional<std::uint64_t> bytes);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace tocsin::base::testing
