// SPDX-License-Identifier: Apache-2.0
//
// Positions: how far files were read, kept over a restart (docs/formats/log_positions.md).
//
// FileHead tells a file from another one under the same inode by its first bytes.
// Values. Errors: parse() kDataLoss for what it did not write.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/status.h"

namespace tocsin::exporters::app {

struct FileId {
  std::uint64_t device = 0, inode = 0;
  friend auto operator<=>(const FileId&, const FileId&) = default;
};

struct FileHead {
  static constexpr std::size_t kMaxBytes = 256;
  std::uint64_t hash = 0;  // xxHash64
  std::uint32_t size = 0;  // bytes that it is of

  static FileHead of(std::string_view bytes);
  friend bool operator==(const FileHead&, const FileHead&) = default;
};

struct Position {
  std::string path;
  std::uint64_t offset = 0;
  FileHead head;
  friend bool operator==(const Position&, const Position&) = default;
};

using Positions = std::map<FileId, Position>;

std::string print_positions(const Positions& positions);
StatusOr<Positions> parse_positions(std::string_view text);

}  // namespace tocsin::exporters::app
