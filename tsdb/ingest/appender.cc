// SPDX-License-Identifier: Apache-2.0
#include "tsdb/ingest/appender.h"

#include <array>
#include <bit>
#include <cstring>
#include <thread>
#include <unordered_set>

#include "base/check.h"
#include "model/value.h"
#include "tsdb/ingest/append_side.h"

namespace tocsin::tsdb {

using storage::AppendResult;
using storage::GroupId;
using storage::SeriesId;
using storage::SeriesRef;

namespace {

constexpr std::uint32_t kMaxGroupMembers = 1U << 20;
constexpr std::uint64_t kMaxSampleBytes = 32;  // of one encoded sample
constexpr std::size_t kShownBytes = 64;        // of a name that is too long
// After a restart stale_all() looks for samples this far back in runs; what is older is stale by
// any lookback in use.
constexpr std::int64_t kStaleSearchMs = 3600 * 1000;

}  // namespace

TsdbAppender::TsdbAppender(Core& core, base::Gate::Pass pass)
    : core_(core),
      pass_(std::move(pass)),
      created_(core.unkept),
      removals_(core.head.removals()),
      batch_(core.batches.take()) {}

Status TsdbAppender::charge(std::uint64_t bytes) {
  if (bytes_ + bytes > kMaxJournalRecord)
    return resource_exhausted("batch is larger than {} bytes", kMaxJournalRecord);
  bytes_ += bytes;
  return ok();
}

Status TsdbAppender::check_labels(const model::Labels& labels) const {
  if (labels.empty()) return invalid_argument("empty labelset: invalid sample");
  const Options options = *core_.options.lock();
  if (labels.bytes() > options.max_label_bytes) {
    return invalid_argument("labels of {} bytes are longer than {} bytes", labels.bytes(),
                            options.max_label_bytes);
  }
  std::size_t count = 0;
  std::string_view before;
  for (const model::LabelView& label : labels) {
    if (count != 0 && label.name == before) {
      return invalid_argument("label name \"{}\" is not unique: invalid sample", label.name);
    }
    if (!model::is_label_name(label.name) || !model::is_utf8(label.value)) {
      return invalid_argument("invalid label {}={}: invalid sample", model::go_quote(label.name),
                              model::go_quote(label.value));
    }
    if (label.name.size() > options.max_label_name_bytes) {
      return invalid_argument("label name of {} bytes is longer than {} bytes: {}...",
                              label.name.size(), options.max_label_name_bytes,
                              model::go_quote(label.name.substr(0, kShownBytes)));
    }
    if (label.value.size() > options.max_label_value_bytes) {
      return invalid_argument("value of label {} of {} bytes is longer than {} bytes",
                              model::go_quote(label.name), label.value.size(),
                              options.max_label_value_bytes);
    }
    before = label.name;
    ++count;
  }
  if (count > options.max_labels) {
    return invalid_argument("{} labels are more than {}", count, options.max_labels);
  }
  return ok();
}

Status TsdbAppender::take_new_series() {
  const std::uint32_t limit = core_.options.lock()->max_new_series_per_minute;
  if (limit == 0 || core_.new_series.take(limit, base::to_ms(core_.clock.now()))) return ok();
  return make_status(StatusCode::kAborted,
                     fmt::format("too many new series in this minute (limit {})", limit));
}

bool TsdbAppender::look(SeriesId id) {
  const std::optional<Head::Look> found = core_.head.look(id);
  looked_at_ = found ? id : SeriesId();
  if (found) look_ = *found;
  return found.has_value();
}

StatusOr<AppendResult> TsdbAppender::resolve(SeriesRef ref, const model::Labels& labels) {
  if (ref && look(SeriesId(ref.value()))) return AppendResult{ref, false};
  if (ref && labels.empty()) return not_found("unknown series reference");
  // Labels that are in the index were checked before.
  if (const SeriesId known = core_.index.find(labels); known && look(known)) {
    return AppendResult{SeriesRef(known.value()), false};
  }
  RETURN_IF_ERROR(check_labels(labels));
  RETURN_IF_ERROR(take_new_series());
  return create(labels);
}

StatusOr<AppendResult> TsdbAppender::create(const model::Labels& labels) {
  for (int attempt = 0; attempt < 1000; ++attempt) {
    ASSIGN_OR_RETURN(const SeriesIndex::Resolved resolved, core_.index.resolve(labels));
    if (resolved.created) {
      core_.head.add_series(resolved.id);
      created_.add(resolved.id);
      core_.metrics.series_created.inc();
    }
    if (look(resolved.id)) {
      return AppendResult{SeriesRef(resolved.id.value()), resolved.created};
    }
    std::this_thread::yield();  // another thread is between creating or removing it in the index
                                // and in the head
  }
  return unavailable("series is being removed");
}

void TsdbAppender::note_series(SeriesId id, const model::Labels& labels) {
  const bool durable = looked_at_ == id ? look_.durable : core_.head.is_durable(id);
  if (durable || !noted_.emplace(id, true).second) return;
  batch_.new_series.push_back({id, labels.empty() ? core_.index.labels(id) : labels});
  bytes_ += batch_.new_series.back().labels.bytes() + 32;
}

StatusOr<Newest> TsdbAppender::newest_float(SeriesId id, std::int64_t t_ms) {
  if (const PendingSamples::Sample* pending = pending_.find(id)) {
    return Newest{pending->time_ms, pending->bits};
  }
  if (looked_at_ != id && !look(id)) return not_found("unknown series reference");
  const Newest& known = look_.newest;
  if (known.time_ms != kUnknownTime || t_ms > core_.sealed_max_ms) return known;
  return core_.newest_in_runs(id, t_ms);
}

StatusOr<TsdbAppender::Verdict> TsdbAppender::check(SeriesId id, std::int64_t t_ms,
                                                    std::uint64_t bits,
                                                    const storage::AppendOptions& options) {
  ASSIGN_OR_RETURN(const Newest newest, newest_float(id, t_ms));
  if (has_side(id)) return check_side(id, t_ms, bits, newest, options);
  if (newest.time_ms == kUnknownTime || t_ms > newest.time_ms) return Verdict::kAppend;
  if (t_ms < newest.time_ms) return check_late({id, t_ms, newest.time_ms}, bits, options);
  if (newest.bits == bits) return Verdict::kDuplicate;
  return duplicate_sample(t_ms, newest.bits, bits);
}

StatusOr<AppendResult> TsdbAppender::append(SeriesRef ref, const model::Labels& labels,
                                            model::Timestamp t, double value,
                                            const storage::AppendOptions& options) {
  CHECK(!finished_);
  ASSIGN_OR_RETURN(const AppendResult result, resolve(ref, labels));
  RETURN_IF_ERROR(append_to(SeriesId(result.ref.value()), labels, {t, value}, options));
  return result;
}

void TsdbAppender::append_known(std::span<const storage::KnownSample> samples,
                                const Refused& refused) {
  CHECK(!finished_);
  constexpr std::size_t kTogether = 64;
  const model::Labels no_labels;
  std::array<SeriesId, kTogether> ids;
  std::array<Head::Look, kTogether> looks;
  std::size_t filled = 0;  // ids are those of samples [filled - kTogether, filled)
  for (std::size_t i = 0; i < samples.size();) {
    if (i == filled) {
      filled = std::min(samples.size(), i + kTogether);
      for (std::size_t k = i; k < filled; ++k) {
        ids[k % kTogether] = SeriesId(samples[k].ref.value());
      }
    }
    const std::span<const SeriesId> next(&ids[i % kTogether], filled - i);
    const std::size_t count = core_.head.look_along(next, looks.data());
    if (count == 0) refused(i++, not_found("unknown series reference"));
    for (std::size_t k = 0; k < count; ++k, ++i) {
      looked_at_ = next[k];
      look_ = looks[k];
      storage::AppendOptions options;
      if (samples[i].start_ms != 0) options.start = base::from_ms(samples[i].start_ms);
      const Status status =
          append_to(next[k], no_labels, {samples[i].t, samples[i].value}, options);
      if (!status.ok()) refused(i, status);
    }
  }
}

Status TsdbAppender::append_to(SeriesId id, const model::Labels& labels, const Point& point,
                               const storage::AppendOptions& options) {
  const std::int64_t t_ms = base::to_ms(point.t);
  const auto bits = std::bit_cast<std::uint64_t>(point.value);
  if (has_side(id) && model::is_stale(point.value)) {
    if (const std::optional<SideValue> ends = newest_histogram(id)) {
      return append_value(SeriesRef(id.value()), labels, point.t, stale_value(*ends), options)
          .status();
    }
  }
  ASSIGN_OR_RETURN(const Verdict verdict, check(id, t_ms, bits, options));
  if (verdict == Verdict::kDuplicate) return ok();
  RETURN_IF_ERROR(charge(kMaxSampleBytes));
  note_series(id, labels);
  if (verdict == Verdict::kLate) {
    return put_side({id, t_ms, start_of(options), true, bits});
  }
  RETURN_IF_ERROR(put_start(id, t_ms, options));
  add_sample(id, t_ms, bits);
  looked_at_ = SeriesId();
  return ok();
}

void TsdbAppender::add_sample(SeriesId id, std::int64_t t_ms, std::uint64_t bits) {
  if (batch_.ops.empty() || batch_.ops.back().kind != Batch::OpKind::kSamples) {
    batch_.ops.push_back({Batch::OpKind::kSamples, batch_.samples.size(), 0});
  }
  ++batch_.ops.back().count;
  Batch::Sample& sample =
      batch_.samples.emplace_back(Batch::Sample{id, t_ms, bits, look_.group, look_.slot});
  sample.home = look_.home;
  sample.before_ms = look_.newest.time_ms;
  if (pending_.find(id) != nullptr) {
    sample.home = Batch::Home::kRepeat;
    batch_.repeats = true;
  }
  pending_.put({id, t_ms, bits});
}

// Groups ----------------------------------------------------------------------------------------

bool TsdbAppender::has_rows(GroupId group) const {
  return std::any_of(batch_.rows.begin(), batch_.rows.end(),
                     [&](const Batch::Row& row) { return row.group == group; });
}

StatusOr<MembersPtr> TsdbAppender::members_of(GroupId group) const {
  for (auto d = batch_.definitions.rbegin(); d != batch_.definitions.rend(); ++d) {
    if (d->group == group) return std::make_shared<const std::vector<SeriesId>>(d->members);
  }
  MembersPtr members = core_.head.members(group);
  if (!members) return not_found("unknown group");
  return members;
}

StatusOr<GroupId> TsdbAppender::define_group(GroupId group, std::span<const SeriesRef> members) {
  CHECK(!finished_);
  if (members.empty() || members.size() > kMaxGroupMembers) {
    return invalid_argument("a group has 1 to {} members", kMaxGroupMembers);
  }
  if (group) RETURN_IF_ERROR(members_of(group).status());
  Batch::Definition definition{group, {}};
  std::unordered_set<SeriesId> seen;
  for (const SeriesRef ref : members) {
    const SeriesId id(ref.value());
    if (!core_.head.has_series(id)) return not_found("unknown series reference");
    if (!seen.insert(id).second) return invalid_argument("a series is twice in the group");
    definition.members.push_back(id);
  }
  RETURN_IF_ERROR(charge(members.size() * 10 + 32));
  for (const SeriesId id : definition.members) note_series(id, {});
  if (!group) group = core_.head.new_group_id();
  definition.group = group;
  // Before the samples of this batch, so that these already arrive as rows of the group.
  std::vector<Batch::Op>& ops = has_rows(group) ? batch_.ops : first_ops_;
  ops.push_back({Batch::OpKind::kDefine, batch_.definitions.size(), 1});
  batch_.definitions.push_back(std::move(definition));
  return group;
}

Batch::Row& TsdbAppender::add_row(GroupId group, std::int64_t t_ms, std::uint32_t members,
                                  bool stale) {
  Batch::Row row{group, t_ms, stale, members, batch_.set.size(), batch_.values.size()};
  batch_.set.resize(row.set_at + (members + 63) / 64);
  if (!stale) batch_.values.resize(row.values_at + members);
  batch_.ops.push_back({Batch::OpKind::kRow, batch_.rows.size(), 1});
  return batch_.rows.emplace_back(row);
}

Status TsdbAppender::step(GroupId group, model::Timestamp t) {
  CHECK(!finished_);
  row_open_ = false;
  const std::int64_t t_ms = base::to_ms(t);
  ASSIGN_OR_RETURN(row_members_, members_of(group));
  const std::optional<Head::GroupInfo> info = core_.head.group_info(group);
  std::int64_t last_step_ms = info ? info->last_step_ms : kUnknownTime;
  for (const Batch::Row& row : batch_.rows) {
    if (row.group == group) last_step_ms = std::max(last_step_ms, row.time_ms);
  }
  if (last_step_ms != kUnknownTime && t_ms <= last_step_ms) {
    core_.metrics.out_of_order.inc();
    return out_of_range("out of order sample");
  }
  const auto members = static_cast<std::uint32_t>(row_members_->size());
  RETURN_IF_ERROR(charge(members * std::uint64_t{14} + 64));
  const SideStore& side = core_.head.side();
  const bool any_side = !pending_side_.empty() ||
                        (side.any() && std::any_of(row_members_->begin(), row_members_->end(),
                                                   [&](SeriesId id) { return side.has(id); }));
  row_unchecked_ = !any_side && info && info->members->size() == members &&
                   info->positions.all_here && t_ms > info->positions.newest_ms &&
                   (info->positions.all_known || t_ms > core_.sealed_max_ms) &&
                   batch_.definitions.empty() && pending_.empty();
  add_row(group, t_ms, members, false);
  row_open_ = true;
  return ok();
}

Status TsdbAppender::set(std::uint32_t position, double value) {
  looked_at_ = SeriesId();
  CHECK(row_open_ && position < row_members_->size());
  const Batch::Row& row = batch_.rows.back();
  const auto bits = std::bit_cast<std::uint64_t>(value);
  if (!row_unchecked_ && !batch_.is_set(row, position)) {
    const SeriesId id = (*row_members_)[position];
    if (has_side(id) && model::is_stale(value)) {
      if (const std::optional<SideValue> ends = newest_histogram(id)) {
        return append_value(SeriesRef(id.value()), {}, base::from_ms(row.time_ms),
                            stale_value(*ends), {})
            .status();
      }
    }
    ASSIGN_OR_RETURN(const Verdict verdict, check(id, row.time_ms, bits));
    if (verdict == Verdict::kDuplicate) return ok();
    note_series(id, {});
    if (verdict == Verdict::kLate) return put_side({id, row.time_ms, 0, true, bits});
    RETURN_IF_ERROR(put_start(id, row.time_ms, {}));
    if (has_side(id)) pending_.put({id, row.time_ms, bits});
  }
  batch_.values[row.values_at + position] = bits;
  batch_.mark_set(row, position);
  return ok();
}

Status TsdbAppender::set_range(std::uint32_t first, std::span<const double> values) {
  if (!row_unchecked_ || values.empty()) return Appender::set_range(first, values);
  CHECK(row_open_ && first + values.size() <= row_members_->size());
  const Batch::Row& row = batch_.rows.back();
  std::memcpy(&batch_.values[row.values_at + first], values.data(), values.size_bytes());
  batch_.mark_set(row, first, static_cast<std::uint32_t>(values.size()));
  return ok();
}

StatusOr<Newest> TsdbAppender::newest_of_member(SeriesId id) {
  if (const PendingSamples::Sample* pending = pending_.find(id)) {
    return Newest{pending->time_ms, pending->bits};
  }
  std::optional<Newest> newest = core_.head.newest(id);
  if (!newest) {
    // A member that another group took and gave up may have left memory since.
    ASSIGN_OR_RETURN(const model::Labels labels,
                     core_.catalog->history().labels(static_cast<std::uint32_t>(id.value())));
    if (labels.empty()) return Newest();
    ASSIGN_OR_RETURN(const AppendResult back, create(labels));
    if (SeriesId(back.ref.value()) != id) return Newest();
    newest = Newest();
  }
  if (newest->time_ms != kUnknownTime || core_.sealed_max_ms == INT64_MIN) return *newest;
  return core_.newest_in_runs(id, core_.sealed_max_ms - kStaleSearchMs);
}

Status TsdbAppender::stale_all(GroupId group, model::Timestamp t) {
  CHECK(!finished_);
  row_open_ = false;
  const std::int64_t t_ms = base::to_ms(t);
  ASSIGN_OR_RETURN(const MembersPtr listed, members_of(group));
  const std::vector<SeriesId>& members = *listed;
  std::vector<bool> marked(members.size());
  for (std::size_t i = 0; i < members.size(); ++i) {
    ASSIGN_OR_RETURN(const Newest newest, newest_of_member(members[i]));
    marked[i] = newest.time_ms != kUnknownTime && newest.bits != model::kStaleNanBits;
  }
  for (const Batch::Row& row : batch_.rows) {
    if (row.group != group || row.stale || row.members != members.size()) continue;
    for (std::uint32_t i = 0; i < row.members; ++i) {
      if (batch_.is_set(row, i))
        marked[i] = batch_.values[row.values_at + i] != model::kStaleNanBits;
    }
  }
  RETURN_IF_ERROR(stale_histograms(members, t_ms, &marked));
  RETURN_IF_ERROR(charge(members.size() / 8 + 64));
  const Batch::Row row = add_row(group, t_ms, static_cast<std::uint32_t>(members.size()), true);
  for (std::uint32_t i = 0; i < row.members; ++i) {
    if (!marked[i]) continue;
    note_series(members[i], {});
    batch_.mark_set(row, i);
  }
  return ok();
}

// End -------------------------------------------------------------------------------------------

void TsdbAppender::commit(CommitCallback done) {
  CHECK(!finished_);
  finished_ = true;
  batch_.ops.insert(batch_.ops.begin(), first_ops_.begin(), first_ops_.end());
  Commit commit;
  commit.batch = std::exchange(batch_, {});
  commit.removals = removals_;
  commit.bytes = bytes_;
  commit.created = std::move(created_);
  commit.pass = std::move(pass_);
  commit.done = std::move(done);
  commit_or_wait(core_, std::move(commit));
}

void TsdbAppender::rollback() {
  finished_ = true;
  batch_.clear();
  created_.end();
  pass_ = base::Gate::Pass();
}

}  // namespace tocsin::tsdb
