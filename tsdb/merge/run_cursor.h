// SPDX-License-Identifier: Apache-2.0
//
// RunCursor: the series of one run in metric order, one after the other.
//
// Holds one tile and the timestamp columns used lately, within a bound.
// Borrows: RunFiles and the record. Threads: confined.
// Errors: kDataLoss (see is_damage()) naming run and tile; the cursor is then of no use.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"
#include "tsdb/run/run_names.h"
#include "tsdb/run/run_snapshot.h"
#include "tsdb/tile/tile.h"

namespace tocsin::tsdb {

class RunCursor {
 public:
  // Keeps decoded columns within `column_bytes`, and one whatever its size.
  RunCursor(const RunFiles& files, const RunRecord& run, std::size_t column_bytes)
      : files_(files), run_(run), max_rows_kept_(column_bytes / sizeof(std::int64_t)) {}
  RunCursor(RunCursor&&) = default;

  // Goes to the first series. Call first.
  Status open();
  bool at_end() const { return !tile_; }
  // REQUIRES for the rest: not at_end().
  std::string_view name() const { return names_.names[name_].text; }
  std::uint64_t id() const { return tile_->id(slot_); }
  RunId run() const { return run_.info.id; }
  Status read(RunRows* out);
  Status next();
  std::size_t memory_bytes() const;

 private:
  using TimesPtr = std::shared_ptr<const storage::TimestampColumn>;
  StatusOr<std::string> frame(FrameKind kind, std::uint32_t number) const;
  Status load_names();
  Status load_tile(std::uint32_t number);
  StatusOr<TimesPtr> column(std::uint32_t number);
  void find_name();

  const RunFiles& files_;
  const RunRecord& run_;
  RunNames names_;
  std::size_t name_ = 0;
  std::uint32_t number_ = 0;  // of the tile
  std::uint32_t slot_ = 0;
  std::unique_ptr<std::string> tile_frame_;
  std::optional<Tile> tile_;
  std::map<std::uint32_t, TimesPtr> columns_;
  const std::size_t max_rows_kept_;
  std::size_t rows_kept_ = 0;
  std::uint32_t block_number_ = 0;
  std::unique_ptr<std::string> block_frame_;
  std::optional<TimesBlock> block_;
};

}  // namespace tocsin::tsdb
