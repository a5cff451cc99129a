// SPDX-License-Identifier: Apache-2.0
#include "tsdb/merge/merge_policy.h"

#include <algorithm>
#include <map>

namespace tocsin::tsdb {
namespace {

std::int64_t window_of(std::int64_t ms, std::int64_t span) {
  return ms >= 0 ? ms / span : -((-(ms + 1)) / span) - 1;
}

using Windows = std::map<std::int64_t, std::vector<RunInfo>>;

// Runs below `tier` by their window.
Windows windows_of(std::span<const RunInfo> runs, std::span<const RunId> left_out,
                   std::uint8_t tier, std::int64_t span) {
  Windows windows;
  for (const RunInfo& run : runs) {
    if (run.tier >= tier || std::binary_search(left_out.begin(), left_out.end(), run.id)) continue;
    windows[window_of(run.max_ms, span)].push_back(run);
  }
  return windows;
}

MergeJob job_of(const std::vector<RunInfo>& runs, std::uint8_t tier, std::size_t max_inputs) {
  MergeJob job;
  job.tier = tier;
  for (const RunInfo& run : runs) job.inputs.push_back(run.id);
  std::sort(job.inputs.begin(), job.inputs.end());
  if (job.inputs.size() > max_inputs) job.inputs.resize(max_inputs);
  return job;
}

}  // namespace

std::optional<MergeJob> MergePolicy::next(std::span<const RunInfo> runs,
                                          std::span<const RunId> left_out,
                                          std::int64_t now_ms) const {
  std::int64_t newest_ms = INT64_MIN;
  for (const RunInfo& run : runs) newest_ms = std::max(newest_ms, run.max_ms);
  const auto complete = [&](std::int64_t window, std::int64_t span,
                            const std::vector<RunInfo>& in_it) {
    // In windows, so that times at the ends of the range do not overflow.
    if (window_of(newest_ms, span) > window) return true;
    if (window_of(now_ms, span) <= window) return false;
    return std::ranges::all_of(
        in_it, [&](const RunInfo& run) { return run.created_ms <= now_ms - quiet_ms; });
  };
  for (const auto& [window, in_it] : windows_of(runs, left_out, kColdTier, cold_window_ms)) {
    if (complete(window, cold_window_ms, in_it)) return job_of(in_it, kColdTier, max_inputs);
  }
  for (const auto& [window, in_it] : windows_of(runs, left_out, 1, warm_window_ms)) {
    const bool due = in_it.size() >= max_small_runs || complete(window, warm_window_ms, in_it);
    if (in_it.size() > 1 && due) return job_of(in_it, 1, max_inputs);
  }
  return std::nullopt;
}

std::optional<MergeJob> MergePolicy::next_compaction(std::span<const RunInfo> runs,
                                                     std::span<const RunId> left_out) const {
  for (const auto& [window, in_it] : windows_of(runs, left_out, kColdTier + 1, cold_window_ms)) {
    if (in_it.size() > 1 || in_it[0].tier < kColdTier) {
      return job_of(in_it, kColdTier, max_inputs);
    }
  }
  return std::nullopt;
}

}  // namespace tocsin::tsdb
