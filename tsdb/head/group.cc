// SPDX-License-Identifier: Apache-2.0
#include "tsdb/head/group.h"

#include <algorithm>
#include <bit>

#include "base/check.h"

namespace tocsin::tsdb {
namespace {

// A token, the absent token before it, and the head of an own row.
constexpr std::size_t kMaxRowBytes = 3 * kMaxTokenBytes;

// Grows by an eighth: there are many groups, and they rarely grow.
template <typename T>
void push(std::vector<T>* values, T value) {
  if (values->size() == values->capacity()) {
    values->reserve(values->size() + std::max<std::size_t>(values->size() / 8, 8));
  }
  values->push_back(value);
}

}  // namespace

std::int64_t Group::newest_ms(std::uint32_t slot) const {
  if (is_pool()) return own_[slot].newest_ms;
  const std::uint32_t length = lengths_[slot];
  return length != 0 ? times_[length - 1] : closed_ms(slot);
}

void Group::set_closed_ms(std::uint32_t slot, std::int64_t ms) {
  if (closed_ms(slot) == ms) return;
  if (closed_newest_.empty()) closed_newest_.assign(slots(), closed_ms_);
  closed_newest_[slot] = ms;
}

void Group::learn_newest(std::uint32_t slot, const Newest& newest_known) {
  if (newest_ms(slot) != kUnknownTime) return;
  if (is_pool()) {
    own_[slot].newest_ms = newest_known.time_ms;
  } else {
    set_closed_ms(slot, newest_known.time_ms);
  }
  last_bits_[slot] = newest_known.bits;
}

void Group::set_members(MembersPtr members) {
  slot_at_.assign(members ? members->size() : 0, kNoSlot);
  slot_at_.shrink_to_fit();
  members_ = std::move(members);
  ready_ = false;
}

Group::Positions Group::positions() const {
  Positions all;
  if (ready_) {
    all.are_slots = positions_are_slots_;
    all.newest_ms = times_.empty() ? ready_newest_ms_ : std::max(ready_newest_ms_, times_.back());
    return all;
  }
  all.are_slots = slot_at_.size() == slots();
  for (std::uint32_t position = 0; position < slot_at_.size(); ++position) {
    const std::uint32_t slot = slot_at_[position];
    const std::int64_t newest = slot == kNoSlot ? kUnknownTime : newest_ms(slot);
    all.are_slots = all.are_slots && slot == position;
    all.all_here = all.all_here && slot != kNoSlot;
    all.all_known = all.all_known && newest != kUnknownTime;
    all.newest_ms = std::max(all.newest_ms, newest);
  }
  ready_ = all.all_here && all.all_known && !is_pool();
  positions_are_slots_ = all.are_slots;
  ready_newest_ms_ = all.newest_ms;
  if (!times_.empty()) all.newest_ms = std::max(all.newest_ms, times_.back());
  return all;
}

void Group::reserve(std::uint32_t slots) {
  last_bits_.reserve(slots);
  lengths_.reserve(slots);
  states_.reserve(slots);
  ids_.reserve(slots);
  if (is_pool()) {
    own_.reserve(slots);
    streaks_.reserve(slots);
  }
}

std::uint32_t Group::add_slot(storage::SeriesId id, const Newest& newest) {
  const std::uint32_t slot = slots();
  push(&last_bits_, newest.bits);
  push(&lengths_, std::uint16_t{0});
  push(&states_, std::uint8_t{0});
  if (!logs_.empty()) push(&logs_, TokenLog());
  push(&ids_, static_cast<std::uint32_t>(id.value()));
  ++live_;
  if (is_pool()) {
    push(&own_, Own{newest.time_ms, 0});
    push(&streaks_, std::uint8_t{0});
    return slot;
  }
  if (slot == 0) closed_ms_ = newest.time_ms;
  if (!closed_newest_.empty()) push(&closed_newest_, kUnknownTime);
  set_closed_ms(slot, newest.time_ms);
  return slot;
}

void Group::add_dead_slot(storage::SeriesId id) {
  states_[add_slot(id, {})] = kDead;
  --live_;
}

// Appending -------------------------------------------------------------------------------------

bool Group::is_full(std::uint32_t slot) const {
  return !logs_.empty() && logs_[slot].size + kMaxRowBytes > TokenArena::kMaxLog;
}

void Group::begin_logs() {
  if (logs_.empty()) logs_.resize(slots());
}

Group::Put Group::put(std::uint32_t slot, std::int64_t t_ms, std::uint64_t bits,
                      const Batch::Written* written) {
  if (t_ms <= newest_ms(slot)) return Put::kOld;
  if (is_full(slot)) return Put::kFull;
  if (is_pool()) return put_own(slot, t_ms, bits);
  if (times_.empty() || t_ms > times_.back()) {
    if (rows() == UINT16_MAX) return Put::kFull;
    times_.push_back(t_ms);
    begin_logs();
  } else if (t_ms != times_.back()) {
    return Put::kBehind;
  }
  ++samples_;
  put_row(slot, rows() - 1, bits, written);
  return Put::kDone;
}

// Which of the 64 slots from `first` have in `row` the value of the row before, as bits.
std::uint64_t Group::repeated(std::uint32_t first, std::uint32_t row,
                              const std::uint64_t* values) const {
  const std::uint32_t count = std::min(64U, slots() - first);
  std::uint64_t same = 0;
  // Without a branch: which values change is not predictable.
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint32_t slot = first + i;
    const std::uint64_t is_equal = values[slot] == last_bits_[slot] ? 1 : 0;
    const std::uint64_t is_next = lengths_[slot] == row ? 1 : 0;
    const std::uint64_t is_present = (states_[slot] & kPresent) != 0 ? 1 : 0;
    same |= (is_equal & is_next & is_present) << i;
  }
  return same;
}

// Gives those of the 64 slots from `first` in `which` their last value in `row` too.
void Group::repeat(std::uint32_t first, std::uint64_t which, std::uint32_t row) {
  for (; which != 0; which &= which - 1) {
    lengths_[first + static_cast<std::uint32_t>(std::countr_zero(which))] =
        static_cast<std::uint16_t>(row + 1);
  }
}

std::uint32_t Group::put_row_of(std::int64_t t_ms, const Cells& cells) {
  DCHECK(!is_pool() && (times_.empty() || t_ms > times_.back()));
  if (rows() == UINT16_MAX) return 0;
  times_.push_back(t_ms);
  begin_logs();
  const std::uint32_t row = rows() - 1;
  auto next = cells.written.begin();
  for (std::uint32_t first = 0; first < slots(); first += 64) {
    const std::uint64_t set = cells.set[first / 64];
    if (set == 0) continue;
    const std::uint64_t same = set & repeated(first, row, cells.values);
    for (std::uint64_t left = set & ~same; left != 0; left &= left - 1) {
      const std::uint64_t before = (left & -left) - 1;  // the lower slots
      const std::uint32_t slot = first + static_cast<std::uint32_t>(std::countr_zero(left));
      if (is_full(slot)) {
        repeat(first, same & before, row);
        samples_ += static_cast<std::uint64_t>(std::popcount(set & before));
        return slot;
      }
      while (next != cells.written.end() && next->member < slot) ++next;
      const bool here = next != cells.written.end() && next->member == slot;
      put_row(slot, row, cells.values[slot], here ? &*next : nullptr);
    }
    repeat(first, same, row);
    samples_ += static_cast<std::uint64_t>(std::popcount(set));
  }
  return slots();
}

Token Group::value_token(std::uint32_t slot, std::uint64_t bits, const Batch::Written* written) {
  std::uint8_t& state = states_[slot];
  const auto set = [&](std::uint8_t exponent) {
    state = static_cast<std::uint8_t>((state & ~kExponent) | exponent | kPresent);
    last_bits_[slot] = bits;
  };
  // A log begins with the base 0, and otherwise what it is follows from the last value.
  const bool same_base = written != nullptr && logs_[slot].size != 0 &&
                         written->base_bits == last_bits_[slot] &&
                         written->base_exponent == (state & kExponent);
  if (same_base) {
    set(written->exponent);
    return written->token;
  }
  Decimal base;
  if (logs_[slot].size != 0) base = base_of(last_bits_[slot], state & kExponent);
  const Token token = make_token(bits, &base);
  set(base.exponent);
  return token;
}

void Group::put_row(std::uint32_t slot, std::uint32_t row, std::uint64_t bits,
                    const Batch::Written* written) {
  const bool present = (states_[slot] & kPresent) != 0;
  const std::uint32_t length = lengths_[slot];
  lengths_[slot] = static_cast<std::uint16_t>(row + 1);
  if (present && length == row && last_bits_[slot] == bits) return;
  char bytes[2 * kMaxTokenBytes];
  std::size_t size = 0;
  TokenLog& log = logs_[slot];
  std::uint32_t next_row = log.next_row;
  if (present && length < row) size = write_token(make_absent_token(), length, &next_row, bytes);
  size += write_token(value_token(slot, bits, written), row, &next_row, bytes + size);
  arena_.append(&log, {bytes, size});
  log.next_row = static_cast<std::uint16_t>(next_row);
}

Group::Put Group::put_own(std::uint32_t slot, std::int64_t t_ms, std::uint64_t bits) {
  Own& own = own_[slot];
  if (lengths_[slot] == UINT16_MAX) return Put::kFull;
  if (pool_rows_ == 0) {
    base_ms_ = t_ms;
    max_ms_ = t_ms;
    begin_logs();
  }
  const bool first = lengths_[slot] == 0;
  const std::int64_t from_ms = first ? base_ms_ : own.newest_ms;
  const std::uint64_t step = static_cast<std::uint64_t>(t_ms) - static_cast<std::uint64_t>(from_ms);
  const std::uint64_t more =
      zigzag(step - static_cast<std::uint64_t>(std::int64_t{first ? 0 : own.step}));
  if (more > UINT64_MAX / 2) return Put::kFull;  // further than a time column reaches
  const bool changed = first || last_bits_[slot] != bits;
  char bytes[2 * kMaxTokenBytes];
  std::size_t size = write_varint(more << 1U | (changed ? 1U : 0U), bytes);
  if (changed) {
    const Token token = value_token(slot, bits, nullptr);
    size += write_varint(token.code, bytes + size);
    std::copy_n(token.extra, token.extra_size, bytes + size);
    size += token.extra_size;
  }
  arena_.append(&logs_[slot], {bytes, size});
  own = {t_ms, static_cast<std::int32_t>(step)};
  pool_rows_ = std::max<std::uint32_t>(pool_rows_, ++lengths_[slot]);
  max_ms_ = std::max(max_ms_, t_ms);
  return Put::kDone;
}

// Closing ---------------------------------------------------------------------------------------

void Group::reset_slot(std::uint32_t slot) {
  lengths_[slot] = 0;
  states_[slot] &= kDead;
  if (!logs_.empty()) logs_[slot] = {};
}

// Moves the newest times from the open rows to where they are kept without them.
void Group::settle_newest() {
  if (is_pool()) return;
  std::vector<std::int64_t> newest(slots());
  for (std::uint32_t slot = 0; slot < slots(); ++slot) newest[slot] = newest_ms(slot);
  const bool same =
      std::all_of(newest.begin(), newest.end(), [&](std::int64_t ms) { return ms == newest[0]; });
  closed_newest_.clear();
  if (same) {
    closed_ms_ = newest.empty() ? kUnknownTime : newest[0];
    closed_newest_.shrink_to_fit();
  } else {
    closed_newest_ = std::move(newest);
  }
}

std::shared_ptr<Chunk> Group::new_chunk(std::uint64_t order) const {
  auto chunk = std::make_shared<Chunk>();
  chunk->order = order;
  chunk->epoch = epoch_;
  chunk->group = id_;
  if (is_pool()) {
    chunk->base_ms = base_ms_;
    chunk->min_ms = INT64_MIN;
    chunk->max_ms = max_ms_;
  } else {
    chunk->times = frozen_times();
    chunk->min_ms = times_.front();
    chunk->max_ms = times_.back();
  }
  return chunk;
}

ChunkPtr Group::close(std::uint64_t order, std::uint64_t epoch) {
  if (empty()) {
    epoch_ = epoch;
    return nullptr;
  }
  const std::shared_ptr<Chunk> chunk = new_chunk(order);
  epoch_ = epoch;
  std::size_t bytes = 0;
  bool any = false;
  for (std::uint32_t slot = 0; slot < slots(); ++slot) {
    bytes += logs_[slot].size;
    any = any || lengths_[slot] != 0;
  }
  CHECK(bytes <= UINT32_MAX);
  chunk->ids.reserve(slots());
  chunk->lengths.reserve(slots());
  chunk->offsets.reserve(slots() + 1);
  chunk->tokens.reserve(bytes);
  settle_newest();
  for (std::uint32_t slot = 0; slot < slots(); ++slot) {
    chunk->ids.push_back(series(slot));
    chunk->lengths.push_back(lengths_[slot]);
    chunk->offsets.push_back(static_cast<std::uint32_t>(chunk->tokens.size()));
    arena_.copy(logs_[slot], &chunk->tokens);
    reset_slot(slot);
  }
  chunk->offsets.push_back(static_cast<std::uint32_t>(chunk->tokens.size()));
  if (!times_.empty()) ready_newest_ms_ = std::max(ready_newest_ms_, times_.back());
  times_ = {};
  pool_rows_ = 0;
  samples_ = 0;
  frozen_.reset();
  logs_ = {};
  arena_.clear();
  if (!any) return nullptr;
  closed_.push_back(chunk);
  return chunk;
}

bool Group::is_sparse() const {
  return rows() >= 8 && samples_ * 2 < std::uint64_t{rows()} * live_;
}

ChunkPtr Group::take_out(std::uint32_t slot, std::uint64_t order) {
  std::shared_ptr<Chunk> chunk;
  if (lengths_[slot] != 0) {
    chunk = new_chunk(order);
    chunk->ids = {series(slot)};
    chunk->lengths = {lengths_[slot]};
    chunk->tokens = log(slot);
    chunk->offsets = {0, static_cast<std::uint32_t>(chunk->tokens.size())};
    arena_.release(logs_[slot]);
  }
  if (!is_pool()) set_closed_ms(slot, newest_ms(slot));
  reset_slot(slot);
  states_[slot] |= kDead;
  --live_;
  for (std::uint32_t& at : slot_at_) {
    if (at == slot) at = kNoSlot;
  }
  ready_ = false;
  return chunk;
}

void Group::compact() {
  DCHECK(empty() && kind_ != Kind::kShared);
  std::vector<std::uint32_t> moved_to(slots(), kNoSlot);
  std::uint32_t kept = 0;
  for (std::uint32_t slot = 0; slot < slots(); ++slot) {
    if (!series(slot)) continue;
    moved_to[slot] = kept;
    ids_[kept] = ids_[slot];
    last_bits_[kept] = last_bits_[slot];
    if (!closed_newest_.empty()) closed_newest_[kept] = closed_newest_[slot];
    if (is_pool()) {
      own_[kept] = own_[slot];
      streaks_[kept] = streaks_[slot];
    }
    ++kept;
  }
  const auto cut = [kept](auto& values, auto... fill) {
    if (values.empty()) return;
    values.resize(kept, fill...);
    values.shrink_to_fit();
  };
  cut(ids_);
  cut(last_bits_);
  cut(closed_newest_);
  cut(own_);
  cut(streaks_);
  // Without open rows these are all in their initial state.
  lengths_.assign(kept, 0);
  states_.assign(kept, 0);
  for (std::uint32_t& at : slot_at_) {
    if (at != kNoSlot) at = moved_to[at];
  }
}

// Reading ---------------------------------------------------------------------------------------

TimesPtr Group::frozen_times() const {
  if (!frozen_ || frozen_->ms.size() != times_.size()) {
    auto column = std::make_shared<storage::TimestampColumn>();
    column->ms = times_;
    frozen_ = std::move(column);
  }
  return frozen_;
}

bool Group::open_overlaps(std::uint32_t slot, std::int64_t min_ms, std::int64_t max_ms) const {
  const std::uint32_t length = lengths_[slot];
  if (length == 0) return false;
  if (is_pool()) return own_[slot].newest_ms >= min_ms;
  return times_.front() <= max_ms && times_[length - 1] >= min_ms;
}

Piece Group::open_piece(std::uint32_t slot) const {
  Piece piece;
  if (is_pool()) {
    piece = decode_own_log(log(slot), lengths_[slot], base_ms_);
  } else {
    piece.times = frozen_times();
    piece.length = lengths_[slot];
    piece.own_log = log(slot);
  }
  piece.order = UINT64_MAX;
  return piece;
}

}  // namespace tocsin::tsdb
