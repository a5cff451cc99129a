// SPDX-License-Identifier: Apache-2.0
//
// What the store does with histograms, samples out of order and start timestamps.
#include <map>
#include <random>

#include "tsdb/testing/db_fixture.h"
#include "tsdb/testing/side_test_data.h"

namespace tocsin::tsdb {
namespace {

using model::CounterResetHint;
using model::FloatHistogram;
using model::Histogram;
using storage::AppendOptions;
using testing::Random;

Histogram histogram(std::int64_t count) {
  Histogram h;
  h.positive_spans = {{0, 2}};
  h.positive_deltas = {count, 0};
  h.count = static_cast<std::uint64_t>(2 * count);
  h.sum = static_cast<double>(count);
  return h;
}

class DbSideTest : public testing::DbTest {
 protected:
  template <typename H>
  Status append_h(const model::Labels& l, std::int64_t t, const H& h,
                  const AppendOptions& options = {}) {
    const auto appender = db_->appender();
    RETURN_IF_ERROR(appender->append_histogram({}, l, base::from_ms(t), h, options).status());
    return commit_and_wait(*appender);
  }
  Status append_f(const model::Labels& l, std::int64_t t, double v, const AppendOptions& options) {
    const auto appender = db_->appender();
    RETURN_IF_ERROR(appender->append({}, l, base::from_ms(t), v, options).status());
    return commit_and_wait(*appender);
  }
  void window(std::int64_t ms) {
    options_.out_of_order_window = model::Duration(ms);
    if (db_) db_->reconfigure(options_);
  }

  static std::string text(const FloatHistogram& h) {
    if (model::is_stale(h.sum)) return "stale-histogram";
    constexpr std::string_view kHints[] = {"?", "reset", "-", "gauge"};
    return fmt::format("h{}{}", h.count, kHints[static_cast<std::size_t>(h.reset_hint)]);
  }
  // Samples of all series: "t:value", histograms as h<count><hint>, a start as @start.
  std::string samples(std::int64_t mint = INT64_MIN / 8, std::int64_t maxt = INT64_MAX / 8) {
    storage::SelectHints hints;
    hints.mint = base::from_ms(mint);
    hints.maxt = base::from_ms(maxt);
    const auto selection = *db_->select({}, hints, {});
    std::string out;
    for (std::size_t b = 0; b < selection->batch_count(); ++b) {
      storage::ColumnBatch batch;
      EXPECT_TRUE(selection->read(b, &batch).ok());
      for (const storage::SeriesColumn& column : batch.series) out += text(column) + "\n";
    }
    EXPECT_TRUE(selection->warnings().empty());
    return out;
  }
  static std::string text(const storage::SeriesColumn& column) {
    std::string out;
    auto next = column.histograms.begin();
    for (std::uint32_t i = 0; i < column.rows; ++i) {
      const bool here = next != column.histograms.end() && next->first == i;
      if (!column.has(i)) {
        EXPECT_FALSE(here);
        continue;
      }
      out += fmt::format("{}{}:{}", out.empty() ? "" : " ", column.times->ms[column.first + i],
                         here ? text(next->second) : value_text(column.floats[i]));
      if (!column.start_ms.empty() && column.start_ms[i] != 0) {
        out += fmt::format("@{}", column.start_ms[i]);
      }
      if (here) ++next;
    }
    EXPECT_EQ(next, column.histograms.end());
    return out;
  }
  // The same answer from the head, after replay, from a run, and from a run after a restart.
  void expect_everywhere(const std::string& expected) {
    EXPECT_EQ(samples(), expected) << "in the head";
    open();
    EXPECT_EQ(samples(), expected) << "after replay";
    ASSERT_TRUE(db_->seal_all().ok());
    EXPECT_EQ(samples(), expected) << "in a run";
    open();
    EXPECT_EQ(samples(), expected) << "in a run, after a restart";
  }
};

TEST_F(DbSideTest, HistogramsAreStoredWithTheHintsOfStorage) {
  open();
  const model::Labels l = labels("h");
  std::int64_t t = 0;
  for (const std::int64_t count : {5, 6, 6, 2, 3}) {
    ASSERT_TRUE(append_h(l, t += 1000, histogram(count)).ok());
  }
  const model::Labels g = labels("i");
  Histogram gauge = histogram(4);
  gauge.reset_hint = CounterResetHint::kGauge;
  ASSERT_TRUE(append_h(g, 1000, gauge).ok());
  ASSERT_TRUE(append_h(g, 2000, histogram(5)).ok());
  ASSERT_TRUE(append_h(g, 3000, to_float(histogram(6))).ok());
  ASSERT_TRUE(append_h(g, 4000, to_float(histogram(7))).ok());
  expect_everywhere(
      "1000:h10? 2000:h12- 3000:h12- 4000:h4? 5000:h6-\n"
      "1000:h8gauge 2000:h10? 3000:h12? 4000:h14-\n");
}

TEST_F(DbSideTest, HistogramsAndFloatsOfOneSeries) {
  open();
  const model::Labels l = labels("x");
  ASSERT_TRUE(append_h(l, 1000, histogram(1)).ok());
  ASSERT_TRUE(append_h(l, 2000, histogram(2)).ok());
  ASSERT_TRUE(append(l, 3000, 7).ok());
  ASSERT_TRUE(append_h(l, 4000, histogram(3)).ok());
  ASSERT_TRUE(append_h(l, 5000, histogram(1)).ok());
  ASSERT_TRUE(append_h(l, 6000, to_float(histogram(2))).ok());
  ASSERT_TRUE(append(l, 7000, model::stale_nan()).ok());  // ends as a histogram
  ASSERT_TRUE(append_h(l, 8000, to_float(histogram(3))).ok());
  ASSERT_TRUE(append(l, 9000, 8).ok());
  ASSERT_TRUE(append(l, 10'000, model::stale_nan()).ok());
  expect_everywhere(
      "1000:h2? 2000:h4- 3000:7 4000:h6? 5000:h2? 6000:h4? 7000:stale-histogram 8000:h6? 9000:8 "
      "10000:stale\n");
}

TEST_F(DbSideTest, OrderAndDuplicatesAmongHistogramsAndFloats) {
  open();
  const model::Labels l = labels("x");
  ASSERT_TRUE(append(l, 1000, 1).ok());
  ASSERT_TRUE(append_h(l, 2000, histogram(2)).ok());
  const auto check_all = [&] {
    EXPECT_TRUE(append_h(l, 2000, histogram(2)).ok());
    Status s = append_h(l, 2000, histogram(3));
    EXPECT_EQ(message(s), "duplicate sample for timestamp");
    EXPECT_EQ(s.code(), StatusCode::kAlreadyExists);
    s = append_h(l, 2000, to_float(histogram(2)));
    EXPECT_EQ(message(s), "duplicate sample for timestamp");
    s = append(l, 2000, 2.5);
    EXPECT_EQ(
        message(s),
        "duplicate sample for timestamp 2000; overrides not allowed: existing is a histogram, "
        "new value 2.5");
    EXPECT_EQ(s.code(), StatusCode::kAlreadyExists);
    s = append_h(l, 1500, histogram(2));
    EXPECT_EQ(message(s), "out of order sample");
    EXPECT_EQ(s.code(), StatusCode::kOutOfRange);
    EXPECT_EQ(message(append(l, 1500, 2)), "out of order sample");
    EXPECT_EQ(samples(), "1000:1 2000:h4?\n");
  };
  check_all();
  open();
  check_all();
  ASSERT_TRUE(db_->seal_all().ok());
  check_all();
  open();
  check_all();
}

TEST_F(DbSideTest, InvalidHistogramsAreRefused) {
  open();
  Histogram h = histogram(1);
  h.count = 9;
  EXPECT_EQ(append_h(labels("x"), 1000, h).code(), StatusCode::kInvalidArgument);
  FloatHistogram f = to_float(histogram(1));
  f.positive_buckets[0] = -1;
  EXPECT_EQ(append_h(labels("x"), 1000, f).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(samples(), "");
}

TEST_F(DbSideTest, TheOutOfOrderWindow) {
  open();
  const model::Labels l = labels("x");
  ASSERT_TRUE(append(l, 100'000, 1).ok());
  EXPECT_EQ(message(append(l, 99'000, 2)), "out of order sample");
  window(10'000);
  EXPECT_TRUE(append(l, 99'000, 2).ok());
  EXPECT_TRUE(append(l, 99'000, 2).ok());
  EXPECT_EQ(message(append(l, 99'000, 3)),
            "duplicate sample for timestamp 99000; overrides not allowed: existing 2, new value 3");
  EXPECT_TRUE(append_h(l, 98'000, histogram(1)).ok());
  EXPECT_EQ(message(append(l, 98'000, 3)),
            "duplicate sample for timestamp 98000; overrides not allowed: existing is a histogram, "
            "new value 3");
  EXPECT_EQ(message(append_h(l, 99'000, histogram(1))), "duplicate sample for timestamp");
  EXPECT_TRUE(append(l, 90'000, 4).ok());
  EXPECT_EQ(message(append(l, 89'999, 5)), "too old sample");
  EXPECT_EQ(append(l, 89'999, 5).code(), StatusCode::kOutOfRange);
  EXPECT_EQ(message(append_h(l, 89'999, histogram(1))), "too old sample");
  EXPECT_EQ(message(append_f(l, 95'000, 5, {.start = {}, .in_order_only = true})),
            "out of order sample");
  // The window is before the newest sample of all series.
  ASSERT_TRUE(append(labels("y"), 105'000, 1).ok());
  EXPECT_EQ(message(append(l, 91'000, 5)), "too old sample");
  EXPECT_TRUE(append(l, 101'000, 6).ok());
  const std::string expected = "90000:4 98000:h2? 99000:2 100000:1 101000:6\n105000:1\n";
  expect_everywhere(expected);
  // Also what is in a run is not replaced.
  EXPECT_EQ(message(append(l, 99'000, 3)),
            "duplicate sample for timestamp 99000; overrides not allowed: existing 2, new value 3");
  EXPECT_TRUE(append(l, 99'000, 2).ok());
  EXPECT_TRUE(append(l, 99'500, 2).ok());
  EXPECT_EQ(samples(), "90000:4 98000:h2? 99000:2 99500:2 100000:1 101000:6\n105000:1\n");
  EXPECT_EQ(samples(98'500, 99'700), "99000:2 99500:2\n");
}

TEST_F(DbSideTest, SamplesOfOneBatchAreCheckedAgainstEachOther) {
  window(10'000);
  open();
  const auto appender = db_->appender();
  const auto at = [](std::int64_t t) { return base::from_ms(t); };
  const model::Labels l = labels("x");
  ASSERT_TRUE(appender->append({}, l, at(10'000), 1, {}).ok());
  ASSERT_TRUE(appender->append_histogram({}, l, at(11'000), histogram(1), {}).ok());
  EXPECT_TRUE(appender->append({}, l, at(5000), 3, {}).ok());
  EXPECT_EQ(message(appender->append({}, l, at(5000), 4, {}).status()),
            "duplicate sample for timestamp 5000; overrides not allowed: existing 3, new value 4");
  EXPECT_EQ(message(appender->append({}, l, at(10'000), 4, {}).status()),
            "duplicate sample for timestamp 10000; overrides not allowed: existing 1, new value 4");
  EXPECT_FALSE(appender->append({}, l, at(11'000), 4, {}).ok());
  ASSERT_TRUE(commit_and_wait(*appender).ok());
  EXPECT_EQ(samples(), "5000:3 10000:1 11000:h2?\n");
}

TEST_F(DbSideTest, StartTimestampsAreKeptWhenTheyChange) {
  open();
  const model::Labels l = labels("c");
  const auto start = [](std::int64_t s) {
    return AppendOptions{.start = base::from_ms(s), .in_order_only = false};
  };
  ASSERT_TRUE(append(l, 1000, 1).ok());
  ASSERT_TRUE(append_f(l, 2000, 2, start(1500)).ok());
  ASSERT_TRUE(append_f(l, 3000, 3, start(1500)).ok());
  ASSERT_TRUE(append_f(l, 4000, 1, start(3500)).ok());
  ASSERT_TRUE(append(l, 5000, 2).ok());
  ASSERT_TRUE(
      append_f(l, 6000, 2, start(6000)).ok());  // as given, though it is not before its sample
  ASSERT_TRUE(append_h(l, 7000, histogram(1), start(6500)).ok());
  const std::string expected =
      "1000:1 2000:2@1500 3000:3@1500 4000:1@3500 5000:2 6000:2@6000 7000:h2?@6500\n";
  expect_everywhere(expected);
  ASSERT_TRUE(append_f(l, 8000, 3, start(6500)).ok());
  ASSERT_TRUE(db_->seal_all().ok());
  ASSERT_TRUE(append_f(l, 9000, 4, start(6500)).ok());
  ASSERT_TRUE(append(l, 10'000, 4).ok());
  EXPECT_EQ(samples(8000), "8000:3@6500 9000:4@6500 10000:4\n");
  open();
  EXPECT_EQ(samples(8000), "8000:3@6500 9000:4@6500 10000:4\n");
}

TEST_F(DbSideTest, TheLastValueOfAHistogramSeriesIsNotAnsweredQuickly) {
  open();
  ASSERT_TRUE(append_h(labels("h"), 1000, histogram(1)).ok());
  const auto last = [&](std::int64_t at) {
    const auto selection = *db_->select({}, {}, {});
    std::vector<storage::LastValue> values;
    const Status status = selection->last(0, base::from_ms(at), model::Duration(300'000), &values);
    return status.ok() ? fmt::format("{} {}", values[0].found, values[0].value)
                       : std::string(message(status));
  };
  EXPECT_EQ(last(2000), "a series has histograms: use read()");
  ASSERT_TRUE(db_->seal_all().ok());
  EXPECT_EQ(last(2000), "a series has histograms: use read()");
  open();
  EXPECT_EQ(last(2000), "a series has histograms: use read()");
}

TEST_F(DbSideTest, AGroupMemberMayBeAHistogram) {
  open();
  const auto appender = db_->appender();
  const auto a = appender->append({}, labels("a"), base::from_ms(1000), 1, {})->ref;
  const auto b =
      appender->append_histogram({}, labels("b"), base::from_ms(1000), histogram(1), {})->ref;
  const storage::SeriesRef members[] = {a, b};
  const storage::GroupId group = *appender->define_group({}, members);
  ASSERT_TRUE(commit_and_wait(*appender).ok());
  const auto next = db_->appender();
  ASSERT_TRUE(next->step(group, base::from_ms(2000)).ok());
  ASSERT_TRUE(next->set(0, 2).ok());
  ASSERT_TRUE(next->append_histogram(b, {}, base::from_ms(2000), histogram(2), {}).ok());
  ASSERT_TRUE(next->stale_all(group, base::from_ms(3000)).ok());
  ASSERT_TRUE(commit_and_wait(*next).ok());
  EXPECT_EQ(samples(), "1000:1 2000:2 3000:stale\n1000:h2? 2000:h4- 3000:stale-histogram\n");
  const auto last = db_->appender();
  ASSERT_TRUE(last->step(group, base::from_ms(4000)).ok());
  ASSERT_TRUE(last->set(0, 3).ok());
  ASSERT_TRUE(last->set(1, 3).ok());
  ASSERT_TRUE(last->stale_all(group, base::from_ms(5000)).ok());
  ASSERT_TRUE(commit_and_wait(*last).ok());
  EXPECT_EQ(samples(4000), "4000:3 5000:stale\n4000:3 5000:stale\n");
}

TEST_F(DbSideTest, LabelsOfHistogramsAreFoundAndRetentionDropsThem) {
  options_.retention = std::chrono::hours(1);
  open();
  clock_.advance_to(base::from_ms(1000));
  ASSERT_TRUE(append_h(labels("h"), 1000, histogram(1)).ok());
  const auto names = [&] {
    storage::LabelHints hints;
    hints.mint = base::from_ms(0);
    hints.maxt = base::from_ms(5000);
    return db_->label_values("__name__", {}, hints, {})->values;
  };
  EXPECT_EQ(names(), (std::vector<std::string>{"h"}));
  ASSERT_TRUE(db_->seal_all().ok());
  EXPECT_EQ(names(), (std::vector<std::string>{"h"}));
  clock_.advance_to(base::from_ms(3'602'000));
  ASSERT_TRUE(db_->maintain().ok());
  EXPECT_EQ(db_->stats().active_series, 0U);
  EXPECT_EQ(db_->stats().runs, 0U);
  EXPECT_EQ(samples(), "");
}

TEST_F(DbSideTest, DeletedHistogramsStayDeleted) {
  window(100'000);
  open();
  const model::Labels l = labels("h");
  for (const std::int64_t t : {1000, 2000, 3000}) ASSERT_TRUE(append_h(l, t, histogram(t)).ok());
  ASSERT_TRUE(append(l, 1500, 5).ok());
  const model::Matchers all = {
      *model::Matcher::make(model::Matcher::Type::kEqual, "__name__", "h")};
  ASSERT_TRUE(db_->delete_series({all}, base::from_ms(1200), base::from_ms(2500)).ok());
  const std::string left = "1000:h2000? 3000:h6000-\n";
  expect_everywhere(left);
  ASSERT_TRUE(db_->delete_series({all}, base::from_ms(2500), base::from_ms(9000)).ok());
  ASSERT_TRUE(append_h(l, 4000, histogram(4000)).ok());
  EXPECT_EQ(samples(), "1000:h2000? 4000:h8000?\n");
  ASSERT_TRUE(db_->clean_tombstones().ok());
  expect_everywhere("1000:h2000? 4000:h8000?\n");
  ASSERT_TRUE(db_->delete_series({all}, base::from_ms(0), base::from_ms(9000)).ok());
  ASSERT_TRUE(db_->clean_tombstones().ok());
  EXPECT_EQ(db_->stats().runs, 0U);
}

// A histogram, a float with a start and a late float in each batch, sealed in the middle; every
// n-th operation on files fails.
TEST_F(DbSideTest, AnyFailedOperationLosesNothingAcknowledgedAndShowsNothingRefused) {
  using base::testing::FaultFs;
  RecordProperty("expects_error_lines", 1);
  window(1'000'000);
  options_.journal_segment_bytes = 150;
  for (std::uint64_t n = 1; n < 30; ++n) {
    SCOPED_TRACE(n);
    std::filesystem::remove_all(directory_);
    std::filesystem::create_directories(directory_);
    memory_ = base::testing::make_mem_fs();
    FaultFs faulty(*memory_);
    files_ = &faulty;
    open();
    const auto fault = n % 2 == 0 ? FaultFs::Fault::kDiskFull : FaultFs::Fault::kTornWrite;
    faulty.fail_at(n, fault, false);
    std::map<std::int64_t, std::string> acknowledged;
    for (std::int64_t i = 1; i <= 10; ++i) {
      const std::int64_t t = 100'000 + i * 1000;
      const auto appender = db_->appender();
      const model::Labels l = labels("x");
      const AppendOptions started{.start = base::from_ms(t - 1), .in_order_only = false};
      ASSERT_TRUE(appender->append_histogram({}, l, base::from_ms(t), histogram(i), {}).ok());
      ASSERT_TRUE(appender->append({}, l, base::from_ms(t + 1), 1, started).ok());
      ASSERT_TRUE(appender->append({}, l, base::from_ms(t - 90'000), 2, {}).ok());
      if (commit_and_wait(*appender).ok()) {
        acknowledged[t] = fmt::format("{}:h{}?", t, 2 * i);
        acknowledged[t + 1] = fmt::format("{}:1@{}", t + 1, t - 1);
        acknowledged[t - 90'000] = fmt::format("{}:2", t - 90'000);
      }
      if (i == 5) static_cast<void>(db_->seal_all());
    }
    faulty.clear();
    ASSERT_GE(acknowledged.size(), 27U);
    std::string expected;
    for (const auto& [t, one] : acknowledged) expected += (expected.empty() ? "" : " ") + one;
    EXPECT_EQ(samples(), expected + "\n");
    open();
    EXPECT_EQ(samples(), expected + "\n") << "after a restart";
    db_.reset();
  }
}

}  // namespace
}  // namespace tocsin::tsdb
