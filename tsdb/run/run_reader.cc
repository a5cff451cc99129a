// SPDX-License-Identifier: Apache-2.0
//
// Reading a run: find the series in the directory, get each tile once, decode the wanted slots,
// then get each timestamp column once and cut the rows to the wanted range.
#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "tsdb/run/run_snapshot.h"
#include "tsdb/tile/tile.h"

namespace tocsin::tsdb {
namespace {

using storage::SeriesColumn;
using storage::TimestampColumn;

// Rows [begin, begin + rows) of a presence bitmap.
std::vector<std::uint64_t> cut_bitmap(const std::vector<std::uint64_t>& bitmap, std::uint32_t begin,
                                      std::uint32_t rows) {
  std::vector<std::uint64_t> result((std::size_t{rows} + 63) / 64);
  const unsigned shift = begin % 64;
  for (std::size_t i = 0; i < result.size(); ++i) {
    const std::size_t word = begin / 64 + i;
    result[i] = bitmap[word] >> shift;
    if (shift != 0 && word + 1 < bitmap.size()) result[i] |= bitmap[word + 1] << (64 - shift);
  }
  if (rows % 64 != 0) result.back() &= (std::uint64_t{1} << (rows % 64)) - 1;
  return result;
}

template <typename T>
void cut_vector(std::uint32_t begin, std::uint32_t rows, std::vector<T>* values) {
  if (values->empty()) return;
  values->resize(std::size_t{begin} + rows);
  values->erase(values->begin(), values->begin() + begin);
}

// The samples in [min_ms, max_ms]; nothing when there are none.
std::optional<SeriesColumn> cut(TileSamples samples, std::shared_ptr<const TimestampColumn> times,
                                std::int64_t min_ms, std::int64_t max_ms) {
  const auto begin = times->ms.begin() + samples.rows.first;
  const auto end = begin + samples.rows.rows;
  const auto low = std::lower_bound(begin, end, min_ms);
  const auto high = std::upper_bound(low, end, max_ms);
  if (low == high) return std::nullopt;
  const auto skipped = static_cast<std::uint32_t>(low - begin);
  SeriesColumn column;
  column.first = samples.rows.first + skipped;
  column.rows = static_cast<std::uint32_t>(high - low);
  column.times = std::move(times);
  if (!samples.present.empty()) {
    column.present = cut_bitmap(samples.present, skipped, column.rows);
    if (std::ranges::all_of(column.present, [](std::uint64_t word) { return word == 0; })) {
      return std::nullopt;
    }
  }
  cut_vector(skipped, column.rows, &samples.floats);
  cut_vector(skipped, column.rows, &samples.start_ms);
  column.floats = std::move(samples.floats);
  column.start_ms = std::move(samples.start_ms);
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
    RETURN_IF_ERROR(read_tiles());
    RETURN_IF_ERROR(read_columns());
    for (Found& one : found_) {
      const auto& times = columns_[one.samples.rows.column];
      if (times == nullptr) continue;  // damaged, and named in the warnings
      if (std::uint64_t{one.samples.rows.first} + one.samples.rows.rows > times->ms.size()) {
        RETURN_IF_ERROR(leave_out(data_loss("rows outside of their column"), "a tile", 1));
        continue;
      }
      auto column = cut(std::move(one.samples), times, request_.min_ms, request_.max_ms);
      if (column) (*request_.out)[one.output].push_back(*std::move(column));
    }
    return ok();
  }

 private:
  struct Wanted {
    std::uint32_t position = 0;
    std::size_t output = 0;
  };
  struct Found {
    std::size_t output = 0;
    TileSamples samples;
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
      const std::uint32_t tile = wanted_[begin].position / kTileSeries;
      std::size_t end = begin;
      while (end < wanted_.size() && wanted_[end].position / kTileSeries == tile) ++end;
      keys.push_back(sample_key(run_.info, FrameKind::kTile, tile));
      of_key.push_back(std::span(wanted_).subspan(begin, end - begin));
      begin = end;
    }
    Status result = ok();
    files_.kv->get_samples(keys, [&](std::size_t i, const Status& status, std::string_view frame) {
      if (!result.ok()) return;
      const Status decoded = status.ok() ? decode_tile(frame, of_key[i]) : status;
      if (decoded.ok()) return;
      const std::uint32_t tile = of_key[i].front().position / kTileSeries;
      result = leave_out(decoded, fmt::format("tile {}", tile), of_key[i].size());
    });
    return result;
  }

  Status decode_tile(std::string_view frame, std::span<const Wanted> wanted) {
    ASSIGN_OR_RETURN(const Tile tile, Tile::parse(frame));
    for (const Wanted& one : wanted) {
      const std::uint32_t slot = one.position % kTileSeries;
      if (slot >= tile.count() || tile.id(slot) != request_.ids[one.output].value()) {
        return data_loss("slot {} holds another series than the directory says", slot);
      }
      Found found{one.output, {}};
      RETURN_IF_ERROR(tile.decode(slot, &found.samples));
      found_.push_back(std::move(found));
    }
    return ok();
  }

  Status read_columns() {
    std::set<std::uint32_t> blocks;
    for (const Found& one : found_) {
      columns_.try_emplace(one.samples.rows.column);
      blocks.insert(one.samples.rows.column / kTileSeries);
    }
    const std::vector<std::uint32_t> numbers(blocks.begin(), blocks.end());
    std::vector<std::string> keys;
    for (const std::uint32_t number : numbers) {
      keys.push_back(sample_key(run_.info, FrameKind::kTimes, number));
    }
    Status result = ok();
    files_.kv->get_samples(keys, [&](std::size_t i, const Status& status, std::string_view frame) {
      if (!result.ok()) return;
      const Status decoded = status.ok() ? decode_columns(frame, numbers[i]) : status;
      if (decoded.ok()) return;
      result = leave_out(decoded, fmt::format("timestamp block {}", numbers[i]), found_.size());
    });
    return result;
  }

  Status decode_columns(std::string_view frame, std::uint32_t number) {
    ASSIGN_OR_RETURN(const TimesBlock block, TimesBlock::parse(frame));
    const std::uint64_t begin = std::uint64_t{number} * kTileSeries;
    auto it = columns_.lower_bound(static_cast<std::uint32_t>(begin));
    for (; it != columns_.end() && it->first < begin + kTileSeries; ++it) {
      auto column = std::make_shared<TimestampColumn>();
      RETURN_IF_ERROR(block.decode(it->first % kTileSeries, &column->ms));
      it->second = std::move(column);
    }
    return ok();
  }

  const RunFiles& files_;
  const RunRecord& run_;
  const ReadRequest& request_;
  std::vector<Wanted> wanted_;
  std::vector<Found> found_;
  std::map<std::uint32_t, std::shared_ptr<const TimestampColumn>> columns_;  // null: damaged
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
