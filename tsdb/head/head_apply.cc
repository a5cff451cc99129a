// SPDX-License-Identifier: Apache-2.0
//
// Head::apply: how a batch, from an appender or from the journal, changes the head.
#include <limits>

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

}  // namespace

struct Head::Tally {
  Applied applied;
  std::int64_t min_ms = INT64_MAX;
  std::int64_t max_ms = INT64_MIN;

  void took(std::int64_t t_ms) {
    ++applied.samples;
    min_ms = std::min(min_ms, t_ms);
    max_ms = std::max(max_ms, t_ms);
  }
};

Head::Applied Head::apply(const Batch& batch) {
  Tally tally;
  for (const Batch::NewSeries& series : batch.new_series) {
    add_series(series.id);
    set_durable(series.id);
  }
  for (const Batch::Op& op : batch.ops) {
    for (std::size_t i = op.first; i < op.first + op.count; ++i) {
      switch (op.kind) {
        case Batch::OpKind::kDefine:
          apply_definition(batch.definitions[i]);
          break;
        case Batch::OpKind::kSamples:
          apply_sample(batch.samples[i], &tally);
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
  const std::uint64_t epoch = epoch_.load();
  const auto [at, inserted] = min_ms_.try_emplace(epoch, tally.min_ms);
  at->second = std::min(at->second, tally.min_ms);
  samples_[epoch] += tally.applied.samples;
  max_ms_ = std::max(max_ms_, tally.max_ms);
}

// Closes the group's chunk when an epoch began since it was filled, or when it is full.
void Head::settle(Group* group) {
  if (group->epoch() != epoch_.load() || group->rows() >= chunk_rows_) close(group);
}

Group* Head::make_group(GroupStripe& stripe, GroupId id) {
  const std::size_t index = id.value() / kStripes;
  if (index >= stripe.groups.size()) stripe.groups.resize(index + 1);
  stripe.groups[index] = std::make_unique<Group>(id, epoch_.load());
  group_count_.fetch_add(1);
  return stripe.groups[index].get();
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
  found->newest = newest;
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
    GroupStripe& s = stripe(group->id());
    s.groups[group->id().value() / kStripes].reset();
    group_count_.fetch_sub(1);
  });
}

void Head::attach_alone(SeriesId id) {
  const GroupId own = new_group_id();
  GroupStripe& s = stripe(own);
  base::MutexLock lock(s.mutex);
  Group* group = make_group(s, own);
  SeriesStripe& series = stripe(id);
  base::MutexLock series_lock(series.mutex);
  Entry* found = find_entry(series, id);
  CHECK(found != nullptr);
  found->slot = group->add_slot(id, found->newest);
  found->group = own.value();
}

void Head::apply_definition(const Batch::Definition& definition) {
  {
    GroupStripe& s = stripe(definition.group);
    base::MutexLock lock(s.mutex);
    Group* group = find_group(s, definition.group);
    if (group == nullptr) group = make_group(s, definition.group);
    group->set_defined(true);
    if (std::equal(group->members().begin(), group->members().end(), definition.members.begin(),
                   definition.members.end())) {
      return;
    }
    group->set_members(definition.members);
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
    SeriesStripe& series = stripe(id);
    base::MutexLock series_lock(series.mutex);
    Entry* found = find_entry(series, id);
    if (found == nullptr) continue;
    if (found->group == 0) {
      found->slot = group->add_slot(id, found->newest);
      found->group = definition.group.value();
    }
    group->set_slot(position, found->slot);
  }
}

// Returns false when the group cannot take the sample because the group is ahead of it.
bool Head::put_sample(Group* group, std::uint32_t slot, const Batch::Sample& sample, Tally* tally) {
  if (sample.time_ms <= group->newest(slot).time_ms) {
    ++tally->applied.refused;
    return true;
  }
  if (group->rows() == 0 || sample.time_ms > group->open_row_ms()) {
    group->put(slot, group->add_row(sample.time_ms), sample.bits);
  } else if (sample.time_ms == group->open_row_ms()) {
    group->put(slot, group->rows() - 1, sample.bits);
  } else {
    return false;
  }
  tally->took(sample.time_ms);
  return true;
}

void Head::apply_sample(const Batch::Sample& sample, Tally* tally) {
  for (;;) {
    bool done = false;
    bool alone = true;
    const bool known = visit_series(sample.id, [&](const Entry& at, Group* group) {
      if (group == nullptr) return;
      alone = false;
      const std::uint32_t slot = at.slot;
      if (group->epoch() != epoch_.load() || group->rows() >= chunk_rows_) {
        close(group);
        return;  // closing may number the slots anew: look again
      }
      done = put_sample(group, slot, sample, tally);
      if (!done) take_out(group, slot);
    });
    if (!known) {
      ++tally->applied.unknown;
      return;
    }
    if (done) return;
    if (alone) attach_alone(sample.id);
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
  if (group == nullptr || group->members().size() != row.members) {
    for (std::uint32_t i = 0; i < row.members; ++i)
      tally->applied.unknown += batch.is_set(row, i) ? 1 : 0;
    return;
  }
  settle(group);
  make_way(group, row.time_ms);
  group->note_step(row.time_ms);
  for (std::uint32_t i = 0; i < row.members; ++i) {
    if (!batch.is_set(row, i)) continue;
    const std::uint32_t slot = group->slot_at(i);
    const Batch::Sample sample{group->members()[i], row.time_ms, bits_of(i)};
    if (slot == Group::kNoSlot) {
      rest->push_back(sample);
    } else if (!row.stale || !is_stale(group->newest(slot))) {
      put_sample(group, slot, sample, tally);
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
