// SPDX-License-Identifier: Apache-2.0
#include "notifier/silence/silence_store.h"

#include <algorithm>

#include "base/hash.h"
#include "base/log.h"
#include "notifier/silence/silence_codec.h"

namespace tocsin::notifier {
namespace {

constexpr std::uint8_t kSilenceRecord = 1;
constexpr base::Duration kTick{1};

Status check_matcher(const model::Matcher& matcher) {
  if (!model::is_label_name(matcher.name())) {
    return invalid_argument("invalid label name {}", model::go_quote(matcher.name()));
  }
  if (!model::is_utf8(matcher.value())) {
    return invalid_argument("invalid label value {}", model::go_quote(matcher.value()));
  }
  return ok();
}

std::chrono::sys_seconds whole_seconds(base::Timestamp t) {
  return std::chrono::floor<std::chrono::seconds>(t);
}

// Whether `to` may take the place of `from` under its id.
bool updates_in_place(const Silence& from, const Silence& to, base::Timestamp now) {
  if (from.matchers != to.matchers) return false;
  switch (from.state_at(now)) {
    case SilenceState::kActive:
      return whole_seconds(from.starts_at) == whole_seconds(to.starts_at) && to.ends_at >= now;
    case SilenceState::kPending:
      return to.starts_at >= now;
    case SilenceState::kExpired:
      return false;
  }
  return false;
}

// Ends `silence` one tick before `now`, so that it is expired at `now` already.
Silence expired(Silence silence, base::Timestamp now) {
  silence.starts_at = std::min(silence.starts_at, now - kTick);
  silence.ends_at = now - kTick;
  silence.updated_at = now;
  return silence;
}

const model::Matcher* equality(const Silence& silence) {
  for (const model::Matcher& matcher : silence.matchers) {
    if (matcher.type() == model::Matcher::Type::kEqual && !matcher.value().empty()) return &matcher;
  }
  return nullptr;
}

void append_muting(const std::vector<std::shared_ptr<const Silence>>& candidates,
                   const model::Labels& labels, base::Timestamp now,
                   std::vector<std::string>* ids) {
  for (const auto& silence : candidates) {
    if (silence->state_at(now) != SilenceState::kActive) continue;
    if (model::matches_all(silence->matchers, labels)) ids->push_back(silence->id);
  }
}

}  // namespace

StatusOr<std::unique_ptr<SilenceStore>> SilenceStore::open(base::FileSystem& files,
                                                           Options options) {
  std::unique_ptr<SilenceStore> store(new SilenceStore(std::move(options)));
  const auto read = [&store](std::uint8_t type, std::string_view payload) -> Status {
    if (type != kSilenceRecord) return data_loss("unknown record type {}", type);
    ASSIGN_OR_RETURN(std::vector<Silence> changes, decode_silences(payload));
    for (Silence& silence : changes) store->apply(std::move(silence));
    return ok();
  };
  ASSIGN_OR_RETURN(std::unique_ptr<base::RecordLog> log,
                   base::RecordLog::open(files, store->options_.path, read));
  if (log->replay().damaged_bytes > 0) {
    base::log::warn("silence log had a damaged end, cut off",
                    {{"path", store->options_.path}, {"bytes", log->replay().damaged_bytes}});
  }
  base::MutexLock lock(store->change_mutex_);
  store->log_ = std::move(log);
  return store;
}

Status SilenceStore::check(const Silence& silence) const {
  if (silence.matchers.empty()) return invalid_argument("at least one matcher required");
  bool all_match_empty = true;
  for (std::size_t i = 0; i < silence.matchers.size(); ++i) {
    const Status status = check_matcher(silence.matchers[i]);
    if (!status.ok()) return annotate(status, "invalid label matcher {}", i);
    all_match_empty = all_match_empty && silence.matchers[i].matches_empty();
  }
  if (all_match_empty) {
    return invalid_argument("at least one matcher must not match the empty string");
  }
  if (silence.ends_at == base::Timestamp() || silence.ends_at == base::Timestamp::min()) {
    return invalid_argument("invalid zero end timestamp");
  }
  if (silence.ends_at < silence.starts_at) {
    return invalid_argument("end time must not be before start time");
  }
  return ok();
}

Status SilenceStore::check_capacity() const {
  base::MutexLock lock(mutex_);
  if (options_.max_silences == 0 || silences_.size() < options_.max_silences) return ok();
  return resource_exhausted("exceeded maximum number of silences: {} (limit: {})", silences_.size(),
                            options_.max_silences);
}

StatusOr<std::string> SilenceStore::set(Silence silence, base::Timestamp now) {
  if (silence.starts_at == base::Timestamp() || silence.starts_at == base::Timestamp::min()) {
    silence.starts_at = now;
  }
  if (Status status = check(silence); !status.ok()) return annotate(status, "invalid silence");
  base::MutexLock change(change_mutex_);
  const Shared old = silence.id.empty() ? nullptr : lookup(silence.id);
  if (!silence.id.empty() && !old) return not_found("silence not found");
  const bool in_place = old && updates_in_place(*old, silence, now);
  std::vector<Silence> changes;
  if (!in_place) {
    RETURN_IF_ERROR(check_capacity());
    if (old && old->state_at(now) != SilenceState::kExpired) changes.push_back(expired(*old, now));
    silence.id = base::random_uuid();
    silence.starts_at = std::max(silence.starts_at, now);
  }
  silence.updated_at = now;
  const std::uint64_t size = encode_silences({&silence, 1}).size();
  if (options_.max_silence_bytes > 0 && size > options_.max_silence_bytes) {
    return resource_exhausted("silence exceeded maximum size: {} bytes (limit: {} bytes)", size,
                              options_.max_silence_bytes);
  }
  changes.push_back(silence);
  RETURN_IF_ERROR(write(changes));
  for (Silence& changed : changes) apply(std::move(changed));
  return silence.id;
}

Status SilenceStore::expire(const std::string& id, base::Timestamp now) {
  base::MutexLock change(change_mutex_);
  const Shared old = lookup(id);
  if (!old) return not_found("silence not found");
  if (old->state_at(now) == SilenceState::kExpired) return ok();
  Silence changed = expired(*old, now);
  RETURN_IF_ERROR(write({changed}));
  apply(std::move(changed));
  return ok();
}

Status SilenceStore::write(const std::vector<Silence>& changes) {
  if (must_rewrite_) RETURN_IF_ERROR(rewrite());
  RETURN_IF_ERROR(log_->append(kSilenceRecord, encode_silences(changes)));
  // The record survives a crash of the process already. Against a power cut it may be retried
  // later.
  if (const Status status = log_->sync(); !status.ok()) {
    must_rewrite_ = true;
    base::log::warn("silence log could not be synced", {{"error", message(status)}});
  }
  return ok();
}

Status SilenceStore::rewrite() {
  std::vector<Shared> kept;
  {
    base::MutexLock lock(mutex_);
    for (const auto& [id, silence] : silences_) kept.push_back(silence);
  }
  RETURN_IF_ERROR(log_->rewrite([&kept](const auto& append) -> Status {
    for (const Shared& silence : kept) {
      RETURN_IF_ERROR(append(kSilenceRecord, encode_silences({silence.get(), 1})));
    }
    return ok();
  }));
  must_rewrite_ = false;
  return ok();
}

void SilenceStore::apply(Silence silence) {
  Shared shared = std::make_shared<const Silence>(std::move(silence));
  base::MutexLock lock(mutex_);
  Shared& slot = silences_[shared->id];
  if (slot) unindex(slot);
  slot = shared;
  index(shared);
}

std::vector<SilenceStore::Shared>& SilenceStore::bucket(const Silence& silence) {
  const model::Matcher* matcher = equality(silence);
  return matcher == nullptr ? unindexed_ : by_label_[Pair(matcher->name(), matcher->value())];
}

void SilenceStore::index(const Shared& silence) { bucket(*silence).push_back(silence); }

void SilenceStore::unindex(const Shared& silence) {
  std::vector<Shared>& list = bucket(*silence);
  std::erase(list, silence);
  const model::Matcher* matcher = equality(*silence);
  if (list.empty() && matcher != nullptr) by_label_.erase(Pair(matcher->name(), matcher->value()));
}

SilenceStore::Shared SilenceStore::lookup(const std::string& id) const {
  base::MutexLock lock(mutex_);
  const auto it = silences_.find(id);
  return it == silences_.end() ? nullptr : it->second;
}

StatusOr<Silence> SilenceStore::find(const std::string& id) const {
  const Shared silence = lookup(id);
  if (!silence) return not_found("silence not found");
  return *silence;
}

std::vector<Silence> SilenceStore::all(base::Timestamp now) const {
  std::vector<Silence> by_state[3];
  {
    base::MutexLock lock(mutex_);
    for (const auto& [id, silence] : silences_) {
      by_state[static_cast<std::size_t>(silence->state_at(now))].push_back(*silence);
    }
  }
  auto& [pending, active, expired_ones] = by_state;
  std::stable_sort(active.begin(), active.end(),
                   [](const Silence& a, const Silence& b) { return a.ends_at < b.ends_at; });
  std::stable_sort(pending.begin(), pending.end(),
                   [](const Silence& a, const Silence& b) { return a.starts_at < b.starts_at; });
  std::stable_sort(expired_ones.begin(), expired_ones.end(),
                   [](const Silence& a, const Silence& b) { return a.ends_at > b.ends_at; });
  std::vector<Silence> sorted = std::move(active);
  sorted.insert(sorted.end(), pending.begin(), pending.end());
  sorted.insert(sorted.end(), expired_ones.begin(), expired_ones.end());
  return sorted;
}

std::vector<std::string> SilenceStore::muting(const model::Labels& labels,
                                              base::Timestamp now) const {
  std::vector<std::string> ids;
  {
    base::MutexLock lock(mutex_);
    append_muting(unindexed_, labels, now, &ids);
    if (!by_label_.empty()) {
      for (const model::LabelView& label : labels) {
        const auto it = by_label_.find(Pair(label.name, label.value));
        if (it != by_label_.end()) append_muting(it->second, labels, now, &ids);
      }
    }
  }
  std::sort(ids.begin(), ids.end());
  return ids;
}

std::array<std::uint64_t, 3> SilenceStore::counts(base::Timestamp now) const {
  std::array<std::uint64_t, 3> counts{};
  base::MutexLock lock(mutex_);
  for (const auto& [id, silence] : silences_) {
    ++counts[static_cast<std::size_t>(silence->state_at(now))];
  }
  return counts;
}

Status SilenceStore::maintain(base::Timestamp now) {
  base::MutexLock change(change_mutex_);
  {
    base::MutexLock lock(mutex_);
    for (auto it = silences_.begin(); it != silences_.end();) {
      const Shared& silence = it->second;
      if (now - options_.retention > silence->ends_at) {
        unindex(silence);
        it = silences_.erase(it);
      } else {
        // Expired ones stay on record, but no longer cost a look-up.
        if (silence->state_at(now) == SilenceState::kExpired) unindex(silence);
        ++it;
      }
    }
  }
  return rewrite();
}

Status SilenceStore::sync() {
  base::MutexLock change(change_mutex_);
  return must_rewrite_ ? rewrite() : log_->sync();
}

std::uint64_t SilenceStore::log_bytes() const {
  base::MutexLock change(change_mutex_);
  return log_->size_bytes();
}

}  // namespace tocsin::notifier
