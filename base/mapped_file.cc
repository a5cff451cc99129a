// SPDX-License-Identifier: Apache-2.0
#include "base/mapped_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include <sys/mman.h>

namespace tocsin::base {

namespace {

Status failure(const std::string& path, int error) {
  const std::string text = std::generic_category().message(error);
  if (error == ENOSPC || error == EDQUOT) return resource_exhausted("{}: {}", path, text);
  return unavailable("{}: {}", path, text);
}

}  // namespace

StatusOr<std::unique_ptr<MappedFile>> MappedFile::create(const std::string& path,
                                                         std::size_t size) {
  const int file = open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file < 0) return failure(path, errno);
  // Without space on the disk a write to the mapping would end the process.
  const int refused = posix_fallocate(file, 0, static_cast<off_t>(size));
  void* const mapped =
      refused != 0 ? MAP_FAILED : mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  const int error = refused != 0 ? refused : errno;
  close(file);
  if (mapped == MAP_FAILED) return failure(path, error);
  return std::unique_ptr<MappedFile>(
      new MappedFile(std::span<char>(static_cast<char*>(mapped), size)));
}

MappedFile::~MappedFile() { munmap(bytes_.data(), bytes_.size()); }

}  // namespace tocsin::base
