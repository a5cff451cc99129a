// SPDX-License-Identifier: Apache-2.0
#include "tsdb/catalog/catalog.h"

#include <algorithm>

#include "base/log.h"
#include "tsdb/catalog/series_block.h"
#include "tsdb/tile/coding.h"

namespace tocsin::tsdb {
namespace {

// Rows asked of the index at once while postings are written; their pairs are in memory together.
constexpr std::size_t kIdsAtOnce = 16 * kBlockIds;
// Postings of pairs with more of these series are written once, after the last part.
constexpr std::size_t kWidePair = 256;

std::vector<storage::SeriesId> wide(std::span<const std::uint32_t> ids) {
  return {ids.begin(), ids.end()};
}
std::vector<std::uint32_t> narrow(std::span<const storage::SeriesId> ids) {
  std::vector<std::uint32_t> result;
  for (const storage::SeriesId id : ids) result.push_back(static_cast<std::uint32_t>(id.value()));
  std::ranges::sort(result);
  return result;
}

std::string encode_signed(std::int64_t value) {
  std::string out;
  put_signed(&out, value);
  return out;
}

// The value of a key that may be absent, read by `read`.
template <typename T, typename Read>
StatusOr<T> number_or(const KvStore& kv, std::string_view key, T fallback, Read read) {
  ASSIGN_OR_RETURN(const std::optional<std::string> value, kv.find(Family::kSeries, key));
  if (!value) return fallback;
  ByteReader in(*value);
  const T number = read(&in);
  if (!in.ok() || !in.at_end()) return data_loss("damaged value of {}", key);
  return number;
}

// Calls visit(begin, end) for the parts of ascending ids that are in one block.
template <typename Visit>
Status each_block(const std::vector<std::uint32_t>& ids, Visit visit) {
  for (std::size_t begin = 0; begin < ids.size();) {
    std::size_t end = begin;
    while (end < ids.size() && ids[end] / kBlockIds == ids[begin] / kBlockIds) ++end;
    RETURN_IF_ERROR(visit(std::span(ids).subspan(begin, end - begin)));
    begin = end;
  }
  return ok();
}

}  // namespace

void RunDays::add_day(std::uint32_t id, Day day) {
  std::vector<std::uint32_t>& ids = by_day_[day];
  if (ids.empty() || ids.back() != id) ids.push_back(id);
}

void RunDays::add(storage::SeriesId id, const storage::SeriesColumn& column) {
  if (column.rows == 0) return;
  const auto id32 = static_cast<std::uint32_t>(id.value());
  const std::int64_t* const times = column.times->ms.data() + column.first;
  max_ms_ = std::max(max_ms_, times[column.rows - 1]);
  const Day first = day_of(times[0]);
  add_day(id32, first);
  if (day_of(times[column.rows - 1]) == first) return;
  for (std::uint32_t row = 0; row < column.rows; ++row) {
    if (column.has(row)) add_day(id32, day_of(times[row]));
  }
}

void RunDays::add(storage::SeriesId id, std::int64_t time_ms) {
  max_ms_ = std::max(max_ms_, time_ms);
  add_day(static_cast<std::uint32_t>(id.value()), day_of(time_ms));
}

Catalog::Catalog(KvStore& kv, SeriesIndex& index, StepHook hook)
    : kv_(kv), index_(index), hook_(std::move(hook)), history_(kv) {}

Status Catalog::flush(KvBatch* batch, std::size_t above) {
  if (batch->bytes() <= above) return ok();
  RETURN_IF_ERROR(kv_.commit(*batch));
  *batch = KvBatch();
  return ok();
}

// Start -----------------------------------------------------------------------------------------

Status Catalog::open(std::int64_t sealed_max_ms,
                     const std::function<void(std::span<const std::uint32_t>)>& loaded) {
  RETURN_IF_ERROR(history_.open());
  ASSIGN_OR_RETURN(
      const std::uint64_t next,
      number_or<std::uint64_t>(kv_, kNextIdKey, 1, [](ByteReader* in) { return in->varint(); }));
  index_.reserve_ids(next);
  ASSIGN_OR_RETURN(const std::int64_t left,
                   number_or<std::int64_t>(kv_, kLeftKey, INT64_MIN,
                                           [](ByteReader* in) { return in->signed_varint(); }));
  left_max_ms_ = left;
  ASSIGN_OR_RETURN(const Postings active, history_.postings(std::string(kResidentKey)));
  RETURN_IF_ERROR(each_block(active.ids(), [&](std::span<const std::uint32_t> ids) {
    return load_block(ids.front() / kBlockIds, active, loaded);
  }));
  time_ms_ = sealed_max_ms;
  if (!resident_.empty()) recent_.push_back({time_ms_, sealed_max_ms, resident_.clone()});
  return ok();
}

Status Catalog::load_block(std::uint32_t number, const Postings& active,
                           const std::function<void(std::span<const std::uint32_t>)>& loaded) {
  // Past the cache of blocks: each is read once.
  const StatusOr<std::string> value = kv_.get(Family::kSeries, rows_key(number));
  const StatusOr<SeriesRows> rows =
      value.ok() ? decode_block(*value) : StatusOr<SeriesRows>(value.status());
  const Status status = rows.ok() ? index_.load(*rows, &active) : rows.status();
  if (status.code() == StatusCode::kDataLoss || status.code() == StatusCode::kNotFound) {
    base::log::error("label sets of active series are damaged",
                     {{"first_id", std::uint64_t{number} * kBlockIds}, {"error", message(status)}});
    return ok();
  }
  RETURN_IF_ERROR(status);
  std::vector<std::uint32_t> ids;
  for (const SeriesRows::Row& row : rows->rows) {
    if (active.contains(row.id)) ids.push_back(row.id);
  }
  resident_.add_many(ids);
  loaded(ids);
  return ok();
}

// A run -----------------------------------------------------------------------------------------

Status Catalog::write_rows(std::vector<std::uint32_t> ids, Change* change) {
  return each_block(ids, [&](std::span<const std::uint32_t> added) -> Status {
    const std::uint32_t number = added.front() / kBlockIds;
    ASSIGN_OR_RETURN(const std::shared_ptr<const SeriesRows> old, history_.block_of(added.front()));
    const SeriesRows fresh = index_.rows(wide(added));
    if (fresh.rows.empty()) return ok();
    RowsBuilder all;
    auto known = old->rows.begin();
    for (const SeriesRows::Row& row : fresh.rows) {
      for (; known != old->rows.end() && known->id < row.id; ++known) all.add(*old, *known);
      if (known != old->rows.end() && known->id == row.id) ++known;
      all.add(fresh, row);
    }
    for (; known != old->rows.end(); ++known) all.add(*old, *known);
    change->batch.put(Family::kSeries, rows_key(number), encode_block(all.take()));
    change->blocks.push_back(number);
    return flush(&change->batch);
  });
}

StatusOr<const Postings*> Catalog::recorded(Day day) {
  if (const auto it = recorded_.find(day); it != recorded_.end()) return &it->second;
  ASSIGN_OR_RETURN(Postings stored, history_.postings_of_day(day));
  return &recorded_.insert_or_assign(day, std::move(stored)).first->second;
}

Status Catalog::put_pair(std::string key, const Postings& added, KvBatch* batch) {
  ASSIGN_OR_RETURN(Postings series, history_.postings(key));
  series.unite(added);
  batch->put(Family::kSeries, std::move(key), series.encode());
  return ok();
}

// Adds ids to the postings of their pairs; those of wide pairs are collected in `wide_pairs`.
Status Catalog::write_pairs(Day day, std::span<const std::uint32_t> ids, WidePairs* wide_pairs,
                            KvBatch* batch) {
  const SeriesRows rows = index_.rows_without_tags(wide(ids));
  std::vector<std::vector<std::uint32_t>> by_pair(rows.pair_ends.size());
  for (const SeriesRows::Row& row : rows.rows) {
    for (const std::uint32_t set : {row.target, row.metric}) {
      for (const std::uint32_t pair : rows.set(set)) by_pair[pair].push_back(row.id);
    }
  }
  for (std::size_t pair = 0; pair < by_pair.size(); ++pair) {
    const auto label = model::Labels::from_encoded(std::string(rows.pair(pair)));
    std::string key = pair_key(day, label.begin()->name, label.begin()->value);
    if (by_pair[pair].size() >= kWidePair) {
      (*wide_pairs)[std::move(key)].add_many(by_pair[pair]);
      continue;
    }
    RETURN_IF_ERROR(put_pair(std::move(key), Postings::of(by_pair[pair]), batch));
  }
  // The next part reads what this one wrote.
  return flush(batch, 0);
}

Status Catalog::write_day(Day day, const std::vector<std::uint32_t>& ids, Change* change) {
  ASSIGN_OR_RETURN(const Postings* known, recorded(day));
  std::vector<std::uint32_t> added;
  for (const std::uint32_t id : ids) {
    if (!known->contains(id)) added.push_back(id);
  }
  if (added.empty()) return ok();
  WidePairs wide_pairs;
  for (std::size_t begin = 0; begin < added.size(); begin += kIdsAtOnce) {
    const std::size_t count = std::min(kIdsAtOnce, added.size() - begin);
    RETURN_IF_ERROR(
        write_pairs(day, std::span(added).subspan(begin, count), &wide_pairs, &change->batch));
  }
  for (const auto& [key, series] : wide_pairs) {
    RETURN_IF_ERROR(put_pair(key, series, &change->batch));
    RETURN_IF_ERROR(flush(&change->batch));
  }
  Postings all = known->clone();
  all.add_many(added);
  change->batch.put(Family::kSeries, day_key(day), all.encode());
  change->days.insert_or_assign(day, std::move(all));
  return ok();
}

StatusOr<Catalog::Change> Catalog::prepare(const RunDays& run,
                                           std::span<const storage::SeriesId> new_series) {
  Change change;
  change.max_ms = run.max_ms();
  RETURN_IF_ERROR(write_rows(narrow(new_series), &change));
  RETURN_IF_ERROR(step("rows"));
  for (const auto& [day, ids] : run.by_day()) {
    RETURN_IF_ERROR(write_day(day, ids, &change));
    change.in_run.add_many(ids);
  }
  RETURN_IF_ERROR(step("postings"));
  // All that are in memory and stored, also those that are about to leave: a sample of one of them
  // may be in the journal without its labels.
  Postings active = resident_.clone();
  for (const std::uint32_t id : narrow(new_series)) {
    if (index_.has(storage::SeriesId(id))) active.add(id);
  }
  change.batch.put(Family::kSeries, std::string(kResidentKey), active.encode());
  std::string next;
  put_varint(&next, index_.next_id().value());
  change.batch.put(Family::kSeries, std::string(kNextIdKey), next);
  change.active = std::move(active);
  return change;
}

void Catalog::apply(Change change, std::int64_t now_ms) {
  for (const std::uint32_t block : change.blocks) history_.note_block(block);
  for (auto& [day, ids] : change.days) {
    history_.note_day(day);
    recorded_.insert_or_assign(day, std::move(ids));
  }
  while (recorded_.size() > kDaysInMemory) recorded_.erase(recorded_.begin());
  resident_ = std::move(change.active);
  if (change.max_ms == INT64_MIN) return;
  time_ms_ = std::max(time_ms_, std::min(change.max_ms, now_ms));
  if (recent_.empty() || time_ms_ - recent_.back().time_ms >= kTogetherMs) {
    recent_.push_back({time_ms_, change.max_ms, std::move(change.in_run)});
    return;
  }
  recent_.back().series.unite(change.in_run);
  recent_.back().max_ms = std::max(recent_.back().max_ms, change.max_ms);
}

// Leaving memory --------------------------------------------------------------------------------

std::vector<storage::SeriesId> Catalog::idle(std::int64_t keep_ms) {
  while (!recent_.empty() && recent_.front().time_ms < time_ms_ - keep_ms) {
    recent_left_ms_ = std::max(recent_left_ms_, recent_.front().max_ms);
    recent_.pop_front();
  }
  Postings idle = resident_.clone();
  for (const Recent& recent : recent_) idle.subtract(recent.series);
  return wide(idle.ids());
}

std::uint64_t Catalog::count_idle(std::int64_t keep_ms) const {
  Postings idle = resident_.clone();
  for (const Recent& recent : recent_) {
    if (recent.time_ms >= time_ms_ - keep_ms) idle.subtract(recent.series);
  }
  return idle.count();
}

Status Catalog::let_go(std::span<const storage::SeriesId> ids) {
  KvBatch batch;
  std::map<std::uint32_t, std::vector<std::uint32_t>> by_tag;
  for (const SeriesRows::Row& row : index_.rows(ids).rows) by_tag[row.tag].push_back(row.id);
  for (auto& [tag, added] : by_tag) {
    ASSIGN_OR_RETURN(std::vector<std::uint32_t> all, history_.ids_of_tag(tag));
    all.insert(all.end(), added.begin(), added.end());
    std::ranges::sort(all);
    all.erase(std::unique(all.begin(), all.end()), all.end());
    std::string value;
    for (const std::uint32_t id : all) put_fixed(&value, id);
    batch.put(Family::kSeries, tag_key(tag), std::move(value));
    RETURN_IF_ERROR(flush(&batch));
  }
  RETURN_IF_ERROR(step("tags"));
  const std::int64_t left = std::max(left_max_ms_.load(), recent_left_ms_);
  batch.put(Family::kSeries, std::string(kLeftKey), encode_signed(left));
  RETURN_IF_ERROR(kv_.commit(batch));
  RETURN_IF_ERROR(step("left"));
  left_max_ms_ = left;
  return ok();
}

void Catalog::note_left(std::span<const storage::SeriesId> ids) {
  for (const storage::SeriesId id : ids) resident_.remove(static_cast<std::uint32_t>(id.value()));
  left_.fetch_add(ids.size());
}

StatusOr<storage::SeriesId> Catalog::find_left(std::uint32_t tag,
                                               const model::Labels& labels) const {
  if (left_max_ms_.load() == INT64_MIN) return storage::SeriesId();
  ASSIGN_OR_RETURN(const std::uint32_t id, history_.find(tag, labels));
  if (id != 0) found_.fetch_add(1);
  return storage::SeriesId(id);
}

DayRange Catalog::left_days(std::int64_t min_ms, std::int64_t max_ms) const {
  const std::int64_t left = left_max_ms_.load();
  if (left == INT64_MIN || min_ms > left) return DayRange();
  return {day_of(min_ms), day_of(std::min(max_ms, left))};
}

// Forgetting ------------------------------------------------------------------------------------

Status Catalog::forget(std::span<const storage::SeriesId> ids) {
  if (ids.empty()) return ok();
  KvBatch batch;
  Postings active = resident_.clone();
  for (const storage::SeriesId id : ids) active.remove(static_cast<std::uint32_t>(id.value()));
  if (active.count() != resident_.count()) {
    batch.put(Family::kSeries, std::string(kResidentKey), active.encode());
  }
  RETURN_IF_ERROR(each_block(narrow(ids), [&](std::span<const std::uint32_t> gone) -> Status {
    const std::uint32_t number = gone.front() / kBlockIds;
    ASSIGN_OR_RETURN(const std::shared_ptr<const SeriesRows> old, history_.block_of(gone.front()));
    RowsBuilder rest;
    for (const SeriesRows::Row& row : old->rows) {
      if (!std::ranges::binary_search(gone, row.id)) {
        rest.add(*old, row);
        continue;
      }
      ASSIGN_OR_RETURN(std::vector<std::uint32_t> same_tag, history_.ids_of_tag(row.tag));
      if (std::erase(same_tag, row.id) == 0) continue;
      std::string value;
      for (const std::uint32_t id : same_tag) put_fixed(&value, id);
      if (value.empty()) {
        batch.erase(Family::kSeries, tag_key(row.tag));
      } else {
        batch.put(Family::kSeries, tag_key(row.tag), std::move(value));
      }
    }
    const SeriesRows left = rest.take();
    if (left.rows.size() == old->rows.size()) return ok();
    if (left.rows.empty()) {
      batch.erase(Family::kSeries, rows_key(number));
    } else {
      batch.put(Family::kSeries, rows_key(number), encode_block(left));
    }
    // Two series of one tag are read from the store: what was changed must be there.
    RETURN_IF_ERROR(flush(&batch, 0));
    history_.note_block(number);
    return ok();
  }));
  RETURN_IF_ERROR(flush(&batch, 0));
  resident_ = std::move(active);
  return step("forgotten");
}

Status Catalog::forget_days_before(Day day) {
  const std::vector<Day> gone_days = history_.days({INT64_MIN, day - 1});
  if (gone_days.empty()) return ok();
  Postings gone;
  for (const Day gone_day : gone_days) {
    ASSIGN_OR_RETURN(const Postings ids, history_.postings_of_day(gone_day));
    gone.unite(ids);
  }
  for (const Day kept : history_.days({day, INT64_MAX})) {
    ASSIGN_OR_RETURN(const Postings ids, history_.postings_of_day(kept));
    gone.subtract(ids);
  }
  gone.subtract(index_.select_set({}));
  const std::vector<storage::SeriesId> series = wide(gone.ids());
  RETURN_IF_ERROR(forget(series));
  for (const Day gone_day : gone_days) {
    KvBatch batch;
    RETURN_IF_ERROR(kv_.scan(Family::kSeries, pairs_prefix(gone_day),
                             [&](std::string_view key, std::string_view) {
                               batch.erase(Family::kSeries, std::string(key));
                               return flush(&batch);
                             }));
    batch.erase(Family::kSeries, day_key(gone_day));  // last, so that a crash comes back here
    RETURN_IF_ERROR(flush(&batch, 0));
    history_.forget_day(gone_day);
    recorded_.erase(gone_day);
  }
  return ok();
}

Catalog::Stats Catalog::stats() const {
  return {left_.load(), found_.load(), history_.damaged_blocks(), history_.cached_bytes(),
          kv_.cached_bytes()};
}

}  // namespace tocsin::tsdb
