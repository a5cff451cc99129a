// SPDX-License-Identifier: Apache-2.0
#include "exporters/common/runner.h"

#include <gtest/gtest.h>

#include "base/testing/fake_clock.h"
#include "base/testing/manual_executor.h"
#include "exporters/common/page.h"
#include "exporters/testing/fake_collector.h"
#include "formats/text_writer.h"

namespace tocsin::exporters {
namespace {

using testing::CollectorControl;
using testing::FakeCollector;

constexpr base::Duration kBudget(5'000);

class RunnerTest : public ::testing::Test {
 protected:
  RunnerTest() {
    std::vector<std::unique_ptr<Collector>> collectors;
    collectors.push_back(std::make_unique<FakeCollector>("slow", slow_));
    collectors.push_back(std::make_unique<FakeCollector>("quick", quick_));
    runner_ = std::make_unique<Runner>("node", std::move(collectors),
                                       Runner::Services{workers_, clock_, clock_});
  }
  ~RunnerTest() override {
    slow_.release();
    scrapes_.stop();
    workers_.stop();
  }

  static std::string page(std::vector<base::MetricFamily> families) {
    tidy_families(&families);
    for (base::MetricFamily& family : families) family.help.clear();
    std::erase_if(families, [](const base::MetricFamily& family) {
      return family.name == "node_scrape_collector_duration_seconds";
    });
    std::string text;
    formats::write_text(families, &text);
    return text;
  }
  std::string scrape(const std::vector<std::string>& names = {"quick", "slow"}) {
    return page(runner_->collect(names, kBudget));
  }
  // Starts a scrape on another thread.
  void scrape_async(std::string* page_out) {
    ASSERT_TRUE(scrapes_.post([this, page_out] {
      std::string text = scrape();
      base::MutexLock lock(mutex_);
      *page_out = std::move(text);
      ++scraped_;
      changed_.notify_all();
    }));
  }
  void wait_for_scrapes(int count) {
    base::MutexLock lock(mutex_);
    while (scraped_ < count) changed_.wait(mutex_);
  }
  // Lets time pass until the scrapes gave up; each takes its timer along.
  void let_scrapes_expire() { clock_.advance(kBudget); }

  base::testing::FakeClock clock_;
  CollectorControl slow_, quick_;
  base::ThreadPool workers_{{.name = "workers", .threads = 2}};
  base::ThreadPool scrapes_{{.name = "scrapes", .threads = 4}};
  std::unique_ptr<Runner> runner_;
  base::Mutex mutex_;
  base::CondVar changed_;
  int scraped_ ABSL_GUARDED_BY(mutex_) = 0;
};

constexpr std::string_view kBothWork =
    "# TYPE fake_quick_run gauge\nfake_quick_run 1\n"
    "# TYPE fake_slow_run gauge\nfake_slow_run 1\n"
    "# TYPE node_scrape_collector_success gauge\n"
    "node_scrape_collector_success{collector=\"quick\"} 1\n"
    "node_scrape_collector_success{collector=\"slow\"} 1\n";

constexpr std::string_view kSlowIsMissing =
    "# TYPE node_scrape_collector_success gauge\n"
    "node_scrape_collector_success{collector=\"quick\"} 1\n"
    "node_scrape_collector_success{collector=\"slow\"} 0\n";

TEST_F(RunnerTest, ShowsWhatAllCollectorsFound) {
  EXPECT_EQ(runner_->names(), (std::vector<std::string>{"quick", "slow"}));
  EXPECT_EQ(scrape(), kBothWork);
  EXPECT_EQ(clock_.pending(), 0U) << "the timer of a finished scrape is left";
}

TEST_F(RunnerTest, RunsOnlyTheChosenOnes) {
  EXPECT_EQ(scrape({"quick"}),
            "# TYPE fake_quick_run gauge\nfake_quick_run 1\n"
            "# TYPE node_scrape_collector_success gauge\n"
            "node_scrape_collector_success{collector=\"quick\"} 1\n");
  EXPECT_EQ(slow_.starts(), 0);
}

TEST_F(RunnerTest, AFailureKeepsTheRestOfThePage) {
  slow_.set_result(unavailable("no disk"));
  EXPECT_EQ(scrape(),
            "# TYPE fake_quick_run gauge\nfake_quick_run 1\n"
            "# TYPE fake_slow_run gauge\nfake_slow_run 1\n" +
                std::string(kSlowIsMissing));
}

TEST_F(RunnerTest, ServesWhatFinishedWhenTheBudgetIsUsedUp) {
  slow_.hold();
  std::string first;
  scrape_async(&first);
  slow_.wait_for_starts(1);
  // quick may still be running: a scrape of it alone ends after that run.
  scrape({"quick"});
  let_scrapes_expire();
  wait_for_scrapes(1);
  EXPECT_EQ(first, "# TYPE fake_quick_run gauge\nfake_quick_run 1\n" + std::string(kSlowIsMissing));
  EXPECT_EQ(runner_->running(), 1U);
}

TEST_F(RunnerTest, ACollectorTellsThatItIsLate) {
  std::vector<std::unique_ptr<Collector>> collectors;
  collectors.push_back(std::make_unique<FakeCollector>("slow", slow_, true));
  runner_ = std::make_unique<Runner>("node", std::move(collectors),
                                     Runner::Services{workers_, clock_, clock_});
  slow_.hold();
  std::string late;
  scrape_async(&late);
  slow_.wait_for_starts(1);
  let_scrapes_expire();
  wait_for_scrapes(1);
  EXPECT_EQ(late,
            "# TYPE fake_slow_up gauge\nfake_slow_up 0\n"
            "# TYPE node_scrape_collector_success gauge\n"
            "node_scrape_collector_success{collector=\"slow\"} 0\n");
}

TEST_F(RunnerTest, TellsHowLongTheStuckOneHasTaken) {
  slow_.hold();
  std::vector<base::MetricFamily> families;
  ASSERT_TRUE(scrapes_.post([&] {
    std::vector<base::MetricFamily> found = runner_->collect({"slow"}, kBudget);
    base::MutexLock lock(mutex_);
    families = std::move(found);
    ++scraped_;
    changed_.notify_all();
  }));
  slow_.wait_for_starts(1);
  let_scrapes_expire();
  wait_for_scrapes(1);
  ASSERT_EQ(families.size(), 2U);
  EXPECT_EQ(families[0].name, "node_scrape_collector_duration_seconds");
  EXPECT_EQ(families[0].help, "node_exporter: Duration of a collector scrape.");
  EXPECT_EQ(families[0].samples[0].value, 5.0);
}

TEST_F(RunnerTest, NeverStartsAStuckCollectorAgain) {
  slow_.hold();
  for (int i = 1; i <= 3; ++i) {
    std::string text;
    scrape_async(&text);
    slow_.wait_for_starts(1);
    while (clock_.pending() == 0) scrape({"quick"});
    let_scrapes_expire();
    wait_for_scrapes(i);
    EXPECT_NE(text.find("success{collector=\"slow\"} 0\n"), std::string::npos) << text;
  }
  EXPECT_EQ(slow_.starts(), 1);
  slow_.release();
  // What the stuck run found late is not shown, and scrapes that gave up wait for no run.
  const std::string text = scrape();
  EXPECT_NE(text.find("fake_slow_run 2\n"), std::string::npos) << text;
}

TEST_F(RunnerTest, ScrapesThatComeMeanwhileGetALaterRun) {
  slow_.hold();
  std::string first, second, third;
  scrape_async(&first);
  slow_.wait_for_starts(1);
  quick_.wait_for_starts(1);
  scrape_async(&second);
  scrape_async(&third);
  while (clock_.pending() < 3) scrape({"quick"});
  slow_.release();
  wait_for_scrapes(3);
  EXPECT_NE(first.find("fake_slow_run 1\n"), std::string::npos) << first;
  EXPECT_EQ(second.find("fake_slow_run 1\n"), std::string::npos) << second;
  EXPECT_EQ(third.find("fake_slow_run 1\n"), std::string::npos) << third;
  EXPECT_LE(slow_.starts(), 3);
}

TEST_F(RunnerTest, StopEndsTheScrapesThatWait) {
  slow_.hold();
  std::string text;
  scrape_async(&text);
  slow_.wait_for_starts(1);
  runner_->stop();
  wait_for_scrapes(1);
  EXPECT_NE(text.find("success{collector=\"slow\"} 0\n"), std::string::npos) << text;
  scrape();  // returns at once, though slow is still held
  EXPECT_EQ(clock_.pending(), 0U);
  runner_->stop();
}

TEST_F(RunnerTest, MayBeDestroyedWhileACollectorIsStuck) {
  slow_.hold();
  std::string text;
  scrape_async(&text);
  slow_.wait_for_starts(1);
  scrape({"quick"});
  let_scrapes_expire();
  wait_for_scrapes(1);
  runner_.reset();
  slow_.release();
}

TEST(RunnerWithoutThreadsTest, ARefusedCollectorIsNoSuccess) {
  CollectorControl control;
  base::testing::FakeClock clock;
  base::ThreadPool stopped({.name = "stopped", .threads = 1});
  stopped.stop();
  std::vector<std::unique_ptr<Collector>> collectors;
  collectors.push_back(std::make_unique<FakeCollector>("one", control));
  Runner runner("node", std::move(collectors), {stopped, clock, clock});
  const std::vector<base::MetricFamily> families = runner.collect({"one"}, kBudget);
  ASSERT_EQ(families.size(), 2U);
  EXPECT_EQ(families[1].samples[0].value, 0);
  EXPECT_EQ(runner.running(), 0U);
}

}  // namespace
}  // namespace tocsin::exporters
