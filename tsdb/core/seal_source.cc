// SPDX-License-Identifier: Apache-2.0
#include "tsdb/core/seal_source.h"

#include <algorithm>
#include <optional>

#include "model/value.h"
#include "tsdb/head/change_log.h"

namespace tocsin::tsdb {
namespace {

using storage::SeriesId;

// Reads what follows a token's code into `change`, whose word and kind are the last decimal's.
bool read_change(std::uint64_t code, ByteReader* in, Decimal* base, Change* change) {
  if (code >= static_cast<std::uint64_t>(TokenCode::kDelta)) {
    const std::uint64_t delta = unzigzag(code - static_cast<std::uint64_t>(TokenCode::kDelta));
    base->mantissa = static_cast<std::int64_t>(static_cast<std::uint64_t>(base->mantissa) + delta);
    *change = {0, base->exponent, static_cast<std::uint64_t>(base->mantissa)};
    return true;
  }
  switch (static_cast<TokenCode>(code)) {
    case TokenCode::kStale:
      base->mantissa = 0;
      *change = {0, Change::kRaw, model::kStaleNanBits};
      return true;
    case TokenCode::kRaw:
      base->mantissa = 0;
      *change = {0, Change::kRaw, in->fixed<std::uint64_t>()};
      return in->ok();
    case TokenCode::kDecimal:
      base->exponent = in->byte();
      base->mantissa = in->signed_varint();
      *change = {0, base->exponent, static_cast<std::uint64_t>(base->mantissa)};
      return in->ok() && base->exponent <= kMaxExponent;
    default:
      *change = {0, Change::kAbsent, 0};
      return true;
  }
}

}  // namespace

bool append_log(std::string_view log, std::uint32_t length, RowChanges* out) {
  ByteReader in(log);
  Decimal base;
  Change current{0, Change::kAbsent, 0};
  std::uint32_t done = 0;      // rows appended
  std::uint32_t next_row = 0;  // after the last token
  while (!in.at_end() && next_row < length) {
    const std::uint64_t head = in.varint();
    const std::uint64_t skipped = (head & 1U) != 0 ? in.varint() : 0;
    if (!in.ok() || skipped >= length - next_row) return false;
    const std::uint32_t row = next_row + static_cast<std::uint32_t>(skipped);
    out->append(row - done, current.kind, current.word);
    done = row;
    if (!read_change(head >> 1U, &in, &base, &current)) return false;
    next_row = row + 1;
  }
  out->append(length - done, current.kind, current.word);
  return in.ok();
}

SealSource::SealSource(std::span<const ChunkPtr> chunks, const SeriesIndex& index,
                       const SideSeal& side)
    : chunks_(chunks), index_(index), side_(side), names_(index.pin()) {
  for (const ChunkPtr& chunk : chunks_) {
    for (std::uint32_t slot = 0; slot < chunk->slots(); ++slot) {
      if (chunk->ids[slot] && chunk->lengths[slot] != 0)
        sources_.push_back({chunk->ids[slot], chunk.get(), slot});
    }
  }
  std::sort(sources_.begin(), sources_.end(), [](const Source& a, const Source& b) {
    return std::pair(a.id, a.chunk->order) < std::pair(b.id, b.chunk->order);
  });
}

// A chunk that lies in one day needs no look at its rows; its last one holds a sample.
Status SealSource::add_days(const Source& source, RunDays* days) const {
  const Piece piece = source.chunk->piece(source.slot);
  storage::SeriesColumn column;
  column.times = piece.times;
  column.rows = piece.length;
  const std::vector<std::int64_t>& ms = column.times->ms;
  if (day_of(ms[0]) != day_of(ms[column.rows - 1])) {
    RowChanges rows;
    if (!append_log(piece.log(), column.rows, &rows)) {
      return data_loss("a change log of the head is damaged");
    }
    column.present.resize((std::size_t{column.rows} + 63) / 64);
    for (std::size_t at = 0; at < rows.changes.size(); ++at) {
      if (rows.changes[at].kind == Change::kAbsent) continue;
      for (std::uint32_t row = rows.changes[at].row; row < rows.end_of(at); ++row) {
        column.present[row / 64] |= std::uint64_t{1} << (row % 64);
      }
    }
  }
  days->add(source.id, column);
  return ok();
}

Status SealSource::add_days_beside(std::uint64_t id, RunDays* days) {
  for (; !beside_.empty() && beside_.front().id.value() <= id; beside_ = beside_.subspan(1)) {
    RETURN_IF_ERROR(add_side_days(beside_.front(), days));
  }
  return ok();
}

Status SealSource::read(std::size_t begin, RunRows* out) {
  parts_.clear();
  for (std::size_t i = begin; i < sources_.size() && sources_[i].id == sources_[begin].id; ++i) {
    const Source& source = sources_[i];
    RunRows& part = parts_.emplace_back();
    const Piece piece = source.chunk->piece(source.slot);
    part.times = piece.times;
    part.own_times = source.chunk->times == nullptr;
    if (!append_log(piece.log(), piece.length, &part.rows)) {
      return data_loss("a change log of the head is damaged");
    }
  }
  joiner_.join(&parts_, out);
  if (side_.has_starts()) fill_starts(sources_[begin].id, out);
  return ok();
}

void SealSource::fill_starts(SeriesId id, RunRows* rows) const {
  storage::SeriesColumn column;
  column.times = rows->times;
  column.first = rows->first;
  column.rows = rows->rows.rows;
  side_.fill_starts(id, &column);
  rows->rows.start_ms = std::move(column.start_ms);
}

StatusOr<RunPlan> SealSource::take(std::uint64_t max_samples, RunDays* days) {
  RunPlan plan;
  std::vector<SeriesId> ids;
  std::vector<std::uint32_t> tags;
  const std::size_t first = begin_;
  while (!empty() && plan.max_samples < max_samples) {
    const SeriesId id = sources_[begin_].id;
    RETURN_IF_ERROR(add_days_beside(id.value(), days));
    ids.push_back(id);
    tags.push_back(static_cast<std::uint32_t>(begin_ - first));
    for (; !empty() && sources_[begin_].id == id; ++begin_) {
      RETURN_IF_ERROR(add_days(sources_[begin_], days));
      plan.max_samples += sources_[begin_].chunk->lengths[sources_[begin_].slot];
    }
  }
  if (empty()) RETURN_IF_ERROR(add_days_beside(UINT64_MAX, days));
  const std::vector<std::string_view> names = index_.metric_names(ids);
  plan.series.reserve(ids.size());
  for (std::size_t i = 0; i < ids.size(); ++i) plan.series.push_back({ids[i], names[i], tags[i]});
  plan.read = [this, first](const RunPlan::Series& series, RunRows* out) {
    return read(first + series.tag, out);
  };
  return plan;
}

}  // namespace tocsin::tsdb
