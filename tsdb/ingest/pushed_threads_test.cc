// SPDX-License-Identifier: Apache-2.0
//
// Companions pushed by several threads at once, while others read, seal and merge. Every commit
// must be readable when it is acknowledged, and stay.
#include <atomic>

#include <gtest/gtest.h>

#include "base/executor.h"
#include "tsdb/testing/db_fixture.h"

namespace tocsin::tsdb {
namespace {

class PushedThreadsTest : public testing::DbTest {
 protected:
  static constexpr int kWriters = 4;
  static constexpr std::size_t kSeries = 48;  // of each writer
  static constexpr std::int64_t kSteps = 120;

  static model::Labels labels_of(int writer, std::size_t i) {
    return model::Labels::of(
        {{"__name__", "m"}, {"i", std::to_string(i)}, {"writer", std::to_string(writer)}});
  }
  // Some series have a rhythm of their own, some come late, some stop for a while.
  static std::int64_t time_of(std::size_t i, std::int64_t step) {
    return step * 1000 + (i % 7 == 3 ? static_cast<std::int64_t>(i) : 0);
  }
  static bool is_pushed(std::size_t i, std::int64_t step) {
    return i % 5 != 1 || step % 16 < 10 || step < 4;
  }
  static std::string expected(int writer, std::size_t i, std::int64_t steps) {
    std::string text = labels_of(writer, i).to_series_string();
    for (std::int64_t step = 1; step <= steps; ++step) {
      if (is_pushed(i, step)) text += fmt::format(" {}:{}", time_of(i, step), step % 9);
    }
    return text + "\n";
  }

  std::string read(const model::Matchers& matchers) const {
    storage::SelectHints hints;
    hints.mint = base::from_ms(0);
    hints.maxt = base::from_ms(1LL << 40U);
    const auto selection = *db_->select(matchers, hints, {});
    std::string out;
    for (std::size_t b = 0; b < selection->batch_count(); ++b) {
      storage::ColumnBatch batch;
      if (!selection->read(b, &batch).ok()) return "cannot read";
      for (const storage::SeriesColumn& column : batch.series) {
        out += selection->labels(column.series).to_series_string();
        for (std::uint32_t i = 0; i < column.rows; ++i) {
          if (!column.has(i)) continue;
          out += fmt::format(" {}:{}", column.times->ms[column.first + i],
                             value_text(column.floats[i]));
        }
        out += "\n";
      }
    }
    return out;
  }

  // Says what is wrong, or "".
  std::string push(int writer) {
    std::vector<storage::SeriesRef> refs(kSeries);
    for (std::int64_t step = 1; step <= kSteps; ++step) {
      const auto appender = db_->appender();
      std::vector<storage::KnownSample> known;
      for (std::size_t i = 0; i < kSeries; ++i) {
        if (!is_pushed(i, step)) continue;
        const auto t = base::from_ms(time_of(i, step));
        const auto value = static_cast<double>(step % 9);
        if (refs[i]) {
          known.push_back({refs[i], t, value, 0});
          continue;
        }
        const auto result = appender->append({}, labels_of(writer, i), t, value);
        if (!result.ok()) return result.status().ToString();
        refs[i] = result->ref;
      }
      std::string refused;
      appender->append_known(known, [&](std::size_t, const Status& s) { refused = s.ToString(); });
      if (!refused.empty()) return refused;
      if (const Status status = commit_and_wait(*appender); !status.ok()) return status.ToString();
      const std::size_t i = static_cast<std::size_t>(step) % kSeries;
      const std::string found = read({model::Matcher::equal("i", std::to_string(i)),
                                      model::Matcher::equal("writer", std::to_string(writer))});
      if (found != expected(writer, i, step))
        return found + "instead of\n" + expected(writer, i, step);
    }
    return "";
  }
};

TEST_F(PushedThreadsTest, EveryCommitIsReadAndStays) {
  options_.seal_rows = 16;
  options_.journal_segment_bytes = 20'000;
  files_ = &base::real_file_system();
  open();
  base::Guarded<std::vector<std::string>> troubles;
  std::atomic<int> writing = kWriters;
  base::ThreadPool pool({"test", kWriters + 1, 100, 0});
  for (int writer = 0; writer < kWriters; ++writer) {
    ASSERT_TRUE(pool.post([&, writer] {
      if (std::string trouble = push(writer); !trouble.empty()) {
        troubles.lock()->push_back(std::move(trouble));
      }
      --writing;
    }));
  }
  ASSERT_TRUE(pool.post([&] {
    do {
      if (const Status status = db_->seal_all(); !status.ok()) {
        troubles.lock()->push_back(status.ToString());
      }
      static_cast<void>(db_->merge_due());
    } while (writing != 0);
  }));
  pool.stop();
  for (const std::string& trouble : *troubles.lock()) ADD_FAILURE() << trouble;
  const auto compare = [&] {
    for (int writer = 0; writer < kWriters; ++writer) {
      for (std::size_t i = 0; i < kSeries; ++i) {
        EXPECT_EQ(read({model::Matcher::equal("i", std::to_string(i)),
                        model::Matcher::equal("writer", std::to_string(writer))}),
                  expected(writer, i, kSteps));
      }
    }
  };
  compare();
  open();
  compare();
}

}  // namespace
}  // namespace tocsin::tsdb
