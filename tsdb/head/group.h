// SPDX-License-Identifier: Apache-2.0
//
// Group: the open change logs of several series, as arrays by slot: 15 bytes for each, and 24 more
// while rows are open, which hold the last bytes of the logs.
//
// Series of a group share a column of timestamps, except in a pool, which is for series without
// companions: there each log has its own times. A slot is a series' place in the arrays; a position
// is a member's place in the order given by define(). A member that was moved to another group keeps
// its position but has no slot. In a shared group, which the head made by itself, positions are
// slots: they never change, and a dead slot keeps its series' id.
// A row is a timestamp of the open chunk; a slot's length is the number of rows its log covers, and
// when it is not 0, row length - 1 holds the slot's newest sample.
// Hides: the change log and its memory. Threads: confined to the holder of the head's lock for it.
// Errors: none; misuse is a programmer error.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "storage/types.h"
#include "tsdb/head/batch.h"
#include "tsdb/head/change_log.h"
#include "tsdb/head/chunk.h"
#include "tsdb/head/token_arena.h"

namespace tocsin::tsdb {

// The newest sample of a series. `time_ms` is kUnknownTime when the head does not know one: there
// is none, or it is in a run from before the restart.
inline constexpr std::int64_t kUnknownTime = INT64_MIN;
struct Newest {
  std::int64_t time_ms = kUnknownTime;
  std::uint64_t bits = 0;
};

// Series of a group by position.
using MembersPtr = std::shared_ptr<const std::vector<storage::SeriesId>>;

class Group {
 public:
  static constexpr std::uint32_t kNoSlot = UINT32_MAX;
  enum class Kind : std::uint8_t {
    kDefined,  // by define_group()
    kShared,   // by the head
    kPool,
    kOrphans  // was defined; its series wait for another group
  };

  Group(storage::GroupId id, Kind kind, std::uint64_t epoch)
      : id_(id), kind_(kind), epoch_(epoch) {}

  storage::GroupId id() const { return id_; }
  Kind kind() const { return kind_; }
  void set_kind(Kind kind) { kind_ = kind; }
  bool defined() const { return kind_ == Kind::kDefined; }
  std::uint64_t epoch() const { return epoch_; }
  std::uint32_t rows() const { return static_cast<std::uint32_t>(times_.size()); }
  bool empty() const { return rows() == 0 && pool_rows_ == 0; }
  std::uint32_t slots() const { return static_cast<std::uint32_t>(ids_.size()); }
  std::uint32_t live_slots() const { return live_; }
  std::uint32_t dead_slots() const { return slots() - live_; }
  // Newest open row. REQUIRES: rows() != 0.
  std::int64_t open_row_ms() const { return times_.back(); }
  // Newest row that came from step(); kUnknownTime without.
  std::int64_t last_step_ms() const { return last_step_ms_; }
  void note_step(std::int64_t t_ms) { last_step_ms_ = std::max(last_step_ms_, t_ms); }
  // The series in a slot, 0 when it is dead.
  storage::SeriesId series(std::uint32_t slot) const {
    return storage::SeriesId((states_[slot] & kDead) != 0 ? 0 : ids_[slot]);
  }
  // The same for a dead slot of a shared group.
  storage::SeriesId series_ever(std::uint32_t slot) const { return storage::SeriesId(ids_[slot]); }
  Newest newest(std::uint32_t slot) const { return {newest_ms(slot), last_bits_[slot]}; }
  // Sets the newest sample when none is known.
  void learn_newest(std::uint32_t slot, const Newest& newest);

  std::span<const storage::SeriesId> members() const {
    return members_ ? std::span(*members_) : std::span<const storage::SeriesId>();
  }
  MembersPtr shared_members() const { return members_; }
  std::uint32_t slot_at(std::uint32_t position) const { return slot_at_[position]; }
  // Replaces the members; their slots come with set_slot().
  void set_members(MembersPtr members);
  void set_slot(std::uint32_t position, std::uint32_t slot) {
    slot_at_[position] = slot;
    ready_ = false;
  }
  // Whether every position has a slot, whether the newest sample of each is known, and a time before
  // which none of these is.
  struct Positions {
    bool all_here = true;
    bool all_known = true;
    bool are_slots = true;  // each position is the number of its slot
    std::int64_t newest_ms = kUnknownTime;
  };
  Positions positions() const;

  void reserve(std::uint32_t slots);
  std::uint32_t add_slot(storage::SeriesId id, const Newest& newest);
  // A dead slot, for a member of a shared group that is elsewhere.
  void add_dead_slot(storage::SeriesId id);

  enum class Put : std::uint8_t {
    kDone,
    kOld,     // not newer than the series' newest sample
    kBehind,  // not newer than the group's newest row
    kFull     // close the group and try again
  };
  // `written`, when not null, says how the journal wrote the same value.
  Put put(std::uint32_t slot, std::int64_t t_ms, std::uint64_t bits,
          const Batch::Written* written = nullptr);
  // Does the same for the value of the row before, in the newest row; returns false otherwise.
  bool put_repeated(std::uint32_t slot, std::int64_t t_ms, std::uint64_t bits) {
    const std::size_t row = times_.size() - 1;
    if (times_.empty() || times_.back() != t_ms || last_bits_[slot] != bits ||
        lengths_[slot] != row || (states_[slot] & kPresent) == 0) {
      return false;
    }
    lengths_[slot] = static_cast<std::uint16_t>(row + 1);
    ++samples_;
    return true;
  }
  // Samples of one time by slot: which slots are set, their values, and how the journal wrote those
  // that changed, by ascending slot.
  struct Cells {
    std::span<const std::uint64_t> set;  // a bitmap
    const std::uint64_t* values;
    std::span<const Batch::Written> written;
  };
  // Puts them in one new row, up to the first slot whose log is full; returns that slot, or slots().
  // REQUIRES: not a pool; t_ms is after the newest sample of each slot and after the newest row.
  std::uint32_t put_row_of(std::int64_t t_ms, const Cells& cells);
  // How often a series of a pool was seen together with others.
  std::uint8_t streak(std::uint32_t slot) const { return streaks_[slot]; }
  void count_streak(std::uint32_t slot) {
    if (streaks_[slot] != UINT8_MAX) ++streaks_[slot];
  }

  // Closes the open rows; null without rows that hold a sample. The next rows belong to `epoch`.
  ChunkPtr close(std::uint64_t order, std::uint64_t epoch);
  // Whether less than half of what the open rows could hold is there.
  bool is_sparse() const;
  // Takes a slot out: returns its open rows as a chunk of one series (null when it has none); the
  // slot is dead.
  ChunkPtr take_out(std::uint32_t slot, std::uint64_t order);
  // Forgets dead slots; slots are numbered anew. REQUIRES: empty(); not shared.
  void compact();

  // Closed chunks that no run holds yet, oldest first.
  std::vector<ChunkPtr>& closed() { return closed_; }
  const std::vector<ChunkPtr>& closed() const { return closed_; }

  std::uint32_t length(std::uint32_t slot) const { return lengths_[slot]; }
  // Whether the open rows of a slot may touch [min_ms, max_ms].
  bool open_overlaps(std::uint32_t slot, std::int64_t min_ms, std::int64_t max_ms) const;
  // A copy of the open rows of a slot. REQUIRES: length(slot) != 0.
  Piece open_piece(std::uint32_t slot) const;
  // Memory of the open logs.
  std::size_t token_bytes() const { return arena_.memory_bytes() + logs_.size() * TokenLog::kTail; }

 private:
  // Of a slot: the exponent of its decimals, and
  enum : std::uint8_t { kExponent = 0x1f, kPresent = 0x20, kDead = 0x40 };
  // Of a slot of a pool.
  struct Own {
    std::int64_t newest_ms = kUnknownTime;
    std::int32_t step = 0;
  };

  bool is_pool() const { return kind_ == Kind::kPool; }
  std::int64_t closed_ms(std::uint32_t slot) const {
    return closed_newest_.empty() ? closed_ms_ : closed_newest_[slot];
  }
  void set_closed_ms(std::uint32_t slot, std::int64_t ms);
  std::int64_t newest_ms(std::uint32_t slot) const;
  std::uint64_t repeated(std::uint32_t first, std::uint32_t row, const std::uint64_t* values) const;
  void repeat(std::uint32_t first, std::uint64_t which, std::uint32_t row);
  bool is_full(std::uint32_t slot) const;
  void put_row(std::uint32_t slot, std::uint32_t row, std::uint64_t bits,
               const Batch::Written* written);
  Put put_own(std::uint32_t slot, std::int64_t t_ms, std::uint64_t bits);
  Token value_token(std::uint32_t slot, std::uint64_t bits, const Batch::Written* written);
  void reset_slot(std::uint32_t slot);
  void begin_logs();
  void settle_newest();
  TimesPtr frozen_times() const;
  std::string log(std::uint32_t slot) const {
    std::string log;
    arena_.copy(logs_[slot], &log);
    return log;
  }
  std::shared_ptr<Chunk> new_chunk(std::uint64_t order) const;

  const storage::GroupId id_;
  Kind kind_;
  std::uint64_t epoch_;
  std::uint32_t live_ = 0;
  std::uint32_t pool_rows_ = 0;         // of the longest log in a pool
  std::uint64_t samples_ = 0;           // in the open rows
  std::int64_t base_ms_ = 0;            // of own logs
  std::int64_t max_ms_ = kUnknownTime;  // of own logs
  std::int64_t last_step_ms_ = kUnknownTime;
  std::int64_t closed_ms_ =
      kUnknownTime;  // newest time before the open rows, when all have the same
  std::vector<std::int64_t> times_;
  mutable TimesPtr frozen_;

  // By slot. The first two are all that an unchanged sample touches.
  std::vector<std::uint64_t> last_bits_;
  std::vector<std::uint16_t> lengths_;
  std::vector<std::uint8_t> states_;
  std::vector<std::uint32_t> ids_;
  // While rows are open, else empty. The next row is the one after the last token; not in a pool.
  std::vector<TokenLog> logs_;
  std::vector<std::int64_t> closed_newest_;  // empty: closed_ms_ for all
  std::vector<Own> own_;                     // of a pool
  std::vector<std::uint8_t> streaks_;        // of a pool
  TokenArena arena_;

  // By position, of a defined group.
  MembersPtr members_;
  std::vector<std::uint32_t> slot_at_;
  // Whether all positions are here and known, which holds until slots change, and the newest of
  // their samples when that was seen or a chunk closed since.
  mutable bool ready_ = false;
  mutable bool positions_are_slots_ = false;
  mutable std::int64_t ready_newest_ms_ = kUnknownTime;

  std::vector<ChunkPtr> closed_;
};

}  // namespace tocsin::tsdb
