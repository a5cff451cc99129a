// SPDX-License-Identifier: Apache-2.0
//
// Backlog: keeps memory bounded when samples arrive faster than they are sealed.
//
// While what is not in a run takes more than a limit, commits wait here, each for a bounded time,
// until a seal made room; then they go on in their order, and the others fail. Reads are not
// concerned. Memory is looked at each time that commits may have added a sixteenth of the limit.
// Owns: what waits (at most kMaxWaiting commits of kMaxWaitingBytes).
// Threads: shared; over() is one load.
// Errors: kUnavailable from hold() when too many wait, and for what waited too long.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>

#include "base/gate.h"
#include "base/mutex.h"
#include "base/status.h"
#include "base/time.h"
#include "storage/appender.h"
#include "tsdb/head/batch.h"
#include "tsdb/ingest/unkept_series.h"

namespace tocsin::tsdb {

struct Core;

// What an appender hands over when it commits.
struct Commit {
  Batch batch;
  std::uint64_t removals = 0;  // see CommitQueue::commit()
  std::uint64_t bytes = 0;     // of the encoded batch, at most
  base::Gate::Pass pass;
  UnkeptSeries::Created created;  // ends before the pass
  storage::Appender::CommitCallback done;
  base::SteadyTime wait_until;
};

class Backlog {
 public:
  static constexpr std::size_t kMaxWaiting = 1024;
  static constexpr std::uint64_t kMaxWaitingBytes = 64ULL << 20;

  // Whether commits have to wait.
  bool over() const { return over_.load(std::memory_order_relaxed); }
  // Notes a commit; true when memory should be measured.
  bool note(std::uint64_t bytes);
  // Says how much memory unsealed samples take, and may take.
  void measured(std::uint64_t used, std::uint64_t limit);

  // Keeps the commit for later; gives it back when it need not wait, or fails.
  StatusOr<std::optional<Commit>> hold(Commit commit);
  // The next that may go on; `expired` when it has waited too long instead.
  struct Resumed {
    Commit commit;
    bool expired = false;
  };
  std::optional<Resumed> take(base::SteadyTime now);
  // From now on nothing waits, and what does is expired.
  void close();

  struct Stats {
    std::uint64_t limit = 0;
    std::uint64_t waiting = 0;
    std::uint64_t delayed = 0;  // commits that had to wait
    std::uint64_t refused = 0;  // that failed
  };
  Stats stats() const;
  static Status refusal();

 private:
  std::atomic<bool> over_{false};
  std::atomic<std::uint64_t> added_{0};  // since the last measurement
  std::atomic<std::uint64_t> limit_{0};
  std::atomic<std::uint64_t> delayed_{0};
  std::atomic<std::uint64_t> refused_{0};
  mutable base::Mutex mutex_;
  std::deque<Commit> waiting_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t waiting_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

// Writes the commit, or lets it wait; its callback is called in any case, by a thread of the store
// when it waited.
void commit_or_wait(Core& core, Commit commit);
// Lets go on what may, and fails what waited too long.
void resume_commits(Core& core);
// Compares memory with its limit.
void measure_backlog(Core& core);
// Bytes of samples that are in no run.
std::uint64_t unsealed_bytes(const Core& core);

}  // namespace tocsin::tsdb
