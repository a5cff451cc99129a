// SPDX-License-Identifier: Apache-2.0
//
// Random floats, histograms, late samples, deletions of everything, seals and restarts against a
// map. TOCSIN_TEST_SEED repeats one.
#include <map>
#include <random>

#include "tsdb/testing/db_fixture.h"
#include "tsdb/testing/side_test_data.h"

namespace tocsin::tsdb {
namespace {

using testing::Random;

constexpr std::int64_t kWindowMs = 50'000;
constexpr int kSeries = 6;

struct Stored {
  SideValue value;
  std::int64_t start_ms = 0;
};
using Series = std::map<std::int64_t, Stored>;

class DbSideRandomTest : public testing::DbTest {
 protected:
  static model::Labels labels_of(int series) { return labels(fmt::format("m{}", series)); }

  // What the model says of a sample: OK, also for repetitions, or the error's code.
  StatusCode judge(const Series& series, std::int64_t t, const SideValue& value, bool* late) const {
    *late = false;
    if (const auto at = series.find(t); at != series.end()) {
      const bool old = t < newest_ms_ - kWindowMs && t < series.rbegin()->first;
      if (old) return StatusCode::kOutOfRange;
      return same_value(at->second.value, value) ? StatusCode::kOk : StatusCode::kAlreadyExists;
    }
    if (series.empty() || t > series.rbegin()->first) return StatusCode::kOk;
    *late = true;
    return t < newest_ms_ - kWindowMs ? StatusCode::kOutOfRange : StatusCode::kOk;
  }

  SideValue value_of(Random& random) const {
    SideValue value = testing::random_value(random);
    // A float marker after a histogram becomes one of its kind: the model leaves that out.
    return is_stale(value) && !is_histogram(value) ? SideValue(std::uint64_t{7}) : value;
  }

  static StatusOr<storage::AppendResult> append_value(storage::Appender& appender,
                                                      const model::Labels& l, std::int64_t t,
                                                      const Stored& stored) {
    storage::AppendOptions options;
    if (stored.start_ms != 0) options.start = base::from_ms(stored.start_ms);
    const model::Timestamp time = base::from_ms(t);
    if (const auto* h = std::get_if<model::Histogram>(&stored.value)) {
      return appender.append_histogram({}, l, time, *h, options);
    }
    if (const auto* h = std::get_if<model::FloatHistogram>(&stored.value)) {
      return appender.append_histogram({}, l, time, *h, options);
    }
    return appender.append({}, l, time, std::bit_cast<double>(std::get<0>(stored.value)), options);
  }

  void append_batch(Random& random) {
    const auto appender = db_->appender();
    std::int64_t newest_ms = newest_ms_;
    for (int series = 0; series < kSeries; ++series) {
      if (random() % 3 == 0) continue;
      Series& model = model_[series];
      std::int64_t t = now_ms_ + static_cast<std::int64_t>(random() % 1000);
      if (random() % 3 == 0) t -= static_cast<std::int64_t>(random() % 80'000);
      Stored stored{value_of(random), random() % 4 == 0 ? t - 500 : 0};
      bool late = false;
      const StatusCode expected = judge(model, t, stored.value, &late);
      const auto result = append_value(*appender, labels_of(series), t, stored);
      ASSERT_EQ(result.status().code(), expected)
          << result.status() << " series " << series << " at " << t;
      if (!result.ok() || model.contains(t)) continue;
      model.emplace(t, stored);
      newest_ms = std::max(newest_ms, t);
    }
    ASSERT_TRUE(commit_and_wait(*appender).ok());
    newest_ms_ = newest_ms;
    now_ms_ += 1000;
  }

  static void expect_row(const storage::SeriesColumn& column, std::uint32_t row,
                         const model::FloatHistogram* histogram, const Stored& expected) {
    const std::int64_t start_ms = column.start_ms.empty() ? 0 : column.start_ms[row];
    EXPECT_EQ(start_ms, expected.start_ms);
    if (!is_histogram(expected.value)) {
      EXPECT_EQ(histogram, nullptr);
      EXPECT_EQ(std::bit_cast<std::uint64_t>(column.floats[row]), std::get<0>(expected.value));
      return;
    }
    ASSERT_NE(histogram, nullptr);
    if (is_stale(expected.value)) {
      EXPECT_TRUE(model::is_stale(histogram->sum));
    } else {
      EXPECT_TRUE(same_histogram(*histogram, to_float(expected.value)));
    }
  }

  void compare(std::int64_t min_ms, std::int64_t max_ms) {
    storage::SelectHints hints;
    hints.mint = base::from_ms(min_ms);
    hints.maxt = base::from_ms(max_ms);
    const auto selection = *db_->select({}, hints, {});
    storage::ColumnBatch batch;
    ASSERT_TRUE(selection->read(0, &batch).ok());
    std::map<std::string, const storage::SeriesColumn*> columns;
    for (const auto& column : batch.series) {
      columns[selection->labels(column.series).to_series_string()] = &column;
    }
    for (int series = 0; series < kSeries; ++series) {
      const auto found = columns.find(labels_of(series).to_series_string());
      auto expected = model_[series].lower_bound(min_ms);
      const auto end = model_[series].upper_bound(max_ms);
      const storage::SeriesColumn none;
      const storage::SeriesColumn& column = found == columns.end() ? none : *found->second;
      auto histogram = column.histograms.begin();
      for (std::uint32_t row = 0; row < column.rows; ++row) {
        const bool here = histogram != column.histograms.end() && histogram->first == row;
        const model::FloatHistogram* h = here ? &histogram++->second : nullptr;
        if (!column.has(row)) continue;
        ASSERT_NE(expected, end) << "series " << series;
        const std::int64_t t = column.times->ms[column.first + row];
        ASSERT_EQ(t, expected->first) << "series " << series;
        SCOPED_TRACE(fmt::format("series {} at {}", series, t));
        expect_row(column, row, h, expected->second);
        ++expected;
      }
      ASSERT_EQ(expected, end) << "series " << series;
    }
  }

  std::map<int, Series> model_;
  std::int64_t now_ms_ = 1'000'000;
  std::int64_t newest_ms_ = INT64_MIN / 2;
};

TEST_F(DbSideRandomTest, AgreesWithAMap) {
  const char* given = std::getenv("TOCSIN_TEST_SEED");  // NOLINT(concurrency-mt-unsafe): test
  const std::uint64_t seed =
      given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device()();
  SCOPED_TRACE(fmt::format("TOCSIN_TEST_SEED={}", seed));
  Random random(seed);
  options_.out_of_order_window = model::Duration(kWindowMs);
  options_.seal_rows = 16;
  open();
  for (int step = 0; step < 600 && !HasFailure(); ++step) {
    append_batch(random);
    if (HasFailure()) break;
    if (random() % 30 == 0) {
      ASSERT_TRUE(db_->seal_all().ok());
    }
    if (random() % 40 == 0) open();
    if (random() % 10 != 0) continue;
    const auto from = 900'000 + static_cast<std::int64_t>(random() % 800'000);
    compare(from, from + static_cast<std::int64_t>(random() % 200'000));
    compare(INT64_MIN / 8, INT64_MAX / 8);
  }
}

}  // namespace
}  // namespace tocsin::tsdb
