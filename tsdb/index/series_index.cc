// SPDX-License-Identifier: Apache-2.0
#include "tsdb/index/series_index.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/hash.h"
#include "tsdb/index/index_impl.h"

namespace tocsin::tsdb {
namespace {

// Series of which remove() lists the pairs at a time: 16 bytes for each label.
constexpr std::size_t kRemovedAtOnce = 4096;
constexpr std::uint64_t kMaxId = 0xfffffffeU;  // Postings hold 32 bits; the last one is kNone

// 0 for an id that cannot be in the index.
std::uint32_t narrow(storage::SeriesId id) {
  return id.value() > kMaxId ? 0 : static_cast<std::uint32_t>(id.value());
}

void keep_largest(std::size_t limit, std::vector<storage::CardinalityEntry>* entries) {
  const auto larger = [](const storage::CardinalityEntry& a, const storage::CardinalityEntry& b) {
    return a.value != b.value ? a.value > b.value : a.name < b.name;
  };
  const std::size_t kept = std::min(limit, entries->size());
  std::partial_sort(entries->begin(), entries->begin() + static_cast<std::ptrdiff_t>(kept),
                    entries->end(), larger);
  entries->resize(kept);
}

}  // namespace

std::uint32_t series_tag(std::string_view encoded) {
  return IdTable::tag_of(base::xxhash64(encoded));
}

// A packed label says its own length, so a prefix that is equal is a label that is equal; and each
// label is in one of the two lists only.
bool SeriesIndex::Impl::equal(std::uint32_t id, std::string_view encoded) const {
  const SeriesTable::Row row = series_.find(id);
  const std::span<const PairId> target = sets_.pairs(row.target);
  const std::span<const PairId> metric = sets_.pairs(row.metric);
  std::size_t t = 0;
  std::size_t m = 0;
  while (t < target.size() || m < metric.size()) {
    std::string_view label;
    if (m < metric.size() && encoded.starts_with(pairs_.bytes(metric[m]))) {
      label = pairs_.bytes(metric[m++]);
    } else if (t < target.size() && encoded.starts_with(pairs_.bytes(target[t]))) {
      label = pairs_.bytes(target[t++]);
    } else {
      return false;
    }
    encoded.remove_prefix(label.size());
  }
  return encoded.empty();
}

// The analysis does not see that the lambda runs inside the call it is passed to, under its lock.
std::uint32_t SeriesIndex::Impl::find(std::string_view encoded, std::uint32_t tag) const {
  const IdTable& table = by_labels_[tag >> (32U - kTableBits)];
  const std::uint32_t id =
      table.find_tag(tag, [&](std::uint32_t candidate)
                              ABSL_NO_THREAD_SAFETY_ANALYSIS { return equal(candidate, encoded); });
  return id == kNone ? 0 : id;
}

std::string SeriesIndex::Impl::encoded_of(std::uint32_t id) const {
  const SeriesTable::Row row = series_.find(id);
  std::string out;
  if (row.target == kNone) return out;
  const std::span<const PairId> target = sets_.pairs(row.target);
  const std::span<const PairId> metric = sets_.pairs(row.metric);
  const auto name = [&](PairId pair) ABSL_NO_THREAD_SAFETY_ANALYSIS -> const std::string& {
    return pairs_.name(pairs_.name_of(pair)).text;
  };
  std::size_t bytes = 0;
  for (const PairId pair : target) bytes += pairs_.bytes(pair).size();
  for (const PairId pair : metric) bytes += pairs_.bytes(pair).size();
  out.reserve(bytes);
  std::size_t t = 0;
  std::size_t m = 0;
  while (t < target.size() || m < metric.size()) {
    const bool from_target =
        m == metric.size() || (t < target.size() && name(target[t]) < name(metric[m]));
    out.append(pairs_.bytes(from_target ? target[t++] : metric[m++]));
  }
  return out;
}

PairId SeriesIndex::Impl::value_of(std::uint32_t id, NameId name) const {
  const SeriesTable::Row row = series_.find(id);
  if (row.target == kNone) return kNone;
  for (const SetId set : {row.metric, row.target}) {
    for (const PairId pair : sets_.pairs(set)) {
      if (pairs_.name_of(pair) == name) return pair;
    }
  }
  return kNone;
}

const Postings* SeriesIndex::Impl::find_name(std::string_view name) const {
  const NameId id = pairs_.find_name(name);
  return id == kNone ? nullptr : &pairs_.name(id).series;
}

const Postings* SeriesIndex::Impl::find_pair(std::string_view name, std::string_view value) const {
  const PairId pair = pairs_.find(name, value);
  return pair == kNone ? nullptr : &pairs_.series(pair);
}

void SeriesIndex::Impl::note_size() {
  if (all_.count() < classify_at_) return;
  pairs_.classify_names(all_.count());
  classify_at_ = all_.count() + all_.count() / 4;
}

void SeriesIndex::Impl::insert(std::uint32_t id, std::uint32_t tag, std::string_view encoded) {
  std::vector<PackedLabel> labels;
  unpack(encoded, &labels);
  std::vector<PairId> target;
  std::vector<PairId> metric;
  for (const PackedLabel& label : labels) {
    const PairId pair = pairs_.intern(label);
    pairs_.add(pair, id);
    (pairs_.name(pairs_.name_of(pair)).target ? target : metric).push_back(pair);
  }
  series_.put(id, {sets_.acquire(target), sets_.acquire(metric)});
  table(tag).insert_tag(tag, id);
  all_.add(id);
  next_id_ = std::max<std::uint64_t>(next_id_, std::uint64_t{id} + 1);
  note_size();
}

namespace {

// Calls visit(key, ids) for each key, with its ids ascending. Sorts `of_keys`.
template <typename Visit>
void for_each_key(std::vector<std::pair<std::uint32_t, std::uint32_t>>* of_keys, Visit visit) {
  std::sort(of_keys->begin(), of_keys->end());
  std::vector<std::uint32_t> ids;
  for (auto at = of_keys->begin(); at != of_keys->end();) {
    const std::uint32_t key = at->first;
    ids.clear();
    for (; at != of_keys->end() && at->first == key; ++at) ids.push_back(at->second);
    visit(key, ids);
  }
}

}  // namespace

// Set by set, not series by series: to take one id out of a set of many ranges moves half of them.
void SeriesIndex::Impl::remove(std::span<const std::uint32_t> ids) {
  std::vector<std::pair<PairId, std::uint32_t>> of_pairs;
  std::vector<std::pair<NameId, std::uint32_t>> of_names;
  for (const std::uint32_t id : ids) {
    const std::uint32_t tag = series_tag(encoded_of(id));
    CHECK(table(tag).erase_tag(tag, [&](std::uint32_t other) { return other == id; }));
    const SeriesTable::Row row = series_.find(id);
    for (const SetId set : {row.target, row.metric}) {
      for (const PairId pair : sets_.pairs(set)) {
        of_pairs.emplace_back(pair, id);
        of_names.emplace_back(pairs_.name_of(pair), id);
      }
      sets_.release(set);
    }
    series_.erase(id);
  }
  all_.remove_many(ids);
  for_each_key(&of_pairs,
               [&](PairId pair, std::span<const std::uint32_t> series)
                   ABSL_NO_THREAD_SAFETY_ANALYSIS { pairs_.remove_from_pair(pair, series); });
  for_each_key(&of_names,
               [&](NameId name, std::span<const std::uint32_t> series)
                   ABSL_NO_THREAD_SAFETY_ANALYSIS { pairs_.remove_from_name(name, series); });
}

SeriesIndex::SeriesIndex(std::uint64_t max_series) : impl_(std::make_unique<Impl>(max_series)) {}
SeriesIndex::~SeriesIndex() = default;

void SeriesIndex::set_history(Lookup lookup) { impl_->history_ = std::move(lookup); }

StatusOr<SeriesIndex::Resolved> SeriesIndex::resolve(const model::Labels& labels) {
  const std::uint32_t tag = series_tag(labels.encoded());
  for (;;) {
    const std::uint64_t removals = impl_->removals_.load();
    {
      const StripedReaderLock lock(impl_->mutex_);
      const std::uint32_t id = impl_->find(labels.encoded(), tag);
      if (id != 0) return Resolved{storage::SeriesId(id), false};
    }
    std::uint32_t old = 0;
    if (impl_->history_) {
      ASSIGN_OR_RETURN(const storage::SeriesId id, impl_->history_(tag, labels));
      old = narrow(id);
    }
    const StripedWriterLock lock(impl_->mutex_);
    const std::uint32_t known = impl_->find(labels.encoded(), tag);
    if (known != 0) return Resolved{storage::SeriesId(known), false};
    // It may have been created and left while history was asked: then history knows now.
    if (impl_->history_ && removals != impl_->removals_.load()) continue;
    if (impl_->all_.count() >= impl_->max_series_) {
      impl_->refused_.fetch_add(1);
      return resource_exhausted("too many active series (limit {})", impl_->max_series_);
    }
    if (old == 0 && impl_->next_id_ > kMaxId) return resource_exhausted("series ids are used up");
    const auto id = old != 0 ? old : static_cast<std::uint32_t>(impl_->next_id_);
    impl_->insert(id, tag, labels.encoded());
    return Resolved{storage::SeriesId(id), true};
  }
}

storage::SeriesId SeriesIndex::find(const model::Labels& labels) const {
  const std::uint32_t tag = series_tag(labels.encoded());
  const StripedReaderLock lock(impl_->mutex_);
  return storage::SeriesId(impl_->find(labels.encoded(), tag));
}

void SeriesIndex::remove(std::span<const storage::SeriesId> ids) {
  remove_part(ids);
  sweep();
}

void SeriesIndex::remove_part(std::span<const storage::SeriesId> ids) {
  const StripedWriterLock lock(impl_->mutex_);
  std::vector<std::uint32_t> known;
  for (const storage::SeriesId id : ids) {
    if (const std::uint32_t id32 = narrow(id); impl_->series_.has(id32)) known.push_back(id32);
  }
  std::sort(known.begin(), known.end());
  known.erase(std::unique(known.begin(), known.end()), known.end());
  for (std::size_t begin = 0; begin < known.size(); begin += kRemovedAtOnce) {
    const std::size_t size = std::min(kRemovedAtOnce, known.size() - begin);
    impl_->remove(std::span(known).subspan(begin, size));
  }
  impl_->removals_.fetch_add(1);
}

void SeriesIndex::sweep() {
  const StripedWriterLock lock(impl_->mutex_);
  impl_->pairs_.sweep();
}

void SeriesIndex::reserve_ids(std::uint64_t next) {
  const StripedWriterLock lock(impl_->mutex_);
  impl_->next_id_ = std::max(impl_->next_id_, next);
}

model::Labels SeriesIndex::labels(storage::SeriesId id) const {
  std::string encoded;
  {
    const StripedReaderLock lock(impl_->mutex_);
    encoded = impl_->encoded_of(narrow(id));
  }
  return model::Labels::from_encoded(std::move(encoded));
}

bool SeriesIndex::has(storage::SeriesId id) const {
  const StripedReaderLock lock(impl_->mutex_);
  return impl_->series_.has(narrow(id));
}

std::string_view SeriesIndex::metric_name(storage::SeriesId id) const {
  return metric_names({&id, 1}).front();
}

std::vector<std::string_view> SeriesIndex::metric_names(
    std::span<const storage::SeriesId> ids) const {
  std::vector<std::string_view> names(ids.size());
  const StripedReaderLock lock(impl_->mutex_);
  const NameId metric = impl_->pairs_.find_name(model::kMetricName);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const PairId pair = impl_->value_of(narrow(ids[i]), metric);
    if (pair != kNone) names[i] = impl_->pairs_.value(pair);
  }
  return names;
}

std::shared_ptr<const void> SeriesIndex::pin() const { return impl_->pin(); }

std::uint64_t SeriesIndex::size() const {
  const StripedReaderLock lock(impl_->mutex_);
  return impl_->all_.count();
}

storage::SeriesId SeriesIndex::next_id() const {
  const StripedReaderLock lock(impl_->mutex_);
  return storage::SeriesId(impl_->next_id_);
}

std::uint64_t SeriesIndex::removals() const { return impl_->removals_.load(); }

SeriesIndex::Stats SeriesIndex::stats() const {
  Stats stats;
  const ValueCache::Stats cache = impl_->value_cache_.stats();
  stats.regex_hits = cache.hits;
  stats.regex_misses = cache.misses;
  stats.regex_bytes = cache.bytes;
  stats.refused = impl_->refused_.load();
  const StripedReaderLock lock(impl_->mutex_);
  stats.series = impl_->all_.count();
  stats.pairs = impl_->pairs_.count();
  stats.label_sets = impl_->sets_.count();
  stats.bytes = impl_->pairs_.memory_bytes() + impl_->sets_.memory_bytes() +
                impl_->series_.memory_bytes() + impl_->all_.memory_bytes();
  for (const IdTable& table : impl_->by_labels_) stats.bytes += table.memory_bytes();
  return stats;
}

Postings SeriesIndex::select_set(const model::Matchers& matchers) const {
  return impl_->select(matchers);
}

std::vector<storage::SeriesId> SeriesIndex::select(const model::Matchers& matchers,
                                                   std::size_t limit) const {
  const std::vector<std::uint32_t> ids = impl_->select(matchers).ids(limit);
  return {ids.begin(), ids.end()};
}

std::vector<std::string> SeriesIndex::label_names(const model::Matchers& matchers,
                                                  const Alive& alive) const {
  return impl_->names_of(matchers, alive);
}

std::vector<std::string> SeriesIndex::label_values(std::string_view name,
                                                   const model::Matchers& matchers,
                                                   const Alive& alive, std::size_t limit) const {
  return impl_->values_of(name, matchers, alive, limit);
}

std::vector<storage::CardinalityEntry> SeriesIndex::series_by_metric(std::size_t limit) const {
  const StripedReaderLock lock(impl_->mutex_);
  std::vector<storage::CardinalityEntry> entries;
  const NameId metric = impl_->pairs_.find_name(model::kMetricName);
  if (metric == kNone) return entries;
  for (const PairId pair : impl_->pairs_.name(metric).values) {
    entries.push_back({std::string(impl_->pairs_.value(pair)), impl_->pairs_.series(pair).count()});
  }
  keep_largest(limit, &entries);
  return entries;
}

std::vector<storage::CardinalityEntry> SeriesIndex::values_by_label(std::size_t limit) const {
  const StripedReaderLock lock(impl_->mutex_);
  std::vector<storage::CardinalityEntry> entries;
  for (const auto& name : impl_->pairs_.names()) {
    if (name != nullptr) entries.push_back({name->text, name->values.size()});
  }
  keep_largest(limit, &entries);
  return entries;
}

std::vector<storage::CardinalityEntry> SeriesIndex::series_by_pair(std::size_t limit) const {
  const StripedReaderLock lock(impl_->mutex_);
  // Texts only of those that are listed: (series, pair), the largest kept.
  std::vector<std::pair<std::uint64_t, PairId>> counts;
  for (const auto& name : impl_->pairs_.names()) {
    if (name == nullptr) continue;
    for (const PairId pair : name->values)
      counts.emplace_back(impl_->pairs_.series(pair).count(), pair);
  }
  const auto name = [&](PairId pair) ABSL_NO_THREAD_SAFETY_ANALYSIS -> const std::string& {
    return impl_->pairs_.name(impl_->pairs_.name_of(pair)).text;
  };
  const auto value = [&](PairId pair)
                         ABSL_NO_THREAD_SAFETY_ANALYSIS { return impl_->pairs_.value(pair); };
  const auto larger = [&](const auto& a, const auto& b) {
    if (a.first != b.first) return a.first > b.first;
    if (const int order = name(a.second).compare(name(b.second)); order != 0) return order < 0;
    return value(a.second) < value(b.second);
  };
  const std::size_t kept = std::min(limit, counts.size());
  std::partial_sort(counts.begin(), counts.begin() + static_cast<std::ptrdiff_t>(kept),
                    counts.end(), larger);
  std::vector<storage::CardinalityEntry> entries;
  for (std::size_t i = 0; i < kept; ++i) {
    const auto [series, pair] = counts[i];
    entries.push_back({fmt::format("{}={}", name(pair), value(pair)), series});
  }
  return entries;
}

std::vector<storage::CardinalityEntry> SeriesIndex::bytes_by_label(std::size_t limit) const {
  const StripedReaderLock lock(impl_->mutex_);
  std::vector<storage::CardinalityEntry> entries;
  for (const auto& name : impl_->pairs_.names()) {
    if (name == nullptr) continue;
    std::uint64_t bytes = 0;
    for (const PairId pair : name->values)
      bytes += impl_->pairs_.series(pair).count() * impl_->pairs_.value(pair).size();
    entries.push_back({name->text, bytes});
  }
  keep_largest(limit, &entries);
  return entries;
}

std::uint64_t SeriesIndex::label_pairs() const {
  const StripedReaderLock lock(impl_->mutex_);
  return impl_->pairs_.count();
}

}  // namespace tocsin::tsdb
