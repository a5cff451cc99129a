// SPDX-License-Identifier: Apache-2.0
//
// Head::arrange: which pushed series share a group. Series are companions when their samples come in
// one batch with one time and the samples before had one time, too: so series of different rhythm
// are kept apart even where their rows meet. Series without a home join at once, those of a pool
// after a few such meetings.
#include <algorithm>
#include <tuple>

#include "tsdb/head/head.h"

namespace tocsin::tsdb {

using storage::GroupId;
using storage::SeriesId;

namespace {

bool row_before(const Batch::Sample& a, const Batch::Sample& b) {
  return std::tuple(a.group, a.time_ms, a.slot) < std::tuple(b.group, b.time_ms, b.slot);
}

// Puts samples of one row next to each other, unless they nearly are.
void sort_rows(std::span<Batch::Sample> samples) {
  std::size_t breaks = 0;
  for (std::size_t i = 1; i < samples.size(); ++i) {
    const Batch::Sample& a = samples[i - 1];
    const Batch::Sample& b = samples[i];
    breaks += a.group != b.group || a.time_ms != b.time_ms || a.slot >= b.slot ? 1 : 0;
  }
  if (breaks * 16 > samples.size()) std::stable_sort(samples.begin(), samples.end(), row_before);
}

bool is_candidate(const Batch::Sample& sample) {
  return sample.home == Batch::Home::kNone || sample.home == Batch::Home::kPool;
}

// Gives all samples of a series the same place, so that sorting does not change their order.
void unite_repeats(std::span<Batch::Sample> samples) {
  std::unordered_map<SeriesId, const Batch::Sample*> first;
  for (Batch::Sample& sample : samples) {
    const auto [at, inserted] = first.try_emplace(sample.id, &sample);
    if (inserted) continue;
    sample.group = at->second->group;
    sample.slot = at->second->slot;
    sample.home = at->second->home;
  }
}

}  // namespace

void Head::arrange(Batch* batch) {
  for (const Batch::Op& op : batch->ops) {
    if (op.kind != Batch::OpKind::kSamples) continue;
    const std::span<Batch::Sample> samples(batch->samples.data() + op.first, op.count);
    if (samples.size() >= kCompanions &&
        std::any_of(samples.begin(), samples.end(), is_candidate)) {
      find_companions(samples);
    }
    if (batch->repeats) unite_repeats(samples);
    sort_rows(samples);
  }
}

void Head::find_companions(std::span<Batch::Sample> samples) {
  std::vector<Batch::Sample*> candidates;
  for (Batch::Sample& sample : samples) {
    if (is_candidate(sample)) candidates.push_back(&sample);
  }
  const auto rhythm = [](const Batch::Sample* sample) {
    return std::pair(sample->time_ms, sample->before_ms);
  };
  std::stable_sort(candidates.begin(), candidates.end(),
                   [&](const auto* a, const auto* b) { return rhythm(a) < rhythm(b); });
  std::vector<Batch::Sample*> together;
  for (std::size_t begin = 0, end = 0; begin < candidates.size(); begin = end) {
    while (end < candidates.size() && rhythm(candidates[end]) == rhythm(candidates[begin])) ++end;
    if (end - begin < kCompanions) continue;
    together.clear();
    for (std::size_t i = begin; i < end; ++i) {
      Batch::Sample* sample = candidates[i];
      if (sample->home == Batch::Home::kNone || has_streak(*sample)) together.push_back(sample);
    }
    for (std::size_t i = 0; together.size() - i >= kCompanions; i += kMaxShared) {
      share(std::span(together).subspan(i, std::min<std::size_t>(kMaxShared, together.size() - i)));
      if (together.size() - i <= kMaxShared) break;
    }
  }
}

// Counts a meeting of a series of a pool; true when there were enough.
bool Head::has_streak(const Batch::Sample& sample) {
  GroupStripe& s = stripe(sample.group);
  base::MutexLock lock(s.mutex);
  Group* pool = find_group(s, sample.group);
  if (pool == nullptr || sample.slot >= pool->slots() || pool->series(sample.slot) != sample.id) {
    return false;
  }
  pool->count_streak(sample.slot);
  return pool->streak(sample.slot) >= kStreak;
}

void Head::share(std::span<Batch::Sample*> together) {
  for (const Batch::Sample* sample : together) {
    const std::optional<Look> at = look(sample->id);
    if (at && at->home != Batch::Home::kShared && at->home != Batch::Home::kDefined)
      detach(sample->id);
  }
  const GroupId id = new_group_id();
  GroupStripe& s = stripe(id);
  base::MutexLock lock(s.mutex);
  Group* group = make_group(s, id, Group::Kind::kShared);
  group->reserve(static_cast<std::uint32_t>(together.size()));
  for (Batch::Sample* sample : together) {
    const std::uint32_t slot = group->slots();
    if (!attach(group, sample->id)) continue;
    sample->group = id;
    sample->slot = slot;
    sample->home = Batch::Home::kShared;
  }
  if (group->slots() != 0) return;
  s.groups.erase(id);
  group_count_.fetch_sub(1);
}

}  // namespace tocsin::tsdb
