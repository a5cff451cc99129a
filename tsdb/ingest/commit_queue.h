// SPDX-License-Identifier: Apache-2.0
//
// CommitQueue: group commit. Committing threads line up; the first writes the batches of all with
// one system call, applies them to the head in the journal's order, and wakes the others.
//
// Hides: who leads.
// Owns: the batch codec and the sequence of batches. Borrows: head, journal.
// Threads: shared. The leader holds no lock while it writes. exclusive() runs work between two
// writes.
// Errors: of the journal; then nothing of the batch is applied.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "base/mutex.h"
#include "base/status.h"
#include "tsdb/head/batch.h"
#include "tsdb/head/head.h"
#include "tsdb/journal/batch_codec.h"
#include "tsdb/journal/journal.h"

namespace tocsin::tsdb {

class CommitQueue {
 public:
  CommitQueue(Head& head, Journal& journal, std::uint64_t next_sequence)
      : head_(head), journal_(journal), next_sequence_(next_sequence) {
    codec_.set_shared_members(
        [&head](storage::GroupId group) { return head.shared_members(group); });
  }
  CommitQueue(const CommitQueue&) = delete;
  CommitQueue& operator=(const CommitQueue&) = delete;

  // Arranges, writes and applies the batch; blocks until that is done. `removals` is head.removals() from
  // before the first series of the batch was looked up.
  Status commit(Batch* batch, std::uint64_t removals);
  // Runs work while no batch is being written or applied.
  void exclusive(const std::function<void()>& work);

  // Numbers above all written. REQUIRES: called within exclusive().
  std::uint64_t next_sequence() const { return next_sequence_; }
  void forget_group(storage::GroupId group) { codec_.forget_group(group); }
  // Series whose labels are in the journal and not yet in the store; the caller takes them over.
  std::vector<storage::SeriesId> take_unstored() { return std::exchange(unstored_, {}); }
  void give_back_unstored(std::span<const storage::SeriesId> ids) {
    unstored_.insert(unstored_.end(), ids.begin(), ids.end());
  }

  struct Counters {
    std::atomic<std::uint64_t> samples{0};
    std::atomic<std::uint64_t> refused{0};
    std::atomic<std::uint64_t> unknown{0};
    std::atomic<std::uint64_t> failed{0};  // batches that could not be written
  };
  const Counters& counters() const { return counters_; }

 private:
  struct Waiter {
    Batch* batch = nullptr;
    std::uint64_t removals = 0;
    const std::function<void()>* work = nullptr;
    Status result;
    bool done = false;
    base::CondVar wake;
  };
  static constexpr std::size_t kMaxTogether = 64;

  void run(Waiter* waiter);
  std::vector<Waiter*> take_turn(Waiter* self) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void write(const std::vector<Waiter*>& waiters);
  Status check_series(const Waiter& waiter) const;
  bool has_gone_member(const Batch& batch, const Batch::Row& row) const;
  void apply(const Batch& batch);

  Head& head_;
  Journal& journal_;

  // The leader's.
  BatchCodec codec_;
  std::uint64_t next_sequence_;
  std::vector<storage::SeriesId> unstored_;

  Counters counters_;
  base::Mutex mutex_;
  std::deque<Waiter*> queue_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tocsin::tsdb
