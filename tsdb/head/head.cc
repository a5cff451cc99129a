// SPDX-License-Identifier: Apache-2.0
#include "tsdb/head/head.h"

#include <limits>

#include "base/check.h"
#include "model/value.h"

namespace tocsin::tsdb {

using storage::GroupId;
using storage::SeriesId;

Head::Entry* Head::find_entry(SeriesStripe& stripe, SeriesId id) {
  return stripe.entries.find(id.value() / kStripes);
}

Group* Head::find_group(const GroupStripe& stripe, GroupId id) {
  const auto found = stripe.groups.find(id);
  return found != stripe.groups.end() ? found->second.get() : nullptr;
}

Newest Head::idle_newest(const SeriesStripe& stripe, SeriesId id) {
  if (stripe.idle.empty()) return {};
  const auto found = stripe.idle.find(id);
  return found != stripe.idle.end() ? found->second : Newest();
}

std::optional<Head::Entry> Head::entry(SeriesId id) const {
  SeriesStripe& s = stripe(id);
  base::MutexLock lock(s.mutex);
  const Entry* found = find_entry(s, id);
  return found != nullptr ? std::optional(*found) : std::nullopt;
}

void Head::add_series(SeriesId id) {
  SeriesStripe& s = stripe(id);
  base::MutexLock lock(s.mutex);
  if (s.entries.add(id.value() / kStripes)) series_count_.fetch_add(1);
}

bool Head::has_series(SeriesId id) const { return entry(id).has_value(); }

bool Head::is_durable(SeriesId id) const {
  const std::optional<Entry> at = entry(id);
  return at && at->durable != 0;
}

bool Head::add_durable(SeriesId id) {
  SeriesStripe& s = stripe(id);
  base::MutexLock lock(s.mutex);
  if (s.entries.add(id.value() / kStripes)) series_count_.fetch_add(1);
  Entry* found = find_entry(s, id);
  const bool was_durable = found->durable != 0;
  found->durable = 1;
  return !was_durable;
}

namespace {

void show(const Group& group, std::uint32_t slot, Head::Look* out) {
  out->newest = group.newest(slot);
  out->slot = slot;
  if (group.kind() == Group::Kind::kDefined) out->home = Batch::Home::kDefined;
  if (group.kind() == Group::Kind::kPool) out->home = Batch::Home::kPool;
  if (group.kind() == Group::Kind::kShared) out->home = Batch::Home::kShared;
  if (out->home == Batch::Home::kPool || out->home == Batch::Home::kShared) out->group = group.id();
}

}  // namespace

std::size_t Head::look_along(std::span<const SeriesId> ids, Look* out) const {
  std::size_t count = 0;
  visit_series(ids.front(), [&](const Entry& at, Group* group) {
    if (group == nullptr) return;
    out[count] = {};
    out[count].durable = at.durable != 0;
    show(*group, at.slot, &out[count++]);
    for (std::uint32_t slot = at.slot + 1; count < ids.size() && slot < group->slots(); ++slot) {
      // A series whose newest sample is known was applied, so it is durable.
      if (group->series(slot) != ids[count]) return;
      if (group->newest(slot).time_ms == kUnknownTime) return;
      out[count] = {};
      out[count].durable = true;
      show(*group, slot, &out[count++]);
    }
  });
  if (count != 0) return count;
  const std::optional<Look> found = look(ids.front());
  if (!found) return 0;
  *out = *found;
  return 1;
}

std::optional<Head::Look> Head::look(SeriesId id) const {
  Look result;
  bool moved = false;
  const bool known = visit_series(id, [&](const Entry& at, Group* group) {
    result.durable = at.durable != 0;
    if (group == nullptr) {
      SeriesStripe& s = stripe(id);
      base::MutexLock lock(s.mutex);
      const Entry* now = find_entry(s, id);
      moved = now != nullptr && now->group != 0;
      result.newest = idle_newest(s, id);
      return;
    }
    show(*group, at.slot, &result);
  });
  if (moved) return look(id);
  return known ? std::optional(result) : std::nullopt;
}

std::optional<Newest> Head::newest(SeriesId id) const {
  const std::optional<Look> found = look(id);
  return found ? std::optional(found->newest) : std::nullopt;
}

void Head::learn_newest(SeriesId id, const Newest& newest) const {
  visit_series(id, [&](const Entry& at, Group* group) {
    if (group != nullptr) {
      group->learn_newest(at.slot, newest);
      return;
    }
    SeriesStripe& s = stripe(id);
    base::MutexLock lock(s.mutex);
    Entry* found = find_entry(s, id);
    if (found != nullptr && found->group == 0) s.idle.try_emplace(id, newest);
  });
}

void Head::reserve_group_ids(std::uint32_t next) {
  std::uint32_t current = next_group_.load();
  while (current < next && !next_group_.compare_exchange_weak(current, next)) {
  }
}

std::optional<Head::GroupInfo> Head::group_info(GroupId id) const {
  const GroupStripe& s = stripe(id);
  base::MutexLock lock(s.mutex);
  const Group* group = find_group(s, id);
  if (group == nullptr || !group->defined()) return std::nullopt;
  GroupInfo info;
  info.members = group->shared_members();
  info.last_step_ms = group->last_step_ms();
  info.positions = group->positions();
  return info;
}

MembersPtr Head::members(GroupId id) const {
  const GroupStripe& s = stripe(id);
  base::MutexLock lock(s.mutex);
  const Group* group = find_group(s, id);
  return group == nullptr || !group->defined() ? nullptr : group->shared_members();
}

std::vector<SeriesId> Head::shared_members(GroupId id) const {
  const GroupStripe& s = stripe(id);
  base::MutexLock lock(s.mutex);
  const Group* group = find_group(s, id);
  std::vector<SeriesId> members;
  if (group == nullptr || group->kind() != Group::Kind::kShared) return members;
  for (std::uint32_t slot = 0; slot < group->slots(); ++slot)
    members.push_back(group->series_ever(slot));
  return members;
}

void Head::drop_group(GroupId id) {
  GroupStripe& s = stripe(id);
  base::MutexLock lock(s.mutex);
  Group* group = find_group(s, id);
  if (group == nullptr || !group->defined()) return;
  group->set_kind(Group::Kind::kOrphans);
  group->set_members(nullptr);
}

void Head::drop_all_groups() {
  for (GroupStripe& s : groups_) {
    base::MutexLock lock(s.mutex);
    for (const auto& [id, group] : s.groups) {
      if (!group->defined()) continue;
      group->set_kind(Group::Kind::kOrphans);
      group->set_members(nullptr);
    }
  }
}

// Reading ---------------------------------------------------------------------------------------

void Head::read(SeriesId id, std::int64_t min_ms, std::int64_t max_ms,
                std::vector<Piece>* out) const {
  std::vector<std::pair<ChunkPtr, std::uint32_t>> closed;
  const auto take_closed = [&](const ChunkPtr& chunk, std::uint32_t hint) {
    if (chunk->min_ms > max_ms || chunk->max_ms < min_ms) return;
    const std::uint32_t slot = chunk->find(id, hint);
    if (slot != chunk->slots() && chunk->lengths[slot] != 0) closed.emplace_back(chunk, slot);
  };
  std::optional<Piece> open;
  visit_series(id, [&](const Entry& at, Group* group) {
    {
      SeriesStripe& s = stripe(id);
      base::MutexLock lock(s.mutex);
      const auto strays = s.strays.find(id);
      if (strays != s.strays.end()) {
        for (const Stray& stray : strays->second) take_closed(stray.chunk, stray.slot);
      }
    }
    if (group == nullptr) return;
    for (const ChunkPtr& chunk : group->closed()) take_closed(chunk, at.slot);
    if (group->open_overlaps(at.slot, min_ms, max_ms)) open = group->open_piece(at.slot);
  });
  // A series that came back to a group finds the chunks it left there a second time.
  std::sort(closed.begin(), closed.end(),
            [](const auto& a, const auto& b) { return a.first->order < b.first->order; });
  closed.erase(std::unique(closed.begin(), closed.end()), closed.end());
  if (open) closed.emplace_back();
  for (const auto& [chunk, slot] : closed) {
    Piece piece = chunk != nullptr ? chunk->piece(slot) : *std::move(open);
    const std::vector<std::int64_t>& ms = piece.times->ms;
    if (piece.length == 0 || ms.front() > max_ms || ms[piece.length - 1] < min_ms) continue;
    out->push_back(std::move(piece));
  }
}

bool Head::has_samples(SeriesId id, std::int64_t min_ms, std::int64_t max_ms) const {
  if (side_.has_samples(id, min_ms, max_ms)) return true;
  bool open = false;
  visit_series(id, [&](const Entry& at, Group* group) {
    const bool shared = group != nullptr && group->kind() != Group::Kind::kPool;
    open = shared && group->open_overlaps(at.slot, min_ms, max_ms);
  });
  if (open) return true;
  std::vector<Piece> pieces;
  read(id, min_ms, max_ms, &pieces);
  return !pieces.empty();
}

GroupId Head::group_of(SeriesId id) const {
  GroupId result;
  visit_series(id, [&](const Entry&, Group* group) {
    if (group != nullptr && group->defined()) result = group->id();
  });
  return result;
}

Head::Stats Head::stats() const {
  Stats stats;
  stats.series = series_count_.load();
  stats.groups = group_count_.load();
  base::MutexLock lock(mutex_);
  for (const auto& [epoch, range] : ranges_) stats.min_ms = std::min(stats.min_ms, range.min_ms);
  stats.max_ms = max_ms_;
  const auto now = ranges_.find(epoch_.load());
  if (now == ranges_.end()) return stats;
  stats.samples = now->second.samples;
  stats.epoch_min_ms = now->second.min_ms;
  stats.epoch_max_ms = now->second.max_ms;
  return stats;
}

std::uint64_t Head::memory_bytes() const {
  std::uint64_t bytes = 0;
  for (const GroupStripe& s : groups_) {
    base::MutexLock lock(s.mutex);
    for (const auto& [id, group] : s.groups) {
      bytes += group->token_bytes();
      for (const ChunkPtr& chunk : group->closed()) bytes += chunk->memory_bytes();
    }
  }
  base::MutexLock lock(mutex_);
  for (const ChunkPtr& chunk : stray_chunks_) bytes += chunk->memory_bytes();
  return bytes;
}

// Sealing ---------------------------------------------------------------------------------------

// Moves the group's closed chunks to where they are found without the group.
void Head::leave_strays(Group* group) {
  if (group->closed().empty()) return;
  base::MutexLock lock(mutex_);
  for (ChunkPtr& chunk : group->closed()) stray_chunks_.push_back(std::move(chunk));
  group->closed().clear();
}

void Head::close(Group* group) {
  const bool shared = group->kind() == Group::Kind::kShared;
  const bool sparse = shared && group->is_sparse();
  group->close(order_.fetch_add(1), epoch_.load());
  if (!sparse && group->dead_slots() <= group->live_slots() / 2) return;
  if (shared) {  // its slots must keep their numbers: its series start again without it
    for (std::uint32_t slot = 0; slot < group->slots(); ++slot) {
      if (group->series(slot)) take_out(group, slot);
    }
    return;
  }
  group->compact();
  for (std::uint32_t slot = 0; slot < group->slots(); ++slot) {
    SeriesStripe& s = stripe(group->series(slot));
    base::MutexLock lock(s.mutex);
    Entry* found = find_entry(s, group->series(slot));
    if (found != nullptr && found->group == group->id().value())
      found->slot = slot & Entry::kMaxSlot;
  }
}

// Detaches the series of a group that nobody defined that had no sample for a whole epoch.
void Head::release_idle_slots(Group* group) {
  if (group->defined() || !group->closed().empty() || group->epoch() == epoch_.load()) return;
  for (std::uint32_t slot = 0; slot < group->slots(); ++slot) {
    if (group->series(slot) && group->length(slot) == 0) take_out(group, slot);
  }
}

// Returns true when the group may be freed.
bool Head::free_when_idle(Group* group) {
  if (group->defined() || group->live_slots() != 0) return false;
  leave_strays(group);
  return true;
}

std::vector<ChunkPtr> Head::close_before(std::uint64_t epoch) {
  std::vector<ChunkPtr> out;
  for (GroupStripe& s : groups_) {
    base::MutexLock lock(s.mutex);
    for (auto at = s.groups.begin(); at != s.groups.end();) {
      Group* group = at->second.get();
      if (group->epoch() < epoch) {
        release_idle_slots(group);
        close(group);
      }
      const bool freed = free_when_idle(group);
      for (const ChunkPtr& chunk : group->closed()) {
        if (chunk->epoch < epoch) out.push_back(chunk);
      }
      at = freed ? s.groups.erase(at) : std::next(at);
      if (freed) group_count_.fetch_sub(1);
    }
  }
  base::MutexLock lock(mutex_);
  for (const ChunkPtr& chunk : stray_chunks_) {
    if (chunk->epoch < epoch) out.push_back(chunk);
  }
  return out;
}

void Head::drop_chunks(std::span<const ChunkPtr> chunks) {
  for (const ChunkPtr& chunk : chunks) {
    {
      GroupStripe& s = stripe(chunk->group);
      base::MutexLock lock(s.mutex);
      if (Group* group = find_group(s, chunk->group)) std::erase(group->closed(), chunk);
    }
    for (const SeriesId id : chunk->ids) {
      SeriesStripe& s = stripe(id);
      base::MutexLock lock(s.mutex);
      if (s.strays.empty()) continue;
      const auto found = s.strays.find(id);
      if (found == s.strays.end()) continue;
      std::erase_if(found->second, [&](const Stray& stray) { return stray.chunk == chunk; });
      if (found->second.empty()) s.strays.erase(found);
    }
  }
  base::MutexLock lock(mutex_);
  std::vector<ChunkPtr> dropped(chunks.begin(), chunks.end());
  std::sort(dropped.begin(), dropped.end());
  std::erase_if(stray_chunks_, [&](const ChunkPtr& chunk) {
    return std::binary_search(dropped.begin(), dropped.end(), chunk);
  });
}

void Head::forget_range_before(std::uint64_t epoch) {
  base::MutexLock lock(mutex_);
  ranges_.erase(ranges_.begin(), ranges_.lower_bound(epoch));
}

std::vector<SeriesId> Head::remove_series(std::span<const SeriesId> ids) {
  std::vector<SeriesId> removed;
  for (const SeriesId id : ids) {
    // A member of a defined group may get a sample by position at any time.
    if (group_of(id) || has_samples(id, INT64_MIN, INT64_MAX)) continue;
    detach(id);
    SeriesStripe& s = stripe(id);
    base::MutexLock lock(s.mutex);
    if (find_entry(s, id) == nullptr) continue;
    s.entries.remove(id.value() / kStripes);
    s.idle.erase(id);
    side_.remove(id);
    notes_.remove(id);
    removed.push_back(id);
  }
  if (!removed.empty()) removals_.fetch_add(1);
  series_count_.fetch_sub(removed.size());
  return removed;
}

}  // namespace tocsin::tsdb
