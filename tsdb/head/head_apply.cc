// SPDX-License-Identifier: Apache-2.0
//
// Head::apply: how a batch, from an appender or from the journal, changes the head.
#include <algorithm>
#include <bit>
#include <limits>
#include <utility>

#include "base/check.h"
#include "model/value.h"
#include "tsdb/head/head.h"

namespace tocsin::tsdb {

using storage::GroupId;
using storage::SeriesId;

namespace {

bool is_stale(const Newest& newest) {
  return newest.time_ms != kUnknownTime && newest.bits == model::kStaleNanBits;
}

// Bits of a bitmap below `end`.
std::uint64_t count_before(std::span<const std::uint64_t> bitmap, std::uint32_t end) {
  std::uint64_t count = 0;
  for (std::uint32_t word = 0; word * 64 < end; ++word) {
    const std::uint32_t in_word = std::min(64U, end - word * 64);
    const std::uint64_t ones = in_word == 64 ? ~0ULL : (1ULL << in_word) - 1;
    count += static_cast<std::uint64_t>(std::popcount(bitmap[word] & ones));
  }
  return count;
}

}  // namespace

struct Head::Tally {
  Applied applied;
  std::int64_t min_ms = INT64_MAX;
  std::int64_t max_ms = INT64_MIN;

  void took(std::int64_t t_ms, std::uint64_t samples = 1) {
    if (samples == 0) return;
    applied.samples += samples;
    min_ms = std::min(min_ms, t_ms);
    max_ms = std::max(max_ms, t_ms);
  }
};

Head::Applied Head::apply(const Batch& batch) {
  Tally tally;
  for (const Batch::NewSeries& series : batch.new_series) add_durable(series.id);
  for (const Batch::Op& op : batch.ops) {
    if (op.kind == Batch::OpKind::kSamples) {
      apply_samples(Samples(batch.samples).subspan(op.first, op.count), &tally);
      continue;
    }
    for (std::size_t i = op.first; i < op.first + op.count; ++i) {
      switch (op.kind) {
        case Batch::OpKind::kSamples:
          break;
        case Batch::OpKind::kDefine:
          batch.definitions[i].shared ? apply_shared(batch.definitions[i])
                                      : apply_definition(batch.definitions[i]);
          break;
        case Batch::OpKind::kRow:
          apply_row(batch, batch.rows[i], &tally);
          break;
        case Batch::OpKind::kSide:
          apply_side(batch.side[i], &tally);
          break;
        case Batch::OpKind::kNotes:
          if (has_series(batch.notes[i].id)) notes_.apply(batch.notes[i]);
          break;
      }
    }
  }
  note(tally);
  return tally.applied;
}

void Head::note(const Tally& tally) {
  if (tally.applied.samples == 0) return;
  base::MutexLock lock(mutex_);
  Range& range = ranges_[epoch_.load()];
  range.min_ms = std::min(range.min_ms, tally.min_ms);
  range.max_ms = std::max(range.max_ms, tally.max_ms);
  range.samples += tally.applied.samples;
  max_ms_ = std::max(max_ms_, tally.max_ms);
}

// Closes the group's chunk when an epoch began since it was filled, or when it is full.
void Head::settle(Group* group) {
  if (group->epoch() != epoch_.load() || group->rows() >= chunk_rows_) close(group);
}

Group* Head::make_group(GroupStripe& stripe, GroupId id, Group::Kind kind) {
  std::unique_ptr<Group>& group = stripe.groups[id];
  group = std::make_unique<Group>(id, kind, epoch_.load());
  group_count_.fetch_add(1);
  return group.get();
}

// Takes a series out of its group. What it has in the head stays readable as stray pieces. The
// group's stripe is locked.
void Head::take_out(Group* group, std::uint32_t slot) {
  const SeriesId id = group->series(slot);
  const Newest newest = group->newest(slot);
  std::vector<Stray> strays;
  for (const ChunkPtr& chunk : group->closed()) {
    const std::uint32_t at = chunk->find(id, slot);
    if (at != chunk->slots() && chunk->lengths[at] != 0) strays.push_back({chunk, at});
  }
  if (const ChunkPtr open = group->take_out(slot, order_.fetch_add(1))) {
    strays.push_back({open, 0});
    base::MutexLock lock(mutex_);
    stray_chunks_.push_back(open);
  }
  SeriesStripe& s = stripe(id);
  base::MutexLock lock(s.mutex);
  Entry* found = find_entry(s, id);
  CHECK(found != nullptr);
  found->group = 0;
  found->slot = 0;
  if (newest.time_ms != kUnknownTime) s.idle.insert_or_assign(id, newest);
  if (strays.empty()) return;
  std::vector<Stray>& all = s.strays[id];
  all.insert(all.end(), strays.begin(), strays.end());
}

void Head::detach(SeriesId id) {
  // visit_series() holds the stripe's mutex, which the analysis cannot see.
  visit_series(id, [&](const Entry& at, Group* group) ABSL_NO_THREAD_SAFETY_ANALYSIS {
    if (group == nullptr) return;
    take_out(group, at.slot);
    if (group->defined() || group->live_slots() != 0) return;
    leave_strays(group);
    stripe(group->id()).groups.erase(group->id());
    group_count_.fetch_sub(1);
  });
}

// Gives the series a slot of the group, whose stripe is locked. False when it is unknown or in
// another group.
bool Head::attach(Group* group, SeriesId id) {
  SeriesStripe& s = stripe(id);
  base::MutexLock lock(s.mutex);
  Entry* found = find_entry(s, id);
  if (found == nullptr || found->group != 0) return false;
  CHECK(group->slots() <= Entry::kMaxSlot);
  found->slot = group->add_slot(id, idle_newest(s, id)) & Entry::kMaxSlot;
  found->group = group->id().value();
  s.idle.erase(id);
  return true;
}

void Head::attach_alone(SeriesId id) {
  {
    GroupStripe& s = stripe(open_pool_);
    base::MutexLock lock(s.mutex);
    Group* pool = find_group(s, open_pool_);
    if (pool != nullptr && pool->slots() < kPoolSlots && attach(pool, id)) return;
  }
  // Numbers of pools may be used again: nothing outside of memory knows them.
  next_pool_ = (next_pool_ + 1) % kPoolBit;
  open_pool_ = GroupId(kPoolBit | next_pool_);
  GroupStripe& s = stripe(open_pool_);
  base::MutexLock lock(s.mutex);
  if (find_group(s, open_pool_) != nullptr) return;  // the caller tries again
  attach(make_group(s, open_pool_, Group::Kind::kPool), id);
}

void Head::apply_definition(const Batch::Definition& definition) {
  {
    GroupStripe& s = stripe(definition.group);
    base::MutexLock lock(s.mutex);
    Group* group = find_group(s, definition.group);
    if (group == nullptr) group = make_group(s, definition.group, Group::Kind::kDefined);
    const bool same_kind = group->defined();
    group->set_kind(Group::Kind::kDefined);
    if (same_kind && std::equal(group->members().begin(), group->members().end(),
                                definition.members.begin(), definition.members.end())) {
      return;
    }
    group->set_members(std::make_shared<const std::vector<SeriesId>>(definition.members));
  }
  reserve_group_ids(definition.group.value() + 1);
  for (std::uint32_t position = 0; position < definition.members.size(); ++position) {
    const SeriesId id = definition.members[position];
    std::optional<Entry> at = entry(id);
    if (!at) continue;  // its labels are lost: the position has no slot
    if (at->group != 0 && at->group != definition.group.value()) detach(id);
    GroupStripe& s = stripe(definition.group);
    base::MutexLock lock(s.mutex);
    Group* group = find_group(s, definition.group);
    attach(group, id);
    at = entry(id);
    if (at && at->group == definition.group.value()) group->set_slot(position, at->slot);
  }
}

// From the journal: where each of the series has its slot.
void Head::apply_shared(const Batch::Definition& definition) {
  reserve_group_ids(definition.group.value() + 1);
  GroupStripe& s = stripe(definition.group);
  base::MutexLock lock(s.mutex);
  Group* group = find_group(s, definition.group);
  if (group != nullptr) return;
  group = make_group(s, definition.group, Group::Kind::kShared);
  group->reserve(static_cast<std::uint32_t>(definition.members.size()));
  for (const SeriesId id : definition.members) {
    if (!attach(group, id)) group->add_dead_slot(id);
  }
}

// Returns false when the group cannot take the sample because the group is ahead of it.
bool Head::put_sample(Group* group, std::uint32_t slot, const Batch::Sample& sample, Tally* tally,
                      const Batch::Written* written) {
  if (group->put_repeated(slot, sample.time_ms, sample.bits)) {
    tally->took(sample.time_ms);
    return true;
  }
  for (;;) {
    switch (group->put(slot, sample.time_ms, sample.bits, written)) {
      case Group::Put::kDone:
        tally->took(sample.time_ms);
        return true;
      case Group::Put::kOld:
        ++tally->applied.refused;
        return true;
      case Group::Put::kBehind:
        return false;
      case Group::Put::kFull:
        group->close(order_.fetch_add(1), epoch_.load());
    }
  }
}

void Head::apply_sample(const Batch::Sample& sample, Tally* tally) {
  for (;;) {
    bool done = false;
    bool alone = true;
    const bool known = visit_series(sample.id, [&](const Entry& at, Group* group) {
      if (group == nullptr) return;
      alone = false;
      if (group->epoch() != epoch_.load() || group->rows() >= chunk_rows_) {
        close(group);
        return;  // closing may number the slots anew: look again
      }
      done = put_sample(group, at.slot, sample, tally);
      if (!done) take_out(group, at.slot);
    });
    if (!known) {
      ++tally->applied.unknown;
      return;
    }
    if (done) return;
    if (alone) attach_alone(sample.id);
  }
}

// Samples that were found in one group: under one lock.
void Head::apply_together(Samples samples, Tally* tally) {
  std::vector<const Batch::Sample*> rest;
  {
    GroupStripe& s = stripe(samples.front().group);
    base::MutexLock lock(s.mutex);
    Group* group = find_group(s, samples.front().group);
    if (group != nullptr) settle(group);
    std::size_t behind = 0;
    std::vector<bool> leaves;  // by slot: later samples of a series follow its first that left
    for (const Batch::Sample& sample : samples) {
      const bool here = group != nullptr && sample.slot < group->slots() &&
                        group->series(sample.slot) == sample.id;
      const bool left = here && !leaves.empty() && leaves[sample.slot];
      if (here && !left && put_sample(group, sample.slot, sample, tally)) continue;
      rest.push_back(&sample);
      if (!here || left) continue;
      ++behind;
      leaves.resize(group->slots());
      leaves[sample.slot] = true;
    }
    if (behind >= kCompanions) {
      // Many leave: their open rows stay behind as one chunk, not as one for each.
      group->close(order_.fetch_add(1), epoch_.load());
      for (const Batch::Sample* sample : rest) {
        if (sample->slot < group->slots() && group->series(sample->slot) == sample->id)
          take_out(group, sample->slot);
      }
    }
  }
  for (const Batch::Sample* sample : rest) apply_sample(*sample, tally);
}

void Head::apply_samples(Samples samples, Tally* tally) {
  while (!samples.empty()) {
    const GroupId group = samples.front().group;
    std::size_t count = 1;
    if (!group) {
      apply_sample(samples.front(), tally);
    } else {
      while (count < samples.size() && samples[count].group == group) ++count;
      apply_together(samples.first(count), tally);
    }
    samples = samples.subspan(count);
  }
}

// Makes the group able to take a row at `t_ms` when single samples of members opened newer rows:
// those members have their own rhythm and get their own group.
void Head::make_way(Group* group, std::int64_t t_ms) {
  if (group->rows() == 0 || t_ms >= group->open_row_ms()) return;
  for (std::uint32_t slot = 0; slot < group->slots(); ++slot) {
    if (group->series(slot) && group->newest(slot).time_ms > t_ms) take_out(group, slot);
  }
  close(group);
}

void Head::put_row(const Batch& batch, const Batch::Row& row, std::vector<Batch::Sample>* rest,
                   Tally* tally) {
  const auto bits_of = [&](std::uint32_t member) {
    return row.stale ? model::kStaleNanBits : batch.values[row.values_at + member];
  };
  GroupStripe& s = stripe(row.group);
  base::MutexLock lock(s.mutex);
  Group* group = find_group(s, row.group);
  if (group == nullptr || !group->defined() || group->members().size() != row.members) {
    for (std::uint32_t i = 0; i < row.members; ++i)
      tally->applied.unknown += batch.is_set(row, i) ? 1 : 0;
    return;
  }
  settle(group);
  make_way(group, row.time_ms);
  group->note_step(row.time_ms);
  const auto written =
      std::span(std::as_const(batch.written)).subspan(row.written_at, row.written_count);
  const auto set = std::span(std::as_const(batch.set)).subspan(row.set_at, (row.members + 63) / 64);
  std::uint32_t first = 0;
  const Group::Positions positions = group->positions();
  if (!row.stale && positions.are_slots && row.time_ms > positions.newest_ms) {
    first = group->put_row_of(row.time_ms, {set, &batch.values[row.values_at], written});
    tally->took(row.time_ms, count_before(set, first));
  }
  auto next = std::find_if(written.begin(), written.end(),
                           [first](const Batch::Written& w) { return w.member >= first; });
  for (std::uint32_t i = first; i < row.members; ++i) {
    if (!batch.is_set(row, i)) continue;
    const Batch::Written* const as_written =
        next != written.end() && next->member == i ? &*next++ : nullptr;
    const std::uint32_t slot = group->slot_at(i);
    const Batch::Sample sample{group->members()[i], row.time_ms, bits_of(i), {}};
    if (slot == Group::kNoSlot) {
      rest->push_back(sample);
    } else if (!row.stale || !is_stale(group->newest(slot))) {
      if (!put_sample(group, slot, sample, tally, as_written)) rest->push_back(sample);
    }
  }
}

void Head::apply_row(const Batch& batch, const Batch::Row& row, Tally* tally) {
  std::vector<Batch::Sample> rest;
  put_row(batch, row, &rest, tally);
  for (const Batch::Sample& sample : rest) {
    if (row.stale) {
      const std::optional<Newest> now = newest(sample.id);
      if (now && is_stale(*now)) continue;
    }
    apply_sample(sample, tally);
  }
}

void Head::apply_side(const SideSample& sample, Tally* tally) {
  if (!has_series(sample.id)) {
    ++tally->applied.unknown;
  } else if (!side_.apply(sample, epoch_.load())) {
    ++tally->applied.refused;
  } else if (!std::holds_alternative<StartChange>(sample.value)) {
    tally->took(sample.time_ms);
  }
}

}  // namespace tocsin::tsdb
