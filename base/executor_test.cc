// SPDX-License-Identifier: Apache-2.0
#include "base/executor.h"

#include <pthread.h>
#include <unistd.h>

#include <atomic>

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "base/gate.h"
#include "base/testing/manual_executor.h"

namespace tocsin::base {
namespace {

// Opens once; wait() blocks until then.
class Door {
 public:
  void open() {
    MutexLock lock(mutex_);
    open_ = true;
    opened_.notify_all();
  }
  void wait() {
    MutexLock lock(mutex_);
    while (!open_) opened_.wait(mutex_);
  }

 private:
  Mutex mutex_;
  CondVar opened_;
  bool open_ ABSL_GUARDED_BY(mutex_) = false;
};

// Accepts nothing, as a stopped pool does.
class RefusingExecutor final : public Executor {
 public:
  [[nodiscard]] bool post(Work) override { return false; }
};

TEST(ThreadPool, OneThreadRunsWorkInOrder) {
  ThreadPool pool({.name = "order"});
  std::vector<int> ran;
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(pool.post([&ran, i] { ran.push_back(i); }));
  pool.stop();
  ASSERT_EQ(ran.size(), 100U);
  EXPECT_TRUE(std::is_sorted(ran.begin(), ran.end()));
}

TEST(ThreadPool, StopRunsWhatIsQueuedAndRefusesMore) {
  ThreadPool pool({.name = "stop", .threads = 3});
  std::atomic<int> ran = 0;
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(pool.post([&ran] { ++ran; }));
  pool.stop();
  EXPECT_EQ(ran, 1000);
  EXPECT_FALSE(pool.post([&ran] { ++ran; }));
  EXPECT_EQ(pool.refused(), 1U);
  pool.stop();
  EXPECT_EQ(ran, 1000);
}

TEST(ThreadPool, RefusesAboveItsBound) {
  ThreadPool pool({.name = "bound", .threads = 1, .max_queued = 2});
  Door started;
  Door go;
  ASSERT_TRUE(pool.post([&] {
    started.open();
    go.wait();
  }));
  started.wait();
  auto token = std::make_shared<int>(0);
  EXPECT_TRUE(pool.post([token] {}));
  EXPECT_TRUE(pool.post([token] {}));
  EXPECT_EQ(pool.queued(), 2U);
  EXPECT_FALSE(pool.post([token] {}));
  EXPECT_EQ(pool.refused(), 1U);
  EXPECT_EQ(token.use_count(), 3) << "refused work must be destroyed";
  go.open();
}

TEST(ThreadPool, WhatWaitsAboveTheBacklogWakesAnotherThread) {
  ThreadPool pool({.name = "backlog", .threads = 2, .backlog = 4});
  for (int round = 0; round < 100; ++round) {
    Door entered;
    Door leave;
    Door any;
    std::atomic<int> left = 6;
    Door done;
    const auto end = [&] {
      if (--left == 0) done.open();
    };
    ASSERT_TRUE(pool.post([&] {
      entered.open();
      leave.wait();
      end();
    }));
    entered.wait();
    for (int i = 0; i < 5; ++i) {
      ASSERT_TRUE(pool.post([&] {
        any.open();
        end();
      }));
    }
    any.wait();  // while the first piece blocks its thread
    leave.open();
    done.wait();
  }
}

TEST(ThreadPool, ABacklogIsWorkedOffWithoutMorePosts) {
  ThreadPool pool({.name = "backlog", .threads = 3, .backlog = 16});
  for (int round = 0; round < 1000; ++round) {
    Door done;
    std::atomic<int> left = round % 20 + 1;
    for (int i = left; i > 0; --i) {
      ASSERT_TRUE(pool.post([&] {
        if (--left == 0) done.open();
      }));
    }
    done.wait();
  }
}

TEST(ThreadPool, ThreadsHaveTheNameAndThePriorities) {
  ThreadPool pool({.name = "a-name-longer-than-15", .threads = 1, .nice = 3, .idle_io = true});
  const int nice = getpriority(PRIO_PROCESS, 0);
  std::array<char, 16> name{};
  int thread_nice = 0;
  long io_priority = 0;
  ASSERT_TRUE(pool.post([&] {
    pthread_getname_np(pthread_self(), name.data(), name.size());
    thread_nice = getpriority(PRIO_PROCESS, static_cast<id_t>(gettid()));
    io_priority = syscall(SYS_ioprio_get, /*process*/ 1, 0);
  }));
  pool.stop();
  EXPECT_STREQ(name.data(), "a-name-longer-t");
  EXPECT_EQ(thread_nice, std::min(nice + 3, 19));
  EXPECT_EQ(io_priority >> 13, 3) << "the idle class of ioprio_get(2)";
}

TEST(Strand, KeepsEachThreadsOrderOverAPoolAndNeverOverlaps) {
  constexpr int kPosters = 4;
  constexpr int kEach = 500;
  ThreadPool pool({.name = "workers", .threads = 3});
  Strand strand(pool);
  std::vector<std::vector<int>> ran(kPosters);  // unguarded: the strand serialises
  std::atomic<bool> inside = false;
  std::atomic<int> overlaps = 0;
  ThreadPool posters({.name = "posters", .threads = kPosters});
  for (int p = 0; p < kPosters; ++p) {
    ASSERT_TRUE(posters.post([&, p] {
      for (int i = 0; i < kEach; ++i) {
        EXPECT_TRUE(strand.post([&, p, i] {
          if (inside.exchange(true)) ++overlaps;
          ran[static_cast<std::size_t>(p)].push_back(i);
          inside = false;
        }));
      }
    }));
  }
  posters.stop();
  pool.stop();
  EXPECT_EQ(overlaps, 0);
  for (const std::vector<int>& order : ran) {
    EXPECT_EQ(order.size(), static_cast<std::size_t>(kEach));
    EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
  }
}

TEST(Strand, WorkPostedFromWithinRunsAfterwards) {
  testing::InlineExecutor executor;
  Strand strand(executor);
  std::vector<std::string> ran;
  EXPECT_TRUE(strand.post([&] {
    EXPECT_TRUE(strand.post([&] { ran.push_back("inner"); }));
    ran.push_back("outer");
  }));
  EXPECT_EQ(ran, (std::vector<std::string>{"outer", "inner"}));
}

TEST(Strand, GivesTheThreadBackBetweenBatches) {
  testing::ManualExecutor executor;
  Strand strand(executor);
  int ran = 0;
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(strand.post([&] { ++ran; }));
  EXPECT_EQ(ran, 0);
  EXPECT_GT(executor.run_until_idle(), 10U);
  EXPECT_EQ(ran, 1000);
}

TEST(Strand, RefusesWhatItsExecutorRefuses) {
  RefusingExecutor executor;
  Strand strand(executor);
  auto token = std::make_shared<int>(0);
  EXPECT_FALSE(strand.post([token] {}));
  EXPECT_FALSE(strand.post([token] {}));
  EXPECT_EQ(token.use_count(), 1);
}

TEST(Strand, RunsWhatItAcceptedThoughThePoolStops) {
  std::atomic<int> ran = 0;
  std::atomic<int> accepted = 0;
  ThreadPool pool({.name = "stopping", .threads = 2});
  Strand strand(pool);
  ThreadPool poster({.name = "poster"});
  Door started;
  ASSERT_TRUE(poster.post([&] {
    for (int i = 0; i < 2000; ++i) {
      if (strand.post([&ran] { ++ran; })) ++accepted;
      if (i == 100) started.open();
    }
  }));
  started.wait();
  pool.stop();
  poster.stop();
  EXPECT_EQ(ran, accepted);
}

TEST(Strand, MayBeDestroyedBeforeItsWorkRuns) {
  testing::ManualExecutor executor;
  bool ran = false;
  EXPECT_TRUE(Strand(executor).post([&] { ran = true; }));
  executor.run_until_idle();
  EXPECT_TRUE(ran);
}

TEST(Gate, CloseWaitsForWhatIsInsideAndRefusesMore) {
  Gate gate;
  ThreadPool pool({.name = "gate"});
  std::atomic<bool> done = false;
  Door inside;
  Door go;
  ASSERT_TRUE(pool.post([&] {
    const Gate::Pass pass = gate.enter();
    EXPECT_TRUE(pass);
    inside.open();
    go.wait();
    done = true;
  }));
  inside.wait();
  go.open();
  gate.close();
  EXPECT_TRUE(done);
  EXPECT_FALSE(gate.enter());
  gate.close();
}

}  // namespace
}  // namespace tocsin::base
