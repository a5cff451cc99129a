// SPDX-License-Identifier: Apache-2.0
//
// FileDescriptor: closes a file, socket or directory that the kernel opened.
#pragma once

#include <unistd.h>

#include <utility>

namespace tocsin::base {

class FileDescriptor {
 public:
  // `fd` may be negative: then nothing is open.
  FileDescriptor() = default;
  explicit FileDescriptor(int fd) : fd_(fd) {}
  ~FileDescriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    if (this != &other) {
      const FileDescriptor closed(std::exchange(fd_, std::exchange(other.fd_, -1)));
    }
    return *this;
  }

  int get() const { return fd_; }

 private:
  int fd_ = -1;
};

}  // namespace tocsin::base
