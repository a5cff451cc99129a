// SPDX-License-Identifier: Apache-2.0
//
// Cycles of random work in a process that ends badly: it dies at a random call to the system, by
// kill -9 or frozen, or the power goes. After each the database is opened again and must hold every
// acknowledged sample (but for the power: every one older than a second by the clock, and what else was
// synced), nothing that nobody wrote, and no damage.
//
// ./test runs some; TOCSIN_CRASH_CYCLES more (nightly: 10000), TOCSIN_TEST_SEED repeats a run but
// for the moments of background threads and kills.
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <climits>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>
#include <sys/wait.h>

#include "base/log.h"
#include "tests/faults/disk_faults.h"
#include "tests/faults/opened.h"

namespace tocsin::tests {
namespace {

using tsdb::testing::RandomLoad;
using Fault = DiskFaults::Fault;

constexpr std::uint64_t kCyclesPerDirectory = 24;
constexpr int kMaxWorks = 80;

constexpr const char* kChildVariable = "TOCSIN_CYCLE_CHILD";

// How a cycle ends.
enum class End {
  kFreeze,  // every call fails from one on
  kTear,    // the same, and that one writes half
  kCut,     // the power goes, after a freeze
  kKill,    // kill -9, at a call or at any moment
};

class DbCycleTest : public ::testing::Test {
 protected:
  DbCycleTest() : seed_(tsdb::testing::make_seed()), random_(seed_), root_(::testing::TempDir()) {
    RecordProperty("expects_error_lines", 1);
    base::log::configure({.level = kQuiet});
  }
  ~DbCycleTest() override {
    opened_.reset();
    if (!directory_.empty()) std::filesystem::remove_all(directory_);
    base::log::configure({});
  }

  void start_directory(std::uint64_t number);
  void cycle(std::uint64_t number, End end);
  void follow(RandomLoad& load, int report, pid_t child, std::uint64_t enough);
  void check_end(End end, int status);
  void verify();
  pid_t start_child(End end, std::uint64_t seed, std::uint64_t die_at, int report);

  std::uint64_t below(std::uint64_t n) { return random_() % n; }

  const std::uint64_t seed_;
  std::mt19937_64 random_;
  const std::string root_;
  std::string directory_;
  std::unique_ptr<Opened> opened_;
  std::vector<std::unique_ptr<RandomLoad>> loads_;  // one per cycle in this directory
  std::int64_t now_ms_ = 1'700'000'000'000;
  std::uint64_t works_ = 0, checked_samples_ = 0;
  std::array<std::uint64_t, 4> ended_{};  // by End
};

void DbCycleTest::start_directory(std::uint64_t number) {
  opened_.reset();
  if (!directory_.empty()) std::filesystem::remove_all(directory_);
  directory_ = fmt::format("{}tocsin_cycle_{}_{}", root_, ::getpid(), number);
  std::filesystem::create_directories(directory_);
  directory_ = std::filesystem::canonical(directory_).string();
  opened_ = std::make_unique<Opened>(directory_ + "/data");
  loads_.clear();
}

// Opens what the last cycle left and compares it with what must be there.
void DbCycleTest::verify() {
  for (const auto& load : loads_) now_ms_ = std::max(now_ms_, load->now_ms() + 1);
  const Status status = opened_->open(now_ms_);
  ASSERT_TRUE(status.ok()) << status;
  for (const auto& load : loads_) {
    load->model().expire_before(now_ms_ - kRetentionMs);  // each child drops what all have written
    const std::string difference =
        load->model().compare(*opened_->db, load->matchers(), INT64_MIN / 8, INT64_MAX / 8);
    ASSERT_EQ(difference, "");
    load->model().settle(*opened_->db, load->matchers());
    load->model().synced();
  }
  const auto report = opened_->db->verify([](std::uint64_t, std::uint64_t) {});
  ASSERT_TRUE(report.ok()) << report.status();
  ASSERT_EQ(report->damaged, 0U) << report->damage.front();
  checked_samples_ += report->samples;
  opened_->close();
}

// What dies. Reports each piece of work that is done.
TEST(DbCycleChild, DISABLED_WorksUntilItDies) {
  const char* arguments = std::getenv(kChildVariable);  // NOLINT(concurrency-mt-unsafe): one thread
  ASSERT_NE(arguments, nullptr);
  base::log::configure({.level = kQuiet});
  std::istringstream in(arguments);
  std::string directory, tag;
  std::uint64_t seed = 0, die_at = 0;
  std::int64_t now_ms = 0;
  int report = -1, end = 0;
  in >> directory >> tag >> seed >> now_ms >> die_at >> report >> end;
  DiskFaults faults(directory);
  const Fault kinds[] = {Fault::kFreeze, Fault::kTornFreeze, Fault::kFreeze, Fault::kKill};
  if (die_at > 0) faults.fail_at(die_at, kinds[end]);
  Opened opened(directory + "/data");
  RandomLoad load(seed, now_ms, load_options(tag));
  Status status = opened.open(now_ms);
  // The parent kills at its leisure.
  const int enough = static_cast<End>(end) == End::kKill ? INT_MAX : kMaxWorks;
  for (int works = 0; status.ok() && works < enough; ++works) {
    load.next();
    status = step(load, opened);
    ASSERT_EQ(load.trouble(), "");
    if (!status.ok()) break;
    load.keep();
    const char done = 1;
    ASSERT_EQ(::write(report, &done, 1), 1);
  }
  ASSERT_TRUE(status.ok() || faults.hit()) << status;
  // Stopping would sync.
  if (!faults.hit()) faults.fail_at(1, Fault::kFreeze);
  opened.close();
  if (static_cast<End>(end) == End::kCut) faults.power_cut();
  ::_exit(0);
}

pid_t DbCycleTest::start_child(End end, std::uint64_t seed, std::uint64_t die_at, int report) {
  const std::string variable =
      fmt::format("{}={} t{} {} {} {} {} {}", kChildVariable, directory_, loads_.size(), seed,
                  now_ms_, die_at, report, static_cast<int>(end));
  const char* const arguments[] = {"cycle", "--gtest_also_run_disabled_tests", "--gtest_brief=1",
                                   "--gtest_filter=DbCycleChild.*", nullptr};
  const char* const environment[] = {variable.c_str(), nullptr};
  const pid_t child = ::fork();
  if (child == 0) {
    const int log = ::open((directory_ + "/child.log").c_str(), O_CREAT | O_WRONLY | O_TRUNC, 0600);
    ::dup2(log, STDERR_FILENO);
    ::execve("/proc/self/exe", const_cast<char* const*>(arguments),
             const_cast<char* const*>(environment));
    ::_exit(1);
  }
  return child;
}

// Does to the model what the child says it has done, and kills it when that is enough.
void DbCycleTest::follow(RandomLoad& load, int report, pid_t child, std::uint64_t enough) {
  char done = 0;
  Syncs syncs(now_ms_);
  for (std::uint64_t works = 0;; ++works) {
    if (works == enough) ::kill(child, SIGKILL);
    if (::read(report, &done, 1) != 1) return;
    const RandomLoad::Work& work = load.next();
    if (syncs.before(load)) load.model().synced();
    if (work.kind == RandomLoad::Work::Kind::kRestart) {
      syncs.opened(load.now_ms());
      load.reopened();
    }
    load.keep();
    ++works_;
  }
}

void DbCycleTest::check_end(End end, int status) {
  ++ended_[static_cast<std::size_t>(end)];
  if (end == End::kKill) {
    ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << "ended with " << status;
    return;
  }
  // Debian's RocksDB is built with assertions, which must hold after a failed write, too.
  std::ifstream log(directory_ + "/child.log");
  ASSERT_EQ(status, 0) << log.rdbuf();
}

void DbCycleTest::cycle(std::uint64_t number, End end) {
  if (number % kCyclesPerDirectory == 0) start_directory(number);
  const std::uint64_t seed = below(UINT64_MAX);
  const bool at_call = end != End::kKill || below(2) == 0;
  const std::uint64_t die_at = at_call ? 1 + below(below(3) == 0 ? 100 : 800) : 0;
  int report[2];
  ASSERT_EQ(::pipe(report), 0);
  const pid_t child = start_child(end, seed, die_at, report[1]);
  ASSERT_GE(child, 0);
  ::close(report[1]);
  const std::string tag = fmt::format("t{}", loads_.size());
  loads_.push_back(std::make_unique<RandomLoad>(seed, now_ms_, load_options(tag)));
  RandomLoad& load = *loads_.back();
  follow(load, report[0], child, at_call && end != End::kKill ? UINT64_MAX : below(kMaxWorks));
  ::close(report[0]);
  load.next();
  end == End::kCut ? load.doubt_unsynced() : load.doubt();
  int status = 0;
  ::waitpid(child, &status, 0);
  check_end(end, status);
  if (!HasFatalFailure()) verify();
}

TEST_F(DbCycleTest, WhatWasAcknowledgedIsThereAndNothingElse) {
  const std::uint64_t cycles = tsdb::testing::number_from_environment("TOCSIN_CRASH_CYCLES", 32);
  std::printf("TOCSIN_TEST_SEED=%llu\n", static_cast<unsigned long long>(seed_));
  SCOPED_TRACE(fmt::format("TOCSIN_TEST_SEED={}", seed_));
  const std::uint64_t shown = std::max<std::uint64_t>(cycles / 50, 100);
  for (std::uint64_t number = 0; number < cycles && !HasFatalFailure(); ++number) {
    SCOPED_TRACE(fmt::format("cycle {}", number));
    const End ends[] = {End::kFreeze, End::kCut, End::kTear, End::kKill};
    cycle(number, ends[number % 4]);
    if ((number + 1) % shown != 0 && number + 1 != cycles) continue;
    fmt::print(
        "{} of {} cycles: {} frozen, {} torn, {} without power, {} killed; {} works, "
        "{} checksummed reads of samples\n",
        number + 1, cycles, ended_[0], ended_[1], ended_[2], ended_[3], works_, checked_samples_);
    std::fflush(stdout);
  }
}

}  // namespace
}  // namespace tocsin::tests
