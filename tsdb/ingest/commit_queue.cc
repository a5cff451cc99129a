// SPDX-License-Identifier: Apache-2.0
#include "tsdb/ingest/commit_queue.h"

#include "base/check.h"

namespace tocsin::tsdb {

Status CommitQueue::commit(Batch* batch, std::uint64_t removals) {
  if (batch->empty()) return ok();
  Waiter waiter;
  waiter.batch = batch;
  waiter.removals = removals;
  run(&waiter);
  return waiter.result;
}

void CommitQueue::exclusive(const std::function<void()>& work) {
  Waiter waiter;
  waiter.work = &work;
  run(&waiter);
}

// The waiters that `self`, now at the front, serves: itself, or all batches up to the next
// exclusive work.
std::vector<CommitQueue::Waiter*> CommitQueue::take_turn(Waiter* self) {
  std::vector<Waiter*> turn;
  if (self->work != nullptr) return {self};
  for (Waiter* waiter : queue_) {
    if (waiter->work != nullptr || turn.size() == kMaxTogether) break;
    turn.push_back(waiter);
  }
  return turn;
}

void CommitQueue::run(Waiter* self) {
  std::vector<Waiter*> turn;
  {
    base::MutexLock lock(mutex_);
    queue_.push_back(self);
    while (!self->done && queue_.front() != self) self->wake.wait(mutex_);
    if (self->done) return;
    turn = take_turn(self);
  }
  // Being at the front of the queue is the leadership: it is not a lock.
  if (self->work != nullptr) {
    (*self->work)();
  } else {
    write(turn);
  }
  base::MutexLock lock(mutex_);
  for (Waiter* waiter : turn) {
    DCHECK(queue_.front() == waiter);
    queue_.pop_front();
    waiter->done = true;
    if (waiter != self) waiter->wake.notify_one();
  }
  if (!queue_.empty()) queue_.front()->wake.notify_one();
}

// Series are removed between commits; a batch that was open meanwhile must not write to one that is
// gone.
Status CommitQueue::check_series(const Waiter& waiter) const {
  if (waiter.removals == head_.removals()) return ok();
  const Batch& batch = *waiter.batch;
  const auto gone = [&](storage::SeriesId id) { return !head_.has_series(id); };
  const auto of_gone = [&](const auto& sample) { return gone(sample.id); };
  if (std::ranges::any_of(batch.samples, of_gone) || std::ranges::any_of(batch.side, of_gone) ||
      std::ranges::any_of(batch.notes, of_gone) ||
      std::ranges::any_of(batch.definitions,
                          [&](const Batch::Definition& definition) {
                            return std::ranges::any_of(definition.members, gone);
                          }) ||
      std::ranges::any_of(batch.rows,
                          [&](const Batch::Row& row) { return has_gone_member(batch, row); })) {
    return unavailable("a series was removed while the batch was open");
  }
  return ok();
}

// Members of a group do not leave, but one that another group took may.
bool CommitQueue::has_gone_member(const Batch& batch, const Batch::Row& row) const {
  const MembersPtr members = head_.members(row.group);
  if (!members || members->size() != row.members) return false;  // the batch's own definition
  for (std::uint32_t i = 0; i < row.members; ++i) {
    if (batch.is_set(row, i) && !head_.has_series((*members)[i])) return true;
  }
  return false;
}

void CommitQueue::write(const std::vector<Waiter*>& waiters) {
  const StatusOr<std::uint64_t> segment = journal_.segment_for_append();
  std::vector<std::string> payloads;
  std::uint64_t sequence = next_sequence_;
  for (Waiter* waiter : waiters) {
    waiter->result = segment.ok() ? check_series(*waiter) : segment.status();
    if (!waiter->result.ok()) continue;
    head_.arrange(waiter->batch);
    StatusOr<std::string> payload = codec_.encode(waiter->batch, sequence, *segment);
    if (payload.ok() && payload->size() > kMaxJournalRecord) {
      codec_.restart();
      payload = resource_exhausted("batch too large for the journal");
    }
    waiter->result = payload.status();
    if (!payload.ok()) continue;
    payloads.push_back(*std::move(payload));
    ++sequence;
  }
  if (!payloads.empty()) {
    if (Status written = journal_.append(kBatchRecord, payloads); !written.ok()) {
      codec_.restart();
      for (Waiter* waiter : waiters) {
        if (waiter->result.ok()) waiter->result = written;
      }
    } else {
      next_sequence_ = sequence;
    }
  }
  for (const Waiter* waiter : waiters) {
    if (waiter->result.ok()) {
      apply(*waiter->batch);
    } else {
      counters_.failed.fetch_add(1);
    }
  }
}

void CommitQueue::apply(const Batch& batch) {
  for (const Batch::NewSeries& series : batch.new_series) {
    if (!head_.is_durable(series.id)) unstored_.push_back(series.id);
  }
  const Head::Applied applied = head_.apply(batch);
  counters_.samples.fetch_add(applied.samples);
  counters_.refused.fetch_add(applied.refused);
  counters_.unknown.fetch_add(applied.unknown);
}

}  // namespace tocsin::tsdb
