// SPDX-License-Identifier: Apache-2.0
#include "tsdb/index/series_index.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "tsdb/index/index_impl.h"

namespace tocsin::tsdb {
namespace {

constexpr std::uint64_t kMaxId =
    0xfffffffeU;  // Postings hold 32 bits; the last one is IdTable::kNone

std::uint64_t hash_of(SymbolPair pair) {
  const std::uint64_t key = (static_cast<std::uint64_t>(pair.name) << 32U) | pair.value;
  return (key ^ (key >> 29U)) * 0xbf58476d1ce4e5b9ULL;
}

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

// The analysis does not see that lambdas below run inside the call they are passed to, under its
// lock.
bool SeriesIndex::Impl::equal(std::uint32_t id, const model::Labels& labels) const {
  const std::vector<SymbolPair> stored = labels_.get(id);
  auto it = labels.begin();
  const auto end = labels.end();
  for (const SymbolPair& pair : stored) {
    if (it == end || it->name != symbols_.text(pair.name) ||
        it->value != symbols_.text(pair.value)) {
      return false;
    }
    ++it;
  }
  return it == end;
}

std::uint32_t SeriesIndex::Impl::find(const model::Labels& labels, std::uint64_t hash) const {
  const std::uint32_t id =
      by_labels_.find(hash, [&](std::uint32_t candidate) ABSL_NO_THREAD_SAFETY_ANALYSIS {
        return equal(candidate, labels);
      });
  return id == IdTable::kNone ? 0 : id;
}

model::Labels SeriesIndex::Impl::labels_of(std::uint32_t id) const {
  std::vector<std::pair<std::string, std::string>> result;
  for (const SymbolPair& pair : labels_.get(id)) {
    result.emplace_back(symbols_.text(pair.name), symbols_.text(pair.value));
  }
  return model::Labels::from(std::move(result));
}

const Postings* SeriesIndex::Impl::find_name(std::string_view name) const {
  const auto it = names_.find(symbols_.find(name));
  return it == names_.end() ? nullptr : &it->second.series;
}

std::uint32_t SeriesIndex::Impl::pair_position(SymbolPair pair) const {
  return pair_table_.find(hash_of(pair),
                          [&](std::uint32_t position) ABSL_NO_THREAD_SAFETY_ANALYSIS {
                            const SymbolPair& other = pairs_[position].labels;
                            return other.name == pair.name && other.value == pair.value;
                          });
}

const Postings* SeriesIndex::Impl::find_pair(SymbolPair pair) const {
  const std::uint32_t position = pair_position(pair);
  return position == IdTable::kNone ? nullptr : &pairs_[position].series;
}

const Postings* SeriesIndex::Impl::find_pair(std::string_view name, std::string_view value) const {
  const SymbolPair pair{symbols_.find(name), symbols_.find(value)};
  if (pair.name == kNoSymbol || pair.value == kNoSymbol) return nullptr;
  return find_pair(pair);
}

void SeriesIndex::Impl::add_to_pair(SymbolPair pair, std::uint32_t id) {
  std::uint32_t position = pair_position(pair);
  if (position == IdTable::kNone) {
    if (free_pairs_.empty()) {
      position = static_cast<std::uint32_t>(pairs_.size());
      CHECK(position != IdTable::kNone);
      pairs_.emplace_back();
    } else {
      position = free_pairs_.back();
      free_pairs_.pop_back();
    }
    pairs_[position].labels = pair;
    pair_table_.insert(hash_of(pair), position);
    Name& name = names_[pair.name];
    if (name.values.empty()) name.epoch = ++epoch_;
    name.values.push_back(pair.value);
  }
  pairs_[position].series.add(id);
}

void SeriesIndex::Impl::remove_from_pair(SymbolPair pair, std::uint32_t id) {
  const std::uint32_t position = pair_position(pair);
  CHECK(position != IdTable::kNone);
  Postings& series = pairs_[position].series;
  CHECK(series.remove(id));
  if (!series.empty()) return;
  pair_table_.erase(hash_of(pair), [&](std::uint32_t other) { return other == position; });
  pairs_[position] = Pair();
  free_pairs_.push_back(position);
  ++names_[pair.name].removed;
}

void SeriesIndex::Impl::insert(std::uint32_t id, const model::Labels& labels) {
  std::vector<SymbolPair> pairs;
  for (const model::LabelView& label : labels) {
    pairs.push_back({symbols_.intern(label.name), symbols_.intern(label.value)});
  }
  labels_.put(id, pairs);
  by_labels_.insert(labels.hash(), id);
  all_.add(id);
  for (const SymbolPair& pair : pairs) {
    add_to_pair(pair, id);
    names_[pair.name].series.add(id);
  }
  next_id_ = std::max<std::uint64_t>(next_id_, std::uint64_t{id} + 1);
}

void SeriesIndex::Impl::remove(std::uint32_t id) {
  const std::uint64_t hash = labels_of(id).hash();
  CHECK(by_labels_.erase(hash, [&](std::uint32_t other) { return other == id; }));
  all_.remove(id);
  for (const SymbolPair& pair : labels_.get(id)) {
    remove_from_pair(pair, id);
    names_[pair.name].series.remove(id);
  }
  labels_.erase(id);
}

void SeriesIndex::Impl::drop_empty() {
  for (auto it = names_.begin(); it != names_.end();) {
    Name& name = it->second;
    if (name.removed != 0) {
      std::vector<Symbol> left;
      for (const Symbol value : name.values) {
        if (find_pair(SymbolPair{it->first, value}) != nullptr) left.push_back(value);
      }
      name.values = std::move(left);
      name.removed = 0;
      name.epoch = ++epoch_;
    }
    if (!name.series.empty()) {
      ++it;
      continue;
    }
    base::MutexLock lock(sorted_mutex_);
    sorted_.erase(it->first);
    it = names_.erase(it);
  }
}

SeriesIndex::SeriesIndex(std::uint64_t max_series) : impl_(std::make_unique<Impl>(max_series)) {}
SeriesIndex::~SeriesIndex() = default;

StatusOr<SeriesIndex::Resolved> SeriesIndex::resolve(const model::Labels& labels) {
  const std::uint64_t hash = labels.hash();
  {
    base::ReaderLock lock(impl_->mutex_);
    const std::uint32_t id = impl_->find(labels, hash);
    if (id != 0) return Resolved{storage::SeriesId(id), false};
  }
  base::WriterLock lock(impl_->mutex_);
  const std::uint32_t known = impl_->find(labels, hash);
  if (known != 0) return Resolved{storage::SeriesId(known), false};
  if (impl_->all_.count() >= impl_->max_series_) {
    return resource_exhausted("too many active series (limit {})", impl_->max_series_);
  }
  if (impl_->next_id_ > kMaxId) return resource_exhausted("series ids are used up");
  const std::uint64_t id = impl_->next_id_;
  impl_->insert(static_cast<std::uint32_t>(id), labels);
  return Resolved{storage::SeriesId(id), true};
}

storage::SeriesId SeriesIndex::find(const model::Labels& labels) const {
  base::ReaderLock lock(impl_->mutex_);
  return storage::SeriesId(impl_->find(labels, labels.hash()));
}

Status SeriesIndex::restore(storage::SeriesId id, const model::Labels& labels) {
  const std::uint32_t id32 = narrow(id);
  if (id32 == 0) return data_loss("series id {} is out of range", id.value());
  base::WriterLock lock(impl_->mutex_);
  const std::uint32_t known = impl_->find(labels, labels.hash());
  if (known == id32) return ok();
  if (known != 0) {
    return data_loss("series {} has two ids: {} and {}", labels.to_string(), known, id32);
  }
  if (impl_->labels_.has(id32)) {
    return data_loss("series id {} stands for {} and {}", id32, impl_->labels_of(id32).to_string(),
                     labels.to_string());
  }
  impl_->insert(id32, labels);
  return ok();
}

void SeriesIndex::remove(std::span<const storage::SeriesId> ids) {
  base::WriterLock lock(impl_->mutex_);
  for (const storage::SeriesId id : ids) {
    if (const std::uint32_t id32 = narrow(id); impl_->labels_.has(id32)) impl_->remove(id32);
  }
  impl_->drop_empty();
}

model::Labels SeriesIndex::labels(storage::SeriesId id) const {
  base::ReaderLock lock(impl_->mutex_);
  return impl_->labels_of(narrow(id));
}

std::string_view SeriesIndex::metric_name(storage::SeriesId id) const {
  return metric_names({&id, 1}).front();
}

std::vector<std::string_view> SeriesIndex::metric_names(
    std::span<const storage::SeriesId> ids) const {
  std::vector<std::string_view> names(ids.size());
  base::ReaderLock lock(impl_->mutex_);
  const Symbol metric = impl_->symbols_.find(model::kMetricName);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const Symbol name = impl_->labels_.value(narrow(ids[i]), metric);
    if (name != kNoSymbol) names[i] = impl_->symbols_.text(name);
  }
  return names;
}

// Symbols live as long as the index, so there is nothing to hold yet.
std::shared_ptr<const void> SeriesIndex::pin() const { return nullptr; }

std::uint64_t SeriesIndex::size() const {
  base::ReaderLock lock(impl_->mutex_);
  return impl_->all_.count();
}

storage::SeriesId SeriesIndex::next_id() const {
  base::ReaderLock lock(impl_->mutex_);
  return storage::SeriesId(impl_->next_id_);
}

std::uint64_t SeriesIndex::memory_bytes() const {
  base::ReaderLock lock(impl_->mutex_);
  std::uint64_t total = impl_->symbols_.memory_bytes() + impl_->labels_.memory_bytes() +
                        impl_->by_labels_.memory_bytes() + impl_->pair_table_.memory_bytes() +
                        impl_->all_.memory_bytes() + impl_->pairs_.capacity() * sizeof(Impl::Pair);
  for (const Impl::Pair& pair : impl_->pairs_) total += pair.series.memory_bytes();
  for (const auto& [symbol, name] : impl_->names_) {
    total += sizeof(name) + name.series.memory_bytes() + name.values.capacity() * sizeof(Symbol);
  }
  return total;
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
                                                   const Alive& alive) const {
  return impl_->values_of(name, matchers, alive);
}

std::vector<storage::CardinalityEntry> SeriesIndex::series_by_metric(std::size_t limit) const {
  base::ReaderLock lock(impl_->mutex_);
  std::vector<storage::CardinalityEntry> entries;
  const Symbol metric = impl_->symbols_.find(model::kMetricName);
  for (const Impl::Pair& pair : impl_->pairs_) {
    if (pair.labels.name != metric || pair.series.empty()) continue;
    entries.push_back({std::string(impl_->symbols_.text(pair.labels.value)), pair.series.count()});
  }
  keep_largest(limit, &entries);
  return entries;
}

std::vector<storage::CardinalityEntry> SeriesIndex::values_by_label(std::size_t limit) const {
  base::ReaderLock lock(impl_->mutex_);
  std::vector<storage::CardinalityEntry> entries;
  for (const auto& [symbol, name] : impl_->names_) {
    entries.push_back({std::string(impl_->symbols_.text(symbol)), name.values.size()});
  }
  keep_largest(limit, &entries);
  return entries;
}

std::vector<storage::CardinalityEntry> SeriesIndex::series_by_pair(std::size_t limit) const {
  base::ReaderLock lock(impl_->mutex_);
  std::vector<storage::CardinalityEntry> entries;
  for (const Impl::Pair& pair : impl_->pairs_) {
    if (pair.series.empty()) continue;
    std::string text(impl_->symbols_.text(pair.labels.name));
    text.append("=").append(impl_->symbols_.text(pair.labels.value));
    entries.push_back({std::move(text), pair.series.count()});
  }
  keep_largest(limit, &entries);
  return entries;
}

std::uint64_t SeriesIndex::label_pairs() const {
  base::ReaderLock lock(impl_->mutex_);
  return impl_->pair_table_.size();
}

}  // namespace tocsin::tsdb
