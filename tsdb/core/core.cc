// SPDX-License-Identifier: Apache-2.0
#include "tsdb/core/core.h"

#include "base/log.h"
#include "tsdb/query/column_merger.h"

namespace tocsin::tsdb {

Core::Core(std::string in_directory, const Options& in_options, const base::Clock& in_clock,
           base::FileSystem& in_files, base::Registry& registry)
    : directory(std::move(in_directory)),
      clock(in_clock),
      files(in_files),
      options(in_options),
      metrics(registry),
      index(in_options.max_active_series),
      head(in_options.seal_rows),
      tombstones(in_files, base::join_path(directory, TombstoneFile::kName),
                 in_options.max_tombstones),
      space(in_files, directory, registry) {}

Status sync_journal(Core& core) {
  const Status synced = core.journal->sync();
  if (synced.ok()) return synced;
  base::log::error("journal sync failed; its data is written again", {{"error", message(synced)}});
  Status written;
  core.queue->exclusive([&] { written = core.journal->abandon(); });
  if (!written.ok()) {
    base::log::error("journal cannot be written again yet", {{"error", message(written)}});
  }
  return synced;
}

Status Core::learn_histograms(const RunStore::Snapshot& snapshot, storage::SeriesId id,
                              std::int64_t from_ms) {
  std::vector<std::vector<SideChunk>> chunks(1);
  std::vector<std::string> warnings;
  RETURN_IF_ERROR(
      RunStore::read_side(snapshot, {&id, 1}, from_ms, sealed_max_ms, &chunks, &warnings));
  std::vector<SideSample> samples;
  for (const SideChunk& chunk : chunks[0]) {
    if (!decode_side(chunk.bytes, id, &samples).ok()) continue;  // damaged: queries name it
  }
  std::int64_t newest_ms = kUnknownTime;
  for (const SideSample& sample : samples) {
    if (!sample.out_of_order) newest_ms = std::max(newest_ms, sample.time_ms);
  }
  if (newest_ms >= from_ms) head.side().learn_last(id, newest_ms);
  return ok();
}

StatusOr<Newest> Core::newest_in_runs(storage::SeriesId id, std::int64_t from_ms) {
  const Learning::Round round = learning.begin();
  const std::shared_ptr<const RunStore::Snapshot> snapshot = runs->snapshot();
  std::vector<std::vector<storage::SeriesColumn>> columns(1);
  std::vector<std::string> warnings;
  const std::int64_t until_ms = sealed_max_ms.load();
  RETURN_IF_ERROR(RunStore::read(*snapshot, {&id, 1}, from_ms, until_ms, &columns, &warnings));
  ColumnMerger merger(from_ms, until_ms);
  ASSIGN_OR_RETURN(const storage::SeriesColumn column, merger.merge(columns[0], {}));
  RETURN_IF_ERROR(learn_histograms(*snapshot, id, from_ms));
  if (column.rows == 0) return Newest();
  const Newest newest{column.times->ms[column.first + column.rows - 1],
                      std::bit_cast<std::uint64_t>(column.floats.back())};
  if (learning.tell(round, [&] { head.learn_newest(id, newest); })) return newest;
  return newest_in_runs(id, from_ms);  // the sample may have been cleaned away meanwhile
}

}  // namespace tocsin::tsdb
