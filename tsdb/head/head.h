// SPDX-License-Identifier: Apache-2.0
//
// Head: the newest samples of all series in memory, and which group each series is in.
//
// A series is in at most one group: one that was defined, a shared one that the head made of series
// that come together, or a pool of series without companions (docs/decisions/0018-shared-groups.md).
// What a series leaves behind in a group is a stray piece. A sample counts only when it is newer than
// the newest of its series, so applying the journal again gives the same. Epochs cut the head for
// sealing: what was applied before begin_epoch() is in chunks of older epochs.
// Hides: groups, locks.
// Threads: shared, except that arrange(), apply(), begin_epoch() and remove_series() are called
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
#include "tsdb/head/entry_table.h"
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
  // Makes a series known and durable; returns whether it was not durable before.
  bool add_durable(storage::SeriesId id);
  // The newest sample, with kUnknownTime when the head knows none; nullopt for an unknown series.
  std::optional<Newest> newest(storage::SeriesId id) const;
  struct Look {  // nullopt for an unknown series
    bool durable = false;
    Batch::Home home = Batch::Home::kNone;
    storage::GroupId group;  // of kPool and kShared, else 0
    std::uint32_t slot = 0;
    Newest newest;
  };
  std::optional<Look> look(storage::SeriesId id) const;
  // The same for the first series and those next to it in its group; returns how many, or 0.
  std::size_t look_along(std::span<const storage::SeriesId> ids, Look* out) const;
  // Sets the newest sample from the store, when the head knows none. Readers call it, too: const, as
  // no answer changes.
  void learn_newest(storage::SeriesId id, const Newest& newest) const;

  storage::GroupId new_group_id() { return storage::GroupId(next_group_.fetch_add(1)); }
  // Keeps ids of groups named by the journal or the store apart from new ones.
  void reserve_group_ids(std::uint32_t next);
  std::uint32_t next_group_id() const { return next_group_.load(); }
  struct GroupInfo {
    MembersPtr members;  // never null
    std::int64_t last_step_ms = kUnknownTime;
    Group::Positions positions;
  };
  std::optional<GroupInfo> group_info(storage::GroupId group) const;
  // Null for an unknown group.
  MembersPtr members(storage::GroupId group) const;
  void drop_group(storage::GroupId group);
  // After replay nobody holds a group's id any more.
  void drop_all_groups();
  // Series of a shared group by slot; empty when there is no such group.
  std::vector<storage::SeriesId> shared_members(storage::GroupId group) const;
  // Puts series of the batch that came together into shared groups, and samples of one row next to
  // each other.
  void arrange(Batch* batch);

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

  // Forgets series without samples in the head and without a defined group. Returns them.
  std::vector<storage::SeriesId> remove_series(std::span<const storage::SeriesId> ids);
  // Changes whenever series were removed.
  std::uint64_t removals() const { return removals_.load(); }
  std::uint64_t epoch() const { return epoch_.load(); }
  std::uint64_t begin_epoch() { return epoch_.fetch_add(1) + 1; }
  // Closes all chunks of epochs before `epoch` and returns those that are still in the head.
  std::vector<ChunkPtr> close_before(std::uint64_t epoch);
  // Lets go of chunks that a run now holds.
  void drop_chunks(std::span<const ChunkPtr> chunks);
  void forget_range_before(std::uint64_t epoch);  // in stats()

  // Appends what the series has in [min_ms, max_ms], in order of time; whole pieces, not cut to the
  // range.
  void read(storage::SeriesId id, std::int64_t min_ms, std::int64_t max_ms,
            std::vector<Piece>* out) const;
  bool has_samples(storage::SeriesId id, std::int64_t min_ms, std::int64_t max_ms) const;
  // The defined group of a series, or 0.
  storage::GroupId group_of(storage::SeriesId id) const;

  struct Stats {
    std::uint64_t series = 0;
    std::uint64_t groups = 0;
    std::uint64_t samples = 0;  // applied in this epoch
    std::int64_t min_ms = INT64_MAX;
    std::int64_t max_ms = INT64_MIN;
    std::int64_t epoch_min_ms = INT64_MAX;  // of samples applied in this epoch
    std::int64_t epoch_max_ms = INT64_MIN;
  };
  Stats stats() const;
  // Of samples: open, and closed but not in a run yet. Walks over the groups.
  std::uint64_t memory_bytes() const;

 private:
  static constexpr std::size_t kStripes = 256;
  struct Entry {
    static constexpr std::uint32_t kMaxSlot = (1U << 24U) - 1;
    std::uint32_t group = 0;  // 0: none, then the newest sample is in `idle`
    std::uint32_t slot : 24 = 0;
    std::uint32_t exists : 1 = 0;
    std::uint32_t durable : 1 = 0;
  };
  struct Stray {
    ChunkPtr chunk;
    std::uint32_t slot;
  };
  struct SeriesStripe {
    mutable base::Mutex mutex;
    EntryTable<Entry> entries ABSL_GUARDED_BY(mutex);
    std::unordered_map<storage::SeriesId, std::vector<Stray>> strays ABSL_GUARDED_BY(mutex);
    // Newest samples of series without a group, where one is known.
    std::unordered_map<storage::SeriesId, Newest> idle ABSL_GUARDED_BY(mutex);
  };
  struct GroupStripe {
    mutable base::Mutex mutex;
    std::unordered_map<storage::GroupId, std::unique_ptr<Group>> groups ABSL_GUARDED_BY(mutex);
  };

  SeriesStripe& stripe(storage::SeriesId id) const { return series_[id.value() % kStripes]; }
  GroupStripe& stripe(storage::GroupId id) const { return groups_[id.value() % kStripes]; }
  static constexpr std::uint32_t kPoolBit = 1U << 31U;  // of ids of pools: not in the journal
  static constexpr std::uint32_t kPoolSlots = 256;
  static constexpr std::uint32_t kMaxShared = 1024;  // series of a shared group
  static constexpr std::uint32_t kCompanions = 8;    // that make a group
  static constexpr std::uint8_t kStreak = 3;         // times that a series of a pool must meet them

  // REQUIRES: the stripe is locked. Null when there is none.
  static Entry* find_entry(SeriesStripe& stripe, storage::SeriesId id)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(stripe.mutex);
  static Group* find_group(const GroupStripe& stripe, storage::GroupId id)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(stripe.mutex);
  static Newest idle_newest(const SeriesStripe& stripe, storage::SeriesId id)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(stripe.mutex);
  std::optional<Entry> entry(storage::SeriesId id) const;
  // Calls visit(entry, group) with the group's stripe locked; group is null, and nothing locked,
  // when the series is in none. Returns false for an unknown series.
  template <typename Visit>
  bool visit_series(storage::SeriesId id, Visit visit) const;

  struct Tally;
  using Samples = std::span<const Batch::Sample>;
  void apply_definition(const Batch::Definition& definition);
  void apply_shared(const Batch::Definition& definition);
  void apply_samples(Samples samples, Tally* tally);
  void apply_together(Samples samples, Tally* tally);
  void apply_sample(const Batch::Sample& sample, Tally* tally);
  void apply_row(const Batch& batch, const Batch::Row& row, Tally* tally);
  void apply_side(const SideSample& sample, Tally* tally);
  // Puts the row's samples into the group; what the group cannot take goes to `rest`.
  void make_way(Group* group, std::int64_t t_ms);
  void put_row(const Batch& batch, const Batch::Row& row, std::vector<Batch::Sample>* rest,
               Tally* tally);
  bool put_sample(Group* group, std::uint32_t slot, const Batch::Sample& sample, Tally* tally,
                  const Batch::Written* written = nullptr);
  void detach(storage::SeriesId id);
  void take_out(Group* group, std::uint32_t slot);
  void attach_alone(storage::SeriesId id);
  bool attach(Group* group, storage::SeriesId id);
  Group* make_group(GroupStripe& stripe, storage::GroupId id, Group::Kind kind)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(stripe.mutex);
  void find_companions(std::span<Batch::Sample> samples);
  void share(std::span<Batch::Sample*> together);
  bool has_streak(const Batch::Sample& sample);
  // REQUIRES: the group's stripe is locked.
  void settle(Group* group);
  void close(Group* group);
  void release_idle_slots(Group* group);
  bool free_when_idle(Group* group);
  void leave_strays(Group* group);
  void note(const Tally& tally);
  const std::uint32_t chunk_rows_;
  mutable std::array<SeriesStripe, kStripes> series_;
  mutable std::array<GroupStripe, kStripes> groups_;
  SideStore side_;
  NoteStore notes_;
  std::atomic<std::uint32_t> next_group_{1};
  std::uint32_t next_pool_ = 0;  // the leader's
  storage::GroupId open_pool_;   // the leader's: takes the next series without companions
  std::atomic<std::uint64_t> epoch_{1};
  std::atomic<std::uint64_t> order_{1};
  std::atomic<std::uint64_t> removals_{0};
  std::atomic<std::uint64_t> series_count_{0};
  std::atomic<std::uint64_t> group_count_{0};

  mutable base::Mutex mutex_;                                   // innermost
  std::vector<ChunkPtr> stray_chunks_ ABSL_GUARDED_BY(mutex_);  // not in any group's list
  struct Range {
    std::int64_t min_ms = INT64_MAX;
    std::int64_t max_ms = INT64_MIN;
    std::uint64_t samples = 0;
  };
  std::map<std::uint64_t, Range> ranges_ ABSL_GUARDED_BY(mutex_);  // by epoch
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
