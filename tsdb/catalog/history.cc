// SPDX-License-Identifier: Apache-2.0
#include "tsdb/catalog/history.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "tsdb/catalog/series_block.h"
#include "tsdb/tile/coding.h"

namespace tocsin::tsdb {
namespace {

using Type = model::Matcher::Type;

constexpr std::uint64_t kCheckEvery = 1024;  // keys between two looks at the token

Status check(const storage::CancelToken* cancel) {
  return cancel != nullptr ? cancel->check() : ok();
}

// The values that a matcher needs: these, and no other, so that no value has to be looked at.
std::vector<std::string> wanted_values(const model::Matcher& matcher) {
  if (matcher.type() == Type::kEqual && !matcher.value().empty()) return {matcher.value()};
  if (matcher.type() != Type::kRegex || matcher.matches_empty()) return {};
  std::vector<std::string> values = matcher.regex()->literals();
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
  return values;
}

}  // namespace

Status History::open() {
  return kv_.scan(Family::kSeries, std::string_view(&kDayKind, 1),
                  [&](std::string_view key, std::string_view) {
                    const std::optional<Day> day = day_in_key(key);
                    if (!day) return data_loss("damaged key of a day");
                    note_day(*day);
                    return ok();
                  });
}

std::vector<Day> History::days(DayRange range) const {
  std::vector<Day> result;
  const auto days = days_.lock();
  for (auto it = days->lower_bound(range.first); it != days->end() && *it <= range.last; ++it) {
    result.push_back(*it);
  }
  return result;
}

StatusOr<Postings> History::postings(const std::string& key) const {
  ASSIGN_OR_RETURN(const std::optional<std::string> value, kv_.find(Family::kSeries, key));
  return value ? Postings::decode(*value) : Postings();
}

// Selecting -------------------------------------------------------------------------------------

StatusOr<Postings> History::scan_values(const model::Matcher& matcher, bool wanted, Day day,
                                        const storage::CancelToken* cancel) const {
  std::string prefix = pairs_prefix(day, matcher.name());
  const std::size_t value_at = prefix.size();
  // Values with another beginning do not match the expression: only those that match are wanted.
  const bool is_regex = matcher.regex() != nullptr;
  if (wanted && matcher.type() == Type::kRegex) prefix.append(matcher.regex()->prefix());
  if (!wanted && matcher.type() == Type::kNotRegex) prefix.append(matcher.regex()->prefix());
  if (!is_regex && !wanted && matcher.type() == Type::kNotEqual) prefix.append(matcher.value());
  Postings all;
  std::uint64_t keys = 0;
  RETURN_IF_ERROR(kv_.scan(Family::kSeries, prefix,
                           [&](std::string_view key, std::string_view value) -> Status {
                             if (++keys % kCheckEvery == 0) RETURN_IF_ERROR(check(cancel));
                             if (matcher.matches(key.substr(value_at)) != wanted) return ok();
                             ASSIGN_OR_RETURN(const Postings ids, Postings::decode(value));
                             all.unite(ids);
                             return ok();
                           }));
  return all;
}

Status History::keep_matching(const model::Matchers& matchers, Postings* set) const {
  std::vector<std::uint32_t> kept;
  for (const std::uint32_t id : set->ids()) {
    ASSIGN_OR_RETURN(const model::Labels found, labels(id));
    if (!found.empty() && model::matches_all(matchers, found)) kept.push_back(id);
  }
  *set = Postings::of(kept);
  return ok();
}

StatusOr<Postings> History::select_day(const model::Matchers& matchers, Day day,
                                       const storage::CancelToken* cancel) const {
  std::optional<Postings> set;
  const auto intersect = [&](Postings more) {
    if (set) {
      set->intersect(more);
    } else {
      set = std::move(more);
    }
  };
  model::Matchers later;
  for (const model::Matcher& matcher : matchers) {
    const std::vector<std::string> values = wanted_values(matcher);
    if (values.empty()) {
      later.push_back(matcher);
      continue;
    }
    Postings any;
    for (const std::string& value : values) {
      ASSIGN_OR_RETURN(const Postings ids, postings(pair_key(day, matcher.name(), value)));
      any.unite(ids);
    }
    intersect(std::move(any));
    if (set->empty()) return Postings();
  }
  // Those that need a label first: they leave fewer candidates for the others.
  std::stable_partition(later.begin(), later.end(),
                        [](const model::Matcher& matcher) { return !matcher.matches_empty(); });
  for (const model::Matcher& matcher : later) {
    RETURN_IF_ERROR(check(cancel));
    if (set && set->count() <= kFewCandidates) {
      RETURN_IF_ERROR(keep_matching(later, &*set));
      return *std::move(set);
    }
    const bool accepts_missing = matcher.matches_empty();
    if (accepts_missing && !set) {
      ASSIGN_OR_RETURN(set, postings_of_day(day));
    }
    ASSIGN_OR_RETURN(Postings found, scan_values(matcher, !accepts_missing, day, cancel));
    if (accepts_missing) {
      set->subtract(found);
    } else {
      intersect(std::move(found));
    }
  }
  if (!set) return postings_of_day(day);
  return *std::move(set);
}

StatusOr<Postings> History::select(const model::Matchers& matchers, DayRange range,
                                   const storage::CancelToken* cancel) const {
  Postings all;
  for (const Day day : days(range)) {
    RETURN_IF_ERROR(check(cancel));
    ASSIGN_OR_RETURN(const Postings found, select_day(matchers, day, cancel));
    all.unite(found);
  }
  return all;
}

// Names and values ------------------------------------------------------------------------------

Status History::label_names(const Postings& ids, DayRange range, const storage::CancelToken* cancel,
                            std::set<std::string>* out) const {
  std::uint64_t keys = 0;
  for (const Day day : days(range)) {
    RETURN_IF_ERROR(kv_.scan(Family::kSeries, pairs_prefix(day),
                             [&](std::string_view key, std::string_view value) -> Status {
                               if (++keys % kCheckEvery == 0) RETURN_IF_ERROR(check(cancel));
                               const std::optional<PairText> pair = pair_in_key(key);
                               if (!pair) return data_loss("damaged key of a day's postings");
                               if (out->contains(pair->name)) return ok();
                               ASSIGN_OR_RETURN(const Postings series, Postings::decode(value));
                               if (series.intersects(ids)) out->insert(pair->name);
                               return ok();
                             }));
  }
  return ok();
}

Status History::label_values(std::string_view name, const Postings& ids, DayRange range,
                             const storage::CancelToken* cancel, std::set<std::string>* out) const {
  std::uint64_t keys = 0;
  for (const Day day : days(range)) {
    const std::string prefix = pairs_prefix(day, name);
    RETURN_IF_ERROR(kv_.scan(Family::kSeries, prefix,
                             [&](std::string_view key, std::string_view value) -> Status {
                               if (++keys % kCheckEvery == 0) RETURN_IF_ERROR(check(cancel));
                               const std::string text(key.substr(prefix.size()));
                               if (out->contains(text)) return ok();
                               ASSIGN_OR_RETURN(const Postings series, Postings::decode(value));
                               if (series.intersects(ids)) out->insert(text);
                               return ok();
                             }));
  }
  return ok();
}

// Series ----------------------------------------------------------------------------------------

StatusOr<std::shared_ptr<const SeriesRows>> History::block_of(std::uint32_t id) const {
  const std::uint32_t number = id / kBlockIds;
  std::uint64_t changes = 0;
  {
    const auto blocks = blocks_.lock();
    changes = blocks->changes;
    if (const auto it = blocks->by_number.find(number); it != blocks->by_number.end()) {
      it->second.last_use = ++blocks->uses;
      return it->second.rows;
    }
  }
  ASSIGN_OR_RETURN(const std::optional<std::string> value,
                   kv_.find(Family::kSeries, rows_key(number)));
  auto rows = std::make_shared<SeriesRows>();
  if (value) {
    StatusOr<SeriesRows> decoded = decode_block(*value);
    if (decoded.ok()) {
      *rows = *std::move(decoded);
    } else if (decoded.status().code() == StatusCode::kDataLoss) {
      damaged_.fetch_add(1);  // costs the series of this block
      base::log::error(
          "label sets of series are damaged",
          {{"first_id", std::uint64_t{number} * kBlockIds}, {"error", message(decoded.status())}});
    } else {
      return decoded.status();
    }
  }
  const auto blocks = blocks_.lock();
  if (blocks->changes != changes) return rows;  // it may be outdated already
  blocks->by_number[number] = {rows, ++blocks->uses};
  if (blocks->by_number.size() > kCachedBlocks) {
    blocks->by_number.erase(std::min_element(
        blocks->by_number.begin(), blocks->by_number.end(),
        [](const auto& a, const auto& b) { return a.second.last_use < b.second.last_use; }));
  }
  return rows;
}

std::size_t History::cached_bytes() const {
  std::size_t total = 0;
  const auto blocks = blocks_.lock();
  for (const auto& [number, entry] : blocks->by_number) total += entry.rows->memory_bytes();
  return total;
}

void History::note_block(std::uint32_t block) {
  const auto blocks = blocks_.lock();
  ++blocks->changes;
  blocks->by_number.erase(block);
}

Status History::keep_stored(Postings* ids) const {
  std::vector<std::uint32_t> kept;
  std::shared_ptr<const SeriesRows> rows;
  std::uint32_t block = 0;  // that `rows` is
  for (const std::uint32_t id : ids->ids()) {
    if (rows == nullptr || id / kBlockIds != block) {
      ASSIGN_OR_RETURN(rows, block_of(id));
      block = id / kBlockIds;
    }
    if (find_row(*rows, id) != nullptr) kept.push_back(id);
  }
  if (kept.size() != ids->count()) *ids = Postings::of(kept);
  return ok();
}

StatusOr<model::Labels> History::labels(std::uint32_t id) const {
  ASSIGN_OR_RETURN(const std::shared_ptr<const SeriesRows> rows, block_of(id));
  const SeriesRows::Row* row = find_row(*rows, id);
  if (row == nullptr) return model::Labels();
  std::string encoded;
  merge_labels(*rows, *row, &encoded);
  return model::Labels::from_encoded(std::move(encoded));
}

StatusOr<std::vector<std::uint32_t>> History::ids_of_tag(std::uint32_t tag) const {
  std::vector<std::uint32_t> ids;
  ASSIGN_OR_RETURN(const std::optional<std::string> value, kv_.find(Family::kSeries, tag_key(tag)));
  if (!value) return ids;
  ByteReader in(*value);
  while (in.ok() && !in.at_end()) ids.push_back(in.fixed<std::uint32_t>());
  if (!in.ok()) return data_loss("damaged ids of a tag");
  return ids;
}

StatusOr<std::uint32_t> History::find(std::uint32_t tag, const model::Labels& wanted) const {
  ASSIGN_OR_RETURN(const std::vector<std::uint32_t> ids, ids_of_tag(tag));
  for (const std::uint32_t id : ids) {
    ASSIGN_OR_RETURN(const model::Labels found, labels(id));
    if (found == wanted) return id;
  }
  return 0U;
}

}  // namespace tocsin::tsdb
