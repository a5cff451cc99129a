// SPDX-License-Identifier: Apache-2.0
#include "tsdb/head/head.h"

#include <limits>

#include "base/check.h"
#include "model/value.h"

namespace tocsin::tsdb {

using storage::GroupId;
using storage::SeriesId;

Head::Entry* Head::find_entry(SeriesStripe& stripe, SeriesId id) {
  const std::size_t index = id.value() / kStripes;
  if (index >= stripe.entries.size() || !stripe.entries[index].exists) return nullptr;
  return &stripe.entries[index];
}

Group* Head::find_group(const GroupStripe& stripe, GroupId id) {
  const std::size_t index = id.value() / kStripes;
  return index < stripe.groups.size() ? stripe.groups[index].get() : nullptr;
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
  const std::size_t index = id.value() / kStripes;
  if (index >= s.entries.size()) s.entries.resize(index + 1);
  if (std::exchange(s.entries[index].exists, true)) return;
  series_count_.fetch_add(1);
}

bool Head::has_series(SeriesId id) const { return entry(id).has_value(); }

bool Head::is_durable(SeriesId id) const {
  const std::optional<Entry> at = entry(id);
  return at && at->durable;
}

void Head::set_durable(SeriesId id) {
  SeriesStripe& s = stripe(id);
  base::MutexLock lock(s.mutex);
  if (Entry* found = find_entry(s, id)) found->durable = true;
}

std::optional<Newest> Head::newest(SeriesId id) const {
  Newest result;
  const bool known = visit_series(id, [&](const Entry& at, Group* group) {
    result = group != nullptr ? group->newest(at.slot) : at.newest;
  });
  return known ? std::optional(result) : std::nullopt;
}

void Head::learn_newest(SeriesId id, const Newest& newest) {
  visit_series(id, [&](const Entry& at, Group* group) {
    if (group != nullptr) {
      group->learn_newest(at.slot, newest);
      return;
    }
    SeriesStripe& s = stripe(id);
    base::MutexLock lock(s.mutex);
    Entry* found = find_entry(s, id);
    if (found != nullptr && found->group == 0 && found->newest.time_ms == kUnknownTime) {
      found->newest = newest;
    }
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
  info.members = static_cast<std::uint32_t>(group->members().size());
  info.last_step_ms = group->last_step_ms();
  for (std::uint32_t position = 0; position < info.members; ++position) {
    const std::uint32_t slot = group->slot_at(position);
    info.all_here = info.all_here && slot != Group::kNoSlot;
    const Newest newest = slot == Group::kNoSlot ? Newest() : group->newest(slot);
    info.all_known = info.all_known && newest.time_ms != kUnknownTime;
    info.newest_ms = std::max(info.newest_ms, newest.time_ms);
  }
  return info;
}

std::vector<SeriesId> Head::members(GroupId id) const {
  const GroupStripe& s = stripe(id);
  base::MutexLock lock(s.mutex);
  const Group* group = find_group(s, id);
  if (group == nullptr || !group->defined()) return {};
  return {group->members().begin(), group->members().end()};
}

void Head::drop_group(GroupId id) {
  GroupStripe& s = stripe(id);
  base::MutexLock lock(s.mutex);
  Group* group = find_group(s, id);
  if (group == nullptr) return;
  group->set_defined(false);
  group->set_members({});
}

void Head::drop_all_groups() {
  for (GroupStripe& s : groups_) {
    base::MutexLock lock(s.mutex);
    for (std::unique_ptr<Group>& group : s.groups) {
      if (group == nullptr) continue;
      group->set_defined(false);
      group->set_members({});
    }
  }
}

// Reading ---------------------------------------------------------------------------------------

namespace {

bool overlaps(const storage::TimestampColumn& times, std::uint32_t length, std::int64_t min_ms,
              std::int64_t max_ms) {
  return length != 0 && times.ms.front() <= max_ms && times.ms[length - 1] >= min_ms;
}

}  // namespace

void Head::read(SeriesId id, std::int64_t min_ms, std::int64_t max_ms,
                std::vector<Piece>* out) const {
  const std::size_t before = out->size();
  const auto take_closed = [&](const ChunkPtr& chunk, std::uint32_t hint) {
    const std::uint32_t slot = chunk->find(id, hint);
    if (slot == chunk->slots()) return;
    if (!overlaps(*chunk->times, chunk->lengths[slot], min_ms, max_ms)) return;
    out->push_back(Piece{chunk->times, chunk->lengths[slot], chunk, slot, {}});
  };
  visit_series(id, [&](const Entry& at, Group* group) {
    {
      SeriesStripe& s = stripe(id);
      base::MutexLock lock(s.mutex);
      const auto strays = s.strays.find(id);
      if (strays != s.strays.end()) {
        for (const Stray& stray : strays->second) take_closed(stray.chunk, stray.slot);
      }
    }
    if (group != nullptr) {
      for (const ChunkPtr& chunk : group->closed()) take_closed(chunk, at.slot);
    }
    // A series that came back to a group finds the chunks it left there a second time.
    const auto begin = out->begin() + static_cast<std::ptrdiff_t>(before);
    std::sort(begin, out->end(),
              [](const Piece& a, const Piece& b) { return a.chunk->order < b.chunk->order; });
    out->erase(std::unique(begin, out->end(),
                           [](const Piece& a, const Piece& b) { return a.chunk == b.chunk; }),
               out->end());
    if (group == nullptr) return;
    const std::uint32_t length = group->length(at.slot);
    if (length == 0 || !group->open_overlaps(length, min_ms, max_ms)) return;
    out->push_back(
        Piece{group->frozen_times(), length, nullptr, 0, std::string(group->log(at.slot))});
  });
}

bool Head::has_samples(SeriesId id, std::int64_t min_ms, std::int64_t max_ms) const {
  if (side_.has_samples(id, min_ms, max_ms)) return true;
  bool open = false;
  visit_series(id, [&](const Entry& at, Group* group) {
    const std::uint32_t length = group != nullptr ? group->length(at.slot) : 0;
    open = length != 0 && group->open_overlaps(length, min_ms, max_ms);
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
  for (const auto& [epoch, min_ms] : min_ms_) stats.min_ms = std::min(stats.min_ms, min_ms);
  const auto samples = samples_.find(epoch_.load());
  stats.samples = samples != samples_.end() ? samples->second : 0;
  stats.max_ms = max_ms_;
  return stats;
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
  group->close(order_.fetch_add(1), epoch_.load());
  if (group->dead_slots() <= group->live_slots() / 2) return;
  group->compact();
  for (std::uint32_t slot = 0; slot < group->slots(); ++slot) {
    SeriesStripe& s = stripe(group->series(slot));
    base::MutexLock lock(s.mutex);
    if (Entry* found = find_entry(s, group->series(slot))) found->slot = slot;
  }
}

// Detaches the series of a group that nobody defined and that was idle for a whole epoch. Returns
// true when the group may be freed.
bool Head::free_when_idle(Group* group) {
  if (group->defined() || group->rows() != 0 || !group->closed().empty()) return false;
  for (std::uint32_t slot = 0; slot < group->slots(); ++slot) {
    if (!group->series(slot)) continue;
    SeriesStripe& s = stripe(group->series(slot));
    base::MutexLock lock(s.mutex);
    if (Entry* found = find_entry(s, group->series(slot))) {
      found->newest = group->newest(slot);
      found->group = 0;
    }
  }
  return true;
}

std::vector<ChunkPtr> Head::close_before(std::uint64_t epoch) {
  std::vector<ChunkPtr> out;
  for (GroupStripe& s : groups_) {
    base::MutexLock lock(s.mutex);
    for (std::unique_ptr<Group>& group : s.groups) {
      if (group == nullptr) continue;
      if (group->epoch() < epoch) close(group.get());
      for (const ChunkPtr& chunk : group->closed()) {
        if (chunk->epoch < epoch) out.push_back(chunk);
      }
      if (free_when_idle(group.get())) {
        group.reset();
        group_count_.fetch_sub(1);
      }
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
  min_ms_.erase(min_ms_.begin(), min_ms_.lower_bound(epoch));
  samples_.erase(samples_.begin(), samples_.lower_bound(epoch));
}

std::vector<SeriesId> Head::remove_series(std::span<const SeriesId> ids) {
  std::vector<SeriesId> removed;
  for (const SeriesId id : ids) {
    if (has_samples(id, INT64_MIN, INT64_MAX)) continue;
    detach(id);
    SeriesStripe& s = stripe(id);
    base::MutexLock lock(s.mutex);
    Entry* found = find_entry(s, id);
    if (found == nullptr) continue;
    *found = Entry();
    side_.remove(id);
    notes_.remove(id);
    removed.push_back(id);
  }
  if (!removed.empty()) removals_.fetch_add(1);
  series_count_.fetch_sub(removed.size());
  return removed;
}

}  // namespace tocsin::tsdb
