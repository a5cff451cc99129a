// SPDX-License-Identifier: Apache-2.0
//
// For the tests of the run store: a directory that goes away, random series, and what a store
// should answer.
//
// Threads: confined.
#pragma once

#include <bit>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/file_system.h"
#include "base/hash.h"
#include "tsdb/run/run_store.h"

namespace tocsin::tsdb {

class TestDirectory {
 public:
  TestDirectory() : path_(testing::TempDir() + "/tocsin-run-" + base::random_uuid()) {}
  ~TestDirectory() { static_cast<void>(base::real_file_system().remove_recursively(path_)); }
  TestDirectory(const TestDirectory&) = delete;
  TestDirectory& operator=(const TestDirectory&) = delete;

  std::string path(std::string_view name = "db") const { return path_ + "/" + std::string(name); }

 private:
  std::string path_;
};

// Samples of one series: time -> bits of the value.
using Samples = std::map<std::int64_t, std::uint64_t>;
using Expected = std::map<std::uint64_t, Samples>;

inline model::Labels labels_of(std::uint64_t id) {
  const std::string name = "metric_" + std::to_string(id % 7);
  const std::string instance = "host-" + std::to_string(id);
  return model::Labels::of({{"__name__", name}, {"instance", instance}});
}

// One series' samples as doubles, with its labels.
struct RunSeriesInput {
  storage::SeriesId id;
  model::Labels labels;
  storage::SeriesColumn column;
};

inline RunRows rows_of(const storage::SeriesColumn& column) {
  RunRows rows;
  rows.times = column.times;
  rows.first = column.first;
  rows.rows.append(column.floats, column.present);
  rows.rows.start_ms = column.start_ms;
  return rows;
}

// The plan of a run; `inputs` must outlive it.
inline RunPlan plan_of(const std::vector<RunSeriesInput>& inputs) {
  RunPlan plan;
  for (std::uint32_t i = 0; i < inputs.size(); ++i) {
    plan.series.push_back({inputs[i].id, inputs[i].labels.metric_name(), i});
    plan.max_samples += inputs[i].column.rows;
  }
  plan.read = [&inputs](const RunPlan::Series& series, RunRows* out) {
    *out = rows_of(inputs[series.tag].column);
    return ok();
  };
  return plan;
}

struct RunShape {
  std::uint64_t first_id = 1;
  std::uint64_t series = 10;
  std::uint32_t rows = 20;
  std::int64_t start_ms = 1'000'000;
  std::int64_t step_ms = 15'000;
  std::uint64_t per_group = 50;
};

// A run as the head would hand it over: groups share columns, some rows are absent. Adds its
// samples to `expected`.
inline std::vector<RunSeriesInput> make_run(const RunShape& shape, std::uint64_t seed,
                                            Expected* expected) {
  std::mt19937_64 random(seed);
  std::vector<RunSeriesInput> run;
  std::shared_ptr<storage::TimestampColumn> times;
  for (std::uint64_t i = 0; i < shape.series; ++i) {
    if (i % shape.per_group == 0) {
      times = std::make_shared<storage::TimestampColumn>();
      for (std::uint32_t row = 0; row < shape.rows; ++row) {
        const auto jitter = static_cast<std::int64_t>(random() % 3 == 0 ? random() % 100 : 0);
        times->ms.push_back(shape.start_ms + row * shape.step_ms + jitter);
      }
    }
    RunSeriesInput input;
    input.id = storage::SeriesId(shape.first_id + i);
    input.labels = labels_of(input.id.value());
    storage::SeriesColumn& column = input.column;
    column.times = times;
    column.first = static_cast<std::uint32_t>(random() % 3 == 0 ? random() % shape.rows : 0);
    column.rows = shape.rows - column.first;
    if (i % 4 == 1) column.present.resize((column.rows + 63) / 64);
    double value = 0;
    for (std::uint32_t row = 0; row < column.rows; ++row) {
      if (random() % 3 == 0) value += static_cast<double>(random() % 1000) / 8;
      if (random() % 200 == 0) value = std::bit_cast<double>(random());
      column.floats.push_back(value);
      if (!column.present.empty() && random() % 4 == 0) continue;
      if (!column.present.empty()) column.present[row / 64] |= std::uint64_t{1} << (row % 64);
      (*expected)[input.id.value()][times->ms[column.first + row]] =
          std::bit_cast<std::uint64_t>(value);
    }
    run.push_back(std::move(input));
  }
  std::ranges::shuffle(run, random);
  return run;
}

// Reads with a fresh snapshot; checks that each series' samples ascend.
inline Expected read_all(const RunStore::Snapshot& snapshot,
                         const std::vector<storage::SeriesId>& ids, std::int64_t min_ms,
                         std::int64_t max_ms, std::vector<std::string>* warnings) {
  std::vector<std::vector<storage::SeriesColumn>> columns(ids.size());
  const Status status = RunStore::read(snapshot, ids, min_ms, max_ms, &columns, warnings);
  EXPECT_TRUE(status.ok()) << status;
  Expected result;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    std::int64_t last = std::numeric_limits<std::int64_t>::min();
    for (const storage::SeriesColumn& column : columns[i]) {
      EXPECT_EQ(column.floats.size(), column.rows);
      EXPECT_LE(std::size_t{column.first} + column.rows, column.times->ms.size());
      for (std::uint32_t row = 0; row < column.rows; ++row) {
        if (!column.has(row)) continue;
        const std::int64_t time = column.times->ms[column.first + row];
        EXPECT_GT(time, last);
        last = time;
        result[ids[i].value()][time] = std::bit_cast<std::uint64_t>(column.floats[row]);
      }
    }
  }
  return result;
}

inline std::vector<storage::SeriesId> ids_of(const Expected& expected) {
  std::vector<storage::SeriesId> ids;
  for (const auto& [id, samples] : expected) ids.emplace_back(id);
  return ids;
}

inline Expected cut(const Expected& expected, std::int64_t min_ms, std::int64_t max_ms) {
  Expected result;
  for (const auto& [id, samples] : expected) {
    for (const auto& [time, bits] : samples) {
      if (time >= min_ms && time <= max_ms) result[id][time] = bits;
    }
  }
  return result;
}

inline constexpr std::int64_t kMinMs = std::numeric_limits<std::int64_t>::min();
inline constexpr std::int64_t kMaxMs = std::numeric_limits<std::int64_t>::max();

inline std::unique_ptr<RunStore> must_open(const std::string& path, RunStore::StepHook hook = {}) {
  auto store = RunStore::open(path, std::move(hook));
  EXPECT_TRUE(store.ok()) << store.status();
  return store.ok() ? *std::move(store) : nullptr;
}

inline RunStore::Commit commit_of(std::uint64_t segment) {
  RunStore::Commit commit;
  commit.journal = {segment, segment * 100};
  commit.head_state = "head after " + std::to_string(segment);
  return commit;
}

}  // namespace tocsin::tsdb
