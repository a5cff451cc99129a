// SPDX-License-Identifier: Apache-2.0
#include "tsdb/run/run_builder.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <numeric>
#include <span>
#include <unordered_map>
#include <utility>

#include "base/hash.h"
#include "tsdb/kv/kv_store.h"
#include "tsdb/run/run_directory.h"
#include "tsdb/run/run_side.h"
#include "tsdb/tile/tile.h"
#include "tsdb/tile/time_codec.h"

namespace tocsin::tsdb {
namespace {

using Times = std::span<const std::int64_t>;

Status check(const RunSeriesInput& input) {
  const storage::SeriesColumn& column = input.column;
  const std::uint64_t id = input.id.value();
  if (id == 0 || id >= 0xffffffffU) return invalid_argument("series id {} is out of range", id);
  if (!column.histograms.empty()) {
    return unimplemented("not supported yet: native histograms in runs");
  }
  const std::uint64_t end = std::uint64_t{column.first} + column.rows;
  if (column.times == nullptr || end > column.times->ms.size() || end > kMaxRows) {
    return invalid_argument("series {}: rows up to {} are not in its column", id, end);
  }
  if (column.floats.size() != column.rows) {
    return invalid_argument("series {}: {} values in {} rows", id, column.floats.size(),
                            column.rows);
  }
  if (!column.present.empty() && column.present.size() < (std::size_t{column.rows} + 63) / 64) {
    return invalid_argument("series {}: presence bitmap is too short", id);
  }
  if (!column.start_ms.empty() && column.start_ms.size() != column.rows) {
    return invalid_argument("series {}: start timestamps for other rows", id);
  }
  return ok();
}

// Series in metric order; of one series in order of time.
std::vector<std::uint32_t> metric_order(const std::vector<RunSeriesInput>& series) {
  std::vector<std::string_view> names;
  names.reserve(series.size());
  for (const RunSeriesInput& one : series) names.push_back(one.labels.metric_name());
  std::vector<std::uint32_t> order(series.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
    if (names[a] != names[b]) return names[a] < names[b];
    if (const auto by_labels = series[a].labels <=> series[b].labels; by_labels != 0) {
      return by_labels < 0;
    }
    if (series[a].id != series[b].id) return series[a].id < series[b].id;
    return a < b;
  });
  return order;
}

// The timestamp columns of a run: the rows that some series uses of each shared column, equal ones
// once.
class Columns {
 public:
  void use(const storage::SeriesColumn& column) {
    Used& used = by_object_[column.times.get()];
    used.begin = std::min(used.begin, column.first);
    used.end = std::max(used.end, column.first + column.rows);
  }

  // Numbers the columns in the order of their first use. Call for every series after use() for all.
  StatusOr<TileRows> rows_of(const storage::SeriesColumn& column) {
    Used& used = by_object_[column.times.get()];
    if (used.number == kNone) {
      const Times times = Times(column.times->ms).subspan(used.begin, used.end - used.begin);
      for (std::size_t i = 1; i < times.size(); ++i) {
        if (times[i] <= times[i - 1]) return invalid_argument("timestamps do not ascend");
      }
      used.number = number_of(times);
    }
    return TileRows{used.number, column.first - used.begin, column.rows};
  }

  const std::vector<Times>& all() const { return all_; }

 private:
  static constexpr std::uint32_t kNone = 0xffffffffU;
  struct Used {
    std::uint32_t begin = kNone;
    std::uint32_t end = 0;
    std::uint32_t number = kNone;
  };

  // Pushed series whose timestamps coincide share a column although they share no group.
  std::uint32_t number_of(Times times) {
    const std::string_view bytes(reinterpret_cast<const char*>(times.data()), times.size_bytes());
    const auto [begin, end] = by_content_.equal_range(base::xxhash64(bytes));
    for (auto it = begin; it != end; ++it) {
      if (std::ranges::equal(all_[it->second], times)) return it->second;
    }
    const auto number = static_cast<std::uint32_t>(all_.size());
    by_content_.emplace(base::xxhash64(bytes), number);
    all_.push_back(times);
    return number;
  }

  std::unordered_map<const storage::TimestampColumn*, Used> by_object_;
  std::unordered_multimap<std::uint64_t, std::uint32_t> by_content_;
  std::vector<Times> all_;
};

// Adds samples and time range of one series to the totals.
void count_samples(const storage::SeriesColumn& column, RunInfo* info) {
  std::uint32_t first = 0;
  while (!column.has(first)) ++first;
  std::uint32_t last = column.rows - 1;
  while (!column.has(last)) --last;
  info->samples += count_present(column.present, column.rows);
  info->min_ms = std::min(info->min_ms, column.times->ms[column.first + first]);
  info->max_ms = std::max(info->max_ms, column.times->ms[column.first + last]);
}

RunDirectory directory_of(const std::vector<RunSeriesInput>& series,
                          const std::vector<std::uint32_t>& order) {
  std::vector<std::pair<std::uint32_t, std::uint32_t>> entries;
  for (std::uint32_t position = 0; position < order.size(); ++position) {
    entries.emplace_back(static_cast<std::uint32_t>(series[order[position]].id.value()), position);
  }
  std::sort(entries.begin(), entries.end());
  RunDirectory directory;
  for (const auto& [id, position] : entries) {
    directory.ids.push_back(id);
    directory.positions.push_back(position);
  }
  return directory;
}

Status write_file(const std::vector<RunSeriesInput>& series, Columns* columns, SampleFile* file,
                  RunRecord* record) {
  const std::vector<std::uint32_t> order = metric_order(series);
  const std::vector<std::string> parts = encode_directory(directory_of(series, order));
  record->directory_parts = static_cast<std::uint32_t>(parts.size());
  for (std::uint32_t part = 0; part < parts.size(); ++part) {
    RETURN_IF_ERROR(file->put(sample_key(record->info, FrameKind::kDirectory, part), parts[part]));
  }
  std::vector<TileRows> rows;
  for (const std::uint32_t i : order) {
    ASSIGN_OR_RETURN(const TileRows one, columns->rows_of(series[i].column));
    rows.push_back(one);
  }
  const std::vector<Times>& all = columns->all();
  record->columns = static_cast<std::uint32_t>(all.size());
  for (std::uint32_t begin = 0; begin < all.size(); begin += kTileSeries) {
    const std::size_t count = std::min<std::size_t>(kTileSeries, all.size() - begin);
    const std::string frame = encode_times_block(std::span(all).subspan(begin, count));
    RETURN_IF_ERROR(
        file->put(sample_key(record->info, FrameKind::kTimes, begin / kTileSeries), frame));
  }
  for (std::uint32_t begin = 0; begin < order.size(); begin += kTileSeries) {
    const std::size_t end = std::min<std::size_t>(order.size(), begin + kTileSeries);
    std::vector<TileSeries> tile;
    for (std::size_t i = begin; i < end; ++i) {
      const RunSeriesInput& one = series[order[i]];
      tile.push_back(
          {one.id.value(), rows[i], one.column.floats, one.column.present, one.column.start_ms});
    }
    RETURN_IF_ERROR(
        file->put(sample_key(record->info, FrameKind::kTile, record->tiles++), encode_tile(tile)));
  }
  return ok();
}

}  // namespace

StatusOr<RunRecord> build_run(const std::string& path, const RunInfo& info,
                              std::vector<RunSeriesInput> series, std::vector<RunSideInput> side) {
  RunRecord record;
  record.info = info;
  record.info.min_ms = std::numeric_limits<std::int64_t>::max();
  record.info.max_ms = std::numeric_limits<std::int64_t>::min();
  for (const RunSeriesInput& one : series) RETURN_IF_ERROR(check(one));
  std::erase_if(series, [](const RunSeriesInput& one) {
    return count_present(one.column.present, one.column.rows) == 0;
  });
  std::erase_if(side, [](const RunSideInput& one) { return one.chunks.empty(); });
  if (series.empty() && side.empty()) return record;
  if (series.size() > 0xffffffffU) return resource_exhausted("too many series in a run");
  Columns columns;
  for (const RunSeriesInput& one : series) {
    columns.use(one.column);
    count_samples(one.column, &record.info);
  }
  record.info.series = series.size();
  ASSIGN_OR_RETURN(const std::unique_ptr<SampleFile> file, SampleFile::create(path));
  RETURN_IF_ERROR(write_file(series, &columns, file.get(), &record));
  RETURN_IF_ERROR(write_side(std::move(side), file.get(), &record));
  if (series.empty()) {
    record.info.min_ms = record.info.side_min_ms;
    record.info.max_ms = record.info.side_max_ms;
  }
  ASSIGN_OR_RETURN(record.info.bytes, file->finish());
  return record;
}

}  // namespace tocsin::tsdb
