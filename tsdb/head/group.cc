// SPDX-License-Identifier: Apache-2.0
#include "tsdb/head/group.h"

#include "base/check.h"

namespace tocsin::tsdb {

Newest Group::newest(std::uint32_t slot) const {
  const std::uint32_t length = lengths_[slot];
  return {length != 0 ? times_[length - 1] : closed_newest_[slot], last_bits_[slot]};
}

void Group::learn_newest(std::uint32_t slot, const Newest& newest_known) {
  if (newest(slot).time_ms != kUnknownTime) return;
  closed_newest_[slot] = newest_known.time_ms;
  last_bits_[slot] = newest_known.bits;
}

void Group::set_members(std::vector<storage::SeriesId> members) {
  slot_at_.assign(members.size(), kNoSlot);
  members_ = std::move(members);
}

std::uint32_t Group::add_slot(storage::SeriesId id, const Newest& newest) {
  const std::uint32_t slot = slots();
  last_bits_.push_back(newest.bits);
  lengths_.push_back(0);
  states_.emplace_back();
  next_rows_.push_back(0);
  logs_.emplace_back();
  closed_newest_.push_back(newest.time_ms);
  ids_.push_back(id);
  ++live_;
  return slot;
}

std::uint32_t Group::add_row(std::int64_t t_ms) {
  DCHECK(times_.empty() || t_ms > times_.back());
  times_.push_back(t_ms);
  last_row_ms_ = std::max(last_row_ms_, t_ms);
  return rows() - 1;
}

void Group::put(std::uint32_t slot, std::uint32_t row, std::uint64_t bits) {
  State& state = states_[slot];
  if (state.present && lengths_[slot] == row && last_bits_[slot] == bits) {
    lengths_[slot] = row + 1;
    return;
  }
  DCHECK(row >= lengths_[slot] && row < rows());
  if (state.present && lengths_[slot] < row) {
    append_token(make_absent_token(), lengths_[slot], &next_rows_[slot], &logs_[slot]);
  }
  Decimal base{state.mantissa, state.exponent};
  append_token(make_token(bits, &base), row, &next_rows_[slot], &logs_[slot]);
  state = {base.mantissa, base.exponent, true};
  last_bits_[slot] = bits;
  lengths_[slot] = row + 1;
}

void Group::reset_slot(std::uint32_t slot) {
  closed_newest_[slot] = newest(slot).time_ms;
  lengths_[slot] = 0;
  next_rows_[slot] = 0;
  states_[slot] = {};
  logs_[slot].clear();
}

ChunkPtr Group::close(std::uint64_t order, std::uint64_t epoch) {
  auto chunk = std::make_shared<Chunk>();
  chunk->order = order;
  chunk->epoch = epoch_;
  chunk->group = id_;
  epoch_ = epoch;
  if (times_.empty()) return nullptr;
  chunk->times = frozen_times();
  std::size_t bytes = 0;
  bool any = false;
  for (std::uint32_t slot = 0; slot < slots(); ++slot) {
    bytes += logs_[slot].size();
    any = any || lengths_[slot] != 0;
  }
  CHECK(bytes <= UINT32_MAX);
  chunk->ids = ids_;
  chunk->lengths = lengths_;
  chunk->offsets.reserve(slots() + 1);
  chunk->tokens.reserve(bytes);
  for (std::uint32_t slot = 0; slot < slots(); ++slot) {
    chunk->offsets.push_back(static_cast<std::uint32_t>(chunk->tokens.size()));
    chunk->tokens.append(logs_[slot].view());
    reset_slot(slot);
  }
  chunk->offsets.push_back(static_cast<std::uint32_t>(chunk->tokens.size()));
  times_.clear();
  frozen_.reset();
  if (!any) return nullptr;
  closed_.push_back(chunk);
  return chunk;
}

ChunkPtr Group::take_out(std::uint32_t slot, std::uint64_t order) {
  ChunkPtr taken;
  if (lengths_[slot] != 0) {
    auto chunk = std::make_shared<Chunk>();
    chunk->order = order;
    chunk->epoch = epoch_;
    chunk->group = id_;
    chunk->times = frozen_times();
    chunk->ids = {ids_[slot]};
    chunk->lengths = {lengths_[slot]};
    chunk->tokens = logs_[slot].view();
    chunk->offsets = {0, static_cast<std::uint32_t>(chunk->tokens.size())};
    taken = std::move(chunk);
  }
  reset_slot(slot);
  ids_[slot] = storage::SeriesId();
  --live_;
  for (std::uint32_t& at : slot_at_) {
    if (at == slot) at = kNoSlot;
  }
  return taken;
}

void Group::compact() {
  DCHECK(times_.empty());
  std::vector<std::uint32_t> moved_to(slots(), kNoSlot);
  std::uint32_t kept = 0;
  for (std::uint32_t slot = 0; slot < slots(); ++slot) {
    if (!ids_[slot]) continue;
    moved_to[slot] = kept;
    ids_[kept] = ids_[slot];
    last_bits_[kept] = last_bits_[slot];
    closed_newest_[kept] = closed_newest_[slot];
    ++kept;
  }
  ids_.resize(kept);
  last_bits_.resize(kept);
  closed_newest_.resize(kept);
  // Without open rows these are all in their initial state.
  lengths_.resize(kept);
  states_.resize(kept);
  next_rows_.resize(kept);
  logs_.resize(kept);
  for (std::uint32_t& at : slot_at_) {
    if (at != kNoSlot) at = moved_to[at];
  }
}

TimesPtr Group::frozen_times() const {
  if (!frozen_ || frozen_->ms.size() != times_.size()) {
    auto column = std::make_shared<storage::TimestampColumn>();
    column->ms = times_;
    frozen_ = std::move(column);
  }
  return frozen_;
}

}  // namespace tocsin::tsdb
