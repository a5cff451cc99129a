// SPDX-License-Identifier: Apache-2.0
//
// What a run store makes of crashes between its steps, of kill -9, and of damaged files.
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <memory>
#include <random>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <sys/wait.h>

#include "tsdb/kv/kv_store.h"
#include "tsdb/testing/run_test_data.h"

namespace tocsin::tsdb {
namespace {

RunShape shape_of(std::uint64_t number) {
  RunShape shape;
  shape.series = 40;
  shape.start_ms += static_cast<std::int64_t>(number) * shape.rows * shape.step_ms;
  return shape;
}

// Run `number` is always the same, so what a killed process had written can be computed.
Status write_number(RunStore& store, std::uint64_t number, Expected* expected) {
  std::vector<RunSeriesInput> run = make_run(shape_of(number), number, expected);
  const RunStore::Commit commit = commit_of(number);
  return store.write_run(plan_of(run), commit).status();
}

void expect_all(const RunStore& store, const Expected& expected) {
  std::vector<std::string> warnings;
  EXPECT_EQ(read_all(*store.snapshot(), ids_of(expected), kMinMs, kMaxMs, &warnings), expected);
  EXPECT_TRUE(warnings.empty()) << warnings[0];
}

TEST(RunStoreCrash, AnUnpublishedRunIsGoneAfterTheRestart) {
  for (const std::string step : {"file", "ingest", "commit"}) {
    SCOPED_TRACE(step);
    const TestDirectory directory;
    Expected expected;
    {
      bool armed = false;
      const auto store = must_open(directory.path(), [&](std::string_view name) {
        return armed && name == step ? unavailable("crash after {}", name) : ok();
      });
      ASSERT_TRUE(write_number(*store, 1, &expected).ok());
      armed = true;
      Expected lost;
      ASSERT_FALSE(write_number(*store, 2, step == "commit" ? &expected : &lost).ok());
    }
    const auto files = [&] {
      const auto kv = KvStore::open(directory.path());
      return (*kv)->sample_files().size();
    };
    EXPECT_EQ(files(), step == "file" ? 1U : 2U);
    const std::uint64_t published = step == "commit" ? 2 : 1;
    {
      const auto store = must_open(directory.path());
      expect_all(*store, expected);
      EXPECT_EQ(store->journal_position().segment, published);
      EXPECT_EQ(store->head_state(), "head after " + std::to_string(published));
      EXPECT_TRUE(base::real_file_system().list(directory.path("db/ingest"))->empty());
    }
    EXPECT_EQ(files(), published);
    // Twice reopened: the number of the orphan must not be used again.
    const auto store = must_open(directory.path());
    ASSERT_TRUE(write_number(*store, 3, &expected).ok());
    if (step == "ingest") {
      EXPECT_EQ(RunStore::runs(*store->snapshot()).back().id, RunId(3));
    }
    expect_all(*store, expected);
  }
}

constexpr const char* kWriterVariable = "TOCSIN_RUN_WRITER";

// Not a test of its own: what the killed process runs. Writes runs until killed, drops old ones now
// and then, and tells after each what is done. Arguments: path, first number, descriptor for
// reports.
TEST(RunStoreCrash, DISABLED_WritesUntilKilled) {
  const char* arguments =
      std::getenv(kWriterVariable);  // NOLINT(concurrency-mt-unsafe): one thread
  ASSERT_NE(arguments, nullptr);
  std::istringstream in(arguments);
  std::string path;
  std::uint64_t number = 0;
  int report = -1;
  in >> path >> number >> report;
  const auto store = must_open(path);
  Expected ignored;
  for (;; ++number) {
    ASSERT_TRUE(write_number(*store, number, &ignored).ok());
    ASSERT_EQ(write(report, &number, sizeof(number)), static_cast<ssize_t>(sizeof(number)));
    if (number % 8 != 0) continue;
    ASSERT_TRUE(store->drop_runs_before(shape_of(number - 4).start_ms, nullptr).ok());
  }
}

// A new program image: RocksDB's threads do not survive a fork.
pid_t start_writer(const std::string& path, std::uint64_t number, int report) {
  const std::string variable = fmt::format("{}={} {} {}", kWriterVariable, path, number, report);
  const char* const arguments[] = {"writer", "--gtest_also_run_disabled_tests",
                                   "--gtest_filter=RunStoreCrash.DISABLED_WritesUntilKilled",
                                   nullptr};
  const char* const environment[] = {variable.c_str(), nullptr};
  const pid_t child = fork();
  if (child == 0) {
    execve("/proc/self/exe", const_cast<char* const*>(arguments),
           const_cast<char* const*>(environment));
    _exit(1);
  }
  return child;
}

TEST(RunStoreCrash, KillNineLosesNoPublishedRun) {
  const TestDirectory directory;
  must_open(directory.path()).reset();
  std::uint64_t last = 0;
  std::mt19937_64 random(7);
  for (int round = 0; round < 6; ++round) {
    SCOPED_TRACE(testing::Message() << "round " << round);
    int report[2];
    ASSERT_EQ(pipe(report), 0);
    const pid_t child = start_writer(directory.path(), last + 1, report[1]);
    ASSERT_GE(child, 0);
    close(report[1]);
    // Kill after some reports, at whatever the child is doing then.
    for (std::uint64_t reports = 3 + random() % 12; reports > 0; --reports) {
      ASSERT_EQ(read(report[0], &last, sizeof(last)), static_cast<ssize_t>(sizeof(last)));
    }
    kill(child, SIGKILL);
    int status = 0;
    waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status)) << "child ended with " << status;
    std::uint64_t more = 0;
    while (read(report[0], &more, sizeof(more)) == static_cast<ssize_t>(sizeof(more))) last = more;
    close(report[0]);

    const auto store = must_open(directory.path());
    // The run after the last report may have been published too.
    const std::uint64_t newest = store->journal_position().segment;
    ASSERT_GE(newest, last);
    ASSERT_LE(newest, last + 1);
    last = newest;
    const auto snapshot = store->snapshot();
    const std::size_t runs = RunStore::runs(*snapshot).size();
    ASSERT_GE(runs, std::min<std::size_t>(newest, 4));
    Expected expected;
    for (std::uint64_t number = newest - runs + 1; number <= newest; ++number) {
      make_run(shape_of(number), number, &expected);
    }
    expect_all(*store, expected);
  }
}

// The path of the only sample file.
std::string sample_file(const TestDirectory& directory) {
  const auto kv = KvStore::open(directory.path());
  EXPECT_TRUE(kv.ok());
  const auto files = (*kv)->sample_files();
  EXPECT_EQ(files.size(), 1U);
  return files[0].path;
}

void flip_byte(const std::string& path, std::streamoff offset) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(offset);
  const char byte = static_cast<char>(file.get());
  file.seekp(offset);
  file.put(static_cast<char>(byte ^ 0x10));
}

TEST(RunStoreDamage, AnyFlippedByteLeavesOutWhatItHitAndNothingElse) {
  const TestDirectory directory;
  Expected expected;
  {
    const auto store = must_open(directory.path());
    RunShape shape;
    shape.series = 300;
    std::vector<RunSeriesInput> run = make_run(shape, 5, &expected);
    ASSERT_TRUE(store->write_run(plan_of(run), {}).ok());
  }
  const std::string path = sample_file(directory);
  const auto size = static_cast<std::streamoff>(base::real_file_system().info(path)->size);
  std::size_t partial = 0;
  for (std::streamoff offset = 3; offset < size; offset += size / 60) {
    SCOPED_TRACE(testing::Message() << "byte " << offset << " of " << size);
    flip_byte(path, offset);
    const auto store = RunStore::open(directory.path());
    if (!store.ok()) {
      EXPECT_EQ(store.status().code(), StatusCode::kDataLoss) << store.status();
    } else {
      std::vector<std::string> warnings;
      const Expected found =
          read_all(*(*store)->snapshot(), ids_of(expected), kMinMs, kMaxMs, &warnings);
      EXPECT_EQ(found.size() == expected.size(), warnings.empty());
      for (const auto& [id, samples] : found) ASSERT_EQ(samples, expected[id]);
      if (!found.empty() && !warnings.empty()) {
        ++partial;
        EXPECT_TRUE(warnings[0].starts_with("run 1: ")) << warnings[0];
      }
    }
    flip_byte(path, offset);
  }
  EXPECT_GT(partial, 20U) << "most damage should cost one tile";
  expect_all(*must_open(directory.path()), expected);
}

TEST(RunStoreDamage, ATruncatedOrMissingRunFileCostsOnlyThatRun) {
  for (const bool remove : {false, true}) {
    SCOPED_TRACE(remove ? "missing" : "truncated");
    const TestDirectory directory;
    Expected damaged;
    Expected expected;
    ASSERT_TRUE(write_number(*must_open(directory.path()), 1, &damaged).ok());
    const std::string path = sample_file(directory);
    ASSERT_TRUE(write_number(*must_open(directory.path()), 2, &expected).ok());
    if (remove) {
      ASSERT_EQ(unlink(path.c_str()), 0);
    } else {
      ASSERT_EQ(truncate(path.c_str(), 1000), 0);
    }
    const auto store = must_open(directory.path());
    std::vector<std::string> warnings;
    const Expected found = read_all(*store->snapshot(), ids_of(damaged), kMinMs, kMaxMs, &warnings);
    EXPECT_EQ(found, expected);
    ASSERT_EQ(warnings.size(), 1U);
    EXPECT_TRUE(warnings[0].starts_with("run 1: its directory is damaged")) << warnings[0];
    EXPECT_TRUE(RunStore::may_have(*store->snapshot(), storage::SeriesId(1), kMinMs, kMaxMs));
  }
}

}  // namespace
}  // namespace tocsin::tsdb
