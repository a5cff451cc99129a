// SPDX-License-Identifier: Apache-2.0
#include "tsdb/query/side_lookup.h"

#include <bit>
#include <iterator>

#include "tsdb/query/column_merger.h"

namespace tocsin::tsdb {

using storage::SeriesColumn;
using storage::SeriesId;

StatusOr<SideColumns> side_of_head(const Core& core, std::span<const SeriesId> ids,
                                   std::int64_t min_ms, std::int64_t max_ms) {
  SideColumns columns;
  const SideStore& side = core.head.side();
  if (!side.any()) return columns;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (!side.has(ids[i])) continue;
    columns.resize(ids.size());
    RETURN_IF_ERROR(side.read(ids[i], min_ms, max_ms, &columns[i]));
  }
  return columns;
}

Status add_side_of_runs(const RunStore::Snapshot& runs, std::span<const SeriesId> ids,
                        std::int64_t min_ms, std::int64_t max_ms, SideColumns* columns,
                        std::vector<std::string>* warnings) {
  std::vector<std::vector<SideChunk>> chunks(ids.size());
  RETURN_IF_ERROR(RunStore::read_side(runs, ids, min_ms, max_ms, &chunks, warnings));
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (chunks[i].empty()) continue;
    std::vector<SideSample> samples;
    for (const SideChunk& chunk : chunks[i]) {
      const Status decoded = decode_side(chunk.bytes, ids[i], &samples);
      if (!decoded.ok()) warnings->push_back(std::string(message(decoded)));
    }
    columns->resize(ids.size());
    std::vector<SideSample>& of_one = (*columns)[i];
    samples.insert(samples.end(), std::make_move_iterator(of_one.begin()),
                   std::make_move_iterator(of_one.end()));
    of_one = std::move(samples);
  }
  return ok();
}

StatusOr<std::optional<SideValue>> sample_at(const Core& core, SeriesId id, std::int64_t t_ms) {
  const std::span<const SeriesId> ids(&id, 1);
  std::vector<Piece> pieces;
  core.head.read(id, t_ms, t_ms, &pieces);
  ASSIGN_OR_RETURN(SideColumns side, side_of_head(core, ids, t_ms, t_ms));
  const auto snapshot = core.runs->snapshot();
  std::vector<std::vector<SeriesColumn>> sealed(1);
  std::vector<std::string> warnings;
  RETURN_IF_ERROR(RunStore::read(*snapshot, ids, t_ms, t_ms, &sealed, &warnings));
  ColumnMerger merger(t_ms, t_ms);
  ASSIGN_OR_RETURN(const SeriesColumn column, merger.merge(sealed[0], pieces));
  if (column.rows != 0) return SideValue(std::bit_cast<std::uint64_t>(column.floats.back()));
  RETURN_IF_ERROR(add_side_of_runs(*snapshot, ids, t_ms, t_ms, &side, &warnings));
  if (side.empty()) return std::optional<SideValue>();
  for (SideSample& sample : side[0]) {
    const bool start = std::holds_alternative<StartChange>(sample.value);
    if (sample.time_ms == t_ms && !start) return std::optional(std::move(sample.value));
  }
  return std::optional<SideValue>();
}

}  // namespace tocsin::tsdb
