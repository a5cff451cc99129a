// SPDX-License-Identifier: Apache-2.0
#include "exporters/common/elastic_pool.h"

#include <gtest/gtest.h>

#include "base/testing/fake_clock.h"

namespace tocsin::exporters {
namespace {

// Lets pieces of work wait for the test.
class Door {
 public:
  void pass() {
    base::MutexLock lock(mutex_);
    ++inside_;
    changed_.notify_all();
    while (!open_) changed_.wait(mutex_);
    ++through_;
    changed_.notify_all();
  }
  void open() {
    base::MutexLock lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  void wait_inside(int count) {
    base::MutexLock lock(mutex_);
    while (inside_ < count) changed_.wait(mutex_);
  }
  void wait_through(int count) {
    base::MutexLock lock(mutex_);
    while (through_ < count) changed_.wait(mutex_);
  }

 private:
  base::Mutex mutex_;
  base::CondVar changed_;
  bool open_ ABSL_GUARDED_BY(mutex_) = false;
  int inside_ ABSL_GUARDED_BY(mutex_) = 0;
  int through_ ABSL_GUARDED_BY(mutex_) = 0;
};

class ElasticPoolTest : public ::testing::Test {
 protected:
  ElasticPoolTest()
      : pool_({.name = "test", .usual = 2, .most = 4, .patience = kPatience}, clock_, clock_) {}
  ~ElasticPoolTest() override {
    door_.open();
    pool_.stop();
  }
  void post_stuck(int count) {
    for (int i = 0; i < count; ++i) {
      ASSERT_TRUE(pool_.post([this] { door_.pass(); }));
    }
  }

  static constexpr base::Duration kPatience{50};
  base::testing::FakeClock clock_;
  Door door_;
  ElasticPool pool_;
};

TEST_F(ElasticPoolTest, TheUsualThreadsDoEverything) {
  door_.open();
  post_stuck(100);
  door_.wait_through(100);
  EXPECT_LE(pool_.threads(), 2U);
}

TEST_F(ElasticPoolTest, GrowsOnlyWhileNothingMoves) {
  post_stuck(2);
  door_.wait_inside(2);
  EXPECT_EQ(clock_.pending(), 0U) << "nothing waits";
  Door quick;
  quick.open();
  ASSERT_TRUE(pool_.post([&quick] { quick.pass(); }));
  EXPECT_EQ(pool_.threads(), 2U);
  clock_.advance(kPatience);
  quick.wait_through(1);
  EXPECT_EQ(pool_.threads(), 3U);
}

TEST_F(ElasticPoolTest, NeverHasMoreThreadsThanAllowed) {
  post_stuck(6);
  door_.wait_inside(2);
  for (int i = 0; i < 10; ++i) clock_.advance(kPatience);
  door_.wait_inside(4);
  EXPECT_EQ(pool_.threads(), 4U);
  EXPECT_EQ(clock_.pending(), 0U) << "no thread to come, so nobody watches";
  door_.open();
  door_.wait_through(6);
}

TEST_F(ElasticPoolTest, RefusesWorkAfterStop) {
  pool_.stop();
  EXPECT_FALSE(pool_.post([] {}));
}

TEST_F(ElasticPoolTest, ATimerMayFireAfterTheEnd) {
  {
    ElasticPool other({.name = "other", .usual = 1, .most = 2, .patience = kPatience}, clock_,
                      clock_);
    ASSERT_TRUE(other.post([this] { door_.pass(); }));
    door_.wait_inside(1);
    ASSERT_TRUE(other.post([] {}));
    EXPECT_EQ(clock_.pending(), 1U);
    door_.open();
  }
  clock_.advance(kPatience);
}

}  // namespace
}  // namespace tocsin::exporters
