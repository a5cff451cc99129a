// SPDX-License-Identifier: Apache-2.0
//
// For every n: the n-th call to the system fails, once, while a database works. What was refused is
// not there, what was acknowledged is, work goes on, and the next start agrees.
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
  Status status = step(load, opened);
  if (is_unimplemented(status)) status = ok();
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

// A process of its own, because a library may end it.
TEST(FaultLoopChild, DISABLED_Works) {
  RecordProperty("expects_error_lines", 1);
  const char* arguments = std::getenv(kChildVariable);  // NOLINT(concurrency-mt-unsafe): one thread
  ASSERT_NE(arguments, nullptr);
  base::log::configure({.level = kQuiet});
  std::istringstream in(arguments);
  std::string directory;
  std::uint64_t seed = 0, n = 0;
  int fault = 0;
  in >> directory >> seed >> fault >> n;
  DiskFaults faults(directory);
  Opened opened(directory + "/data");
  ASSERT_TRUE(opened.open(kStartMs).ok());
  RandomLoad load(seed, kStartMs, load_options(""));
  faults.fail_at(n, static_cast<Fault>(fault));
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

class FaultLoopTest : public ::testing::TestWithParam<Fault> {
 protected:
  // Exit status, or minus the signal.
  int run(std::uint64_t seed, std::uint64_t n, std::string* log);

  const std::string directory_ = fmt::format("{}tocsin_fault_{}_{}", ::testing::TempDir(),
                                             ::getpid(), static_cast<int>(GetParam()));
};

int FaultLoopTest::run(std::uint64_t seed, std::uint64_t n, std::string* log) {
  std::filesystem::remove_all(directory_);
  std::filesystem::create_directories(directory_);
  const std::string path = std::filesystem::canonical(directory_).string();
  const std::string variable =
      fmt::format("{}={} {} {} {}", kChildVariable, path, seed, static_cast<int>(GetParam()), n);
  const char* const arguments[] = {"loop", "--gtest_also_run_disabled_tests", "--gtest_brief=1",
                                   "--gtest_filter=FaultLoopChild.*", nullptr};
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

TEST_P(FaultLoopTest, AFailedCallLosesNothingAndInventsNothing) {
  const std::uint64_t seed = tsdb::testing::make_seed();
  const std::uint64_t stride = tsdb::testing::number_from_environment("TOCSIN_FAULT_STRIDE", 97);
  SCOPED_TRACE(fmt::format("TOCSIN_TEST_SEED={}", seed));
  std::uint64_t tried = 0;
  for (std::uint64_t n = 1 + seed % stride;; n += stride, ++tried) {
    std::string log;
    const int status = run(seed, n, &log);
    if (status == kNotReached) break;
    ASSERT_EQ(status, 0) << "call " << n << "\n" << log;
    if (tried % 100 == 99) fmt::print("{} calls failed, now at {}\n", tried + 1, n);
  }
  fmt::print("{} calls failed one at a time\n", tried);
  std::filesystem::remove_all(directory_);
}

INSTANTIATE_TEST_SUITE_P(Faults, FaultLoopTest,
                         ::testing::Values(Fault::kError, Fault::kDiskFull, Fault::kTornWrite));

}  // namespace
}  // namespace tocsin::tests
