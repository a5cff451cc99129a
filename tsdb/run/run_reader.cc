// SPDX-License-Identifier: Apache-2.0
//
// Reading a run: find the series in the directory, get each tile once (from memory, if it was read
// twice before), and decode those of the wanted slots that have rows in the range. Timestamp columns
// are got and searched once each.
#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "tsdb/run/run_snapshot.h"

namespace tocsin::tsdb {
namespace {

using storage::SeriesColumn;
using storage::TimestampColumn;

// Rows of a timestamp column: those of a series, and those of them that are in the range.
struct RowRange {
  std::uint32_t first = 0;
  std::uint32_t rows = 0;
  std::uint32_t begin = 0;  // after `first`
  std::uint32_t end = 0;
};

// A timestamp column of the run; null when it is damaged.
struct Column {
  std::shared_ptr<const TimestampColumn> times;
  std::optional<RowRange> last;  // series of a source ask for the same rows again and again
};

// The samples as a column; nothing when there are none.
std::optional<SeriesColumn> column_of(TileSamples* samples,
                                      std::shared_ptr<const TimestampColumn> times) {
  const auto is_zero = [](std::uint64_t word) { return word == 0; };
  if (!samples->present.empty() && std::ranges::all_of(samples->present, is_zero)) {
    return std::nullopt;
  }
  SeriesColumn column;
  column.first = samples->rows.first;
  column.rows = samples->rows.rows;
  column.times = std::move(times);
  column.present = std::move(samples->present);
  column.floats = std::move(samples->floats);
  column.start_ms = std::move(samples->start_ms);
  return column;
}

class RunReader {
 public:
  RunReader(const RunFiles& files, const RunRecord& run, const ReadRequest& request)
      : files_(files), run_(run), request_(request) {}

  Status read() {
    const auto directory = files_.directories.get(run_);
    if (!directory.ok()) {
      if (!is_damage(directory.status())) return directory.status();  // names the run already
      return leave_out(directory.status(), "its directory", request_.ids.size());
    }
    locate(**directory);
    return read_tiles();
  }

 private:
  struct Wanted {
    std::uint32_t position = 0;
    std::size_t output = 0;
  };

  Status leave_out(const Status& status, std::string_view what, std::size_t series) {
    if (!is_damage(status)) return annotate(status, "run {}", run_.info.id.value());
    request_.warnings->push_back(
        fmt::format("run {}: {} is damaged, up to {} series are left out: {}", run_.info.id.value(),
                    what, series, message(status)));
    return ok();
  }

  void locate(const RunDirectory& directory) {
    auto from = directory.ids.begin();
    for (std::size_t i = 0; i < request_.ids.size() && from != directory.ids.end(); ++i) {
      const std::uint64_t id = request_.ids[i].value();
      if (id > 0xffffffffU) break;
      from = std::lower_bound(from, directory.ids.end(), static_cast<std::uint32_t>(id));
      for (auto it = from; it != directory.ids.end() && *it == id; ++it) {
        const auto entry = static_cast<std::size_t>(it - directory.ids.begin());
        wanted_.push_back({directory.positions[entry], i});
      }
    }
    std::ranges::sort(wanted_, {}, &Wanted::position);
  }

  Status read_tiles() {
    std::vector<std::string> keys;
    std::vector<std::span<const Wanted>> of_key;
    for (std::size_t begin = 0; begin < wanted_.size();) {
      const std::uint32_t number = wanted_[begin].position / kTileSeries;
      std::size_t end = begin;
      while (end < wanted_.size() && wanted_[end].position / kTileSeries == number) ++end;
      const auto wanted = std::span(wanted_).subspan(begin, end - begin);
      begin = end;
      const TileCache::Ptr known =
          request_.cached ? files_.tiles.find(run_.info.id, number) : nullptr;
      if (known != nullptr) {
        RETURN_IF_ERROR(take(decode_slots(*known, wanted), wanted));
        continue;
      }
      keys.push_back(sample_key(run_.info, FrameKind::kTile, number));
      of_key.push_back(wanted);
    }
    Status result = ok();
    files_.kv->get_samples(keys, [&](std::size_t i, const Status& status, std::string_view frame) {
      if (!result.ok()) return;
      result = take(status.ok() ? decode_tile(frame, of_key[i]) : status, of_key[i]);
    });
    return result;
  }

  // Of `status`, what came of a tile, only what fails the query.
  Status take(const Status& status, std::span<const Wanted> wanted) {
    if (status.ok()) return ok();
    return leave_out(status, fmt::format("tile {}", wanted.front().position / kTileSeries),
                     wanted.size());
  }

  Status decode_tile(std::string_view frame, std::span<const Wanted> wanted) {
    const std::uint32_t number = wanted.front().position / kTileSeries;
    if (!request_.cached || !files_.touched_tiles.touch(run_.info.id, number)) {
      ASSIGN_OR_RETURN(const Tile tile, Tile::parse(frame));
      return decode_slots(tile, wanted);
    }
    ASSIGN_OR_RETURN(Tile owned, Tile::parse_owned(frame));
    const auto tile = std::make_shared<const Tile>(std::move(owned));
    files_.tiles.put(run_.info.id, number, tile);
    return decode_slots(*tile, wanted);
  }

  Status decode_slots(const Tile& tile, std::span<const Wanted> wanted) {
    for (const Wanted& one : wanted) {
      const std::uint32_t slot = one.position % kTileSeries;
      if (slot >= tile.count() || tile.id(slot) != request_.ids[one.output].value()) {
        return data_loss("slot {} holds another series than the directory says", slot);
      }
      RETURN_IF_ERROR(decode_slot(tile, slot, one.output));
    }
    return ok();
  }

  Status decode_slot(const Tile& tile, std::uint32_t slot, std::size_t output) {
    const TileRows& rows = tile.rows(slot);
    ASSIGN_OR_RETURN(Column * column, times_of(rows.column));
    if (column->times == nullptr) return ok();  // damaged, and named in the warnings
    if (std::uint64_t{rows.first} + rows.rows > column->times->ms.size()) {
      return data_loss("rows outside of their column");
    }
    const RowRange range = range_of(rows, column);
    if (range.begin == range.end) return ok();
    TileSamples samples;
    RETURN_IF_ERROR(tile.decode(slot, range.begin, range.end, &samples));
    auto made = column_of(&samples, column->times);
    if (made) (*request_.out)[output].push_back(*std::move(made));
    return ok();
  }

  RowRange range_of(const TileRows& rows, Column* column) const {
    if (column->last && column->last->first == rows.first && column->last->rows == rows.rows) {
      return *column->last;
    }
    const auto begin = column->times->ms.begin() + rows.first;
    const auto low = std::lower_bound(begin, begin + rows.rows, request_.min_ms);
    const auto high = std::upper_bound(low, begin + rows.rows, request_.max_ms);
    column->last = RowRange{rows.first, rows.rows, static_cast<std::uint32_t>(low - begin),
                            static_cast<std::uint32_t>(high - begin)};
    return *column->last;
  }

  // Reads the block of the column when it is asked for first, and decodes each of its columns when
  // that is.
  StatusOr<Column*> times_of(std::uint32_t number) {
    const auto [it, is_new] = columns_.try_emplace(number);
    Column& column = it->second;
    if (!is_new) return &column;
    if (request_.cached) column.times = files_.times.find(run_.info.id, number);
    if (column.times != nullptr) return &column;
    const std::uint32_t block = number / kTileSeries;
    const auto [at, missing] = blocks_.try_emplace(block);
    if (missing) {
      const std::string key = sample_key(run_.info, FrameKind::kTimes, block);
      Status status = ok();
      files_.kv->get_samples({&key, 1},
                             [&](std::size_t, const Status& got, std::string_view frame) {
                               status = got;
                               if (got.ok()) at->second = frame;
                             });
      const Status parsed = status.ok() ? TimesBlock::parse(at->second).status() : status;
      if (!parsed.ok()) {
        at->second.clear();
        RETURN_IF_ERROR(
            leave_out(parsed, fmt::format("timestamp block {}", block), wanted_.size()));
      }
    }
    if (at->second.empty()) return &column;
    ASSIGN_OR_RETURN(const TimesBlock parsed, TimesBlock::parse(at->second));
    auto times = std::make_shared<TimestampColumn>();
    const Status decoded = parsed.decode(number % kTileSeries, &times->ms);
    if (decoded.ok()) {
      column.times = std::move(times);
      files_.times.put(run_.info.id, number, column.times);
      return &column;
    }
    RETURN_IF_ERROR(leave_out(decoded, fmt::format("timestamp column {}", number), wanted_.size()));
    return &column;
  }

  const RunFiles& files_;
  const RunRecord& run_;
  const ReadRequest& request_;
  std::vector<Wanted> wanted_;
  std::map<std::uint32_t, Column> columns_;
  std::map<std::uint32_t, std::string> blocks_;  // frames; empty: damaged
};

}  // namespace

bool is_damage(const Status& status) {
  return status.code() == StatusCode::kDataLoss || status.code() == StatusCode::kNotFound ||
         status.code() == StatusCode::kUnimplemented;
}

Status read_run(const RunFiles& files, const RunRecord& run, const ReadRequest& request) {
  return RunReader(files, run, request).read();
}

}  // namespace tocsin::tsdb
