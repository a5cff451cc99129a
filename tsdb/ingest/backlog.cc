// SPDX-License-Identifier: Apache-2.0
#include "tsdb/ingest/backlog.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "tsdb/core/core.h"

namespace tocsin::tsdb {

bool Backlog::note(std::uint64_t bytes) {
  const std::uint64_t limit = limit_.load(std::memory_order_relaxed);
  return added_.fetch_add(bytes, std::memory_order_relaxed) + bytes >= limit / 16;
}

void Backlog::measured(std::uint64_t used, std::uint64_t limit) {
  const bool is_over = used > limit;
  {
    base::MutexLock lock(mutex_);
    added_.store(0, std::memory_order_relaxed);
    limit_.store(limit, std::memory_order_relaxed);
    if (over_.exchange(is_over, std::memory_order_relaxed) == is_over) return;
  }
  if (is_over) {
    base::log::warn("samples arrive faster than they are sealed: commits wait",
                    {{"bytes", used}, {"limit", limit}});
  } else {
    base::log::info("samples are sealed again: commits go on", {{"bytes", used}});
  }
}

Status Backlog::refusal() {
  return unavailable("too many samples wait to be sealed: samples are refused until there is room");
}

StatusOr<std::optional<Commit>> Backlog::hold(Commit commit) {
  base::MutexLock lock(mutex_);
  if (!over()) return std::optional(std::move(commit));
  const bool full =
      waiting_.size() >= kMaxWaiting || waiting_bytes_ + commit.bytes > kMaxWaitingBytes;
  if (closed_ || full) {
    refused_.fetch_add(1);
    return refusal();
  }
  delayed_.fetch_add(1);
  waiting_bytes_ += commit.bytes;
  waiting_.push_back(std::move(commit));
  return std::optional<Commit>();
}

std::optional<Backlog::Resumed> Backlog::take(base::SteadyTime now) {
  base::MutexLock lock(mutex_);
  if (waiting_.empty()) return std::nullopt;
  const bool expired = closed_ || (over() && waiting_.front().wait_until <= now);
  if (over() && !expired) return std::nullopt;
  Resumed resumed{std::move(waiting_.front()), expired};
  waiting_.pop_front();
  waiting_bytes_ -= resumed.commit.bytes;
  if (expired) refused_.fetch_add(1);
  return resumed;
}

void Backlog::close() {
  base::MutexLock lock(mutex_);
  closed_ = true;
}

Backlog::Stats Backlog::stats() const {
  base::MutexLock lock(mutex_);
  return {limit_.load(), waiting_.size(), delayed_.load(), refused_.load()};
}

namespace {

void finish(Core& core, Commit* commit, const Status& result) {
  core.batches.give_back(std::exchange(commit->batch, {}));
  commit->created.end();
  commit->pass = base::Gate::Pass();
  commit->done(result);
}

void write(Core& core, Commit commit) {
  Status result = core.space.admit();
  if (result.ok()) result = core.queue->commit(&commit.batch, commit.removals);
  if (result.code() == StatusCode::kResourceExhausted) {
    const std::uint64_t reserve = core.options.lock()->reserve_bytes;
    core.space.check(reserve);
  }
  if (result.ok() && core.backlog.note(commit.bytes)) measure_backlog(core);
  finish(core, &commit, result);
}

std::uint64_t limit_of(const Core& core) {
  const Options options = *core.options.lock();
  if (options.max_unsealed_bytes != 0) return options.max_unsealed_bytes;
  const std::uint64_t series = core.head.stats().series;
  return 4 * (std::max(options.seal_min_bytes, series * options.seal_series_bytes) +
              options.seal_side_bytes);
}

}  // namespace

std::uint64_t unsealed_bytes(const Core& core) {
  return core.head.memory_bytes() + core.head.side().stats().bytes;
}

void measure_backlog(Core& core) { core.backlog.measured(unsealed_bytes(core), limit_of(core)); }

void commit_or_wait(Core& core, Commit commit) {
  if (!core.backlog.over()) return write(core, std::move(commit));
  const base::Duration wait = core.options.lock()->max_commit_wait;
  commit.wait_until = core.clock.steady_now() + wait;
  const storage::Appender::CommitCallback done = commit.done;
  StatusOr<std::optional<Commit>> held = core.backlog.hold(std::move(commit));
  // Not only the sync thread looks: a disk that hangs holds it up.
  resume_commits(core);
  if (!held.ok()) return done(held.status());
  if (held->has_value()) write(core, **std::move(held));
}

void resume_commits(Core& core) {
  while (std::optional<Backlog::Resumed> next = core.backlog.take(core.clock.steady_now())) {
    if (next->expired) {
      finish(core, &next->commit, Backlog::refusal());
    } else {
      write(core, std::move(next->commit));
    }
  }
}

}  // namespace tocsin::tsdb
