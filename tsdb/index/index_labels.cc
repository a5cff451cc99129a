// SPDX-License-Identifier: Apache-2.0
//
// Names and values of labels among the series that match.
#include <algorithm>
#include <iterator>
#include <unordered_set>
#include <utility>

#include "tsdb/index/index_impl.h"

namespace tocsin::tsdb {
namespace {

// Ids handled per hold of the mutex.
constexpr std::size_t kChunk = 4096;

bool by_text(const LabelValue& a, const LabelValue& b) { return a.text < b.text; }

bool any_alive(const std::vector<std::uint32_t>& ids, const SeriesIndex::Alive& alive) {
  return std::any_of(ids.begin(), ids.end(),
                     [&](std::uint32_t id) { return alive(storage::SeriesId(id)); });
}

}  // namespace

std::shared_ptr<const LabelValues> SeriesIndex::Impl::sorted_values(std::string_view name) const {
  NameId id = kNone;
  Sorted known;
  LabelValues tail;
  std::size_t covered = 0;
  std::uint64_t epoch = 0;
  {
    const StripedReaderLock lock(mutex_);
    id = pairs_.find_name(name);
    if (id == kNone) return nullptr;
    {
      const auto sorted = sorted_.lock();
      if (const auto it = sorted->by_name.find(id); it != sorted->by_name.end()) {
        it->second.last_use = ++sorted->uses;
        known = it->second;
      }
    }
    epoch = pairs_.name(id).epoch;
    covered = pairs_.name(id).values.size();
    if (known.epoch != epoch) known = Sorted();
    for (std::size_t i = known.covered; i < covered; ++i) {
      const PairId pair = pairs_.name(id).values[i];
      tail.push_back({pairs_.value(pair), pair});
    }
  }
  if (known.values != nullptr && tail.empty()) return known.values;
  std::sort(tail.begin(), tail.end(), by_text);
  auto merged = std::make_shared<LabelValues>();
  if (known.values == nullptr) {
    *merged = std::move(tail);
  } else {
    merged->reserve(known.values->size() + tail.size());
    std::merge(known.values->begin(), known.values->end(), tail.begin(), tail.end(),
               std::back_inserter(*merged), by_text);
  }
  const auto sorted = sorted_.lock();
  Sorted& entry = sorted->by_name[id];
  if (entry.epoch <= epoch && (entry.epoch != epoch || entry.covered < covered)) {
    entry = {merged, covered, epoch, ++sorted->uses};
  }
  if (sorted->by_name.size() > kMaxSorted) {
    sorted->by_name.erase(std::min_element(
        sorted->by_name.begin(), sorted->by_name.end(),
        [](const auto& a, const auto& b) { return a.second.last_use < b.second.last_use; }));
  }
  return merged;
}

std::vector<std::string> SeriesIndex::Impl::names_of(const model::Matchers& matchers,
                                                     const Alive& alive) const {
  const bool all = matchers.empty() && !alive;
  const Postings set = all ? Postings() : select(matchers);
  NameId count = 0;
  {
    const StripedReaderLock lock(mutex_);
    count = static_cast<NameId>(pairs_.names().size());
  }
  std::vector<std::string> result;
  for (NameId name = 0; name < count; ++name) {
    std::string text;
    std::vector<std::uint32_t> ids;
    bool found = false;
    {
      const StripedReaderLock lock(mutex_);
      if (pairs_.names()[name] == nullptr) continue;
      const Postings& series = pairs_.name(name).series;
      text = pairs_.name(name).text;
      found = all || (!alive && series.intersects(set));
      if (alive) ids = Postings::intersection_of(series, set).ids();
    }
    if (found || any_alive(ids, alive)) result.push_back(std::move(text));
  }
  std::sort(result.begin(), result.end());
  // A name may have left and come back under another number meanwhile.
  result.erase(std::unique(result.begin(), result.end()), result.end());
  return result;
}

// The values of `name` in a small set, found through the labels of its members; in order.
std::vector<std::string> SeriesIndex::Impl::values_in(std::string_view name, const Postings& set,
                                                      const Alive& alive) const {
  const std::vector<std::uint32_t> ids = set.ids();
  std::unordered_set<std::string_view> found;
  std::vector<std::string_view> chunk;
  for (std::size_t begin = 0; begin < ids.size(); begin += kChunk) {
    const std::size_t end = std::min(ids.size(), begin + kChunk);
    chunk.clear();
    {
      const StripedReaderLock lock(mutex_);
      const NameId id = pairs_.find_name(name);
      for (std::size_t i = begin; i < end; ++i) {
        const PairId pair = value_of(ids[i], id);
        chunk.push_back(pair == kNone ? std::string_view() : pairs_.value(pair));
      }
    }
    for (std::size_t i = begin; i < end; ++i) {
      const std::string_view value = chunk[i - begin];
      if (value.empty() || found.contains(value)) continue;
      if (!alive || alive(storage::SeriesId(ids[i]))) found.insert(value);
    }
  }
  std::vector<std::string> result(found.begin(), found.end());
  std::sort(result.begin(), result.end());
  return result;
}

std::vector<std::string> SeriesIndex::Impl::values_of(std::string_view name,
                                                      const model::Matchers& matchers,
                                                      const Alive& alive, std::size_t limit) const {
  const std::shared_ptr<const void> texts = pin();
  const bool all = matchers.empty() && !alive;
  const Postings set = all ? Postings() : select(matchers);
  const std::shared_ptr<const LabelValues> values = sorted_values(name);
  std::vector<std::string> result;
  if (values == nullptr) return result;
  if (!all && set.count() <= values->size()) {
    result = values_in(name, set, alive);
    if (limit != 0 && result.size() > limit) result.resize(limit);
    return result;
  }
  for (const LabelValue& value : *values) {
    if (limit != 0 && result.size() == limit) break;
    bool found = all;
    std::vector<std::uint32_t> ids;
    if (!all) {
      const StripedReaderLock lock(mutex_);
      const PairId pair = pairs_.find(name, value.text);
      if (pair == kNone) continue;
      const Postings& series = pairs_.series(pair);
      found = !alive && series.intersects(set);
      if (alive) ids = Postings::intersection_of(series, set).ids();
    }
    if (found || any_alive(ids, alive)) result.emplace_back(value.text);
  }
  return result;
}

}  // namespace tocsin::tsdb
