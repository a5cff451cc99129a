// SPDX-License-Identifier: Apache-2.0
//
// What the write path does at its limits: unsealed memory, new series, labels.
#include <random>

#include <gtest/gtest.h>

#include "tsdb/testing/db_fixture.h"

namespace tocsin::tsdb {
namespace {

class LimitsTest : public testing::DbTest {
 protected:
  ~LimitsTest() override { db_.reset(); }
  double metric(std::string_view name) const {
    for (const base::MetricFamily& family : metrics_.gather()) {
      if (family.name == name) return family.samples.front().value;
    }
    return -1;
  }
  static model::Labels numbered(std::size_t i) {
    return model::Labels::of({{"__name__", "m"}, {"i", std::to_string(i)}});
  }
};

class BacklogTest : public LimitsTest {
 protected:
  BacklogTest() : disk_(*memory_) {
    files_ = &disk_;
    options_.max_unsealed_bytes = 64U << 10;
    options_.seal_min_bytes = 1U << 30;  // a seal is due by age only
  }
  ~BacklogTest() override { db_.reset(); }

  // Commits a batch of values that do not compress; null when the commit waits.
  std::shared_ptr<std::optional<Status>> commit_batch() {
    const auto appender = db_->appender();
    ++time_ms_;
    for (std::size_t i = 0; i < 20; ++i) {
      const double value = std::bit_cast<double>(0x3ff0000000000000ULL + random_() % (1ULL << 52U));
      EXPECT_TRUE(appender->append({}, numbered(i), base::from_ms(time_ms_), value).ok());
    }
    auto result = std::make_shared<std::optional<Status>>();
    appender->commit([result](Status status) { *result = std::move(status); });
    return result;
  }
  // Commits until one waits.
  std::shared_ptr<std::optional<Status>> fill() {
    for (int i = 0; i < 5000; ++i) {
      const auto result = commit_batch();
      if (!result->has_value()) return result;
      EXPECT_TRUE((*result)->ok()) << **result;
    }
    ADD_FAILURE() << "nothing ever waited";
    return nullptr;
  }

  base::testing::FaultFs disk_;
  std::mt19937_64 random_{1};
  std::int64_t time_ms_ = 1000;
};

TEST_F(BacklogTest, CommitsWaitForTheSealerAndThenGoOn) {
  open();
  const auto waits = fill();
  ASSERT_NE(waits, nullptr);
  EXPECT_GT(metric("tocsin_tsdb_unsealed_bytes"), 64 << 10);
  EXPECT_LT(metric("tocsin_tsdb_unsealed_bytes"), 96 << 10);
  EXPECT_EQ(metric("tocsin_tsdb_unsealed_limit_bytes"), 64 << 10);
  const std::int64_t waiting_ms = time_ms_;
  EXPECT_NE(query(), "") << "reads go on";
  EXPECT_EQ(query(waiting_ms, waiting_ms), "");
  const auto behind = commit_batch();
  EXPECT_FALSE(behind->has_value());
  EXPECT_EQ(metric("tocsin_tsdb_commits_waiting"), 2);
  ASSERT_TRUE(db_->seal_all().ok());
  ASSERT_TRUE(waits->has_value() && behind->has_value());
  EXPECT_TRUE((*waits)->ok() && (*behind)->ok());
  EXPECT_NE(query(waiting_ms, waiting_ms), "");
  EXPECT_EQ(metric("tocsin_tsdb_commits_waiting"), 0);
  EXPECT_EQ(metric("tocsin_tsdb_commits_delayed_total"), 2);
  EXPECT_EQ(metric("tocsin_tsdb_commits_refused_total"), 0);
  EXPECT_TRUE((*commit_batch())->ok());
}

TEST_F(BacklogTest, WithoutASealTheyFailInTimeAndMemoryStaysBounded) {
  RecordProperty("expects_error_lines", 1);
  open();
  const auto waits = fill();
  ASSERT_NE(waits, nullptr);
  const std::string before = query();
  clock_.advance(options_.seal_age);
  disk_.fail_at(1, base::testing::FaultFs::Fault::kError, true);
  EXPECT_FALSE(db_->maintain().ok()) << "the seal fails";
  ASSERT_TRUE(waits->has_value());
  EXPECT_EQ((*waits)->code(), StatusCode::kUnavailable);
  EXPECT_EQ(message(**waits),
            "too many samples wait to be sealed: samples are refused until there is room");
  for (int i = 0; i < 50; ++i) {
    const auto late = commit_batch();
    EXPECT_FALSE(late->has_value());
    clock_.advance(options_.max_commit_wait);
    EXPECT_FALSE(db_->maintain().ok());
    ASSERT_TRUE(late->has_value());
    EXPECT_EQ((*late)->code(), StatusCode::kUnavailable);
  }
  EXPECT_EQ(query(), before);
  EXPECT_EQ(metric("tocsin_tsdb_commits_refused_total"), 51);
  disk_.clear();
  ASSERT_TRUE(db_->maintain().ok());
  EXPECT_TRUE((*commit_batch())->ok()) << "it ends by itself";
}

TEST_F(BacklogTest, TheNextCommitFailsWhatWaitedTooLong) {
  open();
  const auto waits = fill();
  ASSERT_NE(waits, nullptr);
  clock_.advance(options_.max_commit_wait);
  const auto next = commit_batch();
  EXPECT_TRUE(waits->has_value());
  EXPECT_FALSE(next->has_value());
}

TEST_F(BacklogTest, StoppingFailsWhatWaits) {
  open();
  const auto waits = fill();
  ASSERT_NE(waits, nullptr);
  db_->stop();
  ASSERT_TRUE(waits->has_value());
  EXPECT_EQ((*waits)->code(), StatusCode::kUnavailable);
}

TEST_F(BacklogTest, WhatARestartReadsCountsToo) {
  open();
  ASSERT_NE(fill(), nullptr);
  open();
  EXPECT_FALSE(commit_batch()->has_value());
  ASSERT_TRUE(db_->seal_all().ok());
  EXPECT_TRUE((*commit_batch())->ok());
}

TEST_F(BacklogTest, TheDefaultFollowsFromWhatMakesASealDue) {
  options_.max_unsealed_bytes = 0;
  open();
  EXPECT_EQ(metric("tocsin_tsdb_unsealed_limit_bytes"),
            static_cast<double>(4 * (options_.seal_min_bytes + options_.seal_side_bytes)));
}

TEST_F(LimitsTest, NewSeriesPerMinute) {
  options_.max_new_series_per_minute = 3;
  open();
  for (std::size_t i = 0; i < 3; ++i) ASSERT_TRUE(append(numbered(i), 1000, 1).ok());
  const Status refused = append(numbered(3), 1000, 1);
  EXPECT_EQ(refused.code(), StatusCode::kAborted);
  EXPECT_EQ(message(refused), "too many new series in this minute (limit 3)");
  EXPECT_EQ(metric("tocsin_tsdb_new_series_refused_total"), 1);
  EXPECT_TRUE(append(numbered(0), 2000, 1).ok()) << "known series go on";
  clock_.advance(std::chrono::minutes(1));
  EXPECT_TRUE(append(numbered(3), 1000, 1).ok());
  EXPECT_TRUE(append(numbered(4), 1000, 1).ok());
  EXPECT_TRUE(append(numbered(5), 1000, 1).ok());
  EXPECT_FALSE(append(numbered(6), 1000, 1).ok());
}

TEST_F(LimitsTest, LabelsHaveLengths) {
  options_.max_label_name_bytes = 100;
  options_.max_label_value_bytes = 200;
  open();
  const auto check = [&](std::size_t name, std::size_t value, std::string_view want) {
    const Status status = append(
        model::Labels::of({{"__name__", "m"}, {std::string(name, 'n'), std::string(value, 'v')}}),
        1, 1);
    EXPECT_EQ(status.ok() ? "" : message(status), want);
  };
  check(100, 200, "");
  check(101, 1,
        "label name of 101 bytes is longer than 100 bytes: \"" + std::string(64, 'n') + "\"...");
  check(5, 201, "value of label \"nnnnn\" of 201 bytes is longer than 200 bytes");
}

// Companions that are pushed together are counted one by one.
TEST_F(LimitsTest, ActiveSeriesOfPushedGroups) {
  options_.max_active_series = 100;
  open();
  std::vector<storage::KnownSample> known;
  for (std::int64_t t = 1; t <= 3; ++t) {
    const auto appender = db_->appender();
    std::size_t taken = 0;
    for (std::size_t i = 0; i < 150; ++i) {
      const auto result = appender->append({}, numbered(i), base::from_ms(t * 1000), 1);
      EXPECT_EQ(result.ok(), i < 100) << i;
      taken += result.ok() ? 1 : 0;
      if (result.ok() && t == 3) known.push_back({result->ref, base::from_ms(4000), 2, 0});
      if (!result.ok()) {
        EXPECT_EQ(message(result.status()), "too many active series (limit 100)");
      }
    }
    EXPECT_EQ(taken, 100U);
    ASSERT_TRUE(commit_and_wait(*appender).ok());
  }
  const auto appender = db_->appender();
  appender->append_known(known, [](std::size_t, const Status& status) { ADD_FAILURE() << status; });
  ASSERT_TRUE(commit_and_wait(*appender).ok());
  const std::string all = query();
  EXPECT_EQ(std::count(all.begin(), all.end(), '\n'), 100);
  EXPECT_NE(all.find(R"(m{i="99"} 1000:1 2000:1 3000:1 4000:2)"), std::string::npos);
  open();
  EXPECT_EQ(query(), all);
  EXPECT_EQ(append(numbered(120), 5000, 1).code(), StatusCode::kResourceExhausted);
  EXPECT_TRUE(append(numbered(20), 5000, 1).ok());
}

}  // namespace
}  // namespace tocsin::tsdb
