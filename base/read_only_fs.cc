// SPDX-License-Identifier: Apache-2.0
#include "base/read_only_fs.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include <sys/file.h>

namespace tocsin::base {
namespace {

// Takes everything and keeps its length.
class NullFile final : public WritableFile {
 public:
  explicit NullFile(std::uint64_t size) : size_(size) {}
  Status append(std::string_view data) override {
    size_ += data.size();
    return ok();
  }
  Status append_parts(std::span<const std::string_view> parts) override {
    for (const std::string_view part : parts) size_ += part.size();
    return ok();
  }
  Status sync() override { return ok(); }
  Status truncate(std::uint64_t size) override {
    size_ = size;
    return ok();
  }
  std::uint64_t size() const override { return size_; }

 private:
  std::uint64_t size_;
};

class SharedLock final : public FileLock {
 public:
  explicit SharedLock(int fd) : fd_(fd) {}
  ~SharedLock() override {
    if (fd_ >= 0) ::close(fd_);
  }
  SharedLock(const SharedLock&) = delete;
  SharedLock& operator=(const SharedLock&) = delete;

 private:
  const int fd_;  // closing it releases the lock; -1: there is no file to lock
};

class ReadOnlyFs final : public FileSystem {
 public:
  StatusOr<std::unique_ptr<WritableFile>> open_writable(const std::string& path,
                                                        OpenMode mode) override {
    const StatusOr<FileInfo> info = real_.info(path);
    const bool keeps = mode == OpenMode::kAppend && info.ok();
    return std::make_unique<NullFile>(keeps ? info->size : 0);
  }
  StatusOr<std::unique_ptr<RandomAccessFile>> open_random(const std::string& path) override {
    return real_.open_random(path);
  }
  StatusOr<std::string> read_file(const std::string& path, std::uint64_t max_size) override {
    return real_.read_file(path, max_size);
  }
  StatusOr<std::vector<std::string>> list(const std::string& directory) override {
    return real_.list(directory);
  }
  StatusOr<FileInfo> info(const std::string& path) override { return real_.info(path); }
  Status rename(const std::string&, const std::string&) override { return ok(); }
  Status remove(const std::string&) override { return ok(); }
  Status create_directories(const std::string&) override { return ok(); }
  Status remove_recursively(const std::string&) override { return ok(); }
  Status sync_directory(const std::string&) override { return ok(); }
  StatusOr<std::unique_ptr<FileLock>> lock(const std::string& path) override {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) return std::make_unique<SharedLock>(-1);
    if (fd < 0) return errno_status(errno, fmt::format("open {}", path));
    auto shared = std::make_unique<SharedLock>(fd);
    if (::flock(fd, LOCK_SH | LOCK_NB) == 0) return shared;
    if (errno != EWOULDBLOCK) return errno_status(errno, fmt::format("lock {}", path));
    const StatusOr<std::string> pid = real_.read_file(path, 64);
    return failed_precondition(
        "lock {}: held by another process{}", path,
        pid.ok() && !pid->empty() ? fmt::format(" (pid {})", pid->substr(0, pid->find('\n'))) : "");
  }
  StatusOr<std::uint64_t> free_bytes(const std::string& path) override {
    return real_.free_bytes(path);
  }
  StatusOr<std::uint64_t> total_bytes(const std::string& path) override {
    return real_.total_bytes(path);
  }

 private:
  FileSystem& real_ = real_file_system();
};

}  // namespace

std::unique_ptr<FileSystem> make_read_only_fs() { return std::make_unique<ReadOnlyFs>(); }

}  // namespace tocsin::base
