// SPDX-License-Identifier: Apache-2.0
//
// Merging of runs against a map: nothing lost, nothing invented, whatever overlaps, is deleted,
// damaged or crashes.
#include <algorithm>
#include <atomic>
#include <fstream>
#include <limits>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/executor.h"
#include "tsdb/kv/kv_store.h"
#include "tsdb/life/tombstones.h"
#include "tsdb/merge/merge_policy.h"
#include "tsdb/run/run_snapshot.h"
#include "tsdb/testing/run_test_data.h"

namespace tocsin::tsdb {
namespace {

using storage::SeriesId;

const std::uint64_t kOddBits[] = {0x7ff0000000000002,  // stale
                                  0xfff8dead00000001,  // another NaN
                                  0x8000000000000000,  // -0
                                  0x7ff0000000000000, 0xfff0000000000000, 1};

void expect_all(const RunStore& store, const Expected& expected) {
  std::vector<std::string> warnings;
  EXPECT_EQ(read_all(*store.snapshot(), ids_of(expected), kMinMs, kMaxMs, &warnings), expected);
  EXPECT_TRUE(warnings.empty()) << warnings[0];
}

std::vector<RunId> all_runs(const RunStore& store) {
  std::vector<RunId> ids;
  for (const RunInfo& run : RunStore::runs(*store.snapshot())) ids.push_back(run.id);
  return ids;
}

RunStore::Merge merge_of(std::vector<RunId> inputs, std::uint8_t tier) {
  RunStore::Merge merge;
  merge.inputs = std::move(inputs);
  merge.tier = tier;
  return merge;
}

// A run with some of the samples of `expected`, which it adds to; values are a function of series
// and time, so that runs that overlap agree.
std::vector<RunSeriesInput> random_run(std::mt19937_64& random, std::int64_t start,
                                       Expected* expected) {
  std::vector<RunSeriesInput> run;
  std::shared_ptr<storage::TimestampColumn> times;
  for (std::uint64_t id = 1 + random() % 5; id <= 90; id += 1 + random() % 3) {
    if (times == nullptr || random() % 20 == 0) {
      times = std::make_shared<storage::TimestampColumn>();
      for (std::int64_t row = 0, ms = start; row < 50; ++row) {
        times->ms.push_back(ms += 500 * static_cast<std::int64_t>(1 + random() % 4));
      }
    }
    RunSeriesInput input;
    input.id = SeriesId(id);
    input.labels = labels_of(id);
    input.column.times = times;
    input.column.first = static_cast<std::uint32_t>(random() % 5);
    input.column.rows = 40;
    input.column.present.resize(1);
    for (std::uint32_t row = 0; row < 40; ++row) {
      const std::int64_t ms = times->ms[input.column.first + row];
      const auto value = static_cast<double>(id * 1000 + static_cast<std::uint64_t>(ms) / 7000);
      std::uint64_t bits = std::bit_cast<std::uint64_t>(value / (id % 4 == 0 ? 10 : 1));
      const std::uint64_t hash = (id * 31 + static_cast<std::uint64_t>(ms)) % 97;
      if (hash < 6) bits = kOddBits[hash];
      input.column.floats.push_back(std::bit_cast<double>(bits));
      if (random() % 5 == 0) continue;
      input.column.present[0] |= std::uint64_t{1} << row;
      (*expected)[id][ms] = bits;
    }
    run.push_back(std::move(input));
  }
  return run;
}

TEST(Merge, OfRandomRunsIsWhatTheyHeld) {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937_64 random(seed);
    const TestDirectory directory;
    const auto store = must_open(directory.path());
    Expected expected;
    const std::uint64_t runs = 2 + random() % 6;
    for (std::uint64_t i = 0; i < runs; ++i) {
      const auto start = static_cast<std::int64_t>(random() % 20) * 40'000;  // they overlap
      const std::vector<RunSeriesInput> run = random_run(random, start, &expected);
      ASSERT_TRUE(store->write_run(plan_of(run), {}).ok());
    }
    std::vector<RunId> inputs = all_runs(*store);
    if (random() % 2 == 0 && inputs.size() > 2) inputs.erase(inputs.begin() + 1);
    const auto merged = store->merge(merge_of(inputs, static_cast<std::uint8_t>(1 + random() % 2)));
    ASSERT_TRUE(merged.ok()) << merged.status();
    EXPECT_FALSE(merged->damaged);
    ASSERT_EQ(all_runs(*store).size(), runs - inputs.size() + 1);
    if (runs == inputs.size()) {
      expect_all(*store, expected);
      const auto again = store->merge(merge_of(all_runs(*store), 2));
      ASSERT_TRUE(again.ok());
      std::uint64_t samples = 0;
      for (const auto& [id, one] : expected) samples += one.size();
      EXPECT_EQ(again->run.samples, samples);
      EXPECT_EQ(again->run.series, expected.size());
      expect_all(*store, expected);
    }
  }
}

TEST(Merge, LeavesOutDeletedSamplesAndRunsWithoutAny) {
  const TestDirectory directory;
  const auto store = must_open(directory.path());
  std::mt19937_64 random(5);
  Expected expected;
  for (int i = 0; i < 3; ++i) {
    const std::vector<RunSeriesInput> run = random_run(random, i * 200'000, &expected);
    ASSERT_TRUE(store->write_run(plan_of(run), {}).ok());
  }
  std::vector<Tombstone> stones;
  std::vector<Tombstone> everything;
  for (auto& [id, samples] : expected) {
    everything.push_back({SeriesId(id), {kMinMs, kMaxMs}});
    if (id % 3 != 0) continue;
    const std::int64_t low = std::next(samples.begin(), 3)->first;
    const std::int64_t high = std::next(samples.begin(), 9)->first;
    stones.push_back({SeriesId(id), {low, high}});
    std::erase_if(samples, [&](const auto& one) { return one.first >= low && one.first <= high; });
    if (id % 9 == 0) {
      stones.push_back({SeriesId(id), {kMinMs, kMaxMs}});
      samples.clear();
    }
  }
  std::erase_if(expected, [](const auto& one) { return one.second.empty(); });
  const Tombstones deleted(stones);
  RunStore::Merge merge = merge_of(all_runs(*store), 1);
  merge.deleted = &deleted;
  ASSERT_TRUE(store->merge(merge).ok());
  expect_all(*store, expected);
  const Tombstones all(everything);
  merge = merge_of(all_runs(*store), 2);
  merge.deleted = &all;
  const auto nothing = store->merge(merge);
  ASSERT_TRUE(nothing.ok()) << nothing.status();
  EXPECT_EQ(nothing->run.id, RunId());
  EXPECT_TRUE(all_runs(*store).empty());
}

TEST(Merge, ACrashAfterAnyStepChangesNoAnswer) {
  for (const std::string step : {"file", "ingest", "commit"}) {
    SCOPED_TRACE(step);
    const TestDirectory directory;
    std::mt19937_64 random(3);
    Expected expected;
    {
      bool armed = false;
      const auto store = must_open(directory.path(), [&](std::string_view name) {
        return armed && name == step ? unavailable("crash after {}", name) : ok();
      });
      for (int i = 0; i < 3; ++i) {
        const std::vector<RunSeriesInput> run = random_run(random, i * 200'000, &expected);
        ASSERT_TRUE(store->write_run(plan_of(run), {}).ok());
      }
      armed = true;
      EXPECT_FALSE(store->merge(merge_of(all_runs(*store), 1)).ok());
      expect_all(*store, expected);
    }
    const auto store = must_open(directory.path());
    expect_all(*store, expected);
    EXPECT_EQ(all_runs(*store).size(), step == "commit" ? 1U : 3U);
    EXPECT_EQ(store->kv().sample_files().size(), all_runs(*store).size());
    ASSERT_TRUE(store->merge(merge_of(all_runs(*store), 2)).ok());
    expect_all(*store, expected);
    EXPECT_EQ(store->kv().sample_files().size(), 1U);
  }
}

TEST(Merge, KeepsFilesThatASnapshotReads) {
  const TestDirectory directory;
  const auto store = must_open(directory.path());
  std::mt19937_64 random(8);
  Expected expected;
  for (int i = 0; i < 3; ++i) {
    const std::vector<RunSeriesInput> run = random_run(random, i * 200'000, &expected);
    ASSERT_TRUE(store->write_run(plan_of(run), {}).ok());
  }
  auto snapshot = store->snapshot();
  ASSERT_TRUE(store->merge(merge_of(all_runs(*store), 1)).ok());
  EXPECT_EQ(store->kv().sample_files().size(), 4U);
  std::vector<std::string> warnings;
  EXPECT_EQ(read_all(*snapshot, ids_of(expected), kMinMs, kMaxMs, &warnings).size(),
            expected.size());
  EXPECT_TRUE(warnings.empty());
  snapshot.reset();
  EXPECT_EQ(store->dropped_bytes(), 0U);
  EXPECT_EQ(store->kv().sample_files().size(), 1U);
}

TEST(Merge, ADamagedInputIsNamedAndNothingChanges) {
  const TestDirectory directory;
  std::mt19937_64 random(9);
  Expected expected;
  std::set<std::string> files;
  std::string second;
  for (int i = 0; i < 3; ++i) {
    const auto store = must_open(directory.path());
    const std::vector<RunSeriesInput> run = random_run(random, i * 200'000, &expected);
    ASSERT_TRUE(store->write_run(plan_of(run), {}).ok());
    for (const auto& file : store->kv().sample_files()) {
      if (files.insert(file.path).second && i == 1) second = file.path;
    }
  }
  {
    std::fstream file(second, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(500);
    file.write("damage", 6);
  }
  const auto store = must_open(directory.path());
  const std::vector<RunId> before = all_runs(*store);
  const auto merged = store->merge(merge_of(before, 1));
  ASSERT_TRUE(merged.ok()) << merged.status();
  EXPECT_EQ(merged->damaged, RunId(2));
  EXPECT_EQ(all_runs(*store), before);
  std::vector<std::string> warnings;
  const Expected left = read_all(*store->snapshot(), ids_of(expected), kMinMs, kMaxMs, &warnings);
  EXPECT_FALSE(warnings.empty());
  ASSERT_TRUE(store->merge(merge_of({RunId(1), RunId(3)}, 1)).ok());
  EXPECT_EQ(read_all(*store->snapshot(), ids_of(expected), kMinMs, kMaxMs, &warnings), left);
}

TEST(Merge, EndsWhenToldAndWhenAnInputIsDropped) {
  const TestDirectory directory;
  const auto store = must_open(directory.path());
  std::mt19937_64 random(4);
  Expected expected;
  for (int i = 0; i < 2; ++i) {
    const std::vector<RunSeriesInput> run = random_run(random, i * 200'000, &expected);
    ASSERT_TRUE(store->write_run(plan_of(run), {}).ok());
  }
  RunStore::Merge merge = merge_of(all_runs(*store), 1);
  merge.pause = [] { return cancelled("stopping"); };
  EXPECT_EQ(store->merge(merge).status().code(), StatusCode::kCancelled);
  expect_all(*store, expected);
  merge.pause = [&] { return store->drop_runs_before(kMaxMs, nullptr).status(); };
  EXPECT_FALSE(store->merge(merge).ok());
  EXPECT_TRUE(all_runs(*store).empty());
  EXPECT_EQ(store->kv().sample_files().size(), 0U);
  EXPECT_TRUE(base::real_file_system().list(directory.path("db/ingest"))->empty());
}

TEST(Merge, HoldsNoMoreMemoryThanItIsGiven) {
  const TestDirectory directory;
  const auto store = must_open(directory.path());
  std::mt19937_64 random(11);
  Expected expected;
  RunShape shape;
  shape.series = 200;
  shape.rows = 500;
  shape.per_group = 1;  // each has timestamps of its own: 0.8 MB of them in a run
  for (int i = 0; i < 12; ++i) {
    shape.start_ms += shape.rows * shape.step_ms;
    const std::vector<RunSeriesInput> run = make_run(shape, random(), &expected);
    ASSERT_TRUE(store->write_run(plan_of(run), {}).ok());
  }
  const auto merge_with = [&](std::size_t column_bytes) {
    RunStore::Merge merge = merge_of(all_runs(*store), 2);
    merge.column_bytes = column_bytes;
    const auto merged = store->merge(merge);
    EXPECT_TRUE(merged.ok()) << merged.status();
    expect_all(*store, expected);
    return merged->peak_bytes;
  };
  // Above it: the columns of one series, a tile of each input, one being written, an open block of
  // encoded columns.
  EXPECT_LE(merge_with(400'000), 400'000U + 2 * 500 * 12 * 8 + 13 * (64U << 10) + 1'200'000U);
  EXPECT_GE(merge_with(400'000), 100'000U);
  EXPECT_TRUE(base::real_file_system().list(directory.path("db/ingest"))->empty())
      << "columns that were put into a file are gone";
}

TEST(Merge, ReadersSeeTheSameBeforeDuringAndAfter) {
  const TestDirectory directory;
  const auto store = must_open(directory.path());
  std::mt19937_64 random(6);
  Expected expected;
  for (int i = 0; i < 6; ++i) {
    RunShape shape;
    shape.start_ms += i * shape.rows * shape.step_ms;
    shape.series = 100;
    const std::vector<RunSeriesInput> run = make_run(shape, random(), &expected);
    ASSERT_TRUE(store->write_run(plan_of(run), {}).ok());
  }
  const std::vector<SeriesId> ids = ids_of(expected);
  base::ThreadPool::Options options;
  options.name = "merge test";
  options.threads = 2;
  base::ThreadPool pool(options);
  std::atomic<bool> done = false;
  std::atomic<int> wrong = 0;
  const auto read = [&] {
    do {
      const auto snapshot = store->snapshot();
      std::vector<std::vector<storage::SeriesColumn>> columns(ids.size());
      std::vector<std::string> warnings;
      if (!RunStore::read(*snapshot, ids, kMinMs, kMaxMs, &columns, &warnings).ok()) ++wrong;
      if (!warnings.empty()) ++wrong;
      for (std::size_t i = 0; i < ids.size(); ++i) {
        std::size_t samples = 0;
        for (const auto& column : columns[i]) {
          for (std::uint32_t row = 0; row < column.rows; ++row) samples += column.has(row);
        }
        if (samples != expected[ids[i].value()].size()) ++wrong;
      }
    } while (!done);
  };
  ASSERT_TRUE(pool.post(read));
  ASSERT_TRUE(pool.post(read));
  for (int round = 0; round < 20; ++round) {
    std::vector<RunId> runs = all_runs(*store);
    if (runs.size() > 2) runs.resize(2);
    ASSERT_TRUE(store->merge(merge_of(runs, round % 2 == 0 ? 1 : 2)).ok());
  }
  done = true;
  pool.stop();
  EXPECT_EQ(wrong, 0);
  expect_all(*store, expected);
}

}  // namespace
}  // namespace tocsin::tsdb
