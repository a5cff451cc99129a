// SPDX-License-Identifier: Apache-2.0
//
// FileSystem: the files seam. real_file_system() is the operating system; base/testing has MemFs
// and FaultFs (fails the n-th operation, drops what was not synced).
//
// Paths are UTF-8 byte strings, as the system takes them.
// Threads: a FileSystem is shared; a file object belongs to one thread at a time, except that
// RandomAccessFile::read may be called from several threads.
// Errors: kNotFound, kAlreadyExists, kResourceExhausted (disk full), kUnavailable (other I/O
// errors), each with the path in its message. Does not throw.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "base/time.h"

namespace tocsin::base {

// Appends bytes. Destroying it closes the file without a sync.
class WritableFile {
 public:
  virtual ~WritableFile() = default;
  // Writes all of `data` at the end; after an error the file may hold a prefix of it.
  virtual Status append(std::string_view data) = 0;
  // Writes `parts` one after another with one system call where possible (writev).
  virtual Status append_parts(std::span<const std::string_view> parts) = 0;
  // Returns after the bytes appended so far survive a power cut (fdatasync). After an error the
  // state of the file is unknown: abandon it and write its data elsewhere.
  virtual Status sync() = 0;
  // Cuts the file to `size` bytes; the next append goes there.
  virtual Status truncate(std::uint64_t size) = 0;
  virtual std::uint64_t size() const = 0;
};

class RandomAccessFile {
 public:
  virtual ~RandomAccessFile() = default;
  // Reads up to `length` bytes at `offset` into `scratch`; returns what was read, shorter at the
  // end of the file. The view points into `scratch`. REQUIRES: scratch holds `length` bytes.
  virtual StatusOr<std::string_view> read(std::uint64_t offset, std::size_t length,
                                          char* scratch) const = 0;
  virtual std::uint64_t size() const = 0;
};

// Holds an exclusive lock on a file until destroyed.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

struct FileInfo {
  std::uint64_t size = 0;
  Timestamp modified;
  bool is_directory = false;
};

class FileSystem {
 public:
  enum class OpenMode { kTruncate, kAppend };

  virtual ~FileSystem() = default;
  virtual StatusOr<std::unique_ptr<WritableFile>> open_writable(const std::string& path,
                                                                OpenMode mode) = 0;
  virtual StatusOr<std::unique_ptr<RandomAccessFile>> open_random(const std::string& path) = 0;
  // Reads the whole file; kResourceExhausted above `max_size` bytes.
  virtual StatusOr<std::string> read_file(const std::string& path, std::uint64_t max_size) = 0;
  // Names (not paths) in a directory, sorted, without "." and "..".
  virtual StatusOr<std::vector<std::string>> list(const std::string& directory) = 0;
  virtual StatusOr<FileInfo> info(const std::string& path) = 0;
  virtual Status rename(const std::string& from, const std::string& to) = 0;
  // Deleting what is absent is OK.
  virtual Status remove(const std::string& path) = 0;
  // Creates the directory and its parents; OK when it exists.
  virtual Status create_directories(const std::string& path) = 0;
  virtual Status remove_recursively(const std::string& path) = 0;
  // Makes renames, creations and removals in `directory` survive a power cut.
  virtual Status sync_directory(const std::string& directory) = 0;
  // kFailedPrecondition when another process (or object) holds the lock.
  virtual StatusOr<std::unique_ptr<FileLock>> lock(const std::string& path) = 0;
  // Bytes free for this process on the file system of `path`.
  virtual StatusOr<std::uint64_t> free_bytes(const std::string& path) = 0;
  // Size of the file system of `path`.
  virtual StatusOr<std::uint64_t> total_bytes(const std::string& path) = 0;
};

// The operating system's files. Shared; lives until the process ends.
FileSystem& real_file_system();

// Replaces `path` by `data` so that a crash leaves the old or the new content: temporary file,
// sync, rename, sync of the directory.
Status write_file_atomically(FileSystem& files, const std::string& path, std::string_view data);

// Joins two path parts; an absolute `name` replaces `directory`.
std::string join_path(std::string_view directory, std::string_view name);

}  // namespace tocsin::base
