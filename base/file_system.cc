// SPDX-License-Identifier: Apache-2.0
#include "base/file_system.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <utility>

#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>

#include "base/file_descriptor.h"

namespace tocsin::base {
namespace {

Status io_error(std::string_view operation, const std::string& path) {
  return errno_status(errno, fmt::format("{} {}", operation, path));
}

// Repeats a system call that a signal interrupted.
template <typename Call>
auto retry(Call call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

StatusOr<FileDescriptor> open_file(const std::string& path, int flags) {
  constexpr mode_t kMode = 0644;
  FileDescriptor fd(retry([&] { return ::open(path.c_str(), flags | O_CLOEXEC, kMode); }));
  if (fd.get() < 0) return io_error("open", path);
  return fd;
}

StatusOr<std::uint64_t> size_of(int fd, const std::string& path) {
  struct stat st{};
  if (::fstat(fd, &st) != 0) return io_error("stat", path);
  return static_cast<std::uint64_t>(st.st_size);
}

class PosixWritableFile final : public WritableFile {
 public:
  PosixWritableFile(FileDescriptor fd, std::string path, std::uint64_t size)
      : fd_(std::move(fd)), path_(std::move(path)), size_(size) {}

  Status append(std::string_view data) override { return append_parts({&data, 1}); }

  Status append_parts(std::span<const std::string_view> parts) override {
    std::vector<iovec> waiting;
    waiting.reserve(parts.size());
    for (std::string_view part : parts) {
      // writev takes non-const pointers and does not write through them.
      if (!part.empty()) waiting.push_back({const_cast<char*>(part.data()), part.size()});
    }
    std::span<iovec> left(waiting);
    while (!left.empty()) {
      const int count = static_cast<int>(std::min<std::size_t>(left.size(), IOV_MAX));
      const ssize_t written = retry([&] { return ::writev(fd_.get(), left.data(), count); });
      if (written < 0) return io_error("write", path_);
      size_ += static_cast<std::uint64_t>(written);
      left = skip(left, static_cast<std::size_t>(written));
    }
    return ok();
  }

  Status sync() override {
    if (retry([&] { return ::fdatasync(fd_.get()); }) != 0) return io_error("sync", path_);
    return ok();
  }

  Status truncate(std::uint64_t size) override {
    const auto length = static_cast<off_t>(size);
    if (retry([&] { return ::ftruncate(fd_.get(), length); }) != 0) {
      return io_error("truncate", path_);
    }
    size_ = size;
    return ok();
  }

  std::uint64_t size() const override { return size_; }

 private:
  // Drops the first `written` bytes of the parts.
  static std::span<iovec> skip(std::span<iovec> parts, std::size_t written) {
    while (!parts.empty() && written >= parts.front().iov_len) {
      written -= parts.front().iov_len;
      parts = parts.subspan(1);
    }
    if (!parts.empty()) {
      parts.front().iov_base = static_cast<char*>(parts.front().iov_base) + written;
      parts.front().iov_len -= written;
    }
    return parts;
  }

  const FileDescriptor fd_;
  const std::string path_;
  std::uint64_t size_;
};

class PosixRandomAccessFile final : public RandomAccessFile {
 public:
  PosixRandomAccessFile(FileDescriptor fd, std::string path, std::uint64_t size)
      : fd_(std::move(fd)), path_(std::move(path)), size_(size) {}

  StatusOr<std::string_view> read(std::uint64_t offset, std::size_t length,
                                  char* scratch) const override {
    std::size_t done = 0;
    while (done < length) {
      const auto at = static_cast<off_t>(offset + done);
      const ssize_t n =
          retry([&] { return ::pread(fd_.get(), scratch + done, length - done, at); });
      if (n < 0) return io_error("read", path_);
      if (n == 0) break;
      done += static_cast<std::size_t>(n);
    }
    return std::string_view(scratch, done);
  }

  std::uint64_t size() const override { return size_; }

 private:
  const FileDescriptor fd_;
  const std::string path_;
  const std::uint64_t size_;
};

Status held_by_another(const FileDescriptor& fd, const std::string& path) {
  char text[16] = {};
  const ssize_t n = ::pread(fd.get(), text, sizeof(text) - 1, 0);
  const std::string_view pid(text, n > 0 ? static_cast<std::size_t>(n) : 0);
  const std::string_view digits = pid.substr(0, pid.find('\n'));
  if (digits.empty()) return failed_precondition("lock {}: held by another process", path);
  return failed_precondition("lock {}: held by another process (pid {})", path, digits);
}

class PosixFileLock final : public FileLock {
 public:
  explicit PosixFileLock(FileDescriptor fd) : fd_(std::move(fd)) {}

 private:
  const FileDescriptor fd_;  // closing it releases the lock
};

class PosixFileSystem final : public FileSystem {
 public:
  StatusOr<std::unique_ptr<WritableFile>> open_writable(const std::string& path,
                                                        OpenMode mode) override {
    // Appending also after truncate(): O_APPEND writes at the end, wherever that is.
    const int flags = O_WRONLY | O_CREAT | O_APPEND | (mode == OpenMode::kTruncate ? O_TRUNC : 0);
    ASSIGN_OR_RETURN(FileDescriptor fd, open_file(path, flags));
    ASSIGN_OR_RETURN(const std::uint64_t size, size_of(fd.get(), path));
    return std::make_unique<PosixWritableFile>(std::move(fd), path, size);
  }

  StatusOr<std::unique_ptr<RandomAccessFile>> open_random(const std::string& path) override {
    ASSIGN_OR_RETURN(FileDescriptor fd, open_file(path, O_RDONLY));
    ASSIGN_OR_RETURN(const std::uint64_t size, size_of(fd.get(), path));
    return std::make_unique<PosixRandomAccessFile>(std::move(fd), path, size);
  }

  StatusOr<std::string> read_file(const std::string& path, std::uint64_t max_size) override;
  StatusOr<std::vector<std::string>> list(const std::string& directory) override;
  StatusOr<FileInfo> info(const std::string& path) override;

  Status rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0) {
      return io_error("rename", fmt::format("{} to {}", from, to));
    }
    return ok();
  }

  Status remove(const std::string& path) override {
    if (::remove(path.c_str()) != 0 && errno != ENOENT) return io_error("remove", path);
    return ok();
  }

  Status create_directories(const std::string& path) override;
  Status remove_recursively(const std::string& path) override;

  Status sync_directory(const std::string& directory) override {
    ASSIGN_OR_RETURN(const FileDescriptor fd, open_file(directory, O_RDONLY | O_DIRECTORY));
    if (retry([&] { return ::fsync(fd.get()); }) != 0) return io_error("sync", directory);
    return ok();
  }

  StatusOr<std::unique_ptr<FileLock>> lock(const std::string& path) override {
    ASSIGN_OR_RETURN(FileDescriptor fd, open_file(path, O_RDWR | O_CREAT));
    if (retry([&] { return ::flock(fd.get(), LOCK_EX | LOCK_NB); }) != 0) {
      if (errno != EWOULDBLOCK) return io_error("lock", path);
      return held_by_another(fd, path);
    }
    // For people: who holds the lock. A lock whose process is gone is none, whatever the file says.
    const std::string pid = fmt::format("{}\n", ::getpid());
    if (::ftruncate(fd.get(), 0) == 0) {
      static_cast<void>(::pwrite(fd.get(), pid.data(), pid.size(), 0) < 0);
    }
    return std::make_unique<PosixFileLock>(std::move(fd));
  }

  StatusOr<std::uint64_t> free_bytes(const std::string& path) override {
    struct statvfs st{};
    if (retry([&] { return ::statvfs(path.c_str(), &st); }) != 0) return io_error("statvfs", path);
    return static_cast<std::uint64_t>(st.f_bavail) * st.f_frsize;
  }

  StatusOr<std::uint64_t> total_bytes(const std::string& path) override {
    struct statvfs st{};
    if (retry([&] { return ::statvfs(path.c_str(), &st); }) != 0) return io_error("statvfs", path);
    return static_cast<std::uint64_t>(st.f_blocks) * st.f_frsize;
  }
};

StatusOr<std::string> PosixFileSystem::read_file(const std::string& path, std::uint64_t max_size) {
  ASSIGN_OR_RETURN(const FileDescriptor fd, open_file(path, O_RDONLY));
  // Files of /proc have size 0: the size only tells how much to reserve.
  ASSIGN_OR_RETURN(const std::uint64_t size, size_of(fd.get(), path));
  std::string content;
  content.reserve(static_cast<std::size_t>(std::min(size, max_size)));
  // Most files of /proc and /sys are a line: the large buffer is made when the small one was full.
  std::array<char, 4096> small;
  std::vector<char> large;
  std::span<char> buffer(small);
  for (;;) {
    const ssize_t n = retry([&] { return ::read(fd.get(), buffer.data(), buffer.size()); });
    if (n < 0) return io_error("read", path);
    if (n == 0) return content;
    if (static_cast<std::uint64_t>(n) > max_size - content.size()) {
      return resource_exhausted("read {}: larger than {} bytes", path, max_size);
    }
    content.append(buffer.data(), static_cast<std::size_t>(n));
    if (large.empty() && static_cast<std::size_t>(n) == small.size()) {
      large.resize(64 << 10);
      buffer = large;
    }
  }
}

StatusOr<std::vector<std::string>> PosixFileSystem::list(const std::string& directory) {
  const std::unique_ptr<DIR, int (*)(DIR*)> handle(::opendir(directory.c_str()), &::closedir);
  if (handle == nullptr) return io_error("list", directory);
  std::vector<std::string> names;
  for (;;) {
    errno = 0;
    // Safe: the handle is not shared with another thread.
    const dirent* entry = ::readdir(handle.get());  // NOLINT(concurrency-mt-unsafe): own handle
    if (entry == nullptr) break;
    std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  if (errno != 0) return io_error("list", directory);
  std::sort(names.begin(), names.end());
  return names;
}

StatusOr<FileInfo> PosixFileSystem::info(const std::string& path) {
  struct stat st{};
  if (::stat(path.c_str(), &st) != 0) return io_error("stat", path);
  FileInfo info;
  info.size = static_cast<std::uint64_t>(st.st_size);
  info.is_directory = S_ISDIR(st.st_mode);
  info.modified = from_ms(std::int64_t{st.st_mtim.tv_sec} * 1000 + st.st_mtim.tv_nsec / 1'000'000);
  return info;
}

Status PosixFileSystem::create_directories(const std::string& path) {
  constexpr mode_t kMode = 0755;
  for (std::size_t end = 0; end < path.size();) {
    end = std::min(path.find('/', end + 1), path.size());
    const std::string part = path.substr(0, end);
    if (::mkdir(part.c_str(), kMode) == 0) continue;
    // A parent may refuse creation (read-only, no permission) and still be there.
    const int error_number = errno;
    struct stat st{};
    if (::stat(part.c_str(), &st) == 0) {
      if (S_ISDIR(st.st_mode)) continue;
      return unavailable("mkdir {}: a file is in the way", part);
    }
    return errno_status(error_number, fmt::format("mkdir {}", part));
  }
  return ok();
}

Status PosixFileSystem::remove_recursively(const std::string& path) {
  // Deepest last on the stack; symbolic links are removed, never followed.
  std::vector<std::string> found{path};
  for (std::size_t i = 0; i < found.size(); ++i) {
    struct stat st{};
    if (::lstat(found[i].c_str(), &st) != 0) {
      if (errno == ENOENT) continue;
      return io_error("stat", found[i]);
    }
    if (!S_ISDIR(st.st_mode)) continue;
    ASSIGN_OR_RETURN(const std::vector<std::string> names, list(found[i]));
    for (const std::string& name : names) found.push_back(found[i] + "/" + name);
  }
  for (auto it = found.rbegin(); it != found.rend(); ++it) RETURN_IF_ERROR(remove(*it));
  return ok();
}

}  // namespace

FileSystem& real_file_system() {
  static PosixFileSystem files;
  return files;
}

Status write_file_atomically(FileSystem& files, const std::string& path, std::string_view data) {
  const std::string temporary = path + ".tmp";
  const auto write = [&]() -> Status {
    ASSIGN_OR_RETURN(const std::unique_ptr<WritableFile> file,
                     files.open_writable(temporary, FileSystem::OpenMode::kTruncate));
    RETURN_IF_ERROR(file->append(data));
    RETURN_IF_ERROR(file->sync());
    return files.rename(temporary, path);
  };
  if (Status status = write(); !status.ok()) {
    // The first error counts; a leftover is overwritten by the next attempt.
    static_cast<void>(files.remove(temporary));
    return status;
  }
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return files.sync_directory(".");
  return files.sync_directory(slash == 0 ? "/" : path.substr(0, slash));
}

std::string join_path(std::string_view directory, std::string_view name) {
  if (directory.empty() || name.starts_with('/')) return std::string(name);
  if (name.empty()) return std::string(directory);
  std::string path(directory);
  if (!path.ends_with('/')) path += '/';
  path += name;
  return path;
}

}  // namespace tocsin::base
