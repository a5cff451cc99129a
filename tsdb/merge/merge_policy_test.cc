// SPDX-License-Identifier: Apache-2.0
#include "tsdb/merge/merge_policy.h"

#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace tocsin::tsdb {
namespace {

constexpr std::int64_t kMinute = 60'000;

// A run of half an hour that ends at this minute of the first day.
RunInfo run(std::uint64_t id, std::uint8_t tier, std::int64_t end_minute,
            std::int64_t created_minute = 0) {
  RunInfo info;
  info.id = RunId(id);
  info.tier = tier;
  info.min_ms = (end_minute - 30) * kMinute;
  info.max_ms = end_minute * kMinute;
  info.created_ms = created_minute * kMinute;
  return info;
}

std::string text(const std::optional<MergeJob>& job) {
  if (!job) return "nothing";
  std::string out = "to " + std::to_string(job->tier) + ":";
  for (const RunId id : job->inputs) out += " " + std::to_string(id.value());
  return out;
}

TEST(MergePolicy, TakesTheOldestCompleteWindow) {
  struct Row {
    const char* name;
    std::vector<RunInfo> runs;
    std::int64_t now_minute;
    const char* expected;
  };
  const Row rows[] = {
      {"no runs", {}, 0, "nothing"},
      {"an open window", {run(1, 0, 20), run(2, 0, 50)}, 60, "nothing"},
      {"newer data is beyond the window",
       {run(1, 0, 20), run(2, 0, 50), run(3, 0, 130)},
       60,
       "to 1: 1 2"},
      {"one run is not rewritten", {run(1, 0, 20), run(3, 0, 130)}, 60, "nothing"},
      {"passed, but sealed just now", {run(1, 0, 20), run(2, 0, 50, 125)}, 130, "nothing"},
      {"passed and quiet", {run(1, 0, 20), run(2, 0, 50, 120)}, 130, "to 1: 1 2"},
      {"the first of two windows",
       {run(5, 0, 20), run(6, 0, 50), run(3, 0, 130), run(4, 0, 150), run(7, 0, 250)},
       260,
       "to 1: 5 6"},
      {"a day is taken whole, whatever the tiers",
       {run(1, 1, 100), run(2, 0, 200), run(9, 0, 1441)},
       1441,
       "to 2: 1 2"},
      {"a lonely run of a day becomes cold", {run(1, 1, 100), run(9, 0, 1441)}, 1441, "to 2: 1"},
      {"cold runs stay", {run(1, 2, 100), run(2, 2, 200), run(9, 0, 1441)}, 1441, "nothing"},
      {"times before 1970", {run(1, 0, -20), run(2, 0, -10), run(3, 0, 5)}, 10, "to 2: 1 2"},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(text(MergePolicy().next(row.runs, {}, row.now_minute * kMinute)), row.expected)
        << row.name;
  }
}

TEST(MergePolicy, ManySmallRunsDoNotWaitForTheirWindow) {
  std::vector<RunInfo> runs;
  for (std::uint64_t i = 1; i < 16; ++i) runs.push_back(run(i, 0, static_cast<std::int64_t>(i)));
  EXPECT_EQ(text(MergePolicy().next(runs, {}, kMinute)), "nothing");
  runs.push_back(run(16, 0, 17));
  EXPECT_EQ(MergePolicy().next(runs, {}, kMinute)->inputs.size(), 16U);
}

TEST(MergePolicy, LeavesOutWhatItIsTold) {
  const std::vector<RunInfo> runs = {run(1, 0, 20), run(2, 0, 50), run(3, 0, 60), run(4, 0, 130)};
  const std::vector<RunId> left_out = {RunId(2)};
  EXPECT_EQ(text(MergePolicy().next(runs, left_out, 0)), "to 1: 1 3");
}

TEST(MergePolicy, BoundsTheInputsOfOneMerge) {
  std::vector<RunInfo> runs;
  for (std::uint64_t i = 1; i <= 100; ++i) runs.push_back(run(i, 0, 10));
  runs.push_back(run(101, 0, 130));
  EXPECT_EQ(MergePolicy().next(runs, {}, 0)->inputs.size(), 64U);
}

TEST(MergePolicy, CompactionEndsWithOneColdRunPerDay) {
  std::vector<RunInfo> runs = {run(1, 0, 20), run(2, 1, 50), run(3, 2, 60), run(4, 2, 1500),
                               run(5, 0, 3000)};
  EXPECT_EQ(text(MergePolicy().next_compaction(runs, {})), "to 2: 1 2 3");
  runs = {run(6, 2, 60), run(4, 2, 1500), run(5, 0, 3000)};
  EXPECT_EQ(text(MergePolicy().next_compaction(runs, {})), "to 2: 5");
  runs[2].tier = 2;
  EXPECT_EQ(text(MergePolicy().next_compaction(runs, {})), "nothing");
}

TEST(MergePolicy, EverySampleIsWrittenAboutThreeTimes) {
  // Three days of seals every 30 minutes; what each merge reads is what it writes.
  std::vector<RunInfo> runs;
  std::uint64_t next = 1;
  std::int64_t sealed = 0;
  std::int64_t written = 0;
  for (std::int64_t minute = 30; minute <= 3 * 24 * 60; minute += 30) {
    runs.push_back(run(next++, 0, minute, minute));
    runs.back().samples = 1;
    ++sealed;
    ++written;
    while (const auto job = MergePolicy().next(runs, {}, minute * kMinute)) {
      RunInfo merged = run(next++, job->tier, minute);
      merged.samples = 0;
      merged.max_ms = INT64_MIN;
      std::erase_if(runs, [&](const RunInfo& one) {
        if (std::find(job->inputs.begin(), job->inputs.end(), one.id) == job->inputs.end())
          return false;
        merged.samples += one.samples;
        merged.max_ms = std::max(merged.max_ms, one.max_ms);
        return true;
      });
      written += static_cast<std::int64_t>(merged.samples);
      runs.push_back(merged);
    }
    ASSERT_LE(runs.size(), 24U);
  }
  EXPECT_LE(written, sealed * 3);
  EXPECT_GE(written, sealed * 2);
}

}  // namespace
}  // namespace tocsin::tsdb
