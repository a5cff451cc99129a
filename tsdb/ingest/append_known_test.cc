// SPDX-License-Identifier: Apache-2.0
//
// append_known() looks at runs of series at once; it must say and store what append() would.
#include <random>

#include <gtest/gtest.h>

#include "tsdb/testing/db_fixture.h"

namespace tocsin::tsdb {
namespace {

class AppendKnownTest : public testing::DbTest {
 protected:
  AppendKnownTest() : other_directory_(testing::temporary_directory()) {
    options_.out_of_order_window = model::Duration(500);
  }
  ~AppendKnownTest() override {
    other_.reset();
    std::filesystem::remove_all(other_directory_);
  }
  void open_both() {
    open();
    other_.reset();
    auto db = Db::open(other_directory_, options_, {clock_, *other_memory_, other_metrics_});
    ASSERT_TRUE(db.ok()) << db.status();
    other_ = *std::move(db);
  }
  // The same numbers in both, because series come in the same order.
  void create(std::size_t count) {
    for (Db* db : {db_.get(), other_.get()}) {
      const auto appender = db->appender();
      for (std::size_t i = 0; i < count; ++i) {
        const auto l = model::Labels::of({{"__name__", "m"}, {"i", std::to_string(i)}});
        ASSERT_EQ(appender->append({}, l, base::from_ms(1), 0)->ref.value(), i + 1);
      }
      ASSERT_TRUE(commit_and_wait(*appender).ok());
    }
  }
  // Errors of a batch as text.
  static std::string append_all(Db& db, const std::vector<storage::KnownSample>& samples,
                                bool together) {
    const auto appender = db.appender();
    std::string errors;
    const auto refused = [&](std::size_t i, const Status& status) {
      errors += fmt::format("{}: {}\n", i, message(status));
    };
    together ? appender->append_known(samples, refused)
             : appender->storage::Appender::append_known(samples, refused);
    EXPECT_TRUE(commit_and_wait(*appender).ok());
    return errors;
  }
  std::string query_other() {
    db_.swap(other_);
    std::string text = query();
    db_.swap(other_);
    return text;
  }

  const std::string other_directory_;
  std::unique_ptr<base::FileSystem> other_memory_ = base::testing::make_mem_fs();
  base::Registry other_metrics_;
  std::unique_ptr<Db> other_;
};

TEST_F(AppendKnownTest, IsAsAppendingEach) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  constexpr std::size_t kSeries = 300;
  open_both();
  create(kSeries);
  std::int64_t now_ms = 1000;
  for (int round = 0; round < 60; ++round) {
    now_ms += 100;
    std::vector<storage::KnownSample> samples;
    const std::size_t first = random() % kSeries;
    for (std::size_t i = first; i < kSeries && random() % 100 != 0; ++i) {
      const std::int64_t late_ms = random() % 20 == 0 ? 100 * (random() % 9) : 0;
      const std::uint64_t ref = random() % 50 == 0 ? random() % (kSeries + 20) : i + 1;
      const std::int64_t start_ms = random() % 10 == 0 ? now_ms - 50 : 0;
      const double value =
          random() % 40 == 0 ? model::stale_nan() : static_cast<double>(random() % 3);
      samples.push_back({storage::SeriesRef(ref == 0 ? 1 : ref), base::from_ms(now_ms - late_ms),
                         value, start_ms});
      if (random() % 30 == 0) samples.push_back(samples.back());
    }
    ASSERT_EQ(append_all(*db_, samples, true), append_all(*other_, samples, false));
    if (random() % 10 == 0) {
      ASSERT_TRUE(db_->seal_all().ok() && other_->seal_all().ok());
    }
    if (random() % 10 == 0) open_both();
  }
  EXPECT_EQ(query(), query_other());
}

}  // namespace
}  // namespace tocsin::tsdb
