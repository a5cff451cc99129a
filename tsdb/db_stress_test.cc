// SPDX-License-Identifier: Apache-2.0
//
// Several threads work on one database at once, each with series of its own: appends, deletions,
// seals, snapshots, clean-ups, and reads of what it wrote. Nobody may see a difference from having
// the database alone. ThreadSanitizer runs it too; TOCSIN_STRESS_OPERATIONS makes it longer.
#include <gtest/gtest.h>

#include "base/executor.h"
#include "tsdb/testing/db_fixture.h"
#include "tsdb/testing/random_load.h"

namespace tocsin::tsdb {
namespace {

class DbStressTest : public testing::DbTest {
 protected:
  static constexpr int kThreads = 4;

  // Says what is wrong, or "".
  std::string work(std::uint64_t seed, int thread, std::uint64_t operations);
};

std::string DbStressTest::work(std::uint64_t seed, int thread, std::uint64_t operations) {
  testing::RandomLoad load(
      seed + static_cast<std::uint64_t>(thread), base::to_ms(clock_.now()),
      {.series = 40, .max_batch = 20, .upkeep_percent = 2, .tag = fmt::format("thread{}", thread)});
  const auto compare = [&] {
    return load.model().compare(*db_, load.matchers(), INT64_MIN / 8, INT64_MAX / 8);
  };
  for (std::uint64_t done = 0; done < operations;) {
    done += load.next().operations;
    const Status status = load.run(*db_);
    if (!status.ok()) return status.ToString();
    if (!load.trouble().empty()) return load.trouble();
    load.keep();
    if (load.below(30) != 0) continue;
    if (std::string difference = compare(); !difference.empty()) return difference;
  }
  return compare();
}

TEST_F(DbStressTest, ThreadsDoNotDisturbEachOther) {
  const std::uint64_t seed = testing::make_seed();
  const std::uint64_t operations =
      testing::number_from_environment("TOCSIN_STRESS_OPERATIONS", 5'000);
  SCOPED_TRACE(fmt::format("TOCSIN_TEST_SEED={} (threads differ from run to run)", seed));
  options_.seal_rows = 16;
  options_.journal_segment_bytes = 20'000;
  options_.retention = base::Duration(0);
  files_ = &base::real_file_system();
  open();
  base::Guarded<std::vector<std::string>> troubles;
  base::ThreadPool pool({"test", kThreads, 100, 0});
  for (int thread = 0; thread < kThreads; ++thread) {
    ASSERT_TRUE(pool.post([&, thread] {
      std::string trouble = work(seed, thread, operations);
      if (!trouble.empty()) troubles.lock()->push_back(std::move(trouble));
    }));
  }
  pool.stop();
  for (const std::string& trouble : *troubles.lock()) ADD_FAILURE() << trouble;
}

}  // namespace
}  // namespace tocsin::tsdb
