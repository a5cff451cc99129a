// SPDX-License-Identifier: Apache-2.0
#include "tsdb/merge/run_cursor.h"

#include <utility>

namespace tocsin::tsdb {

StatusOr<std::string> RunCursor::frame(FrameKind kind, std::uint32_t number) const {
  const std::string key = sample_key(run_.info, kind, number);
  StatusOr<std::string> result = std::string();
  files_.kv->get_samples({&key, 1}, [&](std::size_t, const Status& status, std::string_view value) {
    if (status.ok()) {
      *result = value;
    } else {
      result = status;
    }
  });
  return result;
}

Status RunCursor::load_names() {
  if (run_.tiles == 0) return ok();
  for (std::uint32_t part = 0; part < run_.name_parts; ++part) {
    ASSIGN_OR_RETURN(const std::string bytes, frame(FrameKind::kNames, part));
    RETURN_IF_ERROR(names_.append_part(bytes));
  }
  if (names_.names.empty() || names_.names[0].position != 0) return data_loss("no names");
  return ok();
}

Status RunCursor::load_tile(std::uint32_t number) {
  tile_.reset();
  number_ = number;
  slot_ = 0;
  if (number == run_.tiles) return ok();
  ASSIGN_OR_RETURN(std::string bytes, frame(FrameKind::kTile, number));
  tile_frame_ = std::make_unique<std::string>(std::move(bytes));
  ASSIGN_OR_RETURN(Tile tile, Tile::parse(*tile_frame_));
  if (tile.count() == 0) return data_loss("a tile without series");
  tile_.emplace(std::move(tile));
  return ok();
}

void RunCursor::find_name() {
  const std::uint64_t position = std::uint64_t{number_} * kTileSeries + slot_;
  while (name_ + 1 < names_.names.size() && names_.names[name_ + 1].position <= position) ++name_;
}

Status RunCursor::open() {
  const std::uint64_t id = run_.info.id.value();
  RETURN_IF_ERROR(annotate(load_names(), "run {}: names", id));
  RETURN_IF_ERROR(annotate(load_tile(0), "run {}: tile 0", id));
  return ok();
}

Status RunCursor::next() {
  if (++slot_ == tile_->count()) {
    RETURN_IF_ERROR(
        annotate(load_tile(number_ + 1), "run {}: tile {}", run_.info.id.value(), number_ + 1));
  }
  if (tile_) find_name();
  return ok();
}

StatusOr<RunCursor::TimesPtr> RunCursor::column(std::uint32_t number) {
  if (const auto it = columns_.find(number); it != columns_.end()) return it->second;
  const std::uint32_t block = number / kTileSeries;
  if (!block_ || block_number_ != block) {
    block_.reset();
    ASSIGN_OR_RETURN(std::string bytes, frame(FrameKind::kTimes, block));
    block_frame_ = std::make_unique<std::string>(std::move(bytes));
    ASSIGN_OR_RETURN(TimesBlock parsed, TimesBlock::parse(*block_frame_));
    block_.emplace(parsed);
    block_number_ = block;
  }
  auto times = std::make_shared<storage::TimestampColumn>();
  RETURN_IF_ERROR(block_->decode(number % kTileSeries, &times->ms));
  rows_kept_ += times->ms.size();
  if (rows_kept_ > max_rows_kept_) {
    columns_.clear();
    rows_kept_ = times->ms.size();
  }
  return columns_[number] = std::move(times);
}

std::size_t RunCursor::memory_bytes() const {
  std::size_t bytes = rows_kept_ * sizeof(std::int64_t);
  if (tile_) bytes += tile_frame_->size() + tile_->memory_bytes();
  if (block_) bytes += block_frame_->size();
  return bytes;
}

Status RunCursor::read(RunRows* out) {
  const TileRows rows = tile_->rows(slot_);
  StatusOr<TimesPtr> times = column(rows.column);
  Status status = times.status();
  if (status.ok() && std::uint64_t{rows.first} + rows.rows > (*times)->ms.size()) {
    status = data_loss("rows outside of their column");
  }
  if (status.ok()) status = tile_->decode(slot_, &out->rows);
  RETURN_IF_ERROR(annotate(status, "run {}: tile {}", run_.info.id.value(), number_));
  out->times = *std::move(times);
  out->first = rows.first;
  return ok();
}

}  // namespace tocsin::tsdb
