// SPDX-License-Identifier: Apache-2.0
//
// How matchers become ids, cheapest first:
//   1. under the mutex: a="x", a!="", literal sets: postings; a!="x", a="": subtraction. Gives the
//      candidates.
//   2. each other regular expression runs over the distinct values of the candidates when these are
//      few, else over the values of the label, unless it is known what it matched before.
#include <algorithm>
#include <utility>

#include "tsdb/index/index_impl.h"

namespace tocsin::tsdb {
namespace {

using Type = model::Matcher::Type;

// Ids, or values, handled per hold of the mutex.
constexpr std::size_t kChunk = 4096;

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
  const std::shared_ptr<const void> texts = pin();
  Postings set;
  std::vector<const model::Matcher*> later;
  {
    const StripedReaderLock lock(mutex_);
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
  std::size_t values = 0;
  {
    const StripedReaderLock lock(mutex_);
    const NameId name = pairs_.find_name(matcher.name());
    if (name != kNone) values = pairs_.name(name).values.size();
  }
  if (values == 0) {
    if (!matcher.matches_empty()) *set = Postings();
    return;
  }
  if (set->count() <= values / 4) {
    apply_by_candidate(matcher, set);
  } else {
    apply_by_value(matcher, set);
  }
}

void SeriesIndex::Impl::apply_by_candidate(const model::Matcher& matcher, Postings* set) const {
  const std::vector<std::uint32_t> ids = set->ids();
  std::vector<std::uint32_t> kept;
  // By the text, which a pin keeps: a number may stand for another pair in the next chunk.
  std::unordered_map<std::string_view, bool> known{{std::string_view(), matcher.matches_empty()}};
  std::vector<std::string_view> chunk;
  for (std::size_t begin = 0; begin < ids.size(); begin += kChunk) {
    const std::size_t end = std::min(ids.size(), begin + kChunk);
    chunk.clear();
    {
      const StripedReaderLock lock(mutex_);
      const NameId name = pairs_.find_name(matcher.name());
      for (std::size_t i = begin; i < end; ++i) {
        const PairId pair = value_of(ids[i], name);
        chunk.push_back(pair == kNone ? std::string_view() : pairs_.value(pair));
      }
    }
    for (std::size_t i = begin; i < end; ++i) {
      const std::string_view value = chunk[i - begin];
      auto [it, is_new] = known.try_emplace(value, false);
      if (is_new) it->second = matcher.matches(value);
      if (it->second) kept.push_back(ids[i]);
    }
  }
  *set = Postings::of(kept);
}

std::shared_ptr<const ValueMatches> SeriesIndex::Impl::match_values(
    const model::Matcher& matcher) const {
  const std::string key = ValueCache::key(matcher.name(), matcher.value());
  std::shared_ptr<const ValueMatches> known = value_cache_.find(key);
  auto found = std::make_shared<ValueMatches>();
  std::vector<std::string_view> chunk;
  std::size_t wanted = 0;
  do {
    chunk.clear();
    {
      const StripedReaderLock lock(mutex_);
      const NameId id = pairs_.find_name(matcher.name());
      if (id == kNone) return nullptr;
      const LabelPairs::Name& name = pairs_.name(id);
      wanted = name.values.size();
      if (known != nullptr && known->epoch == name.epoch) {
        if (known->covered == wanted) return known;
        *found = *known;  // only what came since is looked at
      } else if (found->epoch != name.epoch) {
        *found = ValueMatches();
      }
      known = nullptr;
      found->epoch = name.epoch;
      for (std::size_t i = found->covered; i < std::min(wanted, found->covered + kChunk); ++i) {
        chunk.push_back(pairs_.value(name.values[i]));
      }
    }
    found->bits.resize((found->covered + chunk.size() + 63) / 64);
    for (const std::string_view value : chunk) {
      const std::size_t at = found->covered++;
      if (!matcher.regex()->matches(value)) continue;
      found->bits[at / 64] |= 1ULL << (at % 64);
      ++found->hits;
    }
  } while (found->covered < wanted);
  value_cache_.put(key, found);
  return found;
}

Postings SeriesIndex::Impl::series_of(const LabelPairs::Name& name, const ValueMatches& matches,
                                      bool hits) const {
  std::vector<const Postings*> sets;
  for (std::size_t i = 0; i < matches.covered; ++i) {
    if (matches.hit(i) == hits) sets.push_back(&pairs_.series(name.values[i]));
  }
  return Postings::union_of(sets);
}

void SeriesIndex::Impl::apply_by_value(const model::Matcher& matcher, Postings* set) const {
  // A matcher that accepts a missing label rejects some labelled series, else it keeps some.
  const bool rejects = matcher.matches_empty();
  const bool about_hits = (matcher.type() == Type::kRegex) != rejects;
  for (;;) {
    const std::shared_ptr<const ValueMatches> matches = match_values(matcher);
    if (matches == nullptr) {
      if (!rejects) *set = Postings();
      return;
    }
    const StripedReaderLock lock(mutex_);
    const NameId id = pairs_.find_name(matcher.name());
    // Series were removed meanwhile: positions may mean other values now.
    if (id == kNone || pairs_.name(id).epoch != matches->epoch) continue;
    const LabelPairs::Name& name = pairs_.name(id);
    // Of hits and misses those that are fewer are put together. Values that came later are of no
    // candidate.
    const bool take_hits = matches->hits * 2 <= matches->covered;
    Postings chosen = series_of(name, *matches, take_hits);
    if (about_hits != take_hits) {
      Postings others = name.series.clone();
      others.subtract(chosen);
      chosen = std::move(others);
    }
    if (rejects) {
      set->subtract(chosen);
    } else {
      set->intersect(chosen);
    }
    return;
  }
}

}  // namespace tocsin::tsdb
