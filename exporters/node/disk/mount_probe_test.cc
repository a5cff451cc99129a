// SPDX-License-Identifier: Apache-2.0
#include "exporters/node/disk/mount_probe.h"

#include <set>

#include <gtest/gtest.h>

#include "base/mutex.h"
#include "base/testing/fake_clock.h"

namespace tocsin::exporters {
namespace {

// Mounts that answer at once with the length of their path, except those that hang.
class Mounts {
 public:
  StatusOr<MountStats> ask(const std::string& path) {
    base::MutexLock lock(mutex_);
    ++asked_[path];
    changed_.notify_all();
    while (hanging_.contains(path)) changed_.wait(mutex_);
    if (path == "/bad") return unavailable("permission denied");
    MountStats stats;
    stats.size_bytes = static_cast<double>(path.size());
    return stats;
  }
  void hang(const std::string& path) {
    base::MutexLock lock(mutex_);
    hanging_.insert(path);
  }
  void release() {
    base::MutexLock lock(mutex_);
    hanging_.clear();
    changed_.notify_all();
  }
  void wait_for(const std::string& path) {
    base::MutexLock lock(mutex_);
    while (!asked_.contains(path)) changed_.wait(mutex_);
  }
  int asked(const std::string& path) {
    base::MutexLock lock(mutex_);
    return asked_[path];
  }

 private:
  base::Mutex mutex_;
  base::CondVar changed_;
  std::set<std::string> hanging_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, int> asked_ ABSL_GUARDED_BY(mutex_);
};

class MountProbeTest : public ::testing::Test {
 protected:
  ~MountProbeTest() override { mounts_->release(); }

  MountProbe make(std::size_t workers, std::size_t max_stuck = 64) {
    return MountProbe(
        {.timeout = kTimeout, .workers = workers, .max_stuck = max_stuck},
        [mounts = mounts_](const std::string& path) { return mounts->ask(path); }, clock_, clock_);
  }
  // "size", or the error, of each.
  static std::string show(const std::vector<StatusOr<MountStats>>& answers) {
    std::string out;
    for (const StatusOr<MountStats>& answer : answers) {
      out += answer.ok() ? fmt::format("{}", answer->size_bytes)
                         : std::string(message(answer.status()));
      out += "; ";
    }
    return out;
  }
  // Runs ask_all on another thread, and lets the timeout pass when `hanging` has been asked.
  std::string ask_with_timeout(MountProbe& probe, const std::vector<std::string>& paths,
                               const std::vector<std::string>& hanging) {
    std::string out;
    {
      base::ThreadPool caller({.name = "caller", .threads = 1});
      EXPECT_TRUE(caller.post([&] { out = show(probe.ask_all(paths)); }));
      for (const std::string& path : hanging) {
        mounts_->wait_for(path);
        // The timer is set after the question, or before it: then the next one is its own.
        while (clock_.pending() == 0) {
        }
        clock_.advance(kTimeout);
      }
      caller.stop();
    }
    return out;
  }

  static constexpr base::Duration kTimeout{5'000};
  base::testing::FakeClock clock_;
  // Shared, because a thread that was given up may come back after the test.
  std::shared_ptr<Mounts> mounts_ = std::make_shared<Mounts>();
};

TEST_F(MountProbeTest, AnswersInTheOrderOfThePaths) {
  for (const std::size_t workers : {1, 2, 4, 9}) {
    MountProbe probe = make(workers);
    EXPECT_EQ(show(probe.ask_all({"/aa", "/", "/bad", "/aaaa"})), "3; 1; permission denied; 5; ");
    EXPECT_EQ(show(probe.ask_all({})), "");
    EXPECT_EQ(clock_.pending(), 0U);
  }
}

TEST_F(MountProbeTest, AStuckMountIsGivenUpAndNotAskedAgain) {
  MountProbe probe = make(1);
  mounts_->hang("/nfs");
  EXPECT_EQ(ask_with_timeout(probe, {"/a", "/nfs", "/bb"}, {"/nfs"}), "2; mountpoint timeout; 3; ");
  EXPECT_EQ(probe.stuck(), 1U);
  // At once now: no time passes.
  EXPECT_EQ(show(probe.ask_all({"/a", "/nfs", "/bb"})), "2; mountpoint timeout; 3; ");
  EXPECT_EQ(mounts_->asked("/nfs"), 1);
  EXPECT_EQ(mounts_->asked("/bb"), 2);
}

TEST_F(MountProbeTest, AMountThatComesBackIsAskedAgain) {
  MountProbe probe = make(1);
  mounts_->hang("/nfs");
  EXPECT_EQ(ask_with_timeout(probe, {"/nfs"}, {"/nfs"}), "mountpoint timeout; ");
  mounts_->release();
  // The thread that was given up comes back in its own time.
  while (show(probe.ask_all({"/nfs"})) != "4; ") {
  }
  EXPECT_EQ(probe.stuck(), 0U);
}

TEST_F(MountProbeTest, AboveTheLimitOfStuckMountsTheRestIsRefused) {
  MountProbe probe = make(1, 1);
  mounts_->hang("/nfs");
  EXPECT_EQ(ask_with_timeout(probe, {"/nfs", "/a"}, {"/nfs"}),
            "mountpoint timeout; too many stuck mountpoints; ");
}

TEST_F(MountProbeTest, DoesNotWaitForStuckThreadsWhenDestroyed) {
  {
    MountProbe probe = make(2);
    mounts_->hang("/nfs");
    EXPECT_EQ(ask_with_timeout(probe, {"/nfs"}, {"/nfs"}), "mountpoint timeout; ");
  }
  EXPECT_EQ(mounts_->asked("/nfs"), 1);
}

}  // namespace
}  // namespace tocsin::exporters
