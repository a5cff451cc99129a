// SPDX-License-Identifier: Apache-2.0
//
// Head: the newest samples of all series in memory, and which group each series is in.
//
// A series is in at most one group; without an explicit one it gets a group of its own at its first
// sample. When timestamps diverge a series is taken out into its own group; what it leaves behind
// is a stray piece. A sample counts only when it is newer than the newest of its series; apply()
// drops others, so applying the journal again gives the same. Epochs cut the head for sealing:
// everything applied before begin_epoch() is in chunks of older epochs, and groups close their
// chunk when they are next touched, so that beginning an epoch costs nothing.
// Hides: groups, change
// logs, locks.
// Threads: shared, except that apply(), begin_epoch() and remove_series() are called
// by one thread at a time (the commit leader). Lock order: a group stripe, then a series stripe.
// Errors: none; ids that are not known are answered with nothing.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/mutex.h"
#include "tsdb/head/batch.h"
#include "tsdb/head/group.h"
#include "tsdb/notes/note_store.h"
#include "tsdb/side/side_store.h"

namespace tocsin::tsdb {

class Head {
 public:
  // Groups close their chunk in memory at `chunk_rows` rows.
  explicit Head(std::uint32_t chunk_rows) : chunk_rows_(chunk_rows) {}
  Head(const Head&) = delete;
  Head& operator=(const Head&) = delete;

  // Makes a series known; no-op when it is.
  void add_series(storage::SeriesId id);
  bool has_series(storage::SeriesId id) const;
  // Whether the series' labels are in the journal or the store.
  bool is_durable(storage::SeriesId id) const;
  void set_durable(storage::SeriesId id);
  // The newest sample, with kUnknownTime when the head knows none; nullopt for an unknown series.
  std::optional<Newest> newest(storage::SeriesId id) const;
  // Sets the newest sample from the store, when the head knows none.
  void learn_newest(storage::SeriesId id, const Newest& newest);

  storage::GroupId new_group_id() { return storage::GroupId(next_group_.fetch_add(1)); }
  // Keeps ids of groups named by the journal or the store apart from new ones.
  void reserve_group_ids(std::uint32_t next);
  std::uint32_t next_group_id() const { return next_group_.load(); }
  struct GroupInfo {
    std::uint32_t members = 0;
    std::int64_t last_step_ms = kUnknownTime;
    std::int64_t newest_ms = kUnknownTime;  // newest sample of a member
    bool all_known = true;  // every member's newest sample is known and in the group
    bool all_here = true;   // no member was moved out
  };
  std::optional<GroupInfo> group_info(storage::GroupId group) const;
  // Members by position; empty for an unknown group.
  std::vector<storage::SeriesId> members(storage::GroupId group) const;
  void drop_group(storage::GroupId group);
  // Forgets all definitions: after replay nobody holds a group's id any more.
  void drop_all_groups();

  struct Applied {
    std::uint64_t samples = 0;
    std::uint64_t refused = 0;  // not newer than the newest of their series
    std::uint64_t unknown = 0;  // of series or groups that do not exist
  };
  Applied apply(const Batch& batch);
  // What is not an in-order float. newest() and read() do not look at it, the rest does.
  SideStore& side() { return side_; }
  const SideStore& side() const { return side_; }
  NoteStore& notes() { return notes_; }
  const NoteStore& notes() const { return notes_; }

  // Forgets series that have no sample in the head. Returns those forgotten.
  std::vector<storage::SeriesId> remove_series(std::span<const storage::SeriesId> ids);
  // Changes whenever series were removed.
  std::uint64_t removals() const { return removals_.load(); }

  std::uint64_t epoch() const { return epoch_.load(); }
  std::uint64_t begin_epoch() { return epoch_.fetch_add(1) + 1; }
  // Closes all chunks of epochs before `epoch` and returns those that are still in the head.
  std::vector<ChunkPtr> close_before(std::uint64_t epoch);
  // Lets go of chunks that a run now holds.
  void drop_chunks(std::span<const ChunkPtr> chunks);

  // Takes those epochs out of stats().
  void forget_range_before(std::uint64_t epoch);

  // Appends what the series has in [min_ms, max_ms], in order of time; whole pieces, not cut to the
  // range.
  void read(storage::SeriesId id, std::int64_t min_ms, std::int64_t max_ms,
            std::vector<Piece>* out) const;
  bool has_samples(storage::SeriesId id, std::int64_t min_ms, std::int64_t max_ms) const;
  // The explicit group of a series, or 0.
  storage::GroupId group_of(storage::SeriesId id) const;

  struct Stats {
    std::uint64_t series = 0;
    std::uint64_t groups = 0;
    std::uint64_t samples = 0;  // applied in this epoch
    std::int64_t min_ms = INT64_MAX;
    std::int64_t max_ms = INT64_MIN;
  };
  Stats stats() const;

 private:
  static constexpr std::size_t kStripes = 256;

  struct Entry {
    std::uint32_t group = 0;  // 0: none, then `newest` counts
    std::uint32_t slot = 0;
    Newest newest;
    bool exists = false;
    bool durable = false;
  };
  struct Stray {
    ChunkPtr chunk;
    std::uint32_t slot;
  };
  struct SeriesStripe {
    mutable base::Mutex mutex;
    std::vector<Entry> entries ABSL_GUARDED_BY(mutex);
    std::unordered_map<storage::SeriesId, std::vector<Stray>> strays ABSL_GUARDED_BY(mutex);
  };
  struct GroupStripe {
    mutable base::Mutex mutex;
    std::vector<std::unique_ptr<Group>> groups ABSL_GUARDED_BY(mutex);
  };

  SeriesStripe& stripe(storage::SeriesId id) const { return series_[id.value() % kStripes]; }
  GroupStripe& stripe(storage::GroupId id) const { return groups_[id.value() % kStripes]; }
  // REQUIRES: the stripe is locked. Null when there is none.
  static Entry* find_entry(SeriesStripe& stripe, storage::SeriesId id)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(stripe.mutex);
  static Group* find_group(const GroupStripe& stripe, storage::GroupId id)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(stripe.mutex);
  std::optional<Entry> entry(storage::SeriesId id) const;
  // Calls visit(entry, group) with the group's stripe locked; group is null, and nothing locked,
  // when the series is in none. Returns false for an unknown series.
  template <typename Visit>
  bool visit_series(storage::SeriesId id, Visit visit) const;

  struct Tally;
  void apply_definition(const Batch::Definition& definition);
  void apply_sample(const Batch::Sample& sample, Tally* tally);
  void apply_row(const Batch& batch, const Batch::Row& row, Tally* tally);
  void apply_side(const SideSample& sample, Tally* tally);
  // Puts the row's samples into the group; what the group cannot take goes to `rest`.
  void make_way(Group* group, std::int64_t t_ms);
  void put_row(const Batch& batch, const Batch::Row& row, std::vector<Batch::Sample>* rest,
               Tally* tally);
  bool put_sample(Group* group, std::uint32_t slot, const Batch::Sample& sample, Tally* tally);
  void detach(storage::SeriesId id);
  void take_out(Group* group, std::uint32_t slot);
  void attach_alone(storage::SeriesId id);
  Group* make_group(GroupStripe& stripe, storage::GroupId id)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(stripe.mutex);
  // REQUIRES: the group's stripe is locked.
  void settle(Group* group);
  void close(Group* group);
  bool free_when_idle(Group* group);
  void leave_strays(Group* group);
  void note(const Tally& tally);

  const std::uint32_t chunk_rows_;
  mutable std::array<SeriesStripe, kStripes> series_;
  mutable std::array<GroupStripe, kStripes> groups_;
  SideStore side_;
  NoteStore notes_;
  std::atomic<std::uint32_t> next_group_{1};
  std::atomic<std::uint64_t> epoch_{1};
  std::atomic<std::uint64_t> order_{1};
  std::atomic<std::uint64_t> removals_{0};
  std::atomic<std::uint64_t> series_count_{0};
  std::atomic<std::uint64_t> group_count_{0};

  mutable base::Mutex mutex_;                                             // innermost
  std::vector<ChunkPtr> stray_chunks_ ABSL_GUARDED_BY(mutex_);            // not in any group's list
  std::map<std::uint64_t, std::int64_t> min_ms_ ABSL_GUARDED_BY(mutex_);  // by epoch
  std::map<std::uint64_t, std::uint64_t> samples_ ABSL_GUARDED_BY(mutex_);
  std::int64_t max_ms_ ABSL_GUARDED_BY(mutex_) = INT64_MIN;
};

template <typename Visit>
bool Head::visit_series(storage::SeriesId id, Visit visit) const {
  for (;;) {
    const std::optional<Entry> at = entry(id);
    if (!at) return false;
    if (at->group == 0) {
      visit(*at, nullptr);
      return true;
    }
    GroupStripe& s = stripe(storage::GroupId(at->group));
    base::MutexLock lock(s.mutex);
    Group* group = find_group(s, storage::GroupId(at->group));
    // The series may have moved between the two locks: then look again.
    if (group == nullptr || at->slot >= group->slots() || group->series(at->slot) != id) continue;
    visit(*at, group);
    return true;
  }
}

}  // namespace tocsin::tsdb
