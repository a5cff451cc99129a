// SPDX-License-Identifier: Apache-2.0
//
// For every n: the n-th call to the system fails, once, while a database works. What was refused is
// not there, what was acknowledged is, work goes on, and the next start agrees. Or all calls fail from
// the n-th on, as if the process had died there, and the power goes, too: then everything is there that
// was done a second before.
//
// ./test tries some n; TOCSIN_FAULT_STRIDE=1 (nightly) all, TOCSIN_TEST_SEED repeats a run.
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

#include <gtest/gtest.h>
#include <sys/wait.h>

#include "tests/faults/disk_faults.h"
#include "tests/faults/opened.h"

namespace tocsin::tests {
namespace {

using Fault = DiskFaults::Fault;

constexpr const char* kChildVariable = "TOCSIN_FAULT_CHILD";
constexpr int kWorks = 60;
constexpr int kNotReached = 3;  // exit status: there are fewer calls than n
constexpr std::int64_t kStartMs = 1'700'000'000'000;

std::string compare(RandomLoad& load, const Opened& opened) {
  return load.model().compare(*opened.db, {}, INT64_MIN / 8, INT64_MAX / 8);
}

// The next piece of work, which may fail when the fault has hit. False when it did.
bool work(RandomLoad& load, Opened& opened, const DiskFaults& faults) {
  load.next();
  const bool restart = load.work().kind == RandomLoad::Work::Kind::kRestart;
  const Status status = step(load, opened);
  const bool good = status.ok() && load.trouble().empty();
  EXPECT_TRUE(good || faults.hit()) << status << load.trouble();
  if (good) {
    load.keep();
    return true;
  }
  load.undo();
  load.forget_trouble();
  if (restart) {
    const Status again = opened.open(load.now_ms());
    EXPECT_TRUE(again.ok()) << again;
  }
  load.reopened();
  return false;
}

// A process of its own, because a library may end it: a small database, and the fault that the
// parent asks for.
class FaultLoopChild : public ::testing::Test {
 protected:
  void SetUp() override {
    RecordProperty("expects_error_lines", 1);
    // NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
    const char* arguments = std::getenv(kChildVariable);
    ASSERT_NE(arguments, nullptr);
    base::log::configure({.level = kQuiet});
    std::istringstream in(arguments);
    std::string directory;
    std::uint64_t seed = 0;
    in >> directory >> seed >> what_ >> n_;
    faults_ = std::make_unique<DiskFaults>(directory);
    opened_ = std::make_unique<Opened>(directory + "/data");
    ASSERT_TRUE(opened_->open(kStartMs).ok());
    load_ = std::make_unique<RandomLoad>(seed, kStartMs, load_options(""));
  }

  int what_ = 0;         // of this child
  std::uint64_t n_ = 0;  // the call to fail
  std::unique_ptr<DiskFaults> faults_;
  std::unique_ptr<Opened> opened_;
  std::unique_ptr<RandomLoad> load_;
};

TEST_F(FaultLoopChild, DISABLED_Works) {
  DiskFaults& faults = *faults_;
  Opened& opened = *opened_;
  RandomLoad& load = *load_;
  faults.fail_at(n_, static_cast<Fault>(what_));
  for (int i = 0; i < kWorks && !HasFailure(); ++i) work(load, opened, faults);
  ASSERT_FALSE(HasFailure());
  if (!faults.hit()) ::_exit(kNotReached);
  ASSERT_EQ(compare(load, opened), "");
  // It must work again, at the latest after the next upkeep.
  opened.clock.advance(base::Duration(120'000));
  static_cast<void>(opened.db->maintain());
  int worked = 0;
  for (int i = 0; i < 20; ++i) worked += work(load, opened, faults) ? 1 : 0;
  ASSERT_GE(worked, 15);
  ASSERT_EQ(compare(load, opened), "");
  ASSERT_TRUE(opened.open(load.now_ms()).ok());
  ASSERT_EQ(compare(load, opened), "");
}

// What is there when nothing is written from the n-th call on, then the power goes, too, when `cut`.
TEST_F(FaultLoopChild, DISABLED_Dies) {
  DiskFaults& faults = *faults_;
  Opened& opened = *opened_;
  RandomLoad& load = *load_;
  const bool cut = what_ != 0;
  Syncs syncs(kStartMs);
  faults.fail_at(n_, Fault::kFreeze);
  for (int i = 0; i < kWorks && !faults.hit(); ++i) {
    const bool restart = load.next().kind == RandomLoad::Work::Kind::kRestart;
    opened.clock.advance_to(std::max(opened.clock.now(), base::from_ms(load.now_ms())));
    const Status synced = opened.db->sync_due();
    if (syncs.before(load) && synced.ok()) load.model().synced();
    const Status status = synced.ok() ? step(load, opened) : synced;
    if (faults.hit()) break;
    ASSERT_TRUE(status.ok()) << status;
    if (restart) syncs.opened(load.now_ms());
    load.keep();
  }
  if (!faults.hit()) ::_exit(kNotReached);
  cut ? load.doubt_unsynced() : load.doubt();
  opened.close();
  if (cut) faults.power_cut();
  faults.clear();
  load.reopened();
  ASSERT_TRUE(opened.open(load.now_ms()).ok());
  load.model().expire_before(load.now_ms() - kRetentionMs);
  ASSERT_EQ(compare(load, opened), "");
  const auto report = opened.db->verify([](std::uint64_t, std::uint64_t) {});
  ASSERT_TRUE(report.ok() && report->damaged == 0) << report.status();
  load.model().settle(*opened.db, {});
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(work(load, opened, faults));
  ASSERT_TRUE(opened.open(load.now_ms()).ok());
  ASSERT_EQ(compare(load, opened), "");
}

class FaultLoopTest : public ::testing::TestWithParam<Fault> {
 protected:
  // Exit status, or minus the signal.
  int run(const std::string& child, const std::string& what, std::uint64_t n, std::string* log);
  // Tries each n, or some.
  void run_all(const std::string& child, int what);

  const std::string directory_ = fmt::format("{}tocsin_fault_{}_{}", ::testing::TempDir(),
                                             ::getpid(), static_cast<int>(GetParam()));
};

int FaultLoopTest::run(const std::string& child_name, const std::string& what, std::uint64_t n,
                       std::string* log) {
  std::filesystem::remove_all(directory_);
  std::filesystem::create_directories(directory_);
  const std::string path = std::filesystem::canonical(directory_).string();
  const std::string variable = fmt::format("{}={} {} {}", kChildVariable, path, what, n);
  const std::string filter = "--gtest_filter=FaultLoopChild.DISABLED_" + child_name;
  const char* const arguments[] = {"loop", "--gtest_also_run_disabled_tests", "--gtest_brief=1",
                                   filter.c_str(), nullptr};
  const char* const environment[] = {variable.c_str(), nullptr};
  const pid_t child = ::fork();
  if (child == 0) {
    const int out = ::open((path + "/log").c_str(), O_CREAT | O_WRONLY | O_TRUNC, 0600);
    ::dup2(out, STDOUT_FILENO);
    ::dup2(out, STDERR_FILENO);
    ::execve("/proc/self/exe", const_cast<char* const*>(arguments),
             const_cast<char* const*>(environment));
    ::_exit(1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  std::stringstream text;
  text << std::ifstream(path + "/log").rdbuf();
  *log = text.str();
  return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

void FaultLoopTest::run_all(const std::string& child, int what) {
  const std::uint64_t seed = tsdb::testing::make_seed();
  const std::uint64_t stride = tsdb::testing::number_from_environment("TOCSIN_FAULT_STRIDE", 97);
  SCOPED_TRACE(fmt::format("TOCSIN_TEST_SEED={}", seed));
  std::uint64_t tried = 0;
  for (std::uint64_t n = 1 + seed % stride;; n += stride, ++tried) {
    std::string log;
    const int status = run(child, fmt::format("{} {}", seed, what), n, &log);
    if (status == kNotReached) break;
    ASSERT_EQ(status, 0) << "call " << n << "\n" << log;
    if (tried % 100 != 99) continue;
    fmt::print("{} calls failed, now at {}\n", tried + 1, n);
    std::fflush(stdout);
  }
  fmt::print("{} calls failed one at a time\n", tried);
  std::filesystem::remove_all(directory_);
}

TEST_P(FaultLoopTest, AFailedCallLosesNothingAndInventsNothing) {
  run_all("Works", static_cast<int>(GetParam()));
}

INSTANTIATE_TEST_SUITE_P(Faults, FaultLoopTest,
                         ::testing::Values(Fault::kError, Fault::kDiskFull, Fault::kTornWrite));

class DeathLoopTest : public FaultLoopTest {};

TEST_P(DeathLoopTest, ADeathLosesNothingAcknowledged) { run_all("Dies", 0); }
TEST_P(DeathLoopTest, APowerCutLosesTheLastSecondAtMost) { run_all("Dies", 1); }

INSTANTIATE_TEST_SUITE_P(Deaths, DeathLoopTest, ::testing::Values(Fault::kFreeze));

}  // namespace
}  // namespace tocsin::tests
