// SPDX-License-Identifier: Apache-2.0
//
// Series of the journal put back into the index, many at a time.
//
// What a series has in common with the one before it (the labels of its target, as a rule) is not
// looked up again, and postings get the series of a whole part at once: those of one list of pairs
// are one range or one sorted list. A part ends where single inserts would have classified names
// anew, so the tables become the same.
#include <algorithm>
#include <unordered_map>
#include <utility>

#include "base/check.h"
#include "tsdb/index/index_impl.h"

namespace tocsin::tsdb {
namespace {

constexpr std::uint64_t kMaxId = 0xfffffffeU;
constexpr std::size_t kAhead = 8;  // series whose place in the table is asked for early

}  // namespace

struct SeriesIndex::Impl::Restorer {
  struct Added {
    std::uint32_t id;
    std::uint32_t target;  // numbers in `sets`
    std::uint32_t metric;
  };
  struct Set {
    SetId id = kNone;
    std::uint32_t uses = 0;
  };
  // A list of pairs that was acquired last.
  struct Latest {
    std::vector<PairId> pairs;
    std::uint32_t number = kNone;
  };

  explicit Restorer(Impl& in_index) : index(in_index) {}
  // Tells the analysis that index.mutex_ is the mutex that the caller holds.
  void held() const ABSL_ASSERT_EXCLUSIVE_LOCK(index.mutex_) {}

  // False when it is there already.
  StatusOr<bool> check(const NamedSeries& series, std::uint32_t tag) const
      ABSL_SHARED_LOCKS_REQUIRED(index.mutex_);
  void add(const NamedSeries& series, std::uint32_t tag)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(index.mutex_);
  // Puts pairs_ of the labels into target and metric.
  void intern(std::string_view encoded) ABSL_EXCLUSIVE_LOCKS_REQUIRED(index.mutex_);
  std::uint32_t use(const std::vector<PairId>& pairs, Latest* latest)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(index.mutex_);
  // Gives the pairs and names the series that were added.
  void finish_part() ABSL_EXCLUSIVE_LOCKS_REQUIRED(index.mutex_);
  Status run(std::span<const NamedSeries> series) ABSL_EXCLUSIVE_LOCKS_REQUIRED(index.mutex_);

  Impl& index;
  std::vector<Added> added;  // in this part, as all below
  std::vector<Set> sets;
  std::unordered_map<SetId, std::uint32_t> numbers;     // in `sets`
  std::vector<std::vector<std::uint32_t>> ids_by_name;  // by NameId
  Latest latest_target;
  Latest latest_metric;
  // Of the series before this one; views into its labels.
  std::vector<PackedLabel> labels_before;
  std::vector<PairId> pairs_before;
  std::vector<PackedLabel> labels;  // scratch, as all below
  std::vector<PairId> pairs;
  std::vector<PairId> target;
  std::vector<PairId> metric;
};

StatusOr<bool> SeriesIndex::Impl::Restorer::check(const NamedSeries& series,
                                                  std::uint32_t tag) const {
  const std::uint64_t id = series.id.value();
  if (id == 0 || id > kMaxId) return data_loss("series id {} is out of range", id);
  const std::uint32_t known = index.find(series.labels.encoded(), tag);
  if (known == id) return false;
  if (known != 0) {
    return data_loss("series {} has two ids: {} and {}", series.labels.to_string(), known, id);
  }
  const auto id32 = static_cast<std::uint32_t>(id);
  if (index.series_.has(id32)) {
    return data_loss("series id {} stands for {} and {}", id32,
                     model::Labels::from_encoded(index.encoded_of(id32)).to_string(),
                     series.labels.to_string());
  }
  return true;
}

void SeriesIndex::Impl::Restorer::intern(std::string_view encoded) {
  unpack(encoded, &labels);
  pairs.clear();
  target.clear();
  metric.clear();
  std::size_t before = 0;
  for (const PackedLabel& label : labels) {
    while (before < labels_before.size() && labels_before[before].name < label.name) ++before;
    const bool same = before < labels_before.size() && labels_before[before].bytes == label.bytes;
    const PairId pair = same ? pairs_before[before] : index.pairs_.intern(label);
    pairs.push_back(pair);
    (index.pairs_.name(index.pairs_.name_of(pair)).target ? target : metric).push_back(pair);
  }
}

std::uint32_t SeriesIndex::Impl::Restorer::use(const std::vector<PairId>& list, Latest* latest) {
  if (latest->number != kNone && latest->pairs == list) {
    index.sets_.acquire(sets[latest->number].id, 1);
  } else {
    const SetId id = index.sets_.acquire(list);
    const auto [at, is_new] = numbers.try_emplace(id, static_cast<std::uint32_t>(sets.size()));
    if (is_new) sets.push_back({id, 0});
    latest->pairs = list;
    latest->number = at->second;
  }
  ++sets[latest->number].uses;
  return latest->number;
}

void SeriesIndex::Impl::Restorer::add(const NamedSeries& series, std::uint32_t tag) {
  const auto id = static_cast<std::uint32_t>(series.id.value());
  intern(series.labels.encoded());
  for (const PairId pair : pairs) {
    const NameId name = index.pairs_.name_of(pair);
    if (name >= ids_by_name.size()) ids_by_name.resize(name + 1);
    ids_by_name[name].push_back(id);
  }
  const Added entry{id, use(target, &latest_target), use(metric, &latest_metric)};
  index.series_.put(id, {sets[entry.target].id, sets[entry.metric].id});
  index.table(tag).insert_tag(tag, id);
  added.push_back(entry);
  labels.swap(labels_before);
  pairs.swap(pairs_before);
}

void SeriesIndex::Impl::Restorer::finish_part() {
  if (added.empty()) return;
  const auto by_id = [](const Added& a, const Added& b) { return a.id < b.id; };
  if (!std::is_sorted(added.begin(), added.end(), by_id)) {
    std::sort(added.begin(), added.end(), by_id);
    for (std::vector<std::uint32_t>& ids : ids_by_name) std::sort(ids.begin(), ids.end());
  }
  for (NameId name = 0; name < ids_by_name.size(); ++name) {
    if (!ids_by_name[name].empty()) index.pairs_.add_to_name(name, ids_by_name[name]);
    ids_by_name[name].clear();
  }
  // Ids sorted by list: where those of each list end, then the ids.
  std::vector<std::uint32_t> ends(sets.size());
  for (std::size_t i = 1; i < sets.size(); ++i) ends[i] = ends[i - 1] + sets[i - 1].uses;
  std::vector<std::uint32_t> ids(2 * added.size());
  for (const Added& series : added) {
    ids[ends[series.target]++] = series.id;
    ids[ends[series.metric]++] = series.id;
  }
  std::uint32_t begin = 0;
  for (std::size_t i = 0; i < sets.size(); begin = ends[i++]) {
    const std::span<const std::uint32_t> of_set(ids.data() + begin, ends[i] - begin);
    for (const PairId pair : index.sets_.pairs(sets[i].id)) {
      index.pairs_.add_to_pair(pair, of_set);
    }
  }
  ids.clear();
  for (const Added& series : added) ids.push_back(series.id);
  const bool contiguous = ids.back() - ids.front() == ids.size() - 1;
  contiguous ? index.all_.add_range(ids.front(), ids.back()) : index.all_.add_many(ids);
  index.next_id_ = std::max<std::uint64_t>(index.next_id_, std::uint64_t{ids.back()} + 1);
  index.note_size();
  added.clear();
  sets.clear();
  numbers.clear();
  latest_target = {};
  latest_metric = {};
}

Status SeriesIndex::Impl::Restorer::run(std::span<const NamedSeries> series) {
  std::vector<std::uint32_t> tags;
  tags.reserve(series.size());
  for (const NamedSeries& one : series) tags.push_back(series_tag(one.labels.encoded()));
  for (std::size_t i = 0; i < series.size(); ++i) {
    if (i + kAhead < series.size()) index.table(tags[i + kAhead]).prefetch(tags[i + kAhead]);
    ASSIGN_OR_RETURN(const bool is_new, check(series[i], tags[i]));
    if (!is_new) continue;
    add(series[i], tags[i]);
    if (index.all_.count() + added.size() >= index.classify_at_) finish_part();
  }
  return ok();
}

Status SeriesIndex::restore(std::span<const NamedSeries> series) {
  const StripedWriterLock lock(impl_->mutex_);
  Impl::Restorer restorer(*impl_);
  restorer.held();
  const Status status = restorer.run(series);
  restorer.finish_part();
  return status;
}

Status SeriesIndex::restore(storage::SeriesId id, const model::Labels& labels) {
  const NamedSeries series{id, labels};
  return restore({&series, 1});
}

}  // namespace tocsin::tsdb
