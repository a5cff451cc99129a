// SPDX-License-Identifier: Apache-2.0
//
// The differential test: a database and a naive store do the same random work, and every answer is
// compared. ./test runs a short version; TOCSIN_MODEL_OPERATIONS makes it longer (nightly: a
// million), TOCSIN_TEST_SEED repeats a run.
#include <gtest/gtest.h>

#include "base/testing/fake_clock.h"
#include "tsdb/testing/db_fixture.h"
#include "tsdb/testing/random_load.h"

namespace tocsin::tsdb {
namespace {

class DbModelTest : public testing::DbTest {
 protected:
  // Says what the first difference is; false when there is one.
  bool check(const std::string& difference) {
    EXPECT_EQ(difference, "");
    return difference.empty();
  }
  bool check_some(testing::RandomLoad& load);
  bool check_all(testing::RandomLoad& load) {
    return check(load.model().compare(*db_, {}, INT64_MIN / 8, INT64_MAX / 8));
  }
  // Seals, merges, restarts, drops what is old.
  bool change(testing::RandomLoad& load);
};

bool DbModelTest::check_some(testing::RandomLoad& load) {
  const auto length = static_cast<std::int64_t>(load.below(600'000));
  const std::int64_t mint = load.now_ms() - static_cast<std::int64_t>(load.below(3'000'000));
  const model::Matchers matchers = load.some_matchers();
  if (!check(load.model().compare(*db_, matchers, mint, mint + length))) return false;
  if (load.below(4) == 0) {
    const std::int64_t at = load.now_ms() - static_cast<std::int64_t>(load.below(50'000));
    const auto lookback = static_cast<std::int64_t>(load.below(300'000) + 1);
    if (!check(load.model().compare_last(*db_, at, lookback))) return false;
  }
  if (load.below(8) != 0) return true;
  const std::string name = load.below(2) == 0 ? "instance" : "job";
  return check(load.model().compare_labels(*db_, name, matchers, mint, mint + length));
}

bool DbModelTest::change(testing::RandomLoad& load) {
  switch (load.below(11)) {
    case 0:
      open();
      load.reopened();
      return check_all(load);
    case 1: {
      clock_.advance_to(base::from_ms(load.now_ms()));
      const Status done = db_->maintain();
      EXPECT_TRUE(done.ok()) << done;
      load.model().expire_before(load.now_ms() - options_.retention.count());
      return done.ok();
    }
    case 2:
    case 3: {
      const Status merged = db_->merge_due();
      EXPECT_TRUE(merged.ok()) << merged;
      return merged.ok() && check_some(load);
    }
    case 4: {
      const Status compacted = db_->compact();
      EXPECT_TRUE(compacted.ok()) << compacted;
      return compacted.ok() && check_all(load);
    }
    case 5: {
      const Status cleaned = db_->clean_tombstones();
      EXPECT_TRUE(cleaned.ok()) << cleaned;
      return cleaned.ok();
    }
    default: {
      const Status sealed = db_->seal_all();
      EXPECT_TRUE(sealed.ok()) << sealed;
      return sealed.ok();
    }
  }
}

// With and without an out-of-order window.
class DbModelRunTest : public DbModelTest, public ::testing::WithParamInterface<std::int64_t> {};

TEST_P(DbModelRunTest, EveryAnswerIsThatOfANaiveStore) {
  const std::uint64_t operations =
      testing::number_from_environment("TOCSIN_MODEL_OPERATIONS", 60'000);
  const std::uint64_t seed = testing::make_seed();
  std::printf("TOCSIN_TEST_SEED=%llu repeats this\n", static_cast<unsigned long long>(seed));
  SCOPED_TRACE(fmt::format("TOCSIN_TEST_SEED={}", seed));
  options_.seal_rows = 16;
  options_.journal_segment_bytes = 20'000;
  options_.retention = base::Duration(40LL * 60 * 1000);
  options_.out_of_order_window = base::Duration(GetParam());
  open();
  const std::int64_t start_ms = base::to_ms(clock_.now());
  testing::RandomLoad load(seed, start_ms, {.series = 150, .max_batch = 60, .late_ms = GetParam()});
  std::uint64_t done = 0, work = 0, shown = 0;
  for (; done < operations; ++work) {
    SCOPED_TRACE(fmt::format("work {}", work));
    done += load.next().operations;
    const Status status = load.run(*db_);
    ASSERT_TRUE(status.ok()) << status;
    ASSERT_EQ(load.trouble(), "");
    load.keep();
    ASSERT_TRUE(load.below(60) != 0 || change(load));
    ASSERT_TRUE(load.below(25) != 0 || check_some(load));
    if (done / 100'000 != shown) {
      shown = done / 100'000;
      ASSERT_TRUE(check_all(load));
      std::printf("%llu of %llu operations, %llu samples of %zu series\n",
                  static_cast<unsigned long long>(done),
                  static_cast<unsigned long long>(operations),
                  static_cast<unsigned long long>(load.model().samples()), load.model().size());
      std::fflush(stdout);
    }
  }
  ASSERT_TRUE(check_all(load));
}

INSTANTIATE_TEST_SUITE_P(Windows, DbModelRunTest, ::testing::Values(0, 10 * 60 * 1000));

}  // namespace
}  // namespace tocsin::tsdb
