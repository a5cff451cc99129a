// SPDX-License-Identifier: Apache-2.0
#include "tsdb/kv/kv_files.h"

#include <atomic>
#include <string>
#include <string_view>
#include <utility>

#include <rocksdb/file_system.h>

namespace tocsin::tsdb {
namespace {

using rocksdb::DirFsyncOptions;
using rocksdb::FileOptions;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

struct State {
  std::atomic<bool> doubt{false};    // whether the manifest has what was written to it last
  std::atomic<bool> closing{false};  // nothing is written any more
};
using StatePtr = std::shared_ptr<State>;

std::string_view name_of(std::string_view path) { return path.substr(path.rfind('/') + 1); }

// Also a full disk: its own treatment in RocksDB 7.8.3 never lets it take changes again.
IOStatus retryable(IOStatus status) {
  if (status.ok() || status.IsNotSupported() || status.IsNotFound()) return status;
  if (status.IsNoSpace()) status = IOStatus::IOError(status.ToString());
  status.SetRetryable(true);
  return status;
}

class NoFile final : public rocksdb::FSWritableFile {
 public:
  using FSWritableFile::Append;
  IOStatus Append(const Slice&, const IOOptions&, IODebugContext*) override {
    return IOStatus::OK();
  }
  IOStatus Close(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  IOStatus Flush(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  IOStatus Sync(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
};

class File final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  File(std::unique_ptr<rocksdb::FSWritableFile> file, StatePtr state, bool is_manifest)
      : FSWritableFileOwnerWrapper(std::move(file)),
        state_(std::move(state)),
        is_manifest_(is_manifest) {}

  using FSWritableFileOwnerWrapper::Append;
  IOStatus Append(const Slice& data, const IOOptions& options, IODebugContext* debug) override {
    return noted(target()->Append(data, options, debug));
  }
  IOStatus Append(const Slice& data, const IOOptions& options,
                  const rocksdb::DataVerificationInfo& info, IODebugContext* debug) override {
    return noted(target()->Append(data, options, info, debug));
  }
  IOStatus Close(const IOOptions& options, IODebugContext* debug) override {
    return noted(target()->Close(options, debug));
  }
  IOStatus Flush(const IOOptions& options, IODebugContext* debug) override {
    return noted(target()->Flush(options, debug));
  }
  IOStatus Sync(const IOOptions& options, IODebugContext* debug) override {
    return noted(target()->Sync(options, debug));
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
    return noted(target()->Fsync(options, debug));
  }

 private:
  IOStatus noted(IOStatus status) const {
    if (!status.ok() && is_manifest_) state_->doubt = true;
    return retryable(std::move(status));
  }

  const StatePtr state_;
  const bool is_manifest_;
};

class Directory final : public rocksdb::FSDirectoryWrapper {
 public:
  Directory(std::unique_ptr<rocksdb::FSDirectory> directory, StatePtr state)
      : FSDirectoryWrapper(directory.get()),
        directory_(std::move(directory)),
        state_(std::move(state)) {}

  IOStatus FsyncWithDirOptions(const IOOptions& options, IODebugContext* debug,
                               const DirFsyncOptions& what) override {
    if (state_->closing) return IOStatus::OK();
    IOStatus status = directory_->FsyncWithDirOptions(options, debug, what);
    const bool renamed = what.reason == DirFsyncOptions::kFileRenamed;
    if (renamed && name_of(what.renamed_new_name) == "CURRENT") state_->doubt = !status.ok();
    return retryable(std::move(status));
  }

 private:
  const std::unique_ptr<rocksdb::FSDirectory> directory_;
  const StatePtr state_;
};

}  // namespace

class KvFiles::Files final : public rocksdb::FileSystemWrapper {
 public:
  Files() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}
  const char* Name() const override { return "tocsin"; }

  IOStatus NewWritableFile(const std::string& path, const FileOptions& options,
                           std::unique_ptr<rocksdb::FSWritableFile>* result,
                           IODebugContext* debug) override {
    if (state_->closing) {
      *result = std::make_unique<NoFile>();
      return IOStatus::OK();
    }
    IOStatus status = target()->NewWritableFile(path, options, result, debug);
    if (!status.ok()) return retryable(std::move(status));
    const bool manifest = name_of(path).starts_with("MANIFEST-");
    *result = std::make_unique<File>(std::move(*result), state_, manifest);
    return status;
  }
  IOStatus RenameFile(const std::string& from, const std::string& to, const IOOptions& options,
                      IODebugContext* debug) override {
    if (state_->closing) return IOStatus::OK();
    IOStatus status = target()->RenameFile(from, to, options, debug);
    if (!status.ok() && name_of(to) == "CURRENT") state_->doubt = true;
    return retryable(std::move(status));
  }
  IOStatus NewDirectory(const std::string& path, const IOOptions& options,
                        std::unique_ptr<rocksdb::FSDirectory>* result,
                        IODebugContext* debug) override {
    IOStatus status = target()->NewDirectory(path, options, result, debug);
    if (!status.ok()) return retryable(std::move(status));
    *result = std::make_unique<Directory>(std::move(*result), state_);
    return status;
  }
  IOStatus DeleteFile(const std::string& path, const IOOptions& options,
                      IODebugContext* debug) override {
    // What is not needed goes when RocksDB looks through its directory after a Resume().
    if (state_->closing || (state_->doubt && path.ends_with(".sst"))) return IOStatus::OK();
    return target()->DeleteFile(path, options, debug);
  }

  void give_up() { state_->closing = true; }

 private:
  const StatePtr state_ = std::make_shared<State>();
};

KvFiles::KvFiles() : files_(std::make_shared<Files>()), env_(rocksdb::NewCompositeEnv(files_)) {}
KvFiles::~KvFiles() = default;
void KvFiles::give_up() { files_->give_up(); }

}  // namespace tocsin::tsdb
