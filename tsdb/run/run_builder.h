// SPDX-License-Identifier: Apache-2.0
//
// RunWriter: writes the table file of a run, series by series in metric order.
//
// Tiles are written as they fill; timestamp columns, the directory and the names follow when all
// series are known. So memory is one tile, columns within a bound, 8 bytes per series and 40 per
// distinct column.
// Owns: the file being written, which a failed or unfinished run leaves behind, and one beside it
// for columns above the bound, which goes with the writer.
// Threads: confined.
// Errors: kInvalidArgument for rows that contradict themselves, what SampleFile returns.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/file_system.h"
#include "base/hash.h"
#include "base/status.h"
#include "tsdb/kv/kv_store.h"
#include "tsdb/run/run_format.h"
#include "tsdb/run/run_names.h"
#include "tsdb/tile/tile.h"

namespace tocsin::tsdb {

// The encoded timestamp columns of a run, each once, in blocks: in memory up to a bound and in a
// file after it. A column is known by a hash. Confined. Errors: of the file system.
class ColumnBlocks {
 public:
  explicit ColumnBlocks(std::string path) : path_(std::move(path)) {}
  ~ColumnBlocks();
  ColumnBlocks(const ColumnBlocks&) = delete;
  ColumnBlocks& operator=(const ColumnBlocks&) = delete;

  void limit(std::size_t bytes) { max_bytes_ = bytes; }
  // Returns its number.
  StatusOr<std::uint32_t> add(std::string encoded);
  std::uint32_t count() const { return static_cast<std::uint32_t>(numbers_.size()); }
  std::size_t memory_bytes() const { return bytes_ + numbers_.size() * 40; }
  // Hands out all frames in order; nothing can be added after it.
  using Put = std::function<Status(std::uint32_t block, std::string_view frame)>;
  Status finish(const Put& put);

 private:
  struct HashOf {
    std::size_t operator()(const base::Hash128& hash) const { return hash.low; }
  };
  Status close_block();
  Status spill();

  const std::string path_;
  const base::Hash128 seed_{base::random_u64(), base::random_u64()};
  std::size_t max_bytes_ = 32U << 20;
  std::unordered_map<base::Hash128, std::uint32_t, HashOf> numbers_;
  std::vector<std::string> block_;    // columns of the open block
  std::vector<std::string> frames_;   // closed blocks
  std::size_t bytes_ = 0;             // of both
  std::vector<std::uint32_t> sizes_;  // of the frames in the file
  std::unique_ptr<base::WritableFile> file_;
};

class RunWriter {
 public:
  // id, tier and creation time are taken from `info`.
  RunWriter(std::string path, const RunInfo& info, Effort effort);

  // REQUIRES: (name, id) is not before that of the last call. A series may come several times.
  // Series without a sample are left out.
  Status add(std::string_view name, storage::SeriesId id, const RunRows& rows);
  // Samples that are not in tiles. REQUIRES: each series once; called once at most.
  void add_side(std::vector<RunSideInput> side) { side_ = std::move(side); }
  // With no sample at all there is no file and the record is empty.
  StatusOr<RunRecord> finish();

  // Memory for decoded columns that were seen lately, and for encoded ones; else 64 MiB.
  void limit_columns(std::size_t bytes) {
    max_known_rows_ = bytes / 2 / sizeof(std::int64_t);
    columns_.limit(bytes / 2);
  }
  std::size_t memory_bytes() const;

 private:
  StatusOr<std::uint32_t> column(const RunRows& rows);
  Status add_rows(storage::SeriesId id, const RunRows& rows, const RowChanges& changes,
                  std::uint32_t first);
  Status put(FrameKind kind, std::uint32_t number, std::string_view frame);
  Status close_tile();
  Status put_columns();
  Status put_directory();

  const std::string path_;
  RunRecord record_;
  std::unique_ptr<SampleFile> file_;
  TileBuilder tile_;
  const std::size_t tile_bytes_;
  RunNames names_;
  std::vector<RunSideInput> side_;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> entries_;  // id, position

  // Columns that were seen lately, so that equal objects are not encoded again; holding them keeps
  // their addresses from being used again.
  struct Known {
    std::shared_ptr<const storage::TimestampColumn> times;
    std::uint32_t number = 0;
  };
  std::unordered_map<const storage::TimestampColumn*, Known> known_;
  std::size_t known_rows_ = 0;
  std::size_t max_known_rows_ = 4U << 20;
  ColumnBlocks columns_;
};

}  // namespace tocsin::tsdb
