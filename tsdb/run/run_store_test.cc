// SPDX-License-Identifier: Apache-2.0
#include "tsdb/run/run_store.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/executor.h"
#include "tsdb/kv/kv_store.h"
#include "tsdb/run/run_format.h"
#include "tsdb/run/run_snapshot.h"
#include "tsdb/testing/run_test_data.h"

namespace tocsin::tsdb {
namespace {

using storage::SeriesId;

// Writes a run of this shape as number `number`.
RunInfo write(RunStore& store, const RunShape& shape, std::uint64_t number, Expected* expected) {
  std::vector<RunSeriesInput> run = make_run(shape, number, expected);
  const RunStore::Commit commit = commit_of(number);
  const auto info = store.write_run(plan_of(run), commit);
  EXPECT_TRUE(info.ok()) << info.status();
  return info.ok() ? *info : RunInfo();
}

RunShape later(RunShape shape, std::int64_t runs) {
  shape.start_ms += runs * shape.rows * shape.step_ms;
  return shape;
}

void expect_all(const RunStore& store, const Expected& expected) {
  std::vector<std::string> warnings;
  EXPECT_EQ(read_all(*store.snapshot(), ids_of(expected), kMinMs, kMaxMs, &warnings), expected);
  EXPECT_TRUE(warnings.empty()) << warnings[0];
}

TEST(RunStore, ReadsBackWhatWasWrittenAlsoAfterReopening) {
  const TestDirectory directory;
  Expected expected;
  {
    const auto store = must_open(directory.path());
    EXPECT_EQ(store->journal_position(), JournalPosition());
    EXPECT_EQ(store->head_state(), "");
    RunShape shape;
    shape.series = 500;
    const RunInfo first = write(*store, shape, 1, &expected);
    EXPECT_EQ(first.id, RunId(1));
    EXPECT_EQ(first.series, expected.size());
    EXPECT_GT(first.bytes, 0U);
    std::uint64_t samples = 0;
    for (const auto& [id, one] : expected) samples += one.size();
    EXPECT_EQ(first.samples, samples);
    expect_all(*store, expected);
    write(*store, later(shape, 1), 2, &expected);
    expect_all(*store, expected);
    EXPECT_GT(store->bytes_on_disk(), first.bytes);
  }
  const auto store = must_open(directory.path());
  expect_all(*store, expected);
  EXPECT_EQ(store->journal_position(), (JournalPosition{2, 200}));
  EXPECT_EQ(store->head_state(), "head after 2");
  const auto snapshot = store->snapshot();
  ASSERT_EQ(RunStore::runs(*snapshot).size(), 2U);
  EXPECT_EQ(RunStore::runs(*snapshot)[1].id, RunId(2));
  EXPECT_LT(RunStore::runs(*snapshot)[0].max_ms, RunStore::runs(*snapshot)[1].min_ms);
}

TEST(RunStore, CutsToTheRangeAndToTheIds) {
  const TestDirectory directory;
  const auto store = must_open(directory.path());
  Expected expected;
  RunShape shape;
  shape.series = 200;
  shape.rows = 150;
  write(*store, shape, 1, &expected);
  write(*store, later(shape, 1), 2, &expected);
  const auto snapshot = store->snapshot();
  const std::int64_t begin = shape.start_ms;
  const std::int64_t run_length = shape.rows * shape.step_ms;
  const std::pair<std::int64_t, std::int64_t> ranges[] = {
      {begin, begin},
      {begin + 15'000 * 70, begin + 15'000 * 71},
      {begin + run_length - 100'000, begin + run_length + 100'000},
      {kMinMs, begin - 1},
      {begin + 2 * run_length + 1000, kMaxMs},
      {begin + 2'000'000, kMaxMs}};
  for (const auto& [min_ms, max_ms] : ranges) {
    SCOPED_TRACE(testing::Message() << min_ms << " to " << max_ms);
    std::vector<std::string> warnings;
    EXPECT_EQ(read_all(*snapshot, ids_of(expected), min_ms, max_ms, &warnings),
              cut(expected, min_ms, max_ms));
    EXPECT_TRUE(warnings.empty());
  }
  std::vector<std::string> warnings;
  const std::vector<SeriesId> some = {SeriesId(3), SeriesId(77), SeriesId(5000),
                                      SeriesId(1ULL << 40U)};
  const Expected found = read_all(*snapshot, some, kMinMs, kMaxMs, &warnings);
  EXPECT_EQ(found, (Expected{{3, expected[3]}, {77, expected[77]}}));
}

TEST(RunStore, SeriesOfAGroupShareTheirTimestampColumn) {
  const TestDirectory directory;
  const auto store = must_open(directory.path());
  Expected expected;
  RunShape shape;
  shape.series = 100;
  shape.per_group = 50;
  write(*store, shape, 1, &expected);
  const std::vector<SeriesId> ids = ids_of(expected);
  std::vector<std::vector<storage::SeriesColumn>> columns(ids.size());
  std::vector<std::string> warnings;
  ASSERT_TRUE(RunStore::read(*store->snapshot(), ids, kMinMs, kMaxMs, &columns, &warnings).ok());
  std::set<const storage::TimestampColumn*> distinct;
  for (const auto& of_series : columns) {
    for (const auto& column : of_series) distinct.insert(column.times.get());
  }
  EXPECT_EQ(distinct.size(), 2U);
  EXPECT_EQ(columns[0][0].times, columns[1][0].times);
}

TEST(RunStore, KeepsStartTimestampsAndTwoColumnsOfOneSeries) {
  const TestDirectory directory;
  const auto store = must_open(directory.path());
  std::vector<RunSeriesInput> run(2);
  for (std::size_t i = 0; i < 2; ++i) {
    // The series changed its group: its newer half comes first here.
    auto times = std::make_shared<storage::TimestampColumn>();
    const std::int64_t base = i == 0 ? 3000 : 1000;
    times->ms = {base, base + 1000};
    run[i].id = SeriesId(9);
    run[i].labels = labels_of(9);
    run[i].column.times = times;
    run[i].column.rows = 2;
    run[i].column.floats = {1.5, static_cast<double>(i)};
    run[i].column.start_ms = {0, 500};
  }
  ASSERT_TRUE(store->write_run(plan_of(run), {}).ok());
  const std::vector<SeriesId> ids = {SeriesId(9)};
  std::vector<std::vector<storage::SeriesColumn>> columns(1);
  std::vector<std::string> warnings;
  ASSERT_TRUE(RunStore::read(*store->snapshot(), ids, 2000, kMaxMs, &columns, &warnings).ok());
  ASSERT_EQ(columns[0].size(), 2U);
  EXPECT_EQ(columns[0][0].times->ms[columns[0][0].first], 2000);
  EXPECT_EQ(columns[0][0].start_ms, (std::vector<std::int64_t>{500}));
  EXPECT_EQ(columns[0][1].start_ms, (std::vector<std::int64_t>{0, 500}));
}

TEST(RunStore, WithoutSamplesTheRestIsCommittedAllTheSame) {
  const TestDirectory directory;
  {
    const auto store = must_open(directory.path());
    KvBatch catalog;
    catalog.put(Family::kSeries, "key", "value");
    RunStore::Commit commit;
    commit.journal = {7, 8};
    commit.head_state = "state";
    commit.catalog = &catalog;
    const auto info = store->write_run({}, commit);
    ASSERT_TRUE(info.ok());
    EXPECT_EQ(info->id, RunId()) << "no run for no samples";
    EXPECT_EQ(RunStore::runs(*store->snapshot()).size(), 0U);
  }
  const auto store = must_open(directory.path());
  EXPECT_EQ(store->journal_position(), (JournalPosition{7, 8}));
  EXPECT_EQ(store->head_state(), "state");
  EXPECT_EQ(*store->kv().get(Family::kSeries, "key"), "value");
}

TEST(RunStore, RefusesColumnsThatContradictThemselves) {
  const TestDirectory directory;
  const auto store = must_open(directory.path());
  const auto input = [] {
    RunSeriesInput one;
    one.id = SeriesId(1);
    auto times = std::make_shared<storage::TimestampColumn>();
    times->ms = {1, 2, 3};
    one.column.times = times;
    one.column.rows = 3;
    one.column.floats = {1, 2, 3};
    return one;
  };
  const auto status_of = [&](RunSeriesInput one) {
    std::vector<RunSeriesInput> run;
    run.push_back(std::move(one));
    return store->write_run(plan_of(run), {}).status().code();
  };
  auto wrong = input();
  wrong.column.first = 1;
  EXPECT_EQ(status_of(wrong), StatusCode::kInvalidArgument);
  wrong = input();
  wrong.column.floats.push_back(1);
  EXPECT_EQ(status_of(wrong), StatusCode::kInvalidArgument);
  wrong = input();
  wrong.column.start_ms = {1};
  EXPECT_EQ(status_of(wrong), StatusCode::kInvalidArgument);
  wrong = input();
  wrong.id = SeriesId(1ULL << 32U);
  EXPECT_EQ(status_of(wrong), StatusCode::kInvalidArgument);
  wrong = input();
  wrong.column.times = std::make_shared<storage::TimestampColumn>(
      storage::TimestampColumn{std::vector<std::int64_t>{1, 3, 3}});
  EXPECT_EQ(status_of(wrong), StatusCode::kInvalidArgument);
  wrong = input();
  wrong.column.present = {0};
  EXPECT_EQ(status_of(wrong), StatusCode::kOk) << "no sample, no run";
  EXPECT_EQ(RunStore::runs(*store->snapshot()).size(), 0U);
  EXPECT_EQ(status_of(input()), StatusCode::kOk);
}

TEST(RunStore, RetentionDropsRunsAndForgetsSeriesThatNoneHas) {
  const TestDirectory directory;
  Expected expected;
  RunShape shape;
  {
    const auto store = must_open(directory.path());
    Expected old;
    RunShape first = shape;
    first.series = 30;
    write(*store, first, 1, &old);                 // ids 1..30
    write(*store, later(shape, 1), 2, &expected);  // ids 1..10
    const std::int64_t before = shape.start_ms + shape.rows * shape.step_ms;
    const auto gone = store->drop_runs_before(before, [](SeriesId id) { return id.value() == 20; });
    ASSERT_TRUE(gone.ok());
    EXPECT_EQ(gone->size(), 19U);
    EXPECT_EQ(gone->front(), SeriesId(11));
    EXPECT_EQ(std::ranges::count(*gone, SeriesId(20)), 0);
    EXPECT_TRUE(store->drop_runs_before(before, nullptr)->empty()) << "nothing is left to drop";
    expect_all(*store, expected);
  }
  {
    const auto kv = KvStore::open(directory.path());
    EXPECT_EQ((*kv)->sample_files().size(), 1U) << "the file is gone from the disk";
  }
  const auto store = must_open(directory.path());
  expect_all(*store, expected);
  EXPECT_EQ(write(*store, later(shape, 2), 3, &expected).id, RunId(3)) << "numbers are not reused";
}

TEST(RunStore, BatchesShareTimestampColumns) {
  const TestDirectory directory;
  const auto store = must_open(directory.path());
  Expected expected;
  write(*store, RunShape(), 1, &expected);
  const auto snapshot = store->snapshot();
  const auto times_of = [&](std::uint64_t id) {
    const SeriesId ids[] = {SeriesId(id)};
    std::vector<std::vector<storage::SeriesColumn>> columns(1);
    std::vector<std::string> warnings;
    EXPECT_TRUE(RunStore::read(*snapshot, ids, kMinMs, kMaxMs, &columns, &warnings).ok());
    return columns.at(0).at(0).times;
  };
  EXPECT_EQ(times_of(1), times_of(2)) << "two reads, one object";
}

TEST(RunStore, KeepsTilesThatAreReadAgainUntilTheirRunIsDropped) {
  const TestDirectory directory;
  const auto store = must_open(directory.path());
  Expected expected;
  RunShape shape;
  shape.series = 200;
  write(*store, shape, 1, &expected);
  const auto tile_bytes = [&] { return RunStore::caches(*store->snapshot()).tiles; };
  expect_all(*store, expected);
  EXPECT_EQ(tile_bytes(), 0U) << "what is read once is not kept";
  expect_all(*store, expected);
  const std::size_t kept = tile_bytes();
  EXPECT_GT(kept, 0U);
  expect_all(*store, expected);
  EXPECT_EQ(tile_bytes(), kept);
  // As a check of the disk reads: past what is kept.
  std::vector<std::string> warnings;
  const std::vector<SeriesId> ids = ids_of(expected);
  std::vector<std::vector<storage::SeriesColumn>> columns(ids.size());
  ASSERT_TRUE(RunStore::read_one(*store->snapshot(), RunId(1), ids, &columns, &warnings).ok());
  EXPECT_EQ(tile_bytes(), kept);
  write(*store, later(shape, 1), 2, &expected);
  ASSERT_TRUE(store->drop_runs_before(later(shape, 1).start_ms, nullptr).ok());
  EXPECT_EQ(tile_bytes(), 0U);
}

TEST(RunStore, AHeldSnapshotKeepsDroppedRunsReadable) {
  const TestDirectory directory;
  const auto store = must_open(directory.path());
  Expected expected;
  RunShape shape;
  write(*store, shape, 1, &expected);
  auto snapshot = store->snapshot();
  ASSERT_TRUE(store->drop_runs_before(kMaxMs, nullptr).ok());
  EXPECT_EQ(RunStore::runs(*store->snapshot()).size(), 0U);
  std::vector<std::string> warnings;
  EXPECT_EQ(read_all(*snapshot, ids_of(expected), kMinMs, kMaxMs, &warnings), expected);
  EXPECT_TRUE(warnings.empty());
  const auto files = [&] { return store->snapshot()->files().kv->sample_files().size(); };
  EXPECT_EQ(files(), 1U);
  snapshot.reset();
  ASSERT_TRUE(store->drop_runs_before(kMaxMs, nullptr).ok());
  EXPECT_EQ(files(), 0U);
}

TEST(RunStore, ASnapshotOutlivesItsStore) {
  const TestDirectory directory;
  auto store = must_open(directory.path());
  Expected expected;
  write(*store, RunShape(), 1, &expected);
  const auto snapshot = store->snapshot();
  store.reset();
  std::vector<std::string> warnings;
  EXPECT_EQ(read_all(*snapshot, ids_of(expected), kMinMs, kMaxMs, &warnings), expected);
}

TEST(RunStore, MayHaveAnswersByRunAndTime) {
  const TestDirectory directory;
  const auto store = must_open(directory.path());
  Expected expected;
  RunShape shape;
  const RunInfo info = write(*store, shape, 1, &expected);
  const auto snapshot = store->snapshot();
  EXPECT_TRUE(RunStore::may_have(*snapshot, SeriesId(5), kMinMs, kMaxMs));
  EXPECT_TRUE(RunStore::may_have(*snapshot, SeriesId(5), info.max_ms, kMaxMs));
  EXPECT_FALSE(RunStore::may_have(*snapshot, SeriesId(5), info.max_ms + 1, kMaxMs));
  EXPECT_FALSE(RunStore::may_have(*snapshot, SeriesId(11), kMinMs, kMaxMs));
}

TEST(RunStore, RefusesANewerFormatAndNamesBothVersions) {
  const TestDirectory directory;
  must_open(directory.path()).reset();
  {
    const auto kv = KvStore::open(directory.path());
    KvBatch batch;
    batch.put(Family::kMeta, std::string(kFormatKey), encode_number(kFormatVersion + 1));
    ASSERT_TRUE((*kv)->commit(batch).ok());
  }
  const Status status = RunStore::open(directory.path()).status();
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(message(status), "the database has format version 5, this program reads version 4");
}

TEST(RunStore, CheckpointOpensAsAStoreOfItsOwn) {
  const TestDirectory directory;
  Expected expected;
  const auto store = must_open(directory.path());
  write(*store, RunShape(), 1, &expected);
  ASSERT_TRUE(store->checkpoint(directory.path("copy")).ok());
  Expected more = expected;
  write(*store, later(RunShape(), 1), 2, &more);
  const auto copy = must_open(directory.path("copy"));
  expect_all(*copy, expected);
  expect_all(*store, more);
}

TEST(RunStore, DirectoriesStayWithinTheirMemory) {
  const TestDirectory directory;
  const auto store = must_open(directory.path());
  Expected expected;
  for (std::uint64_t i = 0; i < 4; ++i) {
    write(*store, later(RunShape(), static_cast<std::int64_t>(i)), i + 1, &expected);
  }
  const auto snapshot = store->snapshot();
  RunDirectories cache(*snapshot->files().kv, 200);  // two directories of 10 series
  for (int round = 0; round < 3; ++round) {
    for (const auto& run : snapshot->runs()) {
      const auto listed = cache.get(run->record);
      ASSERT_TRUE(listed.ok());
      EXPECT_EQ((*listed)->ids.size(), 10U);
      EXPECT_LE(cache.cached_bytes(), 200U);
    }
  }
  cache.forget(RunId(4));
  cache.forget(RunId(3));
  EXPECT_EQ(cache.cached_bytes(), 0U);
}

TEST(RunStore, ReadersRunBesideSealsAndRetention) {
  const TestDirectory directory;
  const auto store = must_open(directory.path());
  base::ThreadPool::Options options;
  options.name = "run test";
  options.threads = 2;
  base::ThreadPool pool(options);
  std::atomic<bool> done = false;
  std::atomic<int> wrong = 0;
  std::vector<SeriesId> ids;
  for (std::uint64_t id = 1; id <= 10; ++id) ids.emplace_back(id);
  const auto read = [&] {
    do {
      const auto snapshot = store->snapshot();
      std::vector<std::vector<storage::SeriesColumn>> columns(ids.size());
      std::vector<std::string> warnings;
      if (!RunStore::read(*snapshot, ids, kMinMs, kMaxMs, &columns, &warnings).ok()) ++wrong;
      if (!warnings.empty()) ++wrong;
      // The last member of a run has no gap, so it has one column per run.
      if (columns[3].size() != RunStore::runs(*snapshot).size()) ++wrong;
    } while (!done);
  };
  ASSERT_TRUE(pool.post(read));
  ASSERT_TRUE(pool.post(read));
  Expected expected;
  RunShape shape;
  for (std::uint64_t i = 0; i < 30; ++i) {
    const RunShape next = later(shape, static_cast<std::int64_t>(i));
    write(*store, next, i + 1, &expected);
    if (i % 3 == 2) {
      ASSERT_TRUE(store->drop_runs_before(next.start_ms - 1000, nullptr).ok());
    }
  }
  done = true;
  pool.stop();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace tocsin::tsdb
