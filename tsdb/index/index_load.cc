// SPDX-License-Identifier: Apache-2.0
//
// Rows out of the index and back into it, many at a time.
//
// Texts and lists of a SeriesRows are looked up once for all its rows, and a pair takes its new
// series at once, so that a series costs two list numbers, a slot of the table and a share of some
// bitmaps.
#include <algorithm>
#include <unordered_map>
#include <utility>

#include "base/check.h"
#include "tsdb/index/index_impl.h"

namespace tocsin::tsdb {

struct SeriesIndex::Impl::Loader {
  struct Set {
    SetId id = kNone;  // kNone: no row needed it yet; else the loader holds one use
    std::uint32_t uses = 0;
    std::uint32_t first = 0;  // ids of its rows
    std::uint32_t last = 0;
    bool contiguous() const { return uses >= 64 && last - first == uses - 1; }
  };

  // Tells the analysis that index.mutex_ is the mutex that the caller holds.
  void held() const ABSL_ASSERT_EXCLUSIVE_LOCK(index.mutex_) {}

  Loader(Impl& in_index, const SeriesRows& rows)
      : index(in_index),
        from(rows),
        pairs(rows.pair_ends.size(), kNone),
        sets(rows.set_ends.size()) {}

  void use_set(std::uint32_t number, std::uint32_t id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(index.mutex_);
  Status add(const SeriesRows::Row& row) ABSL_EXCLUSIVE_LOCKS_REQUIRED(index.mutex_);
  // Gives the pairs their series and the lists their uses.
  void finish() ABSL_EXCLUSIVE_LOCKS_REQUIRED(index.mutex_);
  template <typename Visit>
  void each_single_pair(const SeriesRows::Row& row, Visit visit) const;

  Impl& index;
  const SeriesRows& from;
  std::vector<PairId> pairs;  // by number in `from`
  std::vector<Set> sets;      // by number in `from`
  std::vector<SeriesRows::Row> added;
  std::vector<PairId> members;     // scratch
  std::vector<PackedLabel> label;  // scratch
};

void SeriesIndex::Impl::Loader::use_set(std::uint32_t number, std::uint32_t id) {
  Set& set = sets[number];
  if (set.id == kNone) {
    members.clear();
    for (const std::uint32_t pair : from.set(number)) {
      if (pairs[pair] == kNone) {
        unpack(from.pair(pair), &label);
        pairs[pair] = index.pairs_.intern(label.front());
      }
      members.push_back(pairs[pair]);
    }
    set.id = index.sets_.acquire(members);
    set.first = id;
  }
  ++set.uses;
  set.last = id;
}

Status SeriesIndex::Impl::Loader::add(const SeriesRows::Row& row) {
  if (index.series_.has(row.id)) return data_loss("series id {} is stored twice", row.id);
  use_set(row.target, row.id);
  use_set(row.metric, row.id);
  index.series_.put(row.id, {sets[row.target].id, sets[row.metric].id});
  index.table(row.tag).insert_tag(row.tag, row.id);
  added.push_back(row);
  return ok();
}

template <typename Visit>
void SeriesIndex::Impl::Loader::each_single_pair(const SeriesRows::Row& row, Visit visit) const {
  for (const std::uint32_t number : {row.target, row.metric}) {
    if (sets[number].contiguous()) continue;
    for (const std::uint32_t pair : from.set(number)) visit(pair);
  }
}

void SeriesIndex::Impl::Loader::finish() {
  for (std::uint32_t number = 0; number < sets.size(); ++number) {
    const Set& set = sets[number];
    if (set.id == kNone) continue;
    index.sets_.acquire(set.id, set.uses);
    index.sets_.release(set.id);  // the loader's own use
    if (!set.contiguous()) continue;
    for (const std::uint32_t pair : from.set(number)) {
      index.pairs_.add_range(pairs[pair], set.first, set.last);
    }
  }
  // The other ids sorted by pair: where those of each pair end, then the ids.
  std::vector<std::uint32_t> ends(pairs.size() + 1);
  for (const SeriesRows::Row& row : added) {
    each_single_pair(row, [&](std::uint32_t pair) { ++ends[pair + 1]; });
  }
  for (std::size_t i = 1; i < ends.size(); ++i) ends[i] += ends[i - 1];
  std::vector<std::uint32_t> ids(ends.back());
  for (const SeriesRows::Row& row : added) {
    each_single_pair(row, [&](std::uint32_t pair) { ids[ends[pair]++] = row.id; });
  }
  for (std::size_t pair = 0, begin = 0; pair < pairs.size(); begin = ends[pair++]) {
    const auto series = std::span(ids).subspan(begin, ends[pair] - begin);
    if (!series.empty()) index.pairs_.add_many(pairs[pair], series);
  }
  if (added.empty()) return;
  ids.clear();
  for (const SeriesRows::Row& row : added) ids.push_back(row.id);
  index.all_.add_many(ids);
  index.next_id_ = std::max<std::uint64_t>(index.next_id_, std::uint64_t{ids.back()} + 1);
  index.note_size();
}

Status SeriesIndex::load(const SeriesRows& rows, const Postings* wanted) {
  const StripedWriterLock lock(impl_->mutex_);
  Impl::Loader loader(*impl_, rows);
  loader.held();
  Status status;
  for (const SeriesRows::Row& row : rows.rows) {
    if (wanted != nullptr && !wanted->contains(row.id)) continue;
    status = loader.add(row);
    if (!status.ok()) break;
  }
  loader.finish();
  return status;
}

SeriesRows SeriesIndex::rows(std::span<const storage::SeriesId> ids) const {
  return make_rows(ids, true);
}
SeriesRows SeriesIndex::rows_without_tags(std::span<const storage::SeriesId> ids) const {
  return make_rows(ids, false);
}

SeriesRows SeriesIndex::make_rows(std::span<const storage::SeriesId> ids, bool with_tags) const {
  SeriesRows out;
  std::unordered_map<PairId, std::uint32_t> pairs;
  std::unordered_map<SetId, std::uint32_t> sets;
  const StripedReaderLock lock(impl_->mutex_);
  const auto pair_number = [&](PairId pair) ABSL_NO_THREAD_SAFETY_ANALYSIS {
    const auto [it, added] = pairs.try_emplace(pair, static_cast<std::uint32_t>(pairs.size()));
    if (added) {
      out.text.append(impl_->pairs_.bytes(pair));
      out.pair_ends.push_back(static_cast<std::uint32_t>(out.text.size()));
    }
    return it->second;
  };
  const auto set_number = [&](SetId set) ABSL_NO_THREAD_SAFETY_ANALYSIS {
    const auto [it, added] = sets.try_emplace(set, static_cast<std::uint32_t>(sets.size()));
    if (added) {
      for (const PairId pair : impl_->sets_.pairs(set)) out.members.push_back(pair_number(pair));
      out.set_ends.push_back(static_cast<std::uint32_t>(out.members.size()));
    }
    return it->second;
  };
  for (const storage::SeriesId id : ids) {
    const auto id32 = static_cast<std::uint32_t>(id.value());
    const SeriesTable::Row row = impl_->series_.find(id32);
    if (row.target == kNone) continue;
    const std::uint32_t tag = with_tags ? series_tag(impl_->encoded_of(id32)) : 0;
    out.rows.push_back({id32, tag, set_number(row.target), set_number(row.metric)});
  }
  return out;
}

void merge_labels(const SeriesRows& rows, const SeriesRows::Row& row, std::string* out) {
  const std::span<const std::uint32_t> target = rows.set(row.target);
  const std::span<const std::uint32_t> metric = rows.set(row.metric);
  const auto name = [&](std::uint32_t pair) {
    std::vector<PackedLabel> label;
    unpack(rows.pair(pair), &label);
    return label.front().name;
  };
  std::size_t t = 0;
  std::size_t m = 0;
  while (t < target.size() || m < metric.size()) {
    const bool from_target =
        m == metric.size() || (t < target.size() && name(target[t]) < name(metric[m]));
    out->append(rows.pair(from_target ? target[t++] : metric[m++]));
  }
}

}  // namespace tocsin::tsdb
