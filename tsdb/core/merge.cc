// SPDX-License-Identifier: Apache-2.0
#include "tsdb/core/merge.h"

#include <algorithm>

#include "base/log.h"
#include "tsdb/life/retention.h"
#include "tsdb/merge/merge_policy.h"

namespace tocsin::tsdb {
namespace {

using storage::SeriesId;

// While queries run, a merge rests so many times as long as it worked: then it takes a fifth of a
// core at most, and it ends however many queries there are.
constexpr int kRest = 4;
// How soon it sees that no query runs any more.
constexpr auto kLook = std::chrono::milliseconds(1);
// How often it looks whether a seal is due.
constexpr auto kSealEvery = std::chrono::milliseconds(250);

// Called after each series, which takes some 0.1 ms.
class Pause {
 public:
  explicit Pause(Core& core) : core_(core) {}

  Status operator()() {
    if (core_.stopping) return cancelled("the database is stopping");
    const base::SteadyTime now = clock_.steady_now();
    if (core_.reading.load(std::memory_order_relaxed) > 0) rest(now);
    Status sealed;
    if (now - looked_ >= kSealEvery) {
      looked_ = now;
      if (seal_is_due(core_)) sealed = seal(core_);
    }
    resumed_ = clock_.steady_now();
    return sealed;
  }

 private:
  void rest(base::SteadyTime begin) {
    const base::SteadyTime until = begin + kRest * (begin - resumed_);
    base::SteadyTime now = begin;
    base::MutexLock lock(mutex_);
    while (now < until && core_.reading.load(std::memory_order_relaxed) > 0 && !core_.stopping) {
      static_cast<void>(wake_.wait_until(mutex_, std::min(until, now + kLook)));
      now = clock_.steady_now();
    }
    core_.metrics.merge_rest.inc(std::chrono::duration<double>(now - begin).count());
  }

  Core& core_;
  // Threads run by it, whatever clock the database has.
  const base::SystemClock clock_;
  base::SteadyTime resumed_ = clock_.steady_now();
  base::SteadyTime looked_ = resumed_;
  base::Mutex mutex_;
  base::CondVar wake_;  // never notified
};

Status forget_deleted(Core& core, std::vector<SeriesId> gone) {
  const Turn::Holder turn(core.maintenance);
  std::erase_if(gone, [&](SeriesId id) { return core.head.has_samples(id, INT64_MIN, INT64_MAX); });
  return gone.empty() ? ok() : forget_series(core, gone);
}

void leave_out(Core& core, RunId run) {
  base::log::error("a damaged run is not merged; what can be read of it still can",
                   {{"run", run.value()}});
  core.metrics.corruptions.with({"run"}).inc();
  const auto damaged = core.damaged_runs.lock();
  damaged->insert(std::upper_bound(damaged->begin(), damaged->end(), run), run);
}

Status run_job(Core& core, const MergeJob& job) {
  const base::SteadyTime begin = core.clock.steady_now();
  const auto deleted = core.tombstones.snapshot();
  Pause pause(core);
  RunStore::Merge merge;
  merge.inputs = job.inputs;
  merge.tier = job.tier;
  merge.deleted = deleted->empty() ? nullptr : deleted.get();
  merge.pause = [&] { return pause(); };
  merge.created_ms = base::to_ms(core.clock.now());
  const StatusOr<RunStore::Merged> merged = core.runs->merge(merge);
  // Retention was faster: the next plan is made without the dropped run.
  if (merged.status().code() == StatusCode::kFailedPrecondition) return ok();
  RETURN_IF_ERROR(merged.status());
  if (merged->damaged) {
    leave_out(core, *merged->damaged);
    return ok();
  }
  core.metrics.compactions.inc();
  core.metrics.merges.inc();
  core.metrics.merged_bytes.inc(static_cast<double>(merged->bytes_read));
  core.metrics.merge_memory.set(static_cast<double>(merged->peak_bytes));
  const std::chrono::duration<double> took = core.clock.steady_now() - begin;
  core.metrics.compaction_duration.observe(took.count());
  return merged->gone.empty() ? ok() : forget_deleted(core, merged->gone);
}

// Does what `plan(runs, left out)` gives until that is nothing.
template <typename Plan>
Status merge_all(Core& core, Plan plan) {
  const Turn::Holder turn(core.merging);
  for (;;) {
    if (core.stopping) return ok();
    const std::vector<RunId> left_out = *core.damaged_runs.lock();
    const std::optional<MergeJob> job =
        plan(RunStore::runs(*core.runs->snapshot()), std::span<const RunId>(left_out));
    if (!job) return ok();
    const Status done = run_job(core, *job);
    if (done.ok()) continue;
    if (done.code() == StatusCode::kCancelled && core.stopping) return ok();
    core.metrics.compactions_failed.inc();
    return annotate(done, "merging runs");
  }
}

}  // namespace

Status merge_due(Core& core) {
  const std::int64_t now_ms = base::to_ms(core.clock.now());
  return merge_all(core, [&](std::span<const RunInfo> runs, std::span<const RunId> left_out) {
    return MergePolicy().next(runs, left_out, now_ms);
  });
}

Status compact(Core& core) {
  if (core.stopping) return cancelled("the database is stopping");
  RETURN_IF_ERROR(seal(core));
  RETURN_IF_ERROR(
      merge_all(core, [](std::span<const RunInfo> runs, std::span<const RunId> left_out) {
        return MergePolicy().next_compaction(runs, left_out);
      }));
  return core.stopping ? cancelled("the database is stopping") : ok();
}

}  // namespace tocsin::tsdb
