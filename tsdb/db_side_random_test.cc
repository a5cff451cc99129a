// SPDX-License-Identifier: Apache-2.0
//
// The differential test of what is not a float in order: histograms of all kinds, staleness of all
// kinds, start timestamps, late samples and duplicates, with deletions, clean-ups, seals, merges,
// snapshots that are restored, retention and restarts, against a map. ./test runs a short version;
// TOCSIN_MODEL_OPERATIONS makes it longer (nightly: a million), TOCSIN_TEST_SEED repeats a run.
#include <signal.h>
#include <unistd.h>

#include <map>
#include <random>
#include <set>
#include <sstream>

#include <sys/wait.h>

#include "tsdb/snapshot_folder.h"
#include "tsdb/testing/db_fixture.h"
#include "tsdb/testing/random_load.h"
#include "tsdb/testing/side_test_data.h"

namespace tocsin::tsdb {
namespace {

using testing::Random;

constexpr std::int64_t kWindowMs = 50'000;
constexpr std::int64_t kRetentionMs = 2'400'000;
constexpr int kSeries = 8;

struct Stored {
  SideValue value;
  std::int64_t start_ms = 0;
};
struct Series {
  std::map<std::int64_t, Stored> samples;
  std::int64_t newest_ms = INT64_MIN / 2;   // also when that sample was deleted since
  std::int64_t deleted_ms = INT64_MIN / 2;  // the end of the latest deletion
};

class DbModelSideTest : public testing::DbTest {
 protected:
  model::Labels labels_of(int series) const {
    return labels(fmt::format("{}m{}", prefix_, series));
  }

  // What the model says of a sample: OK, also for repetitions, or the error's code.
  StatusCode judge(const Series& series, std::int64_t t, const SideValue& value) const {
    const bool old = t < newest_ms_ - kWindowMs && t < series.newest_ms;
    if (old) return StatusCode::kOutOfRange;
    const auto at = series.samples.find(t);
    if (at == series.samples.end()) return StatusCode::kOk;
    return same_value(at->second.value, value) ? StatusCode::kOk : StatusCode::kAlreadyExists;
  }

  // In order, a repetition, late, or too late. Times at which something was deleted are nobody's
  // business, and neither is the exact end of the window when the newest sample may be deleted.
  std::int64_t time_for(Random& random, const Series& series) const {
    std::int64_t t = now_ms_ + static_cast<std::int64_t>(random() % 1000);
    if (random() % 3 == 0) {
      const auto back = static_cast<std::int64_t>(random() % (kWindowMs * 3 / 4));
      t -= random() % 8 == 0 ? kWindowMs * 3 / 2 : back;
    } else if (random() % 16 == 0 && series.newest_ms > 0) {
      t = series.newest_ms;
    }
    const bool disputed = t <= series.deleted_ms ||
                          (t == series.newest_ms && !series.samples.contains(series.newest_ms));
    return disputed ? std::max(series.newest_ms + 1, series.deleted_ms + 1) : t;
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

  // Without an appender only the model gets it.
  void append_one(Random& random, storage::Appender* appender, int series) {
    Series& model = model_[series];
    const std::int64_t t = time_for(random, model);
    Stored stored{value_of(random), random() % 4 == 0 ? t - 500 : 0};
    if (random() % 4 == 0 && model.samples.contains(t)) stored = model.samples.at(t);
    const StatusCode expected = judge(model, t, stored.value);
    ++operations_;
    if (appender != nullptr) {
      const auto result = append_value(*appender, labels_of(series), t, stored);
      ASSERT_EQ(result.status().code(), expected)
          << result.status() << " series " << series << " at " << t;
    }
    if (expected != StatusCode::kOk || model.samples.contains(t)) return;
    model.samples.emplace(t, std::move(stored));
    model.newest_ms = std::max(model.newest_ms, t);
    batch_newest_ms_ = std::max(batch_newest_ms_, t);
  }

  void append_batch(Random& random, bool store = true) {
    const auto appender = store ? db_->appender() : nullptr;
    batch_newest_ms_ = newest_ms_;
    for (int series = 0; series < kSeries; ++series) {
      if (random() % 3 == 0) continue;
      for (std::uint64_t i = random() % 3; i < 3; ++i) {
        append_one(random, appender.get(), series);
        if (HasFatalFailure()) return;
      }
    }
    if (!model_[0].samples.empty()) exemplars_.push_back(now_ms_);
    if (store) {
      if (!model_[0].samples.empty()) {
        const Status noted = appender->append_exemplar(
            {}, labels_of(0), {model::Labels::of({{"trace", "x"}}), 1, base::from_ms(now_ms_)});
        ASSERT_TRUE(noted.ok()) << noted;
      }
      ASSERT_TRUE(commit_and_wait(*appender).ok());
    }
    newest_ms_ = batch_newest_ms_;
    now_ms_ += 1000;
    clock_.advance_to(base::from_ms(now_ms_));
  }

  void erase(Random& random) {
    const int first = static_cast<int>(random() % kSeries);
    const int last = std::min(kSeries - 1, first + static_cast<int>(random() % 3));
    const std::int64_t max_ms = now_ms_ - 5000 - static_cast<std::int64_t>(random() % 100'000);
    const std::int64_t min_ms = max_ms - static_cast<std::int64_t>(random() % 200'000);
    const auto name = *model::Matcher::make(model::Matcher::Type::kRegex, "__name__",
                                            fmt::format("m[{}-{}]", first, last));
    const Status deleted =
        db_->delete_series({{name}}, base::from_ms(min_ms), base::from_ms(max_ms));
    ASSERT_TRUE(deleted.ok()) << deleted;
    for (int series = first; series <= last; ++series) {
      Series& model = model_[series];
      model.samples.erase(model.samples.lower_bound(min_ms), model.samples.upper_bound(max_ms));
      model.deleted_ms = std::max(model.deleted_ms, max_ms);
    }
  }

  // A snapshot, restored elsewhere, is the same database.
  void restore() {
    const StatusOr<std::string> name = db_->snapshot(false);
    ASSERT_TRUE(name.ok()) << name.status();
    const std::string to = directory_ + "-restored";
    std::filesystem::remove_all(to);
    const Status restored =
        restore_snapshot(*files_, directory_ + "/snapshots/" + *name, to, [](std::uint64_t) {});
    ASSERT_TRUE(restored.ok()) << restored;
    base::Registry metrics;
    StatusOr<std::unique_ptr<Db>> copy = Db::open(to, options_, {clock_, *files_, metrics});
    ASSERT_TRUE(copy.ok()) << copy.status();
    std::swap(db_, *copy);
    compare(INT64_MIN / 8, INT64_MAX / 8);
    std::swap(db_, *copy);
    copy->reset();
    std::filesystem::remove_all(to);
    std::filesystem::remove_all(directory_ + "/snapshots");
  }

  void change(Random& random) {
    Status status;
    switch (random() % 16) {
      case 0:
        return restore();
      case 1:
      case 2:
        return open();
      case 3:
      case 4:
      case 5:
        return erase(random);
      case 6:
      case 7:
        status = db_->clean_tombstones();
        break;
      case 8:
        status = db_->compact();
        break;
      case 10:
        status = db_->merge_due();
        break;
      case 9:
        status = db_->maintain();
        for (auto& [number, series] : model_) {
          series.samples.erase(series.samples.begin(),
                               series.samples.lower_bound(now_ms_ - kRetentionMs));
        }
        floor_ms_ = now_ms_ - kRetentionMs;
        break;
      default:
        status = db_->seal_all();
    }
    ASSERT_TRUE(status.ok()) << status;
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
    min_ms = std::max(min_ms, floor_ms_);
    storage::SelectHints hints;
    hints.mint = base::from_ms(min_ms);
    hints.maxt = base::from_ms(max_ms);
    const auto selection = *db_->select({}, hints, {});
    std::vector<storage::ColumnBatch> batches(selection->batch_count());
    std::map<std::string, const storage::SeriesColumn*> columns;
    for (std::size_t b = 0; b < batches.size(); ++b) {
      ASSERT_TRUE(selection->read(b, &batches[b]).ok());
      for (const auto& column : batches[b].series) {
        columns[selection->labels(column.series).to_series_string()] = &column;
      }
    }
    ASSERT_EQ(selection->warnings(), std::vector<std::string>());
    for (int series = 0; series < kSeries; ++series) {
      const auto found = columns.find(labels_of(series).to_series_string());
      auto expected = model_[series].samples.lower_bound(min_ms);
      const auto end = model_[series].samples.upper_bound(max_ms);
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

  void configure() {
    files_ = &base::real_file_system();
    options_.out_of_order_window = model::Duration(kWindowMs);
    options_.retention = model::Duration(kRetentionMs);
    options_.seal_rows = 16;
    options_.journal_segment_bytes = 100'000;
    options_.max_exemplars = 1'000'000;
    clock_.advance_to(base::from_ms(now_ms_));
  }

  std::string prefix_;  // of the metrics
  std::map<int, Series> model_;
  std::int64_t now_ms_ = 1'700'000'000'000;
  std::int64_t newest_ms_ = INT64_MIN / 2;
  std::int64_t batch_newest_ms_ = 0;
  std::int64_t floor_ms_ = INT64_MIN / 8;  // older samples may have left the database
  std::vector<std::int64_t> exemplars_;    // their times; all are of series 0
  std::uint64_t operations_ = 0;
};

TEST_F(DbModelSideTest, AgreesWithAMap) {
  const std::uint64_t operations =
      testing::number_from_environment("TOCSIN_MODEL_OPERATIONS", 12'000);
  const std::uint64_t seed = testing::make_seed();
  std::printf("TOCSIN_TEST_SEED=%llu repeats this\n", static_cast<unsigned long long>(seed));
  SCOPED_TRACE(fmt::format("TOCSIN_TEST_SEED={}", seed));
  Random random(seed);
  configure();
  open();
  // So that there is a newest sample from which the window is measured.
  ASSERT_TRUE(append(labels("first"), now_ms_, 0).ok());
  newest_ms_ = now_ms_;
  for (std::uint64_t step = 1, shown = 0; operations_ < operations && !HasFailure(); ++step) {
    append_batch(random);
    if (HasFailure()) break;
    if (random() % 30 == 0) change(random);
    if (HasFailure()) break;
    if (step % 10 == 0) {
      const auto from = now_ms_ - static_cast<std::int64_t>(random() % 800'000);
      compare(from, from + static_cast<std::int64_t>(random() % 60'000));
    }
    if (step % 300 == 0) compare(INT64_MIN / 8, INT64_MAX / 8);
    if (operations_ / 100'000 == shown) continue;
    shown = operations_ / 100'000;
    std::printf("%llu of %llu operations\n", static_cast<unsigned long long>(operations_),
                static_cast<unsigned long long>(operations));
    std::fflush(stdout);
  }
  if (!HasFailure()) compare(INT64_MIN / 8, INT64_MAX / 8);
  db_.reset();
}

// kill -9 ---------------------------------------------------------------------------------------

constexpr const char* kWriterVariable = "TOCSIN_SIDE_WRITER";

class DbSideKillTest : public DbModelSideTest {
 protected:
  void begin_round(int round, std::int64_t now_ms) {
    prefix_ = fmt::format("k{}_", round);
    now_ms_ = newest_ms_ = now_ms;
    model_.clear();
    exemplars_.clear();
    configure();
  }
  void open_at(const std::string& directory) {
    StatusOr<std::unique_ptr<Db>> db = Db::open(directory, options_, {clock_, *files_, metrics_});
    ASSERT_TRUE(db.ok()) << db.status();
    db_ = *std::move(db);
  }
  std::size_t modelled() const {
    std::size_t samples = 0;
    for (const auto& [number, series] : model_) samples += series.samples.size();
    return samples;
  }
  std::size_t stored() {
    storage::SelectHints hints;
    hints.mint = base::from_ms(floor_ms_);
    hints.maxt = base::from_ms(INT64_MAX / 8);
    const auto name =
        *model::Matcher::make(model::Matcher::Type::kRegex, "__name__", prefix_ + "m.*");
    const auto selection = *db_->select({name}, hints, {});
    std::size_t samples = 0;
    for (std::size_t b = 0; b < selection->batch_count(); ++b) {
      storage::ColumnBatch batch;
      EXPECT_TRUE(selection->read(b, &batch).ok());
      for (const auto& column : batch.series) {
        for (std::uint32_t row = 0; row < column.rows; ++row) samples += column.has(row) ? 1 : 0;
      }
    }
    return samples;
  }
  void check_exemplars() {
    const auto found = db_->exemplars({{model::Matcher::equal("__name__", prefix_ + "m0")}},
                                      base::from_ms(0), base::from_ms(INT64_MAX / 8));
    ASSERT_TRUE(found.ok() && found->size() == 1) << found.status();
    std::set<std::int64_t> times;
    for (const model::Exemplar& one : (*found)[0].exemplars) times.insert(base::to_ms(*one.time));
    for (const std::int64_t t : exemplars_) ASSERT_TRUE(times.contains(t)) << "exemplar at " << t;
    ASSERT_LE(times.size(), exemplars_.size() + 1) << "but for the batch on its way";
  }
};

// What is killed. Reports each batch that was acknowledged.
TEST_F(DbSideKillTest, DISABLED_WritesUntilKilled) {
  const char* arguments =
      std::getenv(kWriterVariable);  // NOLINT(concurrency-mt-unsafe): one thread
  ASSERT_NE(arguments, nullptr);
  std::istringstream in(arguments);
  std::string directory;
  std::uint64_t seed = 0;
  std::int64_t now_ms = 0;
  int round = 0, report = -1;
  in >> directory >> seed >> round >> now_ms >> report;
  begin_round(round, now_ms);
  open_at(directory);
  ASSERT_TRUE(append(labels(prefix_ + "first"), now_ms_, 0).ok());
  Random random(seed);
  for (int batch = 1; batch < 100'000; ++batch) {
    append_batch(random);
    ASSERT_FALSE(HasFailure());
    const char done = 1;
    ASSERT_EQ(::write(report, &done, 1), 1);
    if (batch % 37 == 0) {
      ASSERT_TRUE(db_->seal_all().ok());
    }
  }
}

TEST_F(DbSideKillTest, HistogramsLateSamplesAndExemplarsSurviveKillNine) {
  const std::uint64_t kills = testing::number_from_environment("TOCSIN_SIDE_KILLS", 4);
  std::uint64_t seed = testing::make_seed();
  SCOPED_TRACE(fmt::format("TOCSIN_TEST_SEED={} (moments differ)", seed));
  std::mt19937_64 moments(seed);
  for (std::uint64_t round = 0; round < kills && !HasFailure(); ++round, ++seed) {
    SCOPED_TRACE(fmt::format("kill {}", round));
    begin_round(static_cast<int>(round), now_ms_ + 200'000);
    int report[2];
    ASSERT_EQ(::pipe(report), 0);
    const std::string variable = fmt::format("{}={} {} {} {} {}", kWriterVariable, directory_, seed,
                                             round, now_ms_, report[1]);
    const char* const words[] = {"writer", "--gtest_also_run_disabled_tests", "--gtest_brief=1",
                                 "--gtest_filter=DbSideKillTest.DISABLED_*", nullptr};
    const char* const environment[] = {variable.c_str(), nullptr};
    const pid_t child = ::fork();
    if (child == 0) {
      ::execve("/proc/self/exe", const_cast<char* const*>(words),
               const_cast<char* const*>(environment));
      ::_exit(1);
    }
    ::close(report[1]);
    std::uint64_t batches = 0;
    char done = 0;
    for (const std::uint64_t enough = 20 + moments() % 200; ::read(report[0], &done, 1) == 1;) {
      if (++batches == enough) ::kill(child, SIGKILL);
    }
    ::close(report[0]);
    int status = 0;
    ::waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << "ended with " << status;
    Random random(seed);
    for (std::uint64_t i = 0; i < batches; ++i) append_batch(random, false);
    open_at(directory_);
    check_exemplars();
    // The batch on its way is there as a whole or not at all.
    if (stored() != modelled()) append_batch(random, false);
    ASSERT_EQ(stored(), modelled());
    compare(INT64_MIN / 8, INT64_MAX / 8);
    db_.reset();
  }
}

}  // namespace
}  // namespace tocsin::tsdb
