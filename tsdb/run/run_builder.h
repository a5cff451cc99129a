// SPDX-License-Identifier: Apache-2.0
//
// RunWriter: writes the table file of a run, series by series in metric order.
//
// Tiles are written as they fill; timestamp columns, the directory and the names follow when all
// series are known. So memory is one tile, the columns as encoded and 8 bytes per series.
// Owns: the file being written, which a failed or unfinished run leaves behind.
// Threads: confined.
// Errors: kInvalidArgument for rows that contradict themselves, what SampleFile returns.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/status.h"
#include "tsdb/kv/kv_store.h"
#include "tsdb/run/run_format.h"
#include "tsdb/run/run_names.h"
#include "tsdb/tile/tile.h"

namespace tocsin::tsdb {

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

  // Memory for decoded columns that were seen lately; else 32 MiB.
  void limit_columns(std::size_t bytes) { max_known_rows_ = bytes / sizeof(std::int64_t); }
  std::size_t memory_bytes() const;

 private:
  StatusOr<std::uint32_t> column(const std::shared_ptr<const storage::TimestampColumn>& times);
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
  std::deque<std::string> columns_;  // encoded
  std::size_t columns_bytes_ = 0;
  std::unordered_map<std::string_view, std::uint32_t> by_content_;
};

}  // namespace tocsin::tsdb
