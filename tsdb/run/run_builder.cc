// SPDX-License-Identifier: Apache-2.0
#include "tsdb/run/run_builder.h"

#include <algorithm>
#include <array>
#include <limits>

#include "tsdb/run/run_directory.h"
#include "tsdb/run/run_side.h"
#include "tsdb/tile/time_codec.h"

namespace tocsin::tsdb {
namespace {

// A reader of one series reads its whole tile, so tiles end at this size; a merge holds one of each
// run.
constexpr std::size_t kSealTileBytes = 32U << 10;
constexpr std::size_t kColdTileBytes = 64U << 10;
// Rows of a slot: a day at 15 s. Reading a short range decodes a whole slot.
constexpr std::uint32_t kSlotRows = 5760;

}  // namespace

ColumnBlocks::~ColumnBlocks() {
  if (file_ != nullptr) static_cast<void>(base::real_file_system().remove(path_));
}

StatusOr<std::uint32_t> ColumnBlocks::add(std::string encoded) {
  const auto [at, is_new] = numbers_.try_emplace(base::hash128(encoded, seed_), count());
  if (!is_new) return at->second;
  const std::uint32_t number = at->second;
  bytes_ += encoded.size() + sizeof(encoded);
  block_.push_back(std::move(encoded));
  if (block_.size() == kTileSeries) RETURN_IF_ERROR(close_block());
  return number;
}

Status ColumnBlocks::close_block() {
  frames_.push_back(make_times_block(block_));
  block_.clear();
  bytes_ = 0;
  for (const std::string& frame : frames_) bytes_ += frame.size() + sizeof(frame);
  return bytes_ > max_bytes_ ? spill() : ok();
}

Status ColumnBlocks::spill() {
  if (file_ == nullptr) {
    ASSIGN_OR_RETURN(file_, base::real_file_system().open_writable(
                                path_, base::FileSystem::OpenMode::kTruncate));
  }
  for (const std::string& frame : frames_) {
    RETURN_IF_ERROR(file_->append(frame));
    sizes_.push_back(static_cast<std::uint32_t>(frame.size()));
  }
  frames_.clear();
  bytes_ = 0;
  return ok();
}

Status ColumnBlocks::finish(const Put& put) {
  if (!block_.empty()) frames_.push_back(make_times_block(block_));
  std::uint32_t block = 0;
  if (file_ != nullptr) {
    ASSIGN_OR_RETURN(const auto in, base::real_file_system().open_random(path_));
    std::string buffer;
    std::uint64_t at = 0;
    for (const std::uint32_t size : sizes_) {
      buffer.resize(size);
      ASSIGN_OR_RETURN(const std::string_view frame, in->read(at, size, buffer.data()));
      if (frame.size() != size) return data_loss("{} was cut", path_);
      RETURN_IF_ERROR(put(block++, frame));
      at += size;
    }
  }
  for (const std::string& frame : frames_) RETURN_IF_ERROR(put(block++, frame));
  return ok();
}

RunWriter::RunWriter(std::string path, const RunInfo& info, Effort effort)
    : path_(std::move(path)),
      tile_(effort),
      tile_bytes_(effort == Effort::kSeal ? kSealTileBytes : kColdTileBytes),
      columns_(path_ + ".columns") {
  record_.info = info;
  record_.info.min_ms = std::numeric_limits<std::int64_t>::max();
  record_.info.max_ms = std::numeric_limits<std::int64_t>::min();
}

Status RunWriter::put(FrameKind kind, std::uint32_t number, std::string_view frame) {
  if (file_ == nullptr) {
    ASSIGN_OR_RETURN(file_, SampleFile::create(path_));
  }
  return file_->put(sample_key(record_.info, kind, number), frame);
}

Status RunWriter::close_tile() {
  if (tile_.count() == 0) return ok();
  if (record_.tiles >= 0xffffffffU / kTileSeries) {
    return resource_exhausted("too many series in a run");
  }
  return put(FrameKind::kTile, record_.tiles++, tile_.finish());
}

// Series whose timestamps are equal share a column, whatever object they come in.
StatusOr<std::uint32_t> RunWriter::column(const RunRows& rows) {
  if (const auto it = known_.find(rows.times.get()); it != known_.end()) return it->second.number;
  const std::vector<std::int64_t>& ms = rows.times->ms;
  if (ms.size() > kMaxRows) return invalid_argument("a column of {} rows", ms.size());
  for (std::size_t i = 1; i < ms.size(); ++i) {
    if (ms[i] <= ms[i - 1]) return invalid_argument("timestamps do not ascend");
  }
  std::string encoded;
  encode_times(ms, &encoded);
  ASSIGN_OR_RETURN(const std::uint32_t number, columns_.add(std::move(encoded)));
  if (rows.own_times) return number;
  known_rows_ += ms.size();
  if (known_rows_ > max_known_rows_) {
    known_.clear();
    known_rows_ = ms.size();
  }
  known_[rows.times.get()] = {rows.times, number};
  return number;
}

Status RunWriter::add_rows(storage::SeriesId id, const RunRows& rows, const RowChanges& changes,
                           std::uint32_t first) {
  const std::uint32_t begin = changes.first_present();
  const std::uint32_t end = changes.end_present();
  if (begin == end) return ok();
  ASSIGN_OR_RETURN(const std::uint32_t number, column(rows));
  RunInfo& info = record_.info;
  info.samples += changes.count_present();
  info.min_ms = std::min(info.min_ms, rows.times->ms[first + begin]);
  info.max_ms = std::max(info.max_ms, rows.times->ms[first + end - 1]);
  const std::uint32_t position = record_.tiles * kTileSeries + tile_.count();
  entries_.emplace_back(static_cast<std::uint32_t>(id.value()), position);
  tile_.add(id.value(), {number, first, changes.rows}, changes);
  if (tile_.count() == kTileSeries || tile_.bytes() >= tile_bytes_) return close_tile();
  return ok();
}

Status RunWriter::add(std::string_view name, storage::SeriesId id, const RunRows& rows) {
  const RowChanges& changes = rows.rows;
  if (changes.rows == 0 || changes.first_present() == changes.end_present()) return ok();
  if (id.value() == 0 || id.value() >= 0xffffffffU) {
    return invalid_argument("series id {} is out of range", id.value());
  }
  const std::uint64_t end = std::uint64_t{rows.first} + changes.rows;
  if (rows.times == nullptr || end > rows.times->ms.size() || end > kMaxRows) {
    return invalid_argument("series {}: rows up to {} are not in its column", id.value(), end);
  }
  if (!changes.start_ms.empty() && changes.start_ms.size() != changes.rows) {
    return invalid_argument("series {}: start timestamps for other rows", id.value());
  }
  names_.add(name, record_.tiles * kTileSeries + tile_.count());
  ++record_.info.series;
  if (changes.rows <= kSlotRows) return add_rows(id, rows, changes, rows.first);
  for (std::uint32_t begin = 0; begin < changes.rows; begin += kSlotRows) {
    RowChanges piece;
    piece.append(changes, begin, std::min(changes.rows, begin + kSlotRows));
    RETURN_IF_ERROR(add_rows(id, rows, piece, rows.first + begin));
  }
  return ok();
}

Status RunWriter::put_columns() {
  record_.columns = columns_.count();
  return columns_.finish([this](std::uint32_t block, std::string_view frame) {
    return put(FrameKind::kTimes, block, frame);
  });
}

Status RunWriter::put_directory() {
  std::sort(entries_.begin(), entries_.end());
  RunDirectory directory;
  for (const auto& [id, position] : entries_) {
    directory.ids.push_back(id);
    directory.positions.push_back(position);
  }
  entries_ = {};
  for (const std::string& part : encode_directory(directory)) {
    RETURN_IF_ERROR(put(FrameKind::kDirectory, record_.directory_parts++, part));
  }
  for (const std::string& part : names_.encode()) {
    RETURN_IF_ERROR(put(FrameKind::kNames, record_.name_parts++, part));
  }
  return ok();
}

std::size_t RunWriter::memory_bytes() const {
  return tile_.bytes() + known_rows_ * sizeof(std::int64_t) + columns_.memory_bytes() +
         entries_.capacity() * sizeof(entries_[0]);
}

StatusOr<RunRecord> RunWriter::finish() {
  RETURN_IF_ERROR(close_tile());
  std::erase_if(side_, [](const RunSideInput& one) { return one.chunks.empty(); });
  if (record_.tiles == 0 && side_.empty()) return record_;
  RETURN_IF_ERROR(put_columns());
  RETURN_IF_ERROR(put_directory());
  if (file_ == nullptr) {
    ASSIGN_OR_RETURN(file_, SampleFile::create(path_));
  }
  RETURN_IF_ERROR(write_side(std::move(side_), file_.get(), &record_));
  if (record_.tiles == 0) {
    record_.info.min_ms = record_.info.side_min_ms;
    record_.info.max_ms = record_.info.side_max_ms;
  }
  ASSIGN_OR_RETURN(record_.info.bytes, file_->finish());
  return record_;
}

}  // namespace tocsin::tsdb
