// SPDX-License-Identifier: Apache-2.0
//
// MappedFile: a file of fixed size whose bytes are memory: what is written there is in the file when
// the process ends, however it ends. Not after a power cut.
//
// Owns: the mapping.
// Threads: as plain memory.
// Errors: kUnavailable, kResourceExhausted (disk full), with the path. Does not throw.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "base/status.h"

namespace tocsin::base {

class MappedFile {
 public:
  // Makes the file anew, of `size` zeroes, whose space is taken on the disk. REQUIRES: size > 0.
  static StatusOr<std::unique_ptr<MappedFile>> create(const std::string& path, std::size_t size);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<char> bytes() { return bytes_; }

 private:
  explicit MappedFile(std::span<char> bytes) : bytes_(bytes) {}
  const std::span<char> bytes_;
};

}  // namespace tocsin::base
