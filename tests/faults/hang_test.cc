// SPDX-License-Identifier: Apache-2.0
//
// A disk that hangs in the middle of a seal: commits and queries go on beside it, up to the bound of what
// is not sealed, and all goes on when the disk does.
#include <unistd.h>

#include <bit>
#include <filesystem>
#include <optional>
#include <random>

#include <gtest/gtest.h>

#include "base/executor.h"
#include "tests/faults/disk_faults.h"
#include "tests/faults/opened.h"

namespace tocsin::tests {
namespace {

constexpr std::int64_t kStartMs = 1'700'000'000'000;
constexpr const char* kStore = "/store/";  // where a seal writes its run

class HangTest : public ::testing::Test {
 protected:
  HangTest() {
    std::filesystem::create_directories(directory_);
    directory_ = std::filesystem::canonical(directory_).string();
    faults_ = std::make_unique<DiskFaults>(directory_);
    base::log::configure({.level = kQuiet});
  }
  ~HangTest() override {
    base::log::configure({});
    std::filesystem::remove_all(directory_);
  }

  // Seals on another thread, with the n-th call on the store hanging. False when there are fewer.
  bool seal_hangs(tsdb::Db& db, std::uint64_t n) {
    faults_->hang_at(n, kStore);
    sealer_ = std::make_unique<base::ThreadPool>(base::ThreadPool::Options{"seal", 1, 1, 0});
    EXPECT_TRUE(sealer_->post([this, &db] {
      sealed_ = db.seal_all();
      faults_->release();
    }));
    return faults_->wait_until_hanging();
  }
  // Lets the seal end.
  void let_go() {
    faults_->release();
    sealer_->stop();
    EXPECT_TRUE(sealed_.ok()) << sealed_;
  }
  // Also when an assertion ends the test.
  struct LetGo {
    ~LetGo() { test.let_go(); }
    HangTest& test;
  };

  std::string directory_ = fmt::format("{}tocsin_hang_{}", ::testing::TempDir(), ::getpid());
  std::unique_ptr<DiskFaults> faults_;
  std::unique_ptr<base::ThreadPool> sealer_;
  Status sealed_;
};

TEST_F(HangTest, CommitsAndQueriesGoOnWhereverASealHangs) {
  const std::uint64_t seed = tsdb::testing::make_seed();
  SCOPED_TRACE(fmt::format("TOCSIN_TEST_SEED={}", seed));
  Opened opened(directory_ + "/data");
  ASSERT_TRUE(opened.open(kStartMs).ok());
  RandomLoad::Options work = load_options("");
  work.upkeep_percent = 0;  // it would wait for the seal
  RandomLoad load(seed, kStartMs, work);
  const auto works = [&](int count) {
    for (int i = 0; i < count; ++i) {
      load.next();
      const Status status = step(load, opened);
      ASSERT_TRUE(status.ok()) << status;
      ASSERT_EQ(load.trouble(), "");
      load.keep();
    }
  };
  const auto compare = [&] {
    return load.model().compare(*opened.db, {}, INT64_MIN / 8, INT64_MAX / 8);
  };
  std::uint64_t hung = 0;
  for (bool more = true; more && !HasFailure(); hung += more ? 1 : 0) {
    SCOPED_TRACE(fmt::format("call {}", hung + 1));
    works(4);
    more = seal_hangs(*opened.db, hung + 1);
    works(4);
    const std::string difference = compare();
    let_go();
    ASSERT_EQ(difference, "");
  }
  EXPECT_GT(hung, 10U) << "calls of a seal";
  ASSERT_TRUE(opened.open(load.now_ms()).ok());
  EXPECT_EQ(compare(), "");
  fmt::print("{} calls hung one at a time\n", hung);
}

TEST_F(HangTest, CommitsAreRefusedInTimeWhileItLastsAndTakenAfterwards) {
  tsdb::Options options = small_options();
  options.max_unsealed_bytes = 64U << 10;
  base::testing::FakeClock clock;
  base::Registry metrics;
  auto opened =
      tsdb::Db::open(directory_ + "/data", options, {clock, base::real_file_system(), metrics});
  ASSERT_TRUE(opened.ok()) << opened.status();
  tsdb::Db& db = **opened;
  std::mt19937_64 random(1);
  std::int64_t t = kStartMs;
  // Values that do not compress; null while the commit waits.
  const auto commit = [&] {
    const auto appender = db.appender();
    ++t;
    for (int i = 0; i < 20; ++i) {
      const double value = std::bit_cast<double>(0x3ff0000000000000ULL + random() % (1ULL << 52U));
      const auto labels = model::Labels::of({{"__name__", "m"}, {"i", std::to_string(i)}});
      EXPECT_TRUE(appender->append({}, labels, base::from_ms(t), value).ok());
    }
    auto result = std::make_shared<std::optional<Status>>();
    appender->commit([result](Status status) { *result = std::move(status); });
    return result;
  };
  ASSERT_TRUE((*commit())->ok());
  ASSERT_TRUE(seal_hangs(db, 1));
  const LetGo at_end{*this};
  auto waits = commit();
  for (int i = 0; i < 5000 && waits->has_value(); ++i) {
    ASSERT_TRUE((*waits)->ok()) << **waits;
    waits = commit();
  }
  ASSERT_FALSE(waits->has_value()) << "nothing ever waited";
  clock.advance(options.max_commit_wait);
  const auto next = commit();
  ASSERT_TRUE(waits->has_value());
  EXPECT_EQ((*waits)->code(), StatusCode::kUnavailable);
  EXPECT_FALSE(next->has_value());
  let_go();
  ASSERT_TRUE(db.seal_all().ok());  // what came while the disk hung
  ASSERT_TRUE(next->has_value());
  EXPECT_TRUE((*next)->ok()) << **next;
  EXPECT_TRUE((*commit())->ok());
}

}  // namespace
}  // namespace tocsin::tests
