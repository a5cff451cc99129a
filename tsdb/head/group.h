// SPDX-License-Identifier: Apache-2.0
//
// Group: series that share a column of timestamps, and their open change logs, as arrays by slot.
//
// A slot is a series' place in the arrays; a position is a member's place in the order given by
// define(). A member that was moved to another group keeps its position but has no slot. A row is a
// timestamp of the open chunk; a slot's length is the number of rows its log covers, and when it is
// not 0, row length - 1 holds the slot's newest sample.
// Hides: the change log. Threads: confined to
// the holder of the head's lock for it.
// Errors: none; misuse is a programmer error.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "storage/types.h"
#include "tsdb/head/change_log.h"
#include "tsdb/head/chunk.h"

namespace tocsin::tsdb {

// The newest sample of a series. `time_ms` is kUnknownTime when the head does not know one: there
// is none, or it is in a run from before the restart.
inline constexpr std::int64_t kUnknownTime = INT64_MIN;
struct Newest {
  std::int64_t time_ms = kUnknownTime;
  std::uint64_t bits = 0;
};

class Group {
 public:
  static constexpr std::uint32_t kNoSlot = UINT32_MAX;

  Group(storage::GroupId id, std::uint64_t epoch) : id_(id), epoch_(epoch) {}

  storage::GroupId id() const { return id_; }
  std::uint64_t epoch() const { return epoch_; }
  std::uint32_t rows() const { return static_cast<std::uint32_t>(times_.size()); }
  std::uint32_t slots() const { return static_cast<std::uint32_t>(ids_.size()); }
  std::uint32_t live_slots() const { return live_; }
  // Newest open row. REQUIRES: rows() != 0.
  std::int64_t open_row_ms() const { return times_.back(); }
  // Newest row ever; kUnknownTime without.
  std::int64_t last_row_ms() const { return last_row_ms_; }
  // Newest row that came from step(); kUnknownTime without.
  std::int64_t last_step_ms() const { return last_step_ms_; }
  void note_step(std::int64_t t_ms) { last_step_ms_ = std::max(last_step_ms_, t_ms); }
  storage::SeriesId series(std::uint32_t slot) const { return ids_[slot]; }
  Newest newest(std::uint32_t slot) const;
  // Sets the newest sample when none is known.
  void learn_newest(std::uint32_t slot, const Newest& newest);
  // Whether rows [0, length) touch [min_ms, max_ms]. REQUIRES: 0 < length <= rows().
  bool open_overlaps(std::uint32_t length, std::int64_t min_ms, std::int64_t max_ms) const {
    return times_.front() <= max_ms && times_[length - 1] >= min_ms;
  }

  // A group made by define_group(); others belong to one series and may be freed when idle.
  bool defined() const { return defined_; }
  void set_defined(bool defined) { defined_ = defined; }
  std::span<const storage::SeriesId> members() const { return members_; }
  std::uint32_t slot_at(std::uint32_t position) const { return slot_at_[position]; }
  // Replaces the members; their slots come with set_slot().
  void set_members(std::vector<storage::SeriesId> members);
  void set_slot(std::uint32_t position, std::uint32_t slot) { slot_at_[position] = slot; }

  std::uint32_t add_slot(storage::SeriesId id, const Newest& newest);
  // Opens a row. REQUIRES: t is newer than the open rows.
  std::uint32_t add_row(std::int64_t t_ms);
  // Stores a sample. REQUIRES: the row is not below the slot's length.
  void put(std::uint32_t slot, std::uint32_t row, std::uint64_t bits);

  // Closes the open rows; null without rows that hold a sample. The next rows belong to `epoch`.
  ChunkPtr close(std::uint64_t order, std::uint64_t epoch);
  // Takes a slot out: returns its open rows as a chunk of one series (null when it has none); the
  // slot is dead.
  ChunkPtr take_out(std::uint32_t slot, std::uint64_t order);
  // Forgets dead slots; slots are numbered anew. REQUIRES: no open rows.
  void compact();
  std::uint32_t dead_slots() const { return slots() - live_; }

  // Closed chunks that no run holds yet, oldest first.
  std::vector<ChunkPtr>& closed() { return closed_; }
  const std::vector<ChunkPtr>& closed() const { return closed_; }

  // The open rows' timestamps as an immutable column, shared until a row is added.
  TimesPtr frozen_times() const;
  std::uint32_t length(std::uint32_t slot) const { return lengths_[slot]; }
  std::string_view log(std::uint32_t slot) const { return logs_[slot].view(); }

 private:
  struct State {
    std::int64_t mantissa = 0;
    std::uint8_t exponent = 0;
    bool present = false;  // the log's current state is a sample, not absence
  };
  void reset_slot(std::uint32_t slot);

  const storage::GroupId id_;
  std::uint64_t epoch_;
  bool defined_ = false;
  std::uint32_t live_ = 0;
  std::int64_t last_row_ms_ = kUnknownTime;
  std::int64_t last_step_ms_ = kUnknownTime;
  std::vector<std::int64_t> times_;
  mutable TimesPtr frozen_;

  // By slot. The first two are all that an unchanged sample touches.
  std::vector<std::uint64_t> last_bits_;
  std::vector<std::uint32_t> lengths_;
  std::vector<State> states_;
  std::vector<std::uint32_t> next_rows_;  // after the last token
  std::vector<TokenBuffer> logs_;
  std::vector<std::int64_t> closed_newest_;  // newest time before the open rows
  std::vector<storage::SeriesId> ids_;       // 0: dead

  // By position.
  std::vector<storage::SeriesId> members_;
  std::vector<std::uint32_t> slot_at_;

  std::vector<ChunkPtr> closed_;
};

}  // namespace tocsin::tsdb
