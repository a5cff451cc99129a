// SPDX-License-Identifier: Apache-2.0
#include "tsdb/testing/random_load.h"

#include <algorithm>
#include <bit>
#include <cstdlib>

#include "model/value.h"

namespace tocsin::tsdb::testing {

using base::from_ms;
using storage::SeriesRef;

std::uint64_t number_from_environment(const char* name, std::uint64_t fallback) {
  const char* text = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): before threads start
  return text == nullptr ? fallback : std::strtoull(text, nullptr, 10);
}

std::uint64_t make_seed() {
  return number_from_environment("TOCSIN_TEST_SEED", std::random_device{}());
}

RandomLoad::RandomLoad(std::uint64_t seed, std::int64_t start_ms, Options options)
    : options_(options), random_(seed), now_ms_(start_ms) {
  for (std::size_t i = 0; i < options_.series; ++i) alive_.push_back(new_series());
}

std::size_t RandomLoad::new_series() {
  const std::uint64_t number = made_++;
  const std::string metric = fmt::format("m{}", number % 7);
  const std::string instance = fmt::format("host-{}.example:{}", number, 9000 + number % 3);
  model::LabelsBuilder labels;
  labels.set("__name__", metric).set("instance", instance);
  if (number % 2 == 0) labels.set("job", number % 4 == 0 ? "a" : "b");
  if (number % 5 == 0) labels.set("päth", fmt::format("/{}\"\\\n", number % 11));
  if (!options_.tag.empty()) labels.set("load", options_.tag);
  return model_.add(labels.build());
}

std::uint64_t RandomLoad::value(std::size_t series) {
  const NaiveStore::Series& known = model_.series(series);
  switch (below(16)) {
    case 0:
      return random_();
    case 1:
      return std::bit_cast<std::uint64_t>(model::stale_nan());
    case 2:
      return std::bit_cast<std::uint64_t>(-0.0);
    case 3:
      return std::bit_cast<std::uint64_t>(below(2) == 0 ? HUGE_VAL : -HUGE_VAL);
    case 4:
    case 5:
      return std::bit_cast<std::uint64_t>(static_cast<double>(random_() % 100'000'000) / 1e17);
    case 6:
    case 7:
    case 8:
    case 9: {
      const auto last = std::bit_cast<double>(known.newest_bits);
      const auto step = static_cast<double>(below(100)) / 4;
      return std::bit_cast<std::uint64_t>(std::isfinite(last) ? last + step : step);
    }
    default:
      return known.newest_bits;
  }
}

// The middle of what is certainly taken and certainly refused.
std::int64_t RandomLoad::oldest() const {
  return options_.late_ms > 0 ? now_ms_ - options_.late_ms : INT64_MAX;
}

std::int64_t RandomLoad::late_time() {
  const auto window = static_cast<std::uint64_t>(options_.late_ms);
  const std::uint64_t age = below(8) == 0 ? window * 2 : below(window / 2);
  return now_ms_ - static_cast<std::int64_t>(age);
}

bool RandomLoad::is_disputed(std::size_t series, std::int64_t t) const {
  const NaiveStore::Series& known = model_.series(series);
  if (t > known.newest) return false;
  // The newest sample may be gone: whether it still refuses others is nobody's business. The window
  // ends at the newest sample of the database, which is near our now.
  const std::int64_t age = now_ms_ - t;
  const bool edge =
      options_.late_ms > 0 && age > options_.late_ms * 3 / 4 && age < options_.late_ms * 5 / 4;
  return !known.samples.contains(known.newest) || t <= known.deleted_to || edge;
}

RandomLoad::Single RandomLoad::single(std::size_t series, std::int64_t t) {
  const NaiveStore::Series& known = model_.series(series);
  if (is_disputed(series, t)) t = known.newest + 1;
  Single one{series, t, value(series), below(2) == 0, StatusCode::kOk};
  if (t == known.newest && below(2) == 0) one.bits = known.newest_bits;
  one.verdict = model_.put(series, t, one.bits, oldest());
  return one;
}

void RandomLoad::make_singles() {
  work_.kind = Work::Kind::kSingles;
  for (std::size_t i = below(options_.max_batch) + 1; i > 0; --i) {
    const std::size_t series = alive();
    const std::int64_t newest = model_.series(series).newest;
    const bool near = newest != INT64_MIN && below(8) == 0;
    const auto back = static_cast<std::int64_t>(below(3000));
    std::int64_t t = near ? newest + static_cast<std::int64_t>(below(3)) - 1 : now_ms_ - back;
    if (options_.late_ms > 0 && below(5) == 0) t = late_time();
    work_.singles.push_back(single(series, t));
  }
  work_.rolled_back = below(16) == 0;
  work_.operations = work_.singles.size();
}

// What a remote writer does: most series at one time, some of them with their own, and some series
// several times.
void RandomLoad::make_pushed() {
  work_.kind = Work::Kind::kSingles;
  const std::uint64_t missing = below(8) == 0 ? 2 : 16;
  std::vector<std::size_t> series = alive_;
  std::ranges::sort(series);
  for (std::uint64_t times = below(3); times < 3; ++times) {
    for (const std::size_t one : series) {
      if (below(missing) == 0) continue;
      const auto own = below(24) == 0 ? static_cast<std::int64_t>(below(40)) : 0;
      work_.singles.push_back(single(one, now_ms_ + static_cast<std::int64_t>(times) - own));
    }
    if (below(2) == 0) break;
  }
  work_.rolled_back = below(16) == 0;
  work_.operations = work_.singles.size();
}

std::size_t RandomLoad::any_group() {
  auto at = groups_.begin();
  std::advance(at, static_cast<std::ptrdiff_t>(below(groups_.size())));
  return at->first;
}

void RandomLoad::make_define() {
  work_.kind = Work::Kind::kDefine;
  work_.redefines = !groups_.empty() && (groups_.size() > 12 || below(2) == 0);
  work_.group = work_.redefines ? any_group() : next_group_++;
  std::vector<bool> chosen(model_.size());
  for (std::size_t i = below(alive_.size() / 2 + 1) + 1; i > 0; --i) {
    const std::size_t series = alive();
    if (chosen[series]) continue;
    chosen[series] = true;
    const std::int64_t t = std::max(now_ms_, model_.series(series).newest + 1);
    work_.singles.push_back(single(series, t));
    work_.members.push_back(series);
  }
  Group& group = groups_[work_.group];
  group.members = work_.members;
  work_.operations = work_.singles.size();
}

void RandomLoad::make_rows() {
  work_.kind = Work::Kind::kRows;
  work_.group = any_group();
  Group& group = groups_[work_.group];
  std::int64_t last = group.last_step;
  for (std::uint64_t i = below(6); i < 6; ++i) {
    const std::int64_t t = std::max(last + 1, now_ms_ - static_cast<std::int64_t>(below(2000)));
    last = t;
    Row row{t, {}};
    for (std::uint32_t position = 0; position < group.members.size(); ++position) {
      if (below(8) == 0) continue;
      const std::size_t series = group.members[position];
      if (is_disputed(series, t)) continue;
      const std::uint64_t bits = value(series);
      row.values.push_back({position, bits, model_.put(series, t, bits, oldest())});
    }
    work_.operations += row.values.size() + 1;
    work_.rows.push_back(std::move(row));
  }
  if (below(6) == 0) {
    work_.stale_ms = std::max(last + 1, now_ms_);
    for (const std::size_t member : group.members) model_.put_stale(member, work_.stale_ms);
    last = work_.stale_ms;
  }
  work_.rolled_back = below(16) == 0;
  if (!work_.rolled_back) group.last_step = last;
}

model::Matchers RandomLoad::matchers() const {
  if (options_.tag.empty()) return {};
  return {model::Matcher::equal("load", options_.tag)};
}

model::Matchers RandomLoad::some_matchers() {
  using Type = model::Matcher::Type;
  switch (below(6)) {
    case 0:
      return {};
    case 1:
      return {
          *model::Matcher::make(Type::kRegex, "instance", fmt::format("host-.*{}.*", below(10)))};
    case 2:
      return {*model::Matcher::make(Type::kNotEqual, "job", "a"),
              *model::Matcher::make(Type::kRegex, "__name__", "m[1-4]")};
    case 3:
      return {model::Matcher::equal("job", ""), model::Matcher::equal("__name__", "m1")};
    case 4:
      return {*model::Matcher::make(Type::kRegex, "__name__", "m2|m5|nothing")};
    default:
      return {model::Matcher::equal("instance",
                                    model_.series(below(model_.size())).labels.get("instance"))};
  }
}

void RandomLoad::make_delete() {
  work_.kind = Work::Kind::kDelete;
  work_.matchers = some_matchers();
  for (model::Matcher& matcher : matchers()) work_.matchers.push_back(std::move(matcher));
  work_.mint = now_ms_ - static_cast<std::int64_t>(below(2'000'000));
  work_.maxt = work_.mint + static_cast<std::int64_t>(below(60'000));
  work_.operations = 1;
}

void RandomLoad::make_upkeep() {
  using Kind = Work::Kind;
  const Kind kinds[] = {Kind::kSeal,     Kind::kSeal,     Kind::kSeal,  Kind::kSeal,
                        Kind::kMaintain, Kind::kSnapshot, Kind::kClean, Kind::kRestart,
                        Kind::kMerge,    Kind::kCompact};
  work_.kind = kinds[below(std::size(kinds))];
  work_.operations = 1;
}

void RandomLoad::churn() {
  for (std::size_t& series : alive_) {
    if (below(100) < static_cast<std::uint64_t>(options_.replaced_percent)) series = new_series();
  }
}

const RandomLoad::Work& RandomLoad::next() {
  now_ms_ += static_cast<std::int64_t>(below(6000));
  work_ = {};
  model_.begin();
  const std::uint64_t choice = below(100);
  if (choice < 2) churn();
  if (below(100) < static_cast<std::uint64_t>(options_.upkeep_percent)) {
    make_upkeep();
  } else if (choice < 6 || groups_.empty()) {
    make_define();
  } else if (choice < 8) {
    work_.kind = Work::Kind::kDrop;
    work_.group = any_group();
    groups_.erase(work_.group);
  } else if (choice < 9 && options_.deletes) {
    make_delete();
  } else {
    const std::uint64_t how = below(5);
    how < 2 ? make_singles() : how < 4 ? make_rows() : make_pushed();
  }
  if (work_.rolled_back) model_.undo();
  return work_;
}

void RandomLoad::keep() {
  using Kind = Work::Kind;
  const Kind kind = work_.kind;
  if (kind == Kind::kDelete) model_.erase(work_.matchers, work_.mint, work_.maxt, true);
  model_.begin();
  // A deletion syncs the journal first; a seal, with which a compaction begins, puts everything into
  // a run.
  const bool seals = kind == Kind::kSeal || kind == Kind::kCompact;
  if (kind == Kind::kDelete || seals || kind == Kind::kRestart) model_.synced();
  if (kind == Kind::kMaintain && options_.retention_ms > 0) {
    model_.expire_before(now_ms_ - options_.retention_ms);
  }
}

void RandomLoad::doubt() {
  if (work_.kind == Work::Kind::kDelete) {
    model_.erase(work_.matchers, work_.mint, work_.maxt, false);
  }
  if (work_.kind == Work::Kind::kMaintain && options_.retention_ms > 0) {
    model_.expire_before(now_ms_ - options_.retention_ms);
  }
  model_.doubt();
}

void RandomLoad::doubt_unsynced() {
  doubt();
  model_.doubt_unsynced();
}

void RandomLoad::undo() { model_.undo(); }

void RandomLoad::reopened() {
  groups_.clear();
  refs_.clear();
  group_ids_.clear();
  now_ms_ += 10'000;  // all new times are above those of what may be lost
}

void RandomLoad::expect(StatusCode expected, StatusCode other, const Status& status,
                        std::size_t series, std::int64_t t) {
  if (status.code() == expected || status.code() == other || !trouble_.empty()) return;
  trouble_ = fmt::format("{} at {}: answered {}, expected code {}",
                         model_.series(series).labels.to_series_string(), t, status.ToString(),
                         static_cast<int>(expected));
}

void RandomLoad::run_single(storage::Appender& appender, const Single& one) {
  const auto known = refs_.find(one.series);
  const auto v = std::bit_cast<double>(one.bits);
  StatusOr<storage::AppendResult> result = not_found("no reference");
  if (one.by_ref && known != refs_.end()) {
    result = appender.append(known->second, {}, from_ms(one.t), v, {});
  }
  if (result.status().code() == StatusCode::kNotFound) {
    result = appender.append({}, model_.series(one.series).labels, from_ms(one.t), v, {});
  }
  expect(one.verdict, one.verdict, result.status(), one.series, one.t);
  if (result.ok()) refs_[one.series] = result->ref;
}

void RandomLoad::run_rows(storage::Appender& appender) {
  const Group& group = groups_[work_.group];
  const storage::GroupId id = group_ids_[work_.group];
  for (const Row& row : work_.rows) {
    const Status stepped = appender.step(id, from_ms(row.t));
    if (!stepped.ok()) {
      if (trouble_.empty()) trouble_ = fmt::format("step to {}: {}", row.t, stepped.ToString());
      return;
    }
    for (const Value& value : row.values) {
      const std::size_t series = group.members[value.position];
      const Status set = appender.set(value.position, std::bit_cast<double>(value.bits));
      if (set.code() == StatusCode::kNotFound) {  // it moved to another group
        run_single(appender, {series, row.t, value.bits, true, value.verdict});
        continue;
      }
      // Another sample of this batch may be newer: then set() may accept what commit leaves out.
      expect(value.verdict, StatusCode::kOk, set, series, row.t);
    }
  }
  if (work_.stale_ms == 0) return;
  const Status stale = appender.stale_all(id, from_ms(work_.stale_ms));
  if (!stale.ok() && trouble_.empty()) trouble_ = "stale_all: " + stale.ToString();
}

Status RandomLoad::run_appends(Db& db) {
  const auto appender = db.appender();
  for (const Single& one : work_.singles) run_single(*appender, one);
  if (work_.kind == Work::Kind::kDefine) {
    std::vector<SeriesRef> members;
    for (const std::size_t member : work_.members) members.push_back(refs_[member]);
    const auto old = work_.redefines ? group_ids_[work_.group] : storage::GroupId();
    const auto id = appender->define_group(old, members);
    RETURN_IF_ERROR(id.status());
    group_ids_[work_.group] = *id;
  }
  if (work_.kind == Work::Kind::kRows) run_rows(*appender);
  if (!work_.rolled_back) return commit_and_wait(*appender);
  appender->rollback();
  return ok();
}

Status RandomLoad::run(Db& db) {
  switch (work_.kind) {
    case Work::Kind::kSeal:
      return db.seal_all();
    case Work::Kind::kMaintain:
      return db.maintain();
    case Work::Kind::kClean:
      return db.clean_tombstones();
    case Work::Kind::kMerge:
      return db.merge_due();
    case Work::Kind::kCompact:
      return db.compact();
    case Work::Kind::kSnapshot:
      return db.snapshot(false).status();
    case Work::Kind::kRestart:
      return ok();
    case Work::Kind::kDelete:
      return db.delete_series({work_.matchers}, from_ms(work_.mint), from_ms(work_.maxt));
    case Work::Kind::kDrop:
      db.drop_group(group_ids_[work_.group]);
      group_ids_.erase(work_.group);
      return ok();
    default:
      return run_appends(db);
  }
}

}  // namespace tocsin::tsdb::testing
