// SPDX-License-Identifier: Apache-2.0
//
// How matchers become ids, cheapest first:
//   1. under the mutex: a="x", a!="", literal sets: postings; a!="x", a="": subtraction. Gives the
//   candidates.
//   2. each other regular expression runs over the distinct values of the candidates when these are
//   few, else
//      over the values of the label that have the expression's literal prefix.
#include <algorithm>
#include <iterator>
#include <utility>

#include "tsdb/index/index_impl.h"

namespace tocsin::tsdb {
namespace {

using Type = model::Matcher::Type;

// Ids, or values, handled per hold of the mutex.
constexpr std::size_t kChunk = 4096;

bool by_text(const LabelValue& a, const LabelValue& b) { return a.text < b.text; }

// The values that start with `prefix`.
std::span<const LabelValue> prefix_range(const LabelValues& values, std::string_view prefix) {
  const auto begin = std::lower_bound(values.begin(), values.end(), LabelValue{prefix, 0}, by_text);
  const auto end = std::partition_point(
      begin, values.end(), [&](const LabelValue& value) { return value.text.starts_with(prefix); });
  return {begin, end};
}

// Whether the expression matches every non-empty value, without looking at values. "." may stop at
// a newline, which decides the matter.
bool is_universal(const model::Regex& regex) {
  return (regex.pattern() == ".*" || regex.pattern() == ".+") && regex.matches("\n");
}

}  // namespace

struct SeriesIndex::Impl::Plan {
  struct Union {
    std::vector<const Postings*> sets;
    std::uint64_t cost = 0;
  };
  std::vector<Union> positive;
  std::vector<const Postings*> negative;
  std::vector<const model::Matcher*> later;

  // False when nothing is in any of the sets.
  bool add_positive(std::vector<const Postings*> sets) {
    std::erase(sets, nullptr);
    if (sets.empty()) return false;
    Union all{std::move(sets), 0};
    for (const Postings* set : all.sets) all.cost += set->count();
    positive.push_back(std::move(all));
    return true;
  }
  bool add_negative(const Postings* set) {
    if (set != nullptr) negative.push_back(set);
    return true;
  }
};

bool SeriesIndex::Impl::plan_literals(const model::Matcher& matcher, Plan* plan) const {
  const bool regex_matches_empty = matcher.regex()->matches("");
  if (regex_matches_empty) {
    plan->later.push_back(&matcher);
    return true;
  }
  std::vector<const Postings*> sets;
  for (const std::string& literal : matcher.regex()->literals()) {
    sets.push_back(find_pair(matcher.name(), literal));
  }
  if (matcher.type() == Type::kRegex) {
    std::sort(sets.begin(), sets.end());
    sets.erase(std::unique(sets.begin(), sets.end()), sets.end());
    return plan->add_positive(std::move(sets));
  }
  for (const Postings* set : sets) plan->add_negative(set);
  return true;
}

bool SeriesIndex::Impl::plan(const model::Matcher& matcher, Plan* plan) const {
  switch (matcher.type()) {
    case Type::kEqual:
      if (matcher.value().empty()) return plan->add_negative(find_name(matcher.name()));
      return plan->add_positive({find_pair(matcher.name(), matcher.value())});
    case Type::kNotEqual:
      if (matcher.value().empty()) return plan->add_positive({find_name(matcher.name())});
      return plan->add_negative(find_pair(matcher.name(), matcher.value()));
    case Type::kRegex:
    case Type::kNotRegex:
      break;
  }
  if (!matcher.regex()->literals().empty()) return plan_literals(matcher, plan);
  if (!is_universal(*matcher.regex())) {
    plan->later.push_back(&matcher);
    return true;
  }
  const bool matches_empty = matcher.matches_empty();
  const bool wants_labelled = matcher.type() == Type::kRegex;
  if (matches_empty && wants_labelled) return true;  // a=~".*" excludes nothing
  if (wants_labelled) return plan->add_positive({find_name(matcher.name())});
  if (matches_empty) return plan->add_negative(find_name(matcher.name()));
  return false;  // a!~".*"
}

Postings SeriesIndex::Impl::evaluate(Plan plan) const {
  std::sort(plan.positive.begin(), plan.positive.end(),
            [](const Plan::Union& a, const Plan::Union& b) { return a.cost < b.cost; });
  Postings set;
  bool first = true;
  for (const Plan::Union& part : plan.positive) {
    if (part.sets.size() > 1) {
      Postings all = Postings::union_of(part.sets);
      if (first) {
        set = std::move(all);
      } else {
        set.intersect(all);
      }
    } else if (first) {
      set = part.sets[0]->clone();
    } else {
      set.intersect(*part.sets[0]);
    }
    first = false;
    if (set.empty()) return set;
  }
  if (first) set = all_.clone();
  for (const Postings* negative : plan.negative) set.subtract(*negative);
  return set;
}

Postings SeriesIndex::Impl::select(const model::Matchers& matchers) const {
  Postings set;
  std::vector<const model::Matcher*> later;
  {
    base::ReaderLock lock(mutex_);
    Plan all;
    for (const model::Matcher& matcher : matchers) {
      if (!plan(matcher, &all)) return set;
    }
    later = std::move(all.later);
    set = evaluate(std::move(all));
  }
  // Those that need a label come first: they leave fewer candidates for the others.
  std::stable_partition(later.begin(), later.end(),
                        [](const model::Matcher* matcher) { return !matcher->matches_empty(); });
  for (const model::Matcher* matcher : later) {
    if (set.empty()) break;
    apply(*matcher, &set);
  }
  return set;
}

void SeriesIndex::Impl::apply(const model::Matcher& matcher, Postings* set) const {
  const std::shared_ptr<const LabelValues> values = sorted_values(matcher.name());
  if (values == nullptr) {
    if (!matcher.matches_empty()) *set = Postings();
    return;
  }
  if (set->count() <= prefix_range(*values, matcher.regex()->prefix()).size()) {
    apply_by_candidate(matcher, set);
  } else {
    apply_by_value(matcher, *values, set);
  }
}

void SeriesIndex::Impl::apply_by_candidate(const model::Matcher& matcher, Postings* set) const {
  const std::vector<std::uint32_t> ids = set->ids();
  std::vector<std::uint32_t> kept;
  std::unordered_map<Symbol, bool> known{{kNoSymbol, matcher.matches_empty()}};
  std::vector<LabelValue> chunk;
  for (std::size_t begin = 0; begin < ids.size(); begin += kChunk) {
    const std::size_t end = std::min(ids.size(), begin + kChunk);
    chunk.clear();
    {
      base::ReaderLock lock(mutex_);
      const Symbol name = symbols_.find(matcher.name());
      for (std::size_t i = begin; i < end; ++i) {
        const Symbol value = labels_.value(ids[i], name);
        const bool missing = value == kNoSymbol;
        chunk.push_back({missing ? std::string_view() : symbols_.text(value), value});
      }
    }
    for (std::size_t i = begin; i < end; ++i) {
      const LabelValue& value = chunk[i - begin];
      auto [it, is_new] = known.try_emplace(value.symbol, false);
      if (is_new) it->second = matcher.matches(value.text);
      if (it->second) kept.push_back(ids[i]);
    }
  }
  *set = Postings::of(kept);
}

Postings SeriesIndex::Impl::union_of_values(Symbol name, std::span<const Symbol> values) const {
  std::vector<const Postings*> sets;
  sets.reserve(values.size());
  for (const Symbol value : values) {
    if (const Postings* series = find_pair(SymbolPair{name, value})) sets.push_back(series);
  }
  return Postings::union_of(sets);
}

void SeriesIndex::Impl::apply_by_value(const model::Matcher& matcher, const LabelValues& values,
                                       Postings* set) const {
  const std::span<const LabelValue> range = prefix_range(values, matcher.regex()->prefix());
  std::vector<Symbol> hits;
  std::vector<Symbol> misses;
  for (const LabelValue& value : range) {
    (matcher.regex()->matches(value.text) ? hits : misses).push_back(value.symbol);
  }
  const std::size_t miss_count = values.size() - hits.size();
  const bool is_small = miss_count < hits.size();
  if (is_small) {  // then all values outside of the range are few
    for (auto it = values.data(); it != range.data(); ++it) misses.push_back(it->symbol);
    for (auto it = range.data() + range.size(); it != values.data() + values.size(); ++it) {
      misses.push_back(it->symbol);
    }
  }
  // A matcher that accepts a missing label rejects some labelled series, else it keeps some.
  const bool rejects = matcher.matches_empty();
  const bool about_hits = (matcher.type() == Type::kRegex) != rejects;

  base::ReaderLock lock(mutex_);
  const Symbol name = symbols_.find(matcher.name());
  const auto it = names_.find(name);
  Postings chosen = union_of_values(name, is_small ? misses : hits);
  if (about_hits == is_small) {
    Postings others = it == names_.end() ? Postings() : it->second.series.clone();
    others.subtract(chosen);
    chosen = std::move(others);
  }
  if (rejects) {
    set->subtract(chosen);
  } else {
    set->intersect(chosen);
  }
}

std::shared_ptr<const LabelValues> SeriesIndex::Impl::sorted_values(std::string_view name) const {
  Symbol symbol = kNoSymbol;
  Sorted known;
  LabelValues tail;
  std::size_t covered = 0;
  std::uint64_t epoch = 0;
  {
    base::ReaderLock lock(mutex_);
    symbol = symbols_.find(name);
    const auto it = names_.find(symbol);
    if (it == names_.end()) return nullptr;
    {
      base::MutexLock sorted_lock(sorted_mutex_);
      if (const auto cached = sorted_.find(symbol); cached != sorted_.end()) known = cached->second;
    }
    epoch = it->second.epoch;
    covered = it->second.values.size();
    if (known.epoch != epoch) known = Sorted();
    for (std::size_t i = known.covered; i < covered; ++i) {
      const Symbol value = it->second.values[i];
      tail.push_back({symbols_.text(value), value});
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
  base::MutexLock lock(sorted_mutex_);
  Sorted& entry = sorted_[symbol];
  if (entry.epoch <= epoch && (entry.epoch != epoch || entry.covered < covered)) {
    entry = {merged, covered, epoch};
  }
  return merged;
}

std::vector<std::string> SeriesIndex::Impl::names_of(const model::Matchers& matchers,
                                                     const Alive& alive) const {
  const bool all = matchers.empty() && !alive;
  const Postings set = all ? Postings() : select(matchers);
  std::vector<Symbol> candidates;
  {
    base::ReaderLock lock(mutex_);
    for (const auto& [symbol, name] : names_) candidates.push_back(symbol);
  }
  std::vector<std::string> result;
  for (const Symbol symbol : candidates) {
    std::string_view text;
    std::vector<std::uint32_t> ids;
    bool found = false;
    {
      base::ReaderLock lock(mutex_);
      const auto it = names_.find(symbol);
      if (it == names_.end()) continue;
      text = symbols_.text(symbol);
      found = all || (!alive && it->second.series.intersects(set));
      if (alive) ids = Postings::intersection_of(it->second.series, set).ids();
    }
    found = found || std::any_of(ids.begin(), ids.end(),
                                 [&](std::uint32_t id) { return alive(storage::SeriesId(id)); });
    if (found) result.emplace_back(text);
  }
  std::sort(result.begin(), result.end());
  return result;
}

// The values of `name` in a small set, found through the labels of its members.
std::vector<Symbol> SeriesIndex::Impl::values_in(Symbol name, const Postings& set,
                                                 const Alive& alive) const {
  const std::vector<std::uint32_t> ids = set.ids();
  std::unordered_map<Symbol, bool> found{{kNoSymbol, true}};
  std::vector<Symbol> result;
  std::vector<Symbol> chunk;
  for (std::size_t begin = 0; begin < ids.size(); begin += kChunk) {
    const std::size_t end = std::min(ids.size(), begin + kChunk);
    chunk.clear();
    {
      base::ReaderLock lock(mutex_);
      for (std::size_t i = begin; i < end; ++i) chunk.push_back(labels_.value(ids[i], name));
    }
    for (std::size_t i = begin; i < end; ++i) {
      bool& known = found[chunk[i - begin]];
      if (known || (alive && !alive(storage::SeriesId(ids[i])))) continue;
      known = true;
      result.push_back(chunk[i - begin]);
    }
  }
  return result;
}

std::vector<std::string> SeriesIndex::Impl::values_of(std::string_view name,
                                                      const model::Matchers& matchers,
                                                      const Alive& alive) const {
  const bool all = matchers.empty() && !alive;
  const Postings set = all ? Postings() : select(matchers);
  const std::shared_ptr<const LabelValues> values = sorted_values(name);
  std::vector<std::string> result;
  if (values == nullptr) return result;
  Symbol symbol = kNoSymbol;
  {
    base::ReaderLock lock(mutex_);
    symbol = symbols_.find(name);
  }
  if (!all && set.count() <= values->size()) {
    std::vector<Symbol> found = values_in(symbol, set, alive);
    base::ReaderLock lock(mutex_);
    for (const Symbol value : found) result.emplace_back(symbols_.text(value));
    std::sort(result.begin(), result.end());
    return result;
  }
  for (const LabelValue& value : *values) {
    bool found = all;
    std::vector<std::uint32_t> ids;
    if (!all) {
      base::ReaderLock lock(mutex_);
      const Postings* series = find_pair(SymbolPair{symbol, value.symbol});
      if (series == nullptr) continue;
      found = !alive && series->intersects(set);
      if (alive) ids = Postings::intersection_of(*series, set).ids();
    }
    found = found || std::any_of(ids.begin(), ids.end(),
                                 [&](std::uint32_t id) { return alive(storage::SeriesId(id)); });
    if (found) result.emplace_back(value.text);
  }
  return result;
}

}  // namespace tocsin::tsdb
